//! A guest's UDP socket: a port on the workload's loopback and, once it sends elsewhere, a real socket as well.
//!
//! One socket of a guest may talk to both sides, so where a datagram goes is decided for each of them. What a guest may
//! call stands in [`udp_host`](super::udp_host).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::net::UdpSocket as RealSocket;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

use super::address::{check_bindable, check_family, check_remote};
use super::mailbox::Datagram;
use super::network::{UdpPort, VirtualNetwork, source_address};
use super::{SocketRole, SocketSlot};
use crate::engine::special_addresses::{Reach, reach};

/// The largest payload of a datagram.
const MAX_DATAGRAM_SIZE: usize = 65_507;

/// Peers outside that one socket takes answers from: those that it has sent to last.
const MAX_PEERS: usize = 256;

/// Datagrams of strangers that one call throws away before it lets the guest go on.
const MAX_STRANGERS: usize = 64;

/// A guest's socket.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
pub struct UdpSocket {
    pub(super) family: IpAddressFamily,
    pub(super) options: UdpOptions,
    pub(super) state: UdpState,
    pub(super) peer: Option<SocketAddr>,
    _slot: SocketSlot,
}

/// How far a socket has come.
pub(super) enum UdpState {
    Idle,
    BindStarted(Arc<UdpEndpoint>),
    Bound(Arc<UdpEndpoint>),
}

/// What a guest has set. On the loopback it has no effect but that it can be read.
#[derive(Clone, Copy, Default)]
pub(super) struct UdpOptions {
    pub(super) hop_limit: Option<u8>,
    /// Bytes.
    pub(super) receive_buffer_size: Option<u64>,
    /// Bytes.
    pub(super) send_buffer_size: Option<u64>,
}

/// A bound socket, shared with its streams.
pub(super) struct UdpEndpoint {
    port: UdpPort,
    family: IpAddressFamily,
    hop_limit: Mutex<Option<u8>>,
    outside: OnceLock<OutsideUdp>,
    /// Held by whoever waits for the next datagram.
    #[cfg(feature = "wasip3")]
    receiving: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever sends.
    #[cfg(feature = "wasip3")]
    sending: Arc<tokio::sync::Mutex<()>>,
}

/// The real socket. It is bound to whatever port the system gives, and hears only those that it has spoken to.
struct OutsideUdp {
    socket: RealSocket,
    /// The one spoken to last is the last.
    peers: Mutex<VecDeque<SocketAddr>>,
    _descriptor: OwnedSemaphorePermit,
}

/// Datagrams that come in.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
pub struct IncomingDatagrams {
    pub(super) endpoint: Arc<UdpEndpoint>,
    pub(super) peer: Option<SocketAddr>,
}

/// Datagrams that go out.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
pub struct OutgoingDatagrams {
    pub(super) endpoint: Arc<UdpEndpoint>,
    pub(super) peer: Option<SocketAddr>,
    /// Datagrams that the last check has granted.
    pub(super) permits: usize,
}

impl UdpSocket {
    pub(super) fn new(family: IpAddressFamily, slot: SocketSlot) -> Self {
        Self { family, options: UdpOptions::default(), state: UdpState::Idle, peer: None, _slot: slot }
    }

    pub(super) fn start_bind(
        &mut self,
        network: &Arc<VirtualNetwork>,
        role: SocketRole,
        address: SocketAddr,
    ) -> Result<(), ErrorCode> {
        match self.state {
            UdpState::Idle => {}
            UdpState::BindStarted(_) => return Err(ErrorCode::ConcurrencyConflict),
            UdpState::Bound(_) => return Err(ErrorCode::InvalidState),
        }
        check_family(address, self.family)?;
        check_bindable(address)?;
        // WASI has a socket bound before it may send, so this much is not listening but what clients do: nobody knows
        // the port before the socket has sent something.
        let is_client = address.ip().is_unspecified() && address.port() == 0;
        if role != SocketRole::Service && !is_client {
            return Err(ErrorCode::AccessDenied);
        }
        let port = network.bind_udp(address).map_err(|_| ErrorCode::AddressInUse)?;
        let endpoint = UdpEndpoint {
            port,
            family: self.family,
            hop_limit: Mutex::new(self.options.hop_limit),
            outside: OnceLock::new(),
            #[cfg(feature = "wasip3")]
            receiving: Arc::default(),
            #[cfg(feature = "wasip3")]
            sending: Arc::default(),
        };
        self.state = UdpState::BindStarted(Arc::new(endpoint));
        Ok(())
    }

