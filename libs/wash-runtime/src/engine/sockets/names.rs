//! Which names a guest may resolve, and their resolution.
//!
//! IP addresses and `localhost` need no resolver, so no policy applies to them; what they lead to is decided when they
//! are connected to.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketResult, subscribe};

use super::bindings::ip_name_lookup;
use super::{SocketSlot, SocketsCtx, SocketsCtxView};
use crate::engine::special_addresses::{Reach, reach};

/// Longer than resolvers try by themselves, unless they are configured oddly.
const PATIENCE: Duration = Duration::from_secs(30);

/// An entry of the allowed names that is neither a name nor a wildcard before one.
#[derive(Debug, Error)]
#[error("`{entry}` is not a host name: write `example.com`, `*.example.com` or `*`")]
pub(crate) struct InvalidName {
    /// The entry as it was written.
    pub(crate) entry: String,
}

/// Whether a guest may resolve names.
#[derive(Clone, Debug)]
pub(crate) enum NameLookup {
    /// None.
    Denied,
    /// Those that match.
    Allowed(Arc<AllowedNames>),
}

/// Names that may be resolved.
#[derive(Debug)]
pub(crate) struct AllowedNames {
    rules: Vec<Rule>,
}

#[derive(Debug)]
enum Rule {
    Any,
    Exact(String),
    /// The suffix with its leading dot.
    Subdomains(String),
}

/// Whether the setting `allowed-names` of `wasi:sockets/ip-name-lookup` can have this entry: `example.com`,
/// `*.example.com` or `*`.
pub fn is_lookup_name(entry: &str) -> bool {
    Rule::parse(entry).is_ok()
}

impl NameLookup {
    /// Allows what the entries say: `example.com`, `*.example.com` (not `example.com` itself) or `*`. Without entries
    /// it allows nothing.
    ///
    /// # Errors
    /// [`InvalidName`] for the first entry that is none of these.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, InvalidName> {
        if entries.is_empty() {
            return Ok(Self::Denied);
        }
        let rules = entries.iter().map(|entry| Rule::parse(entry)).collect::<Result<_, _>>()?;
        Ok(Self::Allowed(Arc::new(AllowedNames { rules })))
    }

    /// Whether this name, in lower case and without a final dot, may be resolved.
    fn allows(&self, name: &str) -> bool {
        match self {
            Self::Denied => false,
            Self::Allowed(names) => names.rules.iter().any(|rule| rule.matches(name)),
        }
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, InvalidName> {
        let text = entry.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let (is_wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        match parse_name(name) {
            Some(Name::Domain(name)) if is_wildcard => Ok(Self::Subdomains(format!(".{name}"))),
            Some(Name::Domain(name)) => Ok(Self::Exact(name)),
            Some(Name::Address(_)) | None => Err(InvalidName { entry: entry.to_string() }),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == name,
            Self::Subdomains(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }
}

enum Name {
    Address(IpAddr),
    /// In lower case, ASCII and without a final dot.
    Domain(String),
}

/// Reads a name as WASI defines it: an address, or a domain, whose Unicode is turned into ASCII.
fn parse_name(name: &str) -> Option<Name> {
    if let Ok(address) = name.parse::<Ipv6Addr>() {
        return Some(Name::Address(address.into()));
    }
    match url::Host::parse(name).ok()? {
        url::Host::Ipv4(address) => Some(Name::Address(address.into())),
        url::Host::Ipv6(address) => Some(Name::Address(address.into())),
        url::Host::Domain(domain) => {
            let domain = domain.strip_suffix('.').unwrap_or(&domain).to_ascii_lowercase();
            let is_host = domain.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            });
            (is_host && domain.len() <= 253).then_some(Name::Domain(domain))
        }
    }
}

/// The addresses of a name that a guest may learn. Names do not lead to special addresses, nor to the loopback: that
/// would let whoever runs a name server choose what a guest talks to inside.
fn usable(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    addresses.map(|address| address.to_canonical()).filter(|address| reach(*address) == Reach::Outside).collect()
}

/// The addresses of a name, once they are known.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
pub struct AddressStream {
    state: Resolution,
    _slot: SocketSlot,
}

enum Resolution {
    Waiting(oneshot::Receiver<Result<Vec<IpAddr>, ErrorCode>>),
    Done(std::vec::IntoIter<IpAddr>),
    Failed(ErrorCode),
}

impl AddressStream {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Resolution::Waiting(answer) = &mut self.state {
            let answer = ready!(Pin::new(answer).poll(context));
            self.state = match answer {
                Ok(Ok(addresses)) => Resolution::Done(addresses.into_iter()),
                Ok(Err(code)) => Resolution::Failed(code),
                // The task is gone: the runtime is shutting down.
                Err(_) => Resolution::Failed(ErrorCode::TemporaryResolverFailure),
            };
        }
        Poll::Ready(())
    }

    /// All addresses, once they are known.
    #[cfg(feature = "wasip3")]
    pub(super) async fn all(mut self) -> Result<Vec<IpAddr>, ErrorCode> {
        poll_fn(|context| self.poll_ready(context)).await;
        match self.state {
            Resolution::Waiting(_) => Err(ErrorCode::TemporaryResolverFailure),
            Resolution::Done(addresses) => Ok(addresses.collect()),
            Resolution::Failed(code) => Err(code),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for AddressStream {
    async fn ready(&mut self) {
        poll_fn(|context| self.poll_ready(context)).await;
    }
}

/// Resolves in a task of its own, so that the guest can wait for it among other things.
fn resolve(name: String, lookups: Arc<Semaphore>) -> Resolution {
    let (mut sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let _permit = tokio::select! {
            permit = lookups.acquire_owned() => permit,
            // The guest does not wait any more.
            () = sender.closed() => return,
        };
        let lookup = tokio::time::timeout(PATIENCE, lookup(&name));
        let answer = match lookup.await {
            Ok(Ok(addresses)) => Ok(usable(addresses.into_iter())),
            Ok(Err(err)) => Err(lookup_error(&name, &err)),
            Err(_) => Err(ErrorCode::TemporaryResolverFailure),
        };
        _ = sender.send(
            answer.and_then(|usable| if usable.is_empty() { Err(ErrorCode::NameUnresolvable) } else { Ok(usable) }),
        );
    });
    Resolution::Waiting(receiver)
}

/// Asks the system's resolver, on a thread where it may wait.
async fn lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    // Tests ask no name server: what ends in `.test` has these addresses.
    if cfg!(test) && name.ends_with(".test") {
        return Ok(vec![Ipv4Addr::new(10, 0, 0, 7).into(), Ipv4Addr::new(169, 254, 169, 254).into()]);
    }
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
}

fn lookup_error(name: &str, err: &io::Error) -> ErrorCode {
    // The system's resolver gives no code that could be told apart.
    tracing::debug!("cannot resolve `{name}` for a guest: {err}");
    ErrorCode::NameUnresolvable
}

impl SocketsCtx {
    /// Begins to resolve a name, if the guest may know its addresses.
    pub(super) fn resolve(&mut self, name: &str) -> Result<AddressStream, ErrorCode> {
        let state = match parse_name(name).ok_or(ErrorCode::InvalidArgument)? {
            Name::Address(address) => Resolution::Done(vec![address].into_iter()),
            Name::Domain(domain) if domain == "localhost" || domain.ends_with(".localhost") => {
                Resolution::Done(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into_iter())
            }
            Name::Domain(domain) if self.name_lookup.allows(&domain) => resolve(domain, self.network.lookups()),
            Name::Domain(_) => return Err(ErrorCode::AccessDenied),
        };
        Ok(AddressStream { state, _slot: self.socket_slot()? })
    }
}

impl ip_name_lookup::Host for SocketsCtxView<'_> {
    fn resolve_addresses(&mut self, network: Resource<Network>, name: String) -> SocketResult<Resource<AddressStream>> {
        self.check_network(&network)?;
        let stream = self.ctx.resolve(&name)?;
        Ok(self.table.push(stream)?)
    }
}

