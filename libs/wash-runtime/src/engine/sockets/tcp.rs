//! A guest's TCP socket: from unbound over bound to listening or connected, on the workload's loopback or outside.
//!
//! What a guest may call and gets as resources stands in [`tcp_host`](super::tcp_host).

use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket;
use wasmtime_wasi::p2::{Pollable, SocketResult};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::address::{check_bindable, check_family};
use super::network::{ConnectError, Connecting, TcpListener, TcpPort, VirtualNetwork};
use super::outside::OutsideTcp;
use super::stream::{Connection, End, PipeReader, PipeWriter, VirtualStream};
use super::{SocketRole, SocketSlot};

/// Connections that wait to be accepted, unless the guest asks for another number.
pub(super) const DEFAULT_BACKLOG: usize = 128;

/// The most that a guest may ask for.
pub(super) const MAX_BACKLOG: usize = 1_024;

/// A guest's socket.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
pub struct TcpSocket {
    pub(super) family: IpAddressFamily,
    pub(super) options: TcpOptions,
    pub(super) state: TcpState,
    backlog: usize,
    _slot: SocketSlot,
}

/// How far a socket has come.
pub(super) enum TcpState {
    Idle,
    BindStarted(TcpPort),
    Bound(TcpPort),
    ListenStarted(TcpListener),
    Listening(TcpListener),
    Connecting(Connecting),
    Connected(Arc<Connection>, End),
    Outside(OutsideTcp),
    /// An attempt to connect has failed.
    Closed,
}

impl TcpSocket {
    pub(super) fn new(family: IpAddressFamily, slot: SocketSlot) -> Self {
        Self { family, options: TcpOptions::default(), state: TcpState::Idle, backlog: DEFAULT_BACKLOG, _slot: slot }
    }

    pub(super) fn start_bind(
        &mut self,
        network: &Arc<VirtualNetwork>,
        role: SocketRole,
        address: SocketAddr,
    ) -> Result<(), ErrorCode> {
        self.check_state(|state| matches!(state, TcpState::Idle))?;
        check_family(address, self.family)?;
        check_bindable(address)?;
        if role != SocketRole::Service {
            return Err(ErrorCode::AccessDenied);
        }
        self.state = TcpState::BindStarted(network.bind_tcp(address).map_err(|_| ErrorCode::AddressInUse)?);
        Ok(())
    }

    pub(super) fn finish_bind(&mut self) -> Result<(), ErrorCode> {
        match mem::replace(&mut self.state, TcpState::Closed) {
            TcpState::BindStarted(port) => {
                self.state = TcpState::Bound(port);
                Ok(())
            }
            other => {
                self.state = other;
                Err(ErrorCode::NotInProgress)
            }
        }
    }

    /// Starts a connection on the loopback; the socket is idle or bound.
    pub(super) fn start_virtual_connect(
        &mut self,
        network: &Arc<VirtualNetwork>,
        server: SocketAddr,
    ) -> Result<(), ErrorCode> {
        let bound = match mem::replace(&mut self.state, TcpState::Closed) {
            TcpState::Bound(port) => Some(port),
            _ => None,
        };
        self.state = TcpState::Connecting(network.start_connect(bound, server).map_err(connect_code)?);
        Ok(())
    }

