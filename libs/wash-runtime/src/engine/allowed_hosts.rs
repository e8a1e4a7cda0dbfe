//! Which hosts a guest's outgoing HTTP requests may go to.
//!
//! It compares names, schemes and ports only: it resolves none, and knows nothing of sockets.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

/// The entry that stands for no host at all, so that a list of it alone is one that allows nothing.
const NO_HOST: &str = "!*";

/// The longest name that the domain name system allows, in bytes.
const LONGEST_NAME: usize = 253;

/// An entry of `allowed_hosts` that names no host.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{entry}` in allowed_hosts {problem}")]
#[non_exhaustive]
pub struct InvalidAllowedHost {
    /// The entry as it was written.
    pub entry: String,
    /// What is wrong with it.
    pub problem: AllowedHostProblem,
}

/// What is wrong with an entry of `allowed_hosts`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AllowedHostProblem {
    /// It is neither a name nor an address.
    NotAHost,
    /// It has a scheme that no request can have.
    UnknownScheme,
    /// Its port is no number between 1 and 65535.
    InvalidPort,
    /// It has a path, a query or a fragment.
    MoreThanHost,
    /// It has a user name.
    User,
    /// It has a wildcard that is not the whole first part of a name.
    Wildcard,
}

impl fmt::Display for AllowedHostProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAHost => "is not a host: write `example.com`, `*.example.com` or an IP address",
            Self::UnknownScheme => "has a scheme other than http and https",
            Self::InvalidPort => "has a port that is no number between 1 and 65535",
            Self::MoreThanHost => "has a path, a query or a fragment, which requests are not judged by",
            Self::User => "has a user name, which requests cannot have",
            Self::Wildcard => "has a wildcard in a place other than `*` alone or `*.` before a name",
        })
    }
}

/// Judges entries before a workload is started with them.
///
/// # Errors
/// The first entry that [`LocalResources::allowed_hosts`](crate::types::LocalResources::allowed_hosts) cannot have.
pub fn check_allowed_hosts(entries: &[String]) -> Result<(), InvalidAllowedHost> {
    AllowedHosts::parse(entries).map(drop)
}

/// The two schemes of requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HttpScheme {
    Http,
    Https,
}

impl HttpScheme {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else {
            None
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host in a form in which equal hosts are equal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RequestHost {
    Address(IpAddr),
    /// In lower case and without a final dot.
    Domain(String),
}

impl RequestHost {
    /// Reads a host as it stands in a URL. Names are ASCII; an IPv6 address may have its brackets or not.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[') {
            return address.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        // `example.com.` is the same host, spelled absolutely.
        let text = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        (text.len() <= LONGEST_NAME && text.split('.').all(is_label)).then(|| Self::Domain(text.to_ascii_lowercase()))
    }
}

/// What `allowed_hosts` says of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Refused,
    /// By a name, a wildcard, or because nothing is said at all.
    Allowed,
    /// The request goes to an address, and an entry is this very address.
    AllowedAddress,
}

/// The hosts that outgoing requests may go to.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    /// Empty allows every host.
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    scheme: Option<HttpScheme>,
    host: HostRule,
    port: Option<u16>,
}

#[derive(Debug)]
enum HostRule {
    Any,
    Nothing,
    Exact(RequestHost),
    /// The suffix with its leading dot.
    Subdomains(String),
}

