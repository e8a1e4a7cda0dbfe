//! `wasi:sockets/tcp` and `tcp-create-socket`: the calls of guests, on sockets in the store's table.
//!
//! It holds no state of its own.

use std::mem;
use std::net::SocketAddr;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::{HostTcpSocket as _, ShutdownType as OutsideShutdown};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, SocketResult, subscribe};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::SocketsCtxView;
use super::address::check_remote;
use super::bindings::tcp::{self, ShutdownType};
use super::bindings::tcp_create_socket;
use super::outside::{self, OutsideTcp};
use super::tcp::{TcpOptions, TcpSocket, TcpState};
use crate::engine::special_addresses::{Reach, reach};

/// What an option reads as on the loopback, as Linux has it.
pub(super) const DEFAULT_KEEP_ALIVE_IDLE_TIME: u64 = 7_200_000_000_000;
pub(super) const DEFAULT_KEEP_ALIVE_INTERVAL: u64 = 75_000_000_000;
pub(super) const DEFAULT_KEEP_ALIVE_COUNT: u32 = 9;
pub(super) const DEFAULT_HOP_LIMIT: u8 = 64;
pub(super) const DEFAULT_BUFFER_SIZE: u64 = super::pipe::CAPACITY as u64;

type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);
type OutsideSocket = Resource<wasmtime_wasi::p2::TcpSocket>;

impl tcp_create_socket::Host for SocketsCtxView<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let slot = self.ctx.socket_slot()?;
        Ok(self.table.push(TcpSocket::new(family, slot))?)
    }
}

