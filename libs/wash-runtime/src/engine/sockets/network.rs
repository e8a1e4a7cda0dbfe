//! The loopback that a workload has to itself: who listens, who is bound, and how the two ends of a connection meet.
//!
//! Nothing here reaches the operating system, and nothing decides who may bind.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::mailbox::{Datagram, Mailbox};
use super::pipe::Budget;
use super::ports::{AddressInUse, PortTable};
use super::stream::{self, VirtualStream};

/// Sockets of all instances of a workload, virtual and real.
const MAX_SOCKETS: usize = 8_192;

/// Names of one workload that are being resolved: each may hold a thread for as long as the resolver waits.
const MAX_LOOKUPS: usize = 8;

/// Real sockets of one workload, at most. See [`max_descriptors`].
const MAX_DESCRIPTORS: usize = 1_024;

/// Why a virtual connection did not come about.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum ConnectError {
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// The network has no free port for the client.
    #[error("all ports are in use")]
    NoFreePort,
}

/// The network of one workload.
pub(crate) struct VirtualNetwork {
    tcp: Mutex<PortTable<TcpEntry>>,
    udp: Mutex<PortTable<Arc<Mailbox>>>,
    budget: Arc<Budget>,
    sockets: Arc<Semaphore>,
    descriptors: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    /// Somebody has begun to listen.
    listens: Notify,
}

enum TcpEntry {
    /// Bound, or the client's side of a connection.
    Silent,
    Listening(mpsc::Sender<VirtualStream>),
}

impl VirtualNetwork {
    /// A network on which nobody listens.
    #[cfg(test)]
    pub(crate) fn new() -> Arc<Self> {
        Self::with_max_descriptors(None)
    }

    /// A network on which nobody listens, with so many real sockets at most.
    pub(crate) fn with_max_descriptors(max: Option<usize>) -> Arc<Self> {
        let descriptors = max.unwrap_or_else(max_descriptors).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            tcp: Mutex::new(PortTable::new()),
            udp: Mutex::new(PortTable::new()),
            budget: Arc::default(),
            sockets: Arc::new(Semaphore::new(MAX_SOCKETS)),
            descriptors: Arc::new(Semaphore::new(descriptors)),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            listens: Notify::new(),
        })
    }

    /// Connects to whoever listens on this port of the workload's loopback, IPv4 first. It waits while the listener
    /// has more connections to accept than it takes.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub(crate) async fn connect(self: &Arc<Self>, port: u16) -> Result<VirtualStream, ConnectError> {
        let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for address in loopbacks {
            match self.start_connect(None, SocketAddr::new(address, port))?.finish().await {
                Err(ConnectError::Refused) => {}
                result => return result,
            }
        }
        Err(ConnectError::Refused)
    }

    /// Binds a TCP address, which is loopback or unspecified; port 0 stands for any free one.
    pub(super) fn bind_tcp(self: &Arc<Self>, address: SocketAddr) -> Result<TcpPort, AddressInUse> {
        let address = self.lock_tcp().bind(address, TcpEntry::Silent)?;
        Ok(TcpPort { network: Arc::clone(self), address })
    }

    /// Listens on a bound address. At most `backlog` connections wait to be accepted, others wait to be made.
    pub(super) fn listen(port: TcpPort, backlog: usize) -> TcpListener {
        let (sender, queue) = mpsc::channel(backlog);
        port.network.lock_tcp().replace(port.address, TcpEntry::Listening(sender));
        port.network.listens.notify_waiters();
        TcpListener { queue, next: None, port }
    }

    /// Connects a bound or, with none, an ephemeral port to an address of the loopback.
    pub(super) fn start_connect(
        self: &Arc<Self>,
        bound: Option<TcpPort>,
        server: SocketAddr,
    ) -> Result<Connecting, ConnectError> {
        let port = match bound {
            Some(port) => port,
            None => {
                let any_port = SocketAddr::new(loopback_of(server), 0);
                self.bind_tcp(any_port).map_err(|AddressInUse| ConnectError::NoFreePort)?
            }
        };
        let listener = match self.lock_tcp().find(server) {
            Some(TcpEntry::Listening(sender)) => sender.clone(),
            Some(TcpEntry::Silent) | None => return Ok(Connecting::Done(Some(Err(ConnectError::Refused)))),
        };
        let client = source_address(port.address);
        let budget = Arc::clone(&self.budget);
        let meet = move |permit: mpsc::OwnedPermit<VirtualStream>| {
            let (client, server) = stream::connection(client, port, server, &budget);
            permit.send(server);
            client
        };
        Ok(match listener.try_reserve_owned() {
            Ok(permit) => Connecting::Done(Some(Ok(meet(permit)))),
            Err(TrySendError::Closed(_)) => Connecting::Done(Some(Err(ConnectError::Refused))),
            Err(TrySendError::Full(listener)) => Connecting::Waiting(Box::pin(async move {
                let permit = listener.reserve_owned().await.map_err(|_| ConnectError::Refused)?;
                Ok(meet(permit))
            })),
        })
    }

    /// Binds a UDP address, which is loopback or unspecified; port 0 stands for any free one.
    pub(super) fn bind_udp(self: &Arc<Self>, address: SocketAddr) -> Result<UdpPort, AddressInUse> {
        let mailbox = Arc::new(Mailbox::new(Arc::clone(&self.budget)));
        let address = self.lock_udp().bind(address, Arc::clone(&mailbox))?;
        Ok(UdpPort { network: Arc::clone(self), address, mailbox })
    }

    /// Room for one more socket, if the workload has not too many.
    pub(super) fn socket_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.sockets).try_acquire_owned().ok()
    }

    /// Room for one more file descriptor, if the workload has not too many.
    pub(super) fn descriptor_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.descriptors).try_acquire_owned().ok()
    }

    /// Limits how many names are being resolved.
    pub(super) fn lookups(&self) -> Arc<Semaphore> {
        Arc::clone(&self.lookups)
    }

    /// The TCP ports that somebody listens on.
    pub(crate) fn listening_ports(&self) -> BTreeSet<u16> {
        let table = self.lock_tcp();
        table.entries().filter(|(_, entry)| matches!(entry, TcpEntry::Listening(_))).map(|(port, _)| port).collect()
    }

    /// Resolves when somebody has begun to listen since this was called.
    pub(crate) fn listens(&self) -> impl Future<Output = ()> + '_ {
        self.listens.notified()
    }

    /// Whether somebody listens on the address.
    #[cfg(test)]
    pub(super) fn is_listening(&self, address: SocketAddr) -> bool {
        matches!(self.lock_tcp().find(address), Some(TcpEntry::Listening(_)))
    }

    /// Whether a UDP socket is bound to the address.
    #[cfg(test)]
    pub(super) fn has_mailbox(&self, address: SocketAddr) -> bool {
        self.lock_udp().find(address).is_some()
    }

    /// Bytes that wait in all pipes and mailboxes.
    #[cfg(test)]
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    fn lock_tcp(&self) -> MutexGuard<'_, PortTable<TcpEntry>> {
        // No code panics while it holds one of these locks, so a poisoned one is as good as any.
        self.tcp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_udp(&self) -> MutexGuard<'_, PortTable<Arc<Mailbox>>> {
        self.udp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for VirtualNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualNetwork").finish_non_exhaustive()
    }
}