impl ip_name_lookup::HostResolveAddressStream for SocketsCtxView<'_> {
    fn resolve_next_address(&mut self, stream: Resource<AddressStream>) -> SocketResult<Option<IpAddress>> {
        let stream = self.table.get_mut(&stream)?;
        if stream.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(ErrorCode::WouldBlock.into());
        }
        match &mut stream.state {
            Resolution::Waiting(_) => Err(ErrorCode::WouldBlock.into()),
            Resolution::Done(addresses) => Ok(addresses.next().map(IpAddress::from)),
            Resolution::Failed(code) => Err((*code).into()),
        }
    }

    fn subscribe(&mut self, stream: Resource<AddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<AddressStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str]) -> NameLookup {
        NameLookup::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn domain(name: &str) -> Option<String> {
        match parse_name(name) {
            Some(Name::Domain(domain)) => Some(domain),
            _ => None,
        }
    }

    #[test]
    fn names_match_as_their_entries_say() {
        let names = allowed(&["API.example.com.", "*.example.org"]);
        for (name, expected) in [
            ("api.example.com", true),
            ("example.com", false),
            ("x.api.example.com", false),
            ("a.b.example.org", true),
            ("example.org", false),
            ("evilexample.org", false),
        ] {
            assert_eq!(names.allows(name), expected, "{name}");
        }
        assert!(allowed(&["*"]).allows("anything.example"));
        assert!(!allowed(&[]).allows("example.com"));
    }

    #[test]
    fn entries_that_are_no_names_are_refused() {
        for entry in ["", "*.", "a*.com", "**.com", "https://example.com", "example.com:53", "127.0.0.1", "a..b"] {
            assert!(NameLookup::parse(&[entry.to_string()]).is_err(), "{entry}");
        }
    }

    #[test]
    fn names_are_normalized_and_addresses_recognised() {
        assert_eq!(domain("Bücher.Example."), Some("xn--bcher-kva.example".to_string()));
        assert_eq!(domain("a_b.example"), Some("a_b.example".to_string()));
        for invalid in ["", ".", "a b", "a/b", "exa\0mple.com", &"a".repeat(64), &"a.".repeat(128)] {
            assert!(parse_name(invalid).is_none(), "{invalid:?}");
        }
        for (name, address) in
            [("1.2.3.4", "1.2.3.4"), ("127.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1")]
        {
            let parsed = parse_name(name);
            assert!(matches!(parsed, Some(Name::Address(ip)) if ip == address.parse::<IpAddr>().unwrap()), "{name}");
        }
    }

    #[test]
    fn special_addresses_are_not_among_the_answers() {
        let answers = ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:169.254.169.254", "2606:4700::1"];
        let answers = usable(answers.iter().map(|address| address.parse().unwrap()));
        assert_eq!(answers, ["10.0.0.1".parse::<IpAddr>().unwrap(), "2606:4700::1".parse().unwrap()]);
    }
}