impl AllowedHosts {
    /// Reads the entries; an empty list allows every host.
    ///
    /// An entry is `*`, or a host, or `*.` and a name; a host may have a scheme before it and a port behind it. Where
    /// either is missing, any will do.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, InvalidAllowedHost> {
        let rule = |entry: &String| {
            Rule::parse(entry.trim()).map_err(|problem| InvalidAllowedHost { entry: entry.clone(), problem })
        };
        Ok(Self { rules: entries.iter().map(rule).collect::<Result<_, _>>()? })
    }

    /// Whether a request may leave. `port` is the one it goes to, also where its URL leaves it out.
    pub(crate) fn allows(&self, scheme: HttpScheme, host: &RequestHost, port: u16) -> Verdict {
        if self.rules.is_empty() {
            return Verdict::Allowed;
        }
        let mut verdict = Verdict::Refused;
        for rule in self.rules.iter().filter(|rule| rule.matches(scheme, host, port)) {
            match rule.host {
                HostRule::Exact(RequestHost::Address(_)) => return Verdict::AllowedAddress,
                HostRule::Any | HostRule::Exact(_) | HostRule::Subdomains(_) => verdict = Verdict::Allowed,
                HostRule::Nothing => {}
            }
        }
        verdict
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, AllowedHostProblem> {
        if text == "*" {
            return Ok(Self { scheme: None, host: HostRule::Any, port: None });
        }
        if text == NO_HOST {
            return Ok(Self { scheme: None, host: HostRule::Nothing, port: None });
        }
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let scheme = HttpScheme::parse(scheme).ok_or(AllowedHostProblem::UnknownScheme)?;
                (Some(scheme), rest.strip_suffix('/').unwrap_or(rest))
            }
            None => (None, text),
        };
        if authority.contains(['/', '?', '#']) {
            return Err(AllowedHostProblem::MoreThanHost);
        }
        if authority.contains('@') {
            return Err(AllowedHostProblem::User);
        }
        let (host, port) = split_port(authority)?;
        let host = match host.strip_prefix("*.") {
            Some(name) if name.contains('*') => return Err(AllowedHostProblem::Wildcard),
            None if host.contains('*') => return Err(AllowedHostProblem::Wildcard),
            Some(name) => match RequestHost::parse(name) {
                Some(RequestHost::Domain(name)) => HostRule::Subdomains(format!(".{name}")),
                Some(RequestHost::Address(_)) | None => return Err(AllowedHostProblem::NotAHost),
            },
            None => HostRule::Exact(RequestHost::parse(host).ok_or(AllowedHostProblem::NotAHost)?),
        };
        Ok(Self { scheme, host, port })
    }

    fn matches(&self, scheme: HttpScheme, host: &RequestHost, port: u16) -> bool {
        self.scheme.is_none_or(|expected| expected == scheme)
            && self.port.is_none_or(|expected| expected == port)
            && match (&self.host, host) {
                (HostRule::Any, _) => true,
                (HostRule::Nothing, _) => false,
                (HostRule::Exact(expected), host) => expected == host,
                (HostRule::Subdomains(suffix), RequestHost::Domain(name)) => {
                    name.len() > suffix.len() && name.ends_with(suffix.as_str())
                }
                (HostRule::Subdomains(_), RequestHost::Address(_)) => false,
            }
    }
}

/// Host and port of an authority. An IPv6 address without brackets has no port.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), AllowedHostProblem> {
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok((authority, None));
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of `[::1]` is none before a port.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Ok((authority, None)),
    };
    parse_port(port).map(|port| (host, Some(port))).ok_or(AllowedHostProblem::InvalidPort)
}