/// A bound TCP address, free again when this is dropped.
pub(super) struct TcpPort {
    network: Arc<VirtualNetwork>,
    address: SocketAddr,
}

impl TcpPort {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TcpPort {
    fn drop(&mut self) {
        // The entry may hold connections, which free their ports in turn: not under this lock.
        let entry = self.network.lock_tcp().release(self.address);
        drop(entry);
    }
}

/// A connection on its way.
pub(super) enum Connecting {
    /// None once the result was taken.
    Done(Option<Result<VirtualStream, ConnectError>>),
    Waiting(Pin<Box<dyn Future<Output = Result<VirtualStream, ConnectError>> + Send>>),
}

impl Connecting {
    /// Resolves when there is a result to take.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(future) = self {
            let result = std::task::ready!(future.as_mut().poll(context));
            *self = Self::Done(Some(result));
        }
        Poll::Ready(())
    }

    /// The result, if it is there.
    pub(super) fn take(&mut self) -> Option<Result<VirtualStream, ConnectError>> {
        match self {
            Self::Done(result) => result.take(),
            Self::Waiting(_) => None,
        }
    }

    pub(super) async fn finish(mut self) -> Result<VirtualStream, ConnectError> {
        poll_fn(|context| self.poll_ready(context)).await;
        self.take().unwrap_or(Err(ConnectError::Refused))
    }
}

/// Accepts the connections that are made to its address. When it is dropped, those not accepted are reset.
pub(super) struct TcpListener {
    queue: mpsc::Receiver<VirtualStream>,
    /// Taken off the queue to see whether there is one.
    next: Option<VirtualStream>,
    port: TcpPort,
}

impl TcpListener {
    pub(super) fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Resolves when there is a connection to accept.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.next.is_none() {
            self.next = std::task::ready!(self.queue.poll_recv(context));
        }
        Poll::Ready(())
    }

    /// The next connection, if there is one.
    pub(super) fn accept(&mut self) -> Option<VirtualStream> {
        self.next.take().or_else(|| self.queue.try_recv().ok())
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.queue.close();
        while let Some(stream) = self.accept() {
            stream.reset();
        }
    }
}

/// A bound UDP address, free again when this is dropped.
pub(super) struct UdpPort {
    network: Arc<VirtualNetwork>,
    address: SocketAddr,
    mailbox: Arc<Mailbox>,
}

impl UdpPort {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn network(&self) -> &Arc<VirtualNetwork> {
        &self.network
    }

    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Sends to an address of the loopback. Whether somebody is there, the sender does not learn.
    pub(super) fn send(&self, data: Vec<u8>, to: SocketAddr) {
        let mailbox = self.network.lock_udp().find(to).cloned();
        if let Some(mailbox) = mailbox {
            mailbox.deliver(Datagram { data, from: source_address(self.address) });
        }
    }
}

impl Drop for UdpPort {
    fn drop(&mut self) {
        let entry = self.network.lock_udp().release(self.address);
        drop(entry);
    }
}

/// The address that a peer sees: a socket that is bound to all addresses speaks from the first.
pub(super) fn source_address(bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() { SocketAddr::new(loopback_of(bound), bound.port()) } else { bound }
}

fn loopback_of(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// How many descriptors one workload may use: a share of the process's own limit, so that a guest which opens all it
/// gets leaves enough for the host's listeners and for others.
fn max_descriptors() -> usize {
    static LIMIT: LazyLock<usize> = LazyLock::new(|| {
        let process = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let share = process.map_or(MAX_DESCRIPTORS as u64, |limit| limit / 8);
        usize::try_from(share).unwrap_or(MAX_DESCRIPTORS).clamp(16, MAX_DESCRIPTORS)
    });
    *LIMIT
}