impl SocketsCtxView<'_> {
    /// Calls the real socket, if this one has come to have one.
    fn outside<R>(
        &mut self,
        this: &Resource<TcpSocket>,
        function: impl FnOnce(&mut WasiSocketsCtxView<'_>, OutsideSocket) -> SocketResult<R>,
    ) -> SocketResult<Option<R>> {
        let socket = self.table.get_mut(this)?;
        match mem::replace(&mut socket.state, TcpState::Closed) {
            TcpState::Outside(outside) => {
                let (outside, result) = outside.call(self.table, function)?;
                self.table.get_mut(this)?.state = TcpState::Outside(outside);
                result.map(Some)
            }
            other => {
                socket.state = other;
                Ok(None)
            }
        }
    }

    fn option<R>(
        &mut self,
        this: &Resource<TcpSocket>,
        outside: impl FnOnce(&mut WasiSocketsCtxView<'_>, OutsideSocket) -> SocketResult<R>,
        stored: impl FnOnce(&TcpOptions) -> R,
    ) -> SocketResult<R> {
        match self.outside(this, outside)? {
            Some(value) => Ok(value),
            None => Ok(stored(&self.table.get(this)?.options)),
        }
    }

    fn set_option(
        &mut self,
        this: &Resource<TcpSocket>,
        outside: impl FnOnce(&mut WasiSocketsCtxView<'_>, OutsideSocket) -> SocketResult<()>,
        store: impl FnOnce(&mut TcpOptions),
    ) -> SocketResult<()> {
        if self.outside(this, outside)?.is_none() {
            store(&mut self.table.get_mut(this)?.options);
        }
        Ok(())
    }

    fn push_streams(
        &mut self,
        socket: &Resource<TcpSocket>,
        input: DynInputStream,
        output: DynOutputStream,
    ) -> SocketResult<Streams> {
        Ok((self.table.push_child(input, socket)?, self.table.push_child(output, socket)?))
    }
}

impl tcp::Host for SocketsCtxView<'_> {}

impl tcp::HostTcpSocket for SocketsCtxView<'_> {
    fn start_bind(
        &mut self,
        this: Resource<TcpSocket>,
        network: Resource<Network>,
        local_address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.check_network(&network)?;
        let socket = self.table.get_mut(&this)?;
        Ok(socket.start_bind(&self.ctx.network, self.ctx.role, local_address.into())?)
    }

    fn finish_bind(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        Ok(self.table.get_mut(&this)?.finish_bind()?)
    }

    fn start_connect(
        &mut self,
        this: Resource<TcpSocket>,
        network: Resource<Network>,
        remote_address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.check_network(&network)?;
        let remote = SocketAddr::from(remote_address);
        let socket = self.table.get_mut(&this)?;
        socket.check_state(|state| matches!(state, TcpState::Idle | TcpState::Bound(_)))?;
        check_remote(remote, socket.family)?;
        match reach(remote.ip()) {
            Reach::Loopback => Ok(socket.start_virtual_connect(&self.ctx.network, remote)?),
            _ if remote.ip().is_multicast() => Err(ErrorCode::InvalidArgument.into()),
            Reach::Forbidden => Err(ErrorCode::AccessDenied.into()),
            Reach::Outside => {
                if matches!(&socket.state, TcpState::Bound(port) if !port.address().ip().is_unspecified()) {
                    // From the loopback no way leads out.
                    return Err(ErrorCode::RemoteUnreachable.into());
                }
                let descriptor = self.ctx.network.descriptor_slot().ok_or(ErrorCode::NewSocketLimit)?;
                let (family, options) = (socket.family, socket.options);
                let settings = (family, &options);
                let outside = OutsideTcp::start_connect(self.table, &network, settings, remote_address, descriptor)?;
                self.table.get_mut(&this)?.state = TcpState::Outside(outside);
                Ok(())
            }
        }
    }

    fn finish_connect(&mut self, this: Resource<TcpSocket>) -> SocketResult<Streams> {
        if let Some((input, output)) = self.outside(&this, outside::finish_connect)? {
            return self.push_streams(&this, input, output);
        }
        let (reader, writer) = self.table.get_mut(&this)?.finish_virtual_connect()?;
        self.push_streams(&this, Box::new(reader), Box::new(writer))
    }

    fn start_listen(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        Ok(self.table.get_mut(&this)?.start_listen()?)
    }

    fn finish_listen(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        Ok(self.table.get_mut(&this)?.finish_listen()?)
    }

    fn accept(
        &mut self,
        this: Resource<TcpSocket>,
    ) -> SocketResult<(Resource<TcpSocket>, Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let listener = self.table.get_mut(&this)?;
        let (socket, reader, writer) = listener.accept(|| self.ctx.socket_slot())?;
        let socket = self.table.push(socket)?;
        let (input, output) = self.push_streams(&socket, Box::new(reader), Box::new(writer))?;
        Ok((socket, input, output))
    }

    fn local_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        match self.outside(&this, |view, socket| view.local_address(socket))? {
            Some(address) => Ok(address),
            None => Ok(self.table.get(&this)?.local_address()?.into()),
        }
    }

    fn remote_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        match self.outside(&this, |view, socket| view.remote_address(socket))? {
            Some(address) => Ok(address),
            None => Ok(self.table.get(&this)?.remote_address()?.into()),
        }
    }

    fn is_listening(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        Ok(matches!(self.table.get(&this)?.state, TcpState::Listening(_)))
    }

    fn address_family(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&this)?.family)
    }

    fn set_listen_backlog_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        Ok(self.table.get_mut(&this)?.set_backlog(value)?)
    }

    fn keep_alive_enabled(&mut self, this: Resource<TcpSocket>) -> SocketResult<bool> {
        self.option(
            &this,
            |view, socket| view.keep_alive_enabled(socket),
            |options| options.keep_alive.unwrap_or(false),
        )
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<TcpSocket>, value: bool) -> SocketResult<()> {
        self.set_option(
            &this,
            |view, socket| view.set_keep_alive_enabled(socket, value),
            |options| options.keep_alive = Some(value),
        )
    }

    fn keep_alive_idle_time(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        self.option(
            &this,
            |view, socket| view.keep_alive_idle_time(socket),
            |options| options.keep_alive_idle_time.unwrap_or(DEFAULT_KEEP_ALIVE_IDLE_TIME),
        )
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        check_not_zero(value)?;
        self.set_option(
            &this,
            |view, socket| view.set_keep_alive_idle_time(socket, value),
            |options| options.keep_alive_idle_time = Some(value),
        )
    }

    fn keep_alive_interval(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        self.option(
            &this,
            |view, socket| view.keep_alive_interval(socket),
            |options| options.keep_alive_interval.unwrap_or(DEFAULT_KEEP_ALIVE_INTERVAL),
        )
    }

    fn set_keep_alive_interval(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        check_not_zero(value)?;
        self.set_option(
            &this,
            |view, socket| view.set_keep_alive_interval(socket, value),
            |options| options.keep_alive_interval = Some(value),
        )
    }

    fn keep_alive_count(&mut self, this: Resource<TcpSocket>) -> SocketResult<u32> {
        self.option(
            &this,
            |view, socket| view.keep_alive_count(socket),
            |options| options.keep_alive_count.unwrap_or(DEFAULT_KEEP_ALIVE_COUNT),
        )
    }

    fn set_keep_alive_count(&mut self, this: Resource<TcpSocket>, value: u32) -> SocketResult<()> {
        check_not_zero(value)?;
        self.set_option(
            &this,
            |view, socket| view.set_keep_alive_count(socket, value),
            |options| options.keep_alive_count = Some(value),
        )
    }

    fn hop_limit(&mut self, this: Resource<TcpSocket>) -> SocketResult<u8> {
        self.option(
            &this,
            |view, socket| view.hop_limit(socket),
            |options| options.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT),
        )
    }

    fn set_hop_limit(&mut self, this: Resource<TcpSocket>, value: u8) -> SocketResult<()> {
        check_not_zero(value)?;
        self.set_option(
            &this,
            |view, socket| view.set_hop_limit(socket, value),
            |options| options.hop_limit = Some(value),
        )
    }

    fn receive_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        self.option(
            &this,
            |view, socket| view.receive_buffer_size(socket),
            |options| options.receive_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE),
        )
    }

    fn set_receive_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        check_not_zero(value)?;
        self.set_option(
            &this,
            |view, socket| view.set_receive_buffer_size(socket, value),
            |options| options.receive_buffer_size = Some(value),
        )
    }

    fn send_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        self.option(
            &this,
            |view, socket| view.send_buffer_size(socket),
            |options| options.send_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE),
        )
    }

    fn set_send_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        check_not_zero(value)?;
        self.set_option(
            &this,
            |view, socket| view.set_send_buffer_size(socket, value),
            |options| options.send_buffer_size = Some(value),
        )
    }

    fn subscribe(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn shutdown(&mut self, this: Resource<TcpSocket>, how: ShutdownType) -> SocketResult<()> {
        let outside_how = match how {
            ShutdownType::Receive => OutsideShutdown::Receive,
            ShutdownType::Send => OutsideShutdown::Send,
            ShutdownType::Both => OutsideShutdown::Both,
        };
        if self.outside(&this, |view, socket| view.shutdown(socket, outside_how))?.is_some() {
            return Ok(());
        }
        let TcpState::Connected(connection, end) = &self.table.get(&this)?.state else {
            return Err(ErrorCode::InvalidState.into());
        };
        if matches!(how, ShutdownType::Receive | ShutdownType::Both) {
            connection.incoming(*end).abandon();
        }
        if matches!(how, ShutdownType::Send | ShutdownType::Both) {
            connection.outgoing(*end).finish();
        }
        Ok(())
    }

    fn drop(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

pub(super) fn check_not_zero<N: Default + PartialEq>(value: N) -> Result<(), ErrorCode> {
    if value == N::default() { Err(ErrorCode::InvalidArgument) } else { Ok(()) }
}