    pub(super) fn finish_bind(&mut self) -> Result<(), ErrorCode> {
        let UdpState::BindStarted(endpoint) = &self.state else { return Err(ErrorCode::NotInProgress) };
        self.state = UdpState::Bound(Arc::clone(endpoint));
        Ok(())
    }

    /// The streams of a bound socket, to and from one peer or everybody.
    pub(super) fn streams(
        &mut self,
        peer: Option<SocketAddr>,
    ) -> Result<(IncomingDatagrams, OutgoingDatagrams), ErrorCode> {
        let UdpState::Bound(endpoint) = &self.state else { return Err(ErrorCode::InvalidState) };
        if let Some(peer) = peer {
            check_remote(peer, self.family)?;
            endpoint.check_reach(peer)?;
        }
        self.peer = peer;
        let incoming = IncomingDatagrams { endpoint: Arc::clone(endpoint), peer };
        Ok((incoming, OutgoingDatagrams { endpoint: Arc::clone(endpoint), peer, permits: 0 }))
    }

    pub(super) fn local_address(&self) -> Result<SocketAddr, ErrorCode> {
        let UdpState::Bound(endpoint) = &self.state else { return Err(ErrorCode::InvalidState) };
        let bound = endpoint.port.address();
        let is_connected_inside = self.peer.is_some_and(|peer| reach(peer.ip()) == Reach::Loopback);
        Ok(if is_connected_inside { source_address(bound) } else { bound })
    }

