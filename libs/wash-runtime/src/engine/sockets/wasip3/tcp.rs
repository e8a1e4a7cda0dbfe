//! A guest's TCP socket: from unbound over bound to listening or connected, on the workload's loopback or outside.
//!
//! What a guest may call stands in [`tcp_host`](super::tcp_host).

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

use crate::engine::sockets::address::{check_bindable, check_family, check_remote};
use crate::engine::sockets::network::{ConnectError, Connecting, TcpListener, TcpPort, VirtualNetwork};
use crate::engine::sockets::stream::{PipeReader, PipeWriter, VirtualStream};
use crate::engine::sockets::tcp::{DEFAULT_BACKLOG, MAX_BACKLOG, TcpOptions};
use crate::engine::sockets::{SocketRole, SocketSlot};
use crate::engine::special_addresses::{Reach, reach};

pub(super) type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;
pub(super) type Writer = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// A guest's socket.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
pub struct TcpSocket {
    pub(super) family: IpAddressFamily,
    pub(super) options: TcpOptions,
    state: State,
    backlog: usize,
    slot: Arc<SocketSlot>,
}

enum State {
    Idle,
    Bound(TcpPort),
    Connecting,
    /// The listener itself is in the guest's stream.
    Listening(SocketAddr),
    Connected(Connected),
    /// An attempt to connect has failed.
    Closed,
}

/// A connection; each of its halves is handed out once.
pub(super) struct Connected {
    local: SocketAddr,
    remote: SocketAddr,
    reader: Option<Reader>,
    writer: Option<Writer>,
}

/// A connection on its way, to be waited for outside of the store.
pub(super) enum Attempt {
    Inside(Connecting),
    Outside { remote: SocketAddr, options: TcpOptions, family: IpAddressFamily, descriptor: OwnedSemaphorePermit },
}

impl Attempt {
    pub(super) async fn finish(self) -> Result<Connected, ErrorCode> {
        match self {
            Self::Inside(connecting) => {
                let stream = connecting.finish().await.map_err(|err| match err {
                    ConnectError::Refused => ErrorCode::ConnectionRefused,
                    ConnectError::NoFreePort => ErrorCode::AddressInUse,
                })?;
                Ok(Connected::inside(stream))
            }
            Self::Outside { remote, options, family, descriptor } => {
                let stream = TcpStream::connect(remote).await?;
                apply(&stream, &options, family)?;
                Ok(Connected::outside(stream, descriptor)?)
            }
        }
    }
}

impl Connected {
    fn inside(stream: VirtualStream) -> Self {
        let (connection, end, reader, writer) = stream.into_parts();
        Self {
            local: connection.local_address(end),
            remote: connection.remote_address(end),
            reader: Some(Box::new(PipeIn(reader))),
            writer: Some(Box::new(PipeOut(writer))),
        }
    }

    fn outside(stream: TcpStream, descriptor: OwnedSemaphorePermit) -> io::Result<Self> {
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        let (reader, writer) = stream.into_split();
        let descriptor = Arc::new(descriptor);
        Ok(Self {
            local,
            remote,
            reader: Some(Box::new(Half { half: reader, _descriptor: Arc::clone(&descriptor) })),
            writer: Some(Box::new(Half { half: writer, _descriptor: descriptor })),
        })
    }
}

/// What comes in on the loopback.
struct PipeIn(PipeReader);

impl AsyncRead for PipeIn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.0.pipe().poll_read(cx, buffer.remaining()))?;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

/// What goes out on the loopback.
struct PipeOut(PipeWriter);

impl AsyncWrite for PipeOut {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.0.pipe().poll_writable(cx))?;
        let written = room.min(bytes.len());
        Poll::Ready(self.0.pipe().write(&bytes[..written]).map(|()| written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.pipe().finish();
        Poll::Ready(Ok(()))
    }
}

/// One half of a real connection: the descriptor counts until both are gone.
struct Half<H> {
    half: H,
    _descriptor: Arc<OwnedSemaphorePermit>,
}

impl<H: AsyncRead + Unpin> AsyncRead for Half<H> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_read(cx, buffer)
    }
}

impl<H: AsyncWrite + Unpin> AsyncWrite for Half<H> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.half).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}

impl TcpSocket {
    pub(super) fn new(family: IpAddressFamily, slot: SocketSlot) -> Self {
        Self {
            family,
            options: TcpOptions::default(),
            state: State::Idle,
            backlog: DEFAULT_BACKLOG,
            slot: Arc::new(slot),
        }
    }