/// A port as it stands in a URL: digits only, and not 0.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::AllowedHostProblem::{InvalidPort, MoreThanHost, NotAHost, UnknownScheme, User, Wildcard};
    use super::*;

    fn allowed(entries: &[&str]) -> AllowedHosts {
        AllowedHosts::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn verdict(entries: &[&str], url: &str) -> Verdict {
        let (scheme, authority) = url.split_once("://").unwrap();
        let scheme = HttpScheme::parse(scheme).unwrap();
        let (host, port) = split_port(authority).unwrap();
        let host = RequestHost::parse(host).unwrap();
        allowed(entries).allows(scheme, &host, port.unwrap_or(scheme.default_port()))
    }

    #[test]
    fn an_empty_list_allows_every_host() {
        assert_eq!(verdict(&[], "https://example.com"), Verdict::Allowed);
    }

    #[test]
    fn an_entry_for_no_host_allows_none_by_itself() {
        assert_eq!(verdict(&["!*"], "https://example.com"), Verdict::Refused);
        assert_eq!(verdict(&["!*"], "http://127.0.0.1"), Verdict::Refused);
        assert_eq!(verdict(&["!*", "example.com"], "https://example.com"), Verdict::Allowed);
    }

    #[test]
    fn hosts_match_as_documented() {
        let entries = ["API.example.com", "*.s3.example.org", "xn--bcher-kva.example"];
        for (host, expected) in [
            ("api.example.com", true),
            ("API.EXAMPLE.COM.", true),
            ("example.com", false),
            ("xapi.example.com", false),
            ("api.example.com.evil.example", false),
            ("bucket.s3.example.org", true),
            ("a.b.S3.example.org", true),
            ("s3.example.org", false),
            ("evils3.example.org", false),
            ("XN--BCHER-KVA.example", true),
            ("127.0.0.1", false),
        ] {
            let expected = if expected { Verdict::Allowed } else { Verdict::Refused };
            assert_eq!(verdict(&entries, &format!("https://{host}:8443")), expected, "{host}");
        }
        assert_eq!(verdict(&["*"], "http://anything"), Verdict::Allowed);
        assert_eq!(verdict(&["example.com", "*.example.com"], "http://example.com"), Verdict::Allowed);
    }

    #[test]
    fn schemes_and_ports_match_where_they_are_said() {
        for (entry, url, expected) in [
            ("example.com:443", "https://example.com", true),
            ("example.com:443", "http://example.com", false),
            ("example.com:443", "http://example.com:443", true),
            ("example.com:80", "http://example.com", true),
            ("example.com:8080", "http://example.com:8080", true),
            ("example.com:8080", "http://example.com", false),
            ("https://example.com", "https://example.com:8443", true),
            ("https://example.com/", "https://example.com", true),
            ("https://example.com", "http://example.com", false),
            ("HTTP://Example.com:8080/", "http://example.com:8080", true),
            ("*.example.com:8080", "http://a.example.com:8080", true),
            ("*.example.com:8080", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://example.com", false),
            ("*.0.0.1.example", "http://127.0.0.1", false),
        ] {
            let expected = if expected { Verdict::Allowed } else { Verdict::Refused };
            assert_eq!(verdict(&[entry], url), expected, "{entry} {url}");
        }
    }

    #[test]
    fn addresses_match_in_any_spelling_and_are_told_from_names() {
        for (entries, url, expected) in [
            (&["::1"][..], "http://[0:0::0:1]:8000", Verdict::AllowedAddress),
            (&["[::1]:8000"], "http://[::1]:8000", Verdict::AllowedAddress),
            (&["[::1]:8000"], "http://[::1]", Verdict::Refused),
            (&["127.0.0.1"], "http://127.0.0.1.", Verdict::AllowedAddress),
            (&["127.0.0.1"], "http://[::ffff:127.0.0.1]", Verdict::Refused),
            (&["127.0.0.1"], "http://2130706433", Verdict::Refused),
            (&["*"], "http://127.0.0.1", Verdict::Allowed),
            (&["*", "127.0.0.1:80"], "http://127.0.0.1:81", Verdict::Allowed),
            (&["*", "127.0.0.1:80"], "http://127.0.0.1", Verdict::AllowedAddress),
        ] {
            assert_eq!(verdict(entries, url), expected, "{entries:?} {url}");
        }
    }

    #[test]
    fn an_entry_that_is_no_host_is_refused() {
        for (entry, problem) in [
            ("", NotAHost),
            ("https://", NotAHost),
            ("a b", NotAHost),
            ("b\u{fc}cher.example", NotAHost),
            ("a..b", NotAHost),
            ("*.", NotAHost),
            ("*.127.0.0.1", NotAHost),
            ("[127.0.0.1]", NotAHost),
            ("[::1", NotAHost),
            ("example.com/", MoreThanHost),
            ("https://example.com/path", MoreThanHost),
            ("https://example.com//", MoreThanHost),
            ("example.com?query", MoreThanHost),
            ("example.com#fragment", MoreThanHost),
            ("example.com:0", InvalidPort),
            ("example.com:65536", InvalidPort),
            ("example.com:+80", InvalidPort),
            ("example.com:", InvalidPort),
            ("ftp://example.com", UnknownScheme),
            ("user@example.com", User),
            ("*foo.example", Wildcard),
            ("a*.com", Wildcard),
            ("a.*.com", Wildcard),
            ("**.com", Wildcard),
            ("*.*.com", Wildcard),
            ("*:80", Wildcard),
        ] {
            let refused = AllowedHosts::parse(&[entry.to_string()]).unwrap_err();
            assert_eq!(refused, InvalidAllowedHost { entry: entry.to_string(), problem });
        }
    }
}
