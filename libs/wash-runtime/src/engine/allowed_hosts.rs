//! Which hosts a guest's outgoing HTTP requests may go to.
//!
//! It compares names only: it resolves none, and knows nothing of sockets.

use thiserror::Error;

/// An entry of `allowed_hosts` that is not a host name, an IP address or a wildcard before a host name.
#[derive(Debug, Error)]
#[error(
    "`{entry}` in allowed_hosts is not a host: write `example.com` or `*.example.com`, without scheme, port or path"
)]
pub struct InvalidAllowedHost {
    /// The entry as it was written.
    pub entry: String,
}

/// The hosts that outgoing requests may go to.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    /// Empty allows every host.
    rules: Vec<Rule>,
}

#[derive(Debug)]
enum Rule {
    Any,
    Exact(String),
    /// The suffix with its leading dot.
    Subdomains(String),
}

impl AllowedHosts {
    /// Reads the entries; an empty list allows every host.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, InvalidAllowedHost> {
        let rules = entries.iter().map(|entry| Rule::parse(entry)).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether a request to this host (without port; IPv6 with or without brackets) may leave.
    pub(crate) fn allows(&self, host: &str) -> bool {
        let host = normalize(host);
        self.rules.is_empty() || self.rules.iter().any(|rule| rule.matches(&host))
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, InvalidAllowedHost> {
        let invalid = || InvalidAllowedHost { entry: entry.to_string() };
        let text = entry.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, normalize(name)),
            None => (false, normalize(text)),
        };
        let is_ipv6 = name.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name = !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        match (wildcard, is_name || (is_ipv6 && !wildcard)) {
            (_, false) => Err(invalid()),
            (true, true) => Ok(Self::Subdomains(format!(".{name}"))),
            (false, true) => Ok(Self::Exact(name)),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == host,
            Self::Subdomains(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

fn normalize(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // `example.com.` is the same host, spelled absolutely.
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str]) -> AllowedHosts {
        AllowedHosts::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_empty_list_allows_every_host() {
        assert!(allowed(&[]).allows("example.com"));
    }

    #[test]
    fn hosts_match_as_documented() {
        let hosts = allowed(&["API.example.com", "*.s3.example.org", "::1"]);
        for (host, expected) in [
            ("api.example.com", true),
            ("API.EXAMPLE.COM.", true),
            ("example.com", false),
            ("xapi.example.com", false),
            ("bucket.s3.example.org", true),
            ("a.b.s3.example.org", true),
            ("s3.example.org", false),
            (".s3.example.org", false),
            ("evils3.example.org", false),
            ("[::1]", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(hosts.allows(host), expected, "{host}");
        }
        assert!(allowed(&["*"]).allows("anything"));
    }

    #[test]
    fn an_entry_that_is_no_host_is_refused() {
        for entry in ["", "https://example.com", "example.com/path", "example.com:443", "*", "a*.com", "*.", "**.com"] {
            let parsed = AllowedHosts::parse(&[entry.to_string()]);
            assert_eq!(parsed.is_ok(), entry == "*", "{entry}");
        }
    }
}
