//! Names of hosts: as requests give them and as workloads ask for them.
//!
//! It compares text only; nothing here is resolved to an address.

use std::fmt;

use thiserror::Error;

/// The longest name that the domain name system allows, in bytes.
const LONGEST_NAME: usize = 253;

/// The longest part of a name between two dots, in bytes.
const LONGEST_LABEL: usize = 63;

/// A request's host in lower case and without a trailing dot, kept on the stack.
pub(super) struct HostName {
    bytes: [u8; LONGEST_NAME],
    length: usize,
}

impl HostName {
    /// `None` where no workload can have this name: it is empty or too long, one of its parts is empty, or it is a
    /// pattern. Otherwise a wildcard would answer for what is no host.
    pub(super) fn new(host: &str) -> Option<Self> {
        let host = host.strip_suffix('.').unwrap_or(host).as_bytes();
        let mut bytes = [0; LONGEST_NAME];
        let name = bytes.get_mut(..host.len()).filter(|name| !name.is_empty())?;
        name.copy_from_slice(host);
        name.make_ascii_lowercase();
        let has_empty_part = name.starts_with(b".") || name.windows(2).any(|pair| pair == b"..");
        if has_empty_part || name.contains(&b'*') {
            return None;
        }
        Some(Self { bytes, length: host.len() })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// What remains of a name behind each of its dots, the longest first.
pub(super) fn parents(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'.').filter_map(|(dot, _)| name.get(dot + 1..))
}

/// The hosts that a workload answers for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum HostPattern {
    /// One host.
    Exact(Box<str>),
    /// Every host below this one, at any depth, but not itself.
    Below(Box<str>),
    /// Every host that nobody else answers for.
    Any,
}

/// A workload asks for requests to a host that no request can name.
#[derive(Debug, Error, Eq, PartialEq)]
#[error("`{entry}` is not a host that requests can be sent to: {problem}")]
#[non_exhaustive]
pub struct InvalidHost {
    /// The host as the workload gives it.
    pub entry: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl HostPattern {
    /// Reads `host`, `*.host` or `*`. Case and a trailing dot mean nothing, as in requests.
    pub(super) fn parse(entry: &str) -> Result<Self, InvalidHost> {
        let invalid = |problem| InvalidHost { entry: entry.to_string(), problem };
        let text = entry.trim().to_ascii_lowercase();
        let text = text.strip_suffix('.').unwrap_or(&text);
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return match address.parse::<std::net::Ipv6Addr>() {
                Ok(_) if !is_wildcard => Ok(Self::Exact(name.into())),
                _ => Err(invalid("an address in brackets must be one of IPv6")),
            };
        }
        check_name(name).map_err(invalid)?;
        Ok(if is_wildcard { Self::Below(name.into()) } else { Self::Exact(name.into()) })
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() > LONGEST_NAME {
        return Err("it is longer than 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("one of its parts is empty");
        }
        if label.len() > LONGEST_LABEL {
            return Err("one of its parts is longer than 63 characters");
        }
        if label.contains(':') {
            return Err("it must not contain a port");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err("its parts may contain only letters, digits, hyphens and underscores of ASCII");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("none of its parts may begin or end with a hyphen");
        }
    }
    Ok(())
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_requests_are_compared_without_case_and_trailing_dot() {
        let longest = "a".repeat(LONGEST_NAME);
        for (host, expected) in [
            ("Example.COM", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (".", None),
            (longest.as_str(), Some(longest.as_str())),
            (&format!("{longest}a"), None),
        ] {
            let name = HostName::new(host);
            assert_eq!(name.as_ref().map(HostName::as_bytes), expected.map(str::as_bytes), "{host}");
        }
    }

    #[test]
    fn the_nearest_parent_comes_first() {
        let found: Vec<_> = parents(b"a.b.example.com").collect();
        assert_eq!(found, [b"b.example.com".as_slice(), b"example.com", b"com"]);
        assert_eq!(parents(b"localhost").count(), 0);
    }

    #[test]
    fn patterns_are_read_or_refused() {
        use HostPattern::{Any, Below, Exact};
        for (entry, expected) in [
            ("Hello.Example", Ok(Exact("hello.example".into()))),
            (" hello.example. ", Ok(Exact("hello.example".into()))),
            ("hello_1.svc", Ok(Exact("hello_1.svc".into()))),
            ("127.0.0.1", Ok(Exact("127.0.0.1".into()))),
            ("[::1]", Ok(Exact("[::1]".into()))),
            ("*.Example.com", Ok(Below("example.com".into()))),
            ("*", Ok(Any)),
            ("", Err("one of its parts is empty")),
            ("a..b", Err("one of its parts is empty")),
            ("a.*.b", Err("its parts may contain only letters, digits, hyphens and underscores of ASCII")),
            ("**.b", Err("its parts may contain only letters, digits, hyphens and underscores of ASCII")),
            ("a/b", Err("its parts may contain only letters, digits, hyphens and underscores of ASCII")),
            ("caf\u{e9}", Err("its parts may contain only letters, digits, hyphens and underscores of ASCII")),
            ("example.com:80", Err("it must not contain a port")),
            ("-a.b", Err("none of its parts may begin or end with a hyphen")),
            ("[::1", Err("it must not contain a port")),
            ("[1.2.3.4]", Err("an address in brackets must be one of IPv6")),
            ("*.[::1]", Err("an address in brackets must be one of IPv6")),
        ] {
            let found = HostPattern::parse(entry).map_err(|err| err.problem);
            assert_eq!(found, expected, "{entry}");
        }
        assert!(HostPattern::parse(&"a".repeat(64)).is_err());
        assert!(HostPattern::parse(&["a"; 128].join(".")).is_err());
    }
}