    pub(super) fn accepted(stream: VirtualStream, options: TcpOptions, slot: SocketSlot) -> Self {
        let connected = Connected::inside(stream);
        let family = if connected.local.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 };
        Self { options, state: State::Connected(connected), ..Self::new(family, slot) }
    }

    pub(super) fn bind(
        &mut self,
        network: &Arc<VirtualNetwork>,
        role: SocketRole,
        address: SocketAddr,
    ) -> Result<(), ErrorCode> {
        if !matches!(self.state, State::Idle) {
            return Err(ErrorCode::InvalidState);
        }
        check_family(address, self.family)?;
        check_bindable(address)?;
        if role != SocketRole::Service {
            return Err(ErrorCode::AccessDenied);
        }
        self.state = State::Bound(network.bind_tcp(address).map_err(|_| ErrorCode::AddressInUse)?);
        Ok(())
    }

    /// Begins to connect; [`Self::connected`] is told how that ends.
    pub(super) fn connect(&mut self, network: &Arc<VirtualNetwork>, remote: SocketAddr) -> Result<Attempt, ErrorCode> {
        if !matches!(self.state, State::Idle | State::Bound(_)) {
            return Err(ErrorCode::InvalidState);
        }
        check_remote(remote, self.family)?;
        match reach(remote.ip()) {
            Reach::Loopback => {
                let bound = match mem::replace(&mut self.state, State::Connecting) {
                    State::Bound(port) => Some(port),
                    _ => None,
                };
                let connecting = network.start_connect(bound, remote);
                connecting.map(Attempt::Inside).map_err(|_| ErrorCode::AddressInUse)
            }
            _ if remote.ip().is_multicast() => Err(ErrorCode::InvalidArgument),
            Reach::Forbidden => Err(ErrorCode::AccessDenied),
            Reach::Outside => {
                if matches!(&self.state, State::Bound(port) if !port.address().ip().is_unspecified()) {
                    // From the loopback no way leads out.
                    return Err(ErrorCode::RemoteUnreachable);
                }
                let descriptor = network.descriptor_slot().ok_or(ErrorCode::NewSocketLimit)?;
                self.state = State::Connecting;
                Ok(Attempt::Outside { remote, options: self.options, family: self.family, descriptor })
            }
        }
    }

    /// The attempt to connect has ended.
    pub(super) fn connected(&mut self, result: Result<Connected, ErrorCode>) -> Result<(), ErrorCode> {
        match result {
            Ok(connected) => {
                self.state = State::Connected(connected);
                Ok(())
            }
            Err(code) => {
                self.state = State::Closed;
                Err(code)
            }
        }
    }

    pub(super) fn listen(&mut self) -> Result<TcpListener, ErrorCode> {
        match mem::replace(&mut self.state, State::Closed) {
            State::Bound(port) => {
                self.state = State::Listening(port.address());
                Ok(VirtualNetwork::listen(port, self.backlog))
            }
            other => {
                self.state = other;
                Err(ErrorCode::InvalidState)
            }
        }
    }

    /// For what goes on when the socket itself is dropped.
    pub(super) fn slot(&self) -> Arc<SocketSlot> {
        Arc::clone(&self.slot)
    }

    pub(super) fn take_reader(&mut self) -> Result<Reader, ErrorCode> {
        match &mut self.state {
            State::Connected(connected) => connected.reader.take().ok_or(ErrorCode::InvalidState),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    pub(super) fn take_writer(&mut self) -> Result<Writer, ErrorCode> {
        match &mut self.state {
            State::Connected(connected) => connected.writer.take().ok_or(ErrorCode::InvalidState),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    pub(super) fn local_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.state {
            State::Bound(port) => Ok(port.address()),
            State::Listening(address) => Ok(*address),
            State::Connected(connected) => Ok(connected.local),
            State::Idle | State::Connecting | State::Closed => Err(ErrorCode::InvalidState),
        }
    }

    pub(super) fn remote_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.state {
            State::Connected(connected) => Ok(connected.remote),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening(_))
    }

    pub(super) fn set_backlog(&mut self, value: u64) -> Result<(), ErrorCode> {
        match &self.state {
            _ if value == 0 => Err(ErrorCode::InvalidArgument),
            State::Idle | State::Bound(_) => {
                self.backlog = usize::try_from(value).map_or(MAX_BACKLOG, |value| value.min(MAX_BACKLOG));
                Ok(())
            }
            State::Listening(_) => Err(ErrorCode::NotSupported),
            _ => Err(ErrorCode::InvalidState),
        }
    }
}

/// Sets on a real socket what the guest has set before it was known to need one.
fn apply(stream: &TcpStream, options: &TcpOptions, family: IpAddressFamily) -> io::Result<()> {
    if let Some(value) = options.keep_alive {
        sockopt::set_socket_keepalive(stream, value)?;
    }
    if let Some(value) = options.keep_alive_idle_time {
        sockopt::set_tcp_keepidle(stream, Duration::from_nanos(value).max(Duration::from_secs(1)))?;
    }
    if let Some(value) = options.keep_alive_interval {
        sockopt::set_tcp_keepintvl(stream, Duration::from_nanos(value).max(Duration::from_secs(1)))?;
    }
    if let Some(value) = options.keep_alive_count {
        sockopt::set_tcp_keepcnt(stream, value)?;
    }
    match (options.hop_limit, family) {
        (Some(value), IpAddressFamily::Ipv4) => sockopt::set_ip_ttl(stream, value.into())?,
        (Some(value), IpAddressFamily::Ipv6) => sockopt::set_ipv6_unicast_hops(stream, Some(value))?,
        (None, _) => {}
    }
    // Sizes of buffers are hints, and these are not passed on: the host decides how much a guest may keep waiting.
    Ok(())
}