    pub(super) fn set_hop_limit(&mut self, value: u8) -> Result<(), ErrorCode> {
        if let UdpState::BindStarted(endpoint) | UdpState::Bound(endpoint) = &self.state {
            endpoint.set_hop_limit(value)?;
        }
        self.options.hop_limit = Some(value);
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for UdpSocket {
    async fn ready(&mut self) {
        // Nothing on the socket itself takes time.
    }
}

impl UdpEndpoint {
    /// Where a datagram to this address goes.
    fn check_reach(&self, to: SocketAddr) -> Result<Reach, ErrorCode> {
        match reach(to.ip()) {
            Reach::Forbidden => Err(ErrorCode::AccessDenied),
            // From the loopback no way leads out.
            Reach::Outside if !self.port.address().ip().is_unspecified() => Err(ErrorCode::RemoteUnreachable),
            reach => Ok(reach),
        }
    }

    fn send(&self, data: Vec<u8>, to: SocketAddr) -> Result<(), ErrorCode> {
        check_remote(to, self.family)?;
        if data.len() > MAX_DATAGRAM_SIZE {
            return Err(ErrorCode::DatagramTooLarge);
        }
        match self.check_reach(to)? {
            Reach::Loopback => self.port.send(data, to),
            _ => self.outside()?.send(&data, to)?,
        }
        Ok(())
    }

    /// The next datagram, from either side.
    fn receive(&self, peer: Option<SocketAddr>, buffer: &mut Vec<u8>) -> Option<Datagram> {
        self.port.mailbox().take(peer).or_else(|| self.outside.get()?.receive(peer, buffer))
    }

    fn poll_readable(&self, context: &mut Context<'_>, peer: Option<SocketAddr>) -> Poll<()> {
        if self.port.mailbox().poll_ready(context, peer).is_ready() {
            return Poll::Ready(());
        }
        // Where one comes to be while a guest waits, which then sends by another of its tasks, the mailbox wakes it.
        match self.outside.get() {
            Some(outside) => outside.socket.poll_recv_ready(context).map(|_| ()),
            None => Poll::Pending,
        }
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.outside.get() {
            Some(outside) => outside.socket.poll_send_ready(context).map(|_| ()),
            None => Poll::Ready(()),
        }
    }

    /// The real socket, which the first datagram for the outside makes.
    fn outside(&self) -> Result<&OutsideUdp, ErrorCode> {
        if let Some(outside) = self.outside.get() {
            return Ok(outside);
        }
        let descriptor = self.port.network().descriptor_slot().ok_or(ErrorCode::NewSocketLimit)?;
        let hop_limit = *lock(&self.hop_limit);
        let outside = OutsideUdp::new(self.family, hop_limit, descriptor)?;
        let outside = self.outside.get_or_init(|| outside);
        self.port.mailbox().wake();
        Ok(outside)
    }

    fn set_hop_limit(&self, value: u8) -> Result<(), ErrorCode> {
        *lock(&self.hop_limit) = Some(value);
        match self.outside.get() {
            Some(outside) => Ok(set_hop_limit(&outside.socket, self.family, value)?),
            None => Ok(()),
        }
    }
}

impl OutsideUdp {
    fn new(
        family: IpAddressFamily,
        hop_limit: Option<u8>,
        descriptor: OwnedSemaphorePermit,
    ) -> Result<Self, ErrorCode> {
        let any = match family {
            IpAddressFamily::Ipv4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            IpAddressFamily::Ipv6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        let socket = RealSocket::from_std(socket)?;
        if let Some(hop_limit) = hop_limit {
            set_hop_limit(&socket, family, hop_limit)?;
        }
        Ok(Self { socket, peers: Mutex::default(), _descriptor: descriptor })
    }

    fn send(&self, data: &[u8], to: SocketAddr) -> Result<(), ErrorCode> {
        self.remember(to);
        self.socket.try_send_to(data, to)?;
        Ok(())
    }

    /// The next datagram of a peer. `buffer` is room for one, to be used again.
    fn receive(&self, peer: Option<SocketAddr>, buffer: &mut Vec<u8>) -> Option<Datagram> {
        buffer.reserve(MAX_DATAGRAM_SIZE);
        for _ in 0..MAX_STRANGERS {
            buffer.clear();
            // An error of an earlier datagram of ours is nothing that this call could tell.
            let (_, from) = self.socket.try_recv_buf_from(buffer).ok()?;
            if self.is_peer(from) && peer.is_none_or(|peer| peer == from) {
                return Some(Datagram { data: buffer.clone(), from });
            }
        }
        None
    }

    fn remember(&self, peer: SocketAddr) {
        let mut peers = lock(&self.peers);
        if peers.back() == Some(&peer) {
            return;
        }
        if let Some(position) = peers.iter().position(|known| *known == peer) {
            peers.remove(position);
        } else if peers.len() == MAX_PEERS {
            peers.pop_front();
        }
        peers.push_back(peer);
    }

    fn is_peer(&self, from: SocketAddr) -> bool {
        lock(&self.peers).iter().rev().any(|known| known.ip() == from.ip() && known.port() == from.port())
    }
}

fn set_hop_limit(socket: &RealSocket, family: IpAddressFamily, value: u8) -> io::Result<()> {
    match family {
        IpAddressFamily::Ipv4 => socket.set_ttl(value.into()),
        IpAddressFamily::Ipv6 => Ok(rustix::net::sockopt::set_ipv6_unicast_hops(socket, Some(value))?),
    }
}

impl IncomingDatagrams {
    /// Whoever waits for the next datagram holds this, because only one of those who wait is woken.
    #[cfg(feature = "wasip3")]
    pub(super) fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.endpoint.receiving)
    }

    pub(super) fn receive(&mut self, buffer: &mut Vec<u8>) -> Option<Datagram> {
        self.endpoint.receive(self.peer, buffer)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for IncomingDatagrams {
    async fn ready(&mut self) {
        poll_fn(|context| self.endpoint.poll_readable(context, self.peer)).await;
    }
}

impl OutgoingDatagrams {
    /// Whoever sends holds this, because only one of those who wait for room is woken.
    #[cfg(feature = "wasip3")]
    pub(super) fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.endpoint.sending)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.endpoint.poll_writable(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Sends to an address, or to the one that the stream is connected to. Each datagram is judged on its own, on
    /// connected streams too.
    pub(super) fn send(&self, data: Vec<u8>, to: Option<SocketAddr>) -> Result<(), ErrorCode> {
        let to = match (to, self.peer) {
            (Some(to), Some(peer)) if to != peer => return Err(ErrorCode::InvalidArgument),
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => return Err(ErrorCode::InvalidArgument),
        };
        self.endpoint.send(data, to)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for OutgoingDatagrams {
    async fn ready(&mut self) {
        poll_fn(|context| self.endpoint.poll_writable(context)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks, so a poisoned one is as good as any.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