    /// The streams of a connection on the loopback.
    pub(super) fn finish_virtual_connect(&mut self) -> Result<(PipeReader, PipeWriter), ErrorCode> {
        let TcpState::Connecting(connecting) = &mut self.state else { return Err(ErrorCode::NotInProgress) };
        if connecting.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(ErrorCode::WouldBlock);
        }
        match connecting.take() {
            Some(Ok(stream)) => Ok(self.adopt(stream)),
            Some(Err(err)) => {
                self.state = TcpState::Closed;
                Err(connect_code(err))
            }
            None => Err(ErrorCode::NotInProgress),
        }
    }

    pub(super) fn start_listen(&mut self) -> Result<(), ErrorCode> {
        self.check_state(|state| matches!(state, TcpState::Bound(_)))?;
        if let TcpState::Bound(port) = mem::replace(&mut self.state, TcpState::Closed) {
            self.state = TcpState::ListenStarted(VirtualNetwork::listen(port, self.backlog));
        }
        Ok(())
    }

    pub(super) fn finish_listen(&mut self) -> Result<(), ErrorCode> {
        match mem::replace(&mut self.state, TcpState::Closed) {
            TcpState::ListenStarted(listener) => {
                self.state = TcpState::Listening(listener);
                Ok(())
            }
            other => {
                self.state = other;
                Err(ErrorCode::NotInProgress)
            }
        }
    }

    /// A listening socket's next connection, with room for its socket if there is a connection.
    pub(super) fn accept(
        &mut self,
        slot: impl FnOnce() -> Result<SocketSlot, ErrorCode>,
    ) -> Result<(Self, PipeReader, PipeWriter), ErrorCode> {
        let TcpState::Listening(listener) = &mut self.state else { return Err(ErrorCode::InvalidState) };
        if listener.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(ErrorCode::WouldBlock);
        }
        // Without room the connection stays where it is, until the guest has closed something.
        let mut accepted = Self::new(self.family, slot()?);
        accepted.options = self.options;
        let (reader, writer) = accepted.adopt(listener.accept().ok_or(ErrorCode::WouldBlock)?);
        Ok((accepted, reader, writer))
    }

    fn adopt(&mut self, stream: VirtualStream) -> (PipeReader, PipeWriter) {
        let (connection, end, reader, writer) = stream.into_parts();
        self.state = TcpState::Connected(connection, end);
        (reader, writer)
    }

    /// The address of a socket that is bound on the loopback.
    pub(super) fn local_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.state {
            TcpState::Bound(port) => Ok(port.address()),
            TcpState::ListenStarted(listener) | TcpState::Listening(listener) => Ok(listener.address()),
            TcpState::Connected(connection, end) => Ok(connection.local_address(*end)),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    /// The peer of a socket that is connected on the loopback.
    pub(super) fn remote_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.state {
            TcpState::Connected(connection, end) => Ok(connection.remote_address(*end)),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    pub(super) fn set_backlog(&mut self, value: u64) -> Result<(), ErrorCode> {
        match &self.state {
            _ if value == 0 => Err(ErrorCode::InvalidArgument),
            TcpState::Idle | TcpState::BindStarted(_) | TcpState::Bound(_) => {
                self.backlog = usize::try_from(value).map_or(MAX_BACKLOG, |value| value.min(MAX_BACKLOG));
                Ok(())
            }
            TcpState::ListenStarted(_) | TcpState::Listening(_) => Err(ErrorCode::NotSupported),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    /// Fails unless the socket is in a state that the call is for.
    pub(super) fn check_state(&self, is_right: impl FnOnce(&TcpState) -> bool) -> Result<(), ErrorCode> {
        match &self.state {
            state if is_right(state) => Ok(()),
            TcpState::BindStarted(_) | TcpState::ListenStarted(_) | TcpState::Connecting(_) => {
                Err(ErrorCode::ConcurrencyConflict)
            }
            _ => Err(ErrorCode::InvalidState),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for TcpSocket {
    async fn ready(&mut self) {
        match &mut self.state {
            TcpState::Connecting(connecting) => poll_fn(|context| connecting.poll_ready(context)).await,
            TcpState::Listening(listener) => poll_fn(|context| listener.poll_ready(context)).await,
            TcpState::Outside(outside) => outside.ready().await,
            // Nothing else takes time.
            _ => {}
        }
    }
}

fn connect_code(err: ConnectError) -> ErrorCode {
    match err {
        ConnectError::Refused => ErrorCode::ConnectionRefused,
        ConnectError::NoFreePort => ErrorCode::AddressInUse,
    }
}

/// What a guest has set. On the loopback it has no effect but that it can be read; a real connection gets it when it
/// starts.
#[derive(Clone, Copy, Default)]
pub(super) struct TcpOptions {
    pub(super) keep_alive: Option<bool>,
    /// Nanoseconds.
    pub(super) keep_alive_idle_time: Option<u64>,
    /// Nanoseconds.
    pub(super) keep_alive_interval: Option<u64>,
    pub(super) keep_alive_count: Option<u32>,
    pub(super) hop_limit: Option<u8>,
    /// Bytes.
    pub(super) receive_buffer_size: Option<u64>,
    /// Bytes.
    pub(super) send_buffer_size: Option<u64>,
}

impl TcpOptions {
    /// Sets on a real socket what the guest has set before it was known to need one.
    pub(super) fn apply(
        &self,
        view: &mut WasiSocketsCtxView<'_>,
        socket: &Resource<wasmtime_wasi::p2::TcpSocket>,
    ) -> SocketResult<()> {
        let socket = || Resource::new_borrow(socket.rep());
        if let Some(value) = self.keep_alive {
            view.set_keep_alive_enabled(socket(), value)?;
        }
        if let Some(value) = self.keep_alive_idle_time {
            view.set_keep_alive_idle_time(socket(), value)?;
        }
        if let Some(value) = self.keep_alive_interval {
            view.set_keep_alive_interval(socket(), value)?;
        }
        if let Some(value) = self.keep_alive_count {
            view.set_keep_alive_count(socket(), value)?;
        }
        if let Some(value) = self.hop_limit {
            view.set_hop_limit(socket(), value)?;
        }
        if let Some(value) = self.receive_buffer_size {
            view.set_receive_buffer_size(socket(), value)?;
        }
        if let Some(value) = self.send_buffer_size {
            view.set_send_buffer_size(socket(), value)?;
        }
        Ok(())
    }
}
