//! From a server's name to a connection: its addresses, which of them may be reached, TCP and TLS.
//!
//! Only an address that was judged is connected to, so that a name server which answers differently the next time
//! changes nothing.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::connection::{Connection, Version};
use super::target::{Protocol, Target};
use super::{LoopbackEgress, failure, roots};
use crate::engine::allowed_hosts::{HttpScheme, RequestHost, Verdict};
use crate::engine::special_addresses::{Reach, reach};

/// Names that one workload resolves at once. A thread waits for each, also when the guest no longer does.
const LOOKUPS: usize = 16;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// How long an address may keep the next one waiting: the delay of RFC 8305, section 5.
const HEAD_START: Duration = Duration::from_millis(250);

/// Servers whose TLS sessions a workload can take up again.
const SESSIONS: usize = 32;

/// Finds the addresses of a name.
#[async_trait]
pub(super) trait Resolver: Send + Sync {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own resolver.
pub(super) struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let lookup = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_string();
        let resolved = tokio::task::spawn_blocking(move || {
            let _lookup = lookup;
            Ok((name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
        });
        resolved.await.map_err(io::Error::other)?
    }
}

/// Makes one workload's connections.
pub(super) struct Connector {
    resolver: Box<dyn Resolver>,
    loopback: LoopbackEgress,
    trust: Arc<ClientConfig>,
    tls: OnceLock<TlsConnector>,
}

impl Connector {
    pub(super) fn new(trust: Arc<ClientConfig>, loopback: LoopbackEgress, resolver: Box<dyn Resolver>) -> Self {
        Self { resolver, loopback, trust, tls: OnceLock::new() }
    }

    /// Whether an address in a URL may be reached. Names are judged once their addresses are known.
    pub(super) fn permits_literal(&self, target: &Target, verdict: Verdict) -> bool {
        match target.origin.host {
            RequestHost::Address(address) => verdict == Verdict::AllowedAddress || self.permits(address),
            RequestHost::Domain(_) => true,
        }
    }

    fn permits(&self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Outside => true,
            Reach::Loopback => self.loopback == LoopbackEgress::Allowed,
            Reach::Forbidden => false,
        }
    }

    /// Connects within `patience`.
    pub(super) async fn connect(&self, target: &Target, patience: Duration) -> Result<Connection, Error> {
        let begun = Instant::now();
        let addresses = timeout(patience, self.addresses(target)).await.map_err(|_| Error::DnsTimeout)??;
        let rest = patience.saturating_sub(begun.elapsed());
        timeout(rest, self.connect_to(addresses, target)).await.map_err(|_| Error::ConnectionTimeout)?
    }

    /// The addresses of the target that may be reached.
    async fn addresses(&self, target: &Target) -> Result<VecDeque<SocketAddr>, Error> {
        let port = target.origin.port;
        if let RequestHost::Address(address) = target.origin.host {
            return Ok([SocketAddr::new(address, port)].into());
        }
        let found = self.resolver.resolve(&target.name).await.map_err(|err| {
            tracing::debug!("cannot resolve `{}` for a guest: {err}", target.name);
            failure::unknown_name()
        })?;
        if found.is_empty() {
            return Err(failure::unknown_name());
        }
        let permitted: Vec<_> = found.into_iter().filter(|address| self.permits(*address)).collect();
        if permitted.is_empty() {
            return Err(Error::DestinationIpProhibited);
        }
        Ok(in_turns(permitted).map(|address| SocketAddr::new(address, port)).take(ADDRESSES).collect())
    }

    async fn connect_to(&self, addresses: VecDeque<SocketAddr>, target: &Target) -> Result<Connection, Error> {
        let stream = first(addresses).await.map_err(|err| failure::of_connecting(&err))?;
        // Requests and bodies are written in whole pieces, which have nothing to wait for.
        _ = stream.set_nodelay(true);
        match target.origin.scheme {
            HttpScheme::Http => {
                let version = match target.origin.protocol {
                    Protocol::Usual => Version::Http1,
                    Protocol::PriorKnowledge => Version::Http2,
                };
                Connection::open(stream, version).await
            }
            HttpScheme::Https => {
                let name = match &target.origin.host {
                    RequestHost::Address(address) => ServerName::from(*address),
                    RequestHost::Domain(name) => {
                        ServerName::try_from(name.clone()).map_err(|_| failure::unknown_name())?
                    }
                };
                let stream = self.tls().connect(name, stream).await.map_err(|err| failure::of_tls(&err))?;
                let (_, session) = stream.get_ref();
                let version =
                    if session.alpn_protocol() == Some(roots::HTTP_2) { Version::Http2 } else { Version::Http1 };
                Connection::open(stream, version).await
            }
        }
    }

    /// Sessions are kept for each workload by itself: a server could tell by them who asks.
    fn tls(&self) -> &TlsConnector {
        self.tls.get_or_init(|| {
            let mut config = ClientConfig::clone(&self.trust);
            config.resumption = Resumption::in_memory_sessions(SESSIONS);
            Arc::new(config).into()
        })
    }
}

/// Addresses of both families in turns, beginning with the family that the resolver prefers.
fn in_turns(addresses: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let preferred = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (one, other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == preferred);
    let mut families = [one, other];
    std::iter::from_fn(move || {
        families.rotate_left(1);
        let [other, one] = &mut families;
        one.pop_front().or_else(|| other.pop_front())
    })
}

/// The first connection that comes about; each attempt has a head start before the next.
async fn first(mut addresses: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match addresses.pop_front() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(failed),
            None => {}
        }
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(err) => failed = err,
            },
            () = tokio::time::sleep(HEAD_START), if !addresses.is_empty() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let found = in_turns(addresses(&["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"])).collect::<Vec<_>>();
        assert_eq!(found, addresses(&["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]));
        let found = in_turns(addresses(&["10.0.0.1", "::1"])).collect::<Vec<_>>();
        assert_eq!(found, addresses(&["10.0.0.1", "::1"]));
        assert_eq!(in_turns(Vec::new()).count(), 0);
    }
}
