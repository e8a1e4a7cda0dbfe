//! `wasi:sockets/types` of WASI 0.3, its TCP sockets: the calls of guests, on sockets in the store's table.
//!
//! It holds no state of its own.

use tokio::sync::oneshot;
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};

use super::bindings::types::{
    Duration, ErrorCode, Host, HostTcpSocket, HostTcpSocketWithStore, IpAddressFamily, IpSocketAddress,
};
use super::streams::{Accepted, Incoming, Outcome, Outgoing};
use super::tcp::TcpSocket;
use super::{SocketError, SocketResult, convert};
use crate::engine::sockets::tcp_host::{
    DEFAULT_BUFFER_SIZE, DEFAULT_HOP_LIMIT, DEFAULT_KEEP_ALIVE_COUNT, DEFAULT_KEEP_ALIVE_IDLE_TIME,
    DEFAULT_KEEP_ALIVE_INTERVAL, check_not_zero,
};
use crate::engine::sockets::{Sockets, SocketsCtxView};

impl Host for SocketsCtxView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        match error {
            SocketError::Code(code) => Ok(code),
            SocketError::Trap(err) => Err(err),
        }
    }
}

impl<T: Send + 'static> HostTcpSocketWithStore<T> for Sockets {
    async fn connect(
        store: &Accessor<T, Self>,
        this: Resource<TcpSocket>,
        remote_address: IpSocketAddress,
    ) -> SocketResult<()> {
        let remote = convert::address(remote_address);
        let attempt = store.with(|mut access| {
            let view = access.get();
            let socket = view.table.get_mut(&this)?;
            socket.connect(&view.ctx.network, remote).map_err(convert::failure)
        })?;
        let result = attempt.finish().await;
        store.with(|mut access| access.get().table.get_mut(&this)?.connected(result).map_err(convert::failure))
    }

    fn listen(
        mut store: Access<'_, T, Self>,
        this: Resource<TcpSocket>,
    ) -> SocketResult<StreamReader<Resource<TcpSocket>>> {
        let getter = store.getter();
        let socket = store.get().table.get_mut(&this)?;
        let listener = socket.listen().map_err(convert::failure)?;
        let accepted = Accepted { listener, options: socket.options, getter, _slot: socket.slot() };
        StreamReader::new(&mut store, accepted).map_err(SocketError::Trap)
    }

    fn send(
        mut store: Access<'_, T, Self>,
        this: Resource<TcpSocket>,
        mut data: StreamReader<u8>,
    ) -> wasmtime::Result<FutureReader<Result<(), ErrorCode>>> {
        let (sender, receiver) = oneshot::channel();
        let socket = store.get().table.get_mut(&this)?;
        let slot = socket.slot();
        match socket.take_writer() {
            Ok(writer) => data.pipe(&mut store, Outgoing { writer, outcome: Outcome::new(sender), _slot: slot })?,
            Err(code) => {
                data.close(&mut store)?;
                _ = sender.send(Err(convert::error(code)));
            }
        }
        FutureReader::new(&mut store, receiver)
    }

    fn receive(
        mut store: Access<'_, T, Self>,
        this: Resource<TcpSocket>,
    ) -> wasmtime::Result<(StreamReader<u8>, FutureReader<Result<(), ErrorCode>>)> {
        let (sender, receiver) = oneshot::channel();
        let socket = store.get().table.get_mut(&this)?;
        let slot = socket.slot();
        let stream = match socket.take_reader() {
            Ok(reader) => {
                StreamReader::new(&mut store, Incoming { reader, outcome: Outcome::new(sender), _slot: slot })?
            }
            Err(code) => {
                _ = sender.send(Err(convert::error(code)));
                StreamReader::new(&mut store, std::iter::empty())?
            }
        };
        Ok((stream, FutureReader::new(&mut store, receiver)?))
    }
}

impl SocketsCtxView<'_> {
    fn tcp(&mut self, this: &Resource<TcpSocket>) -> SocketResult<&mut TcpSocket> {
        Ok(self.table.get_mut(this)?)
    }
}

/// A value that must not be zero.
fn nonzero<N: Copy + Default + PartialEq>(value: N) -> SocketResult<N> {
    check_not_zero(value).map(|()| value).map_err(convert::failure)
}

impl HostTcpSocket for SocketsCtxView<'_> {
    fn create(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let slot = self.ctx.socket_slot().map_err(convert::failure)?;
        Ok(self.table.push(TcpSocket::new(convert::family(family), slot))?)
    }

    fn bind(&mut self, this: Resource<TcpSocket>, local_address: IpSocketAddress) -> SocketResult<()> {
        let socket = self.table.get_mut(&this)?;
        let address = convert::address(local_address);
        socket.bind(&self.ctx.network, self.ctx.role, address).map_err(convert::failure)
    }

    fn get_local_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        self.tcp(&this)?.local_address().map(convert::guest_address).map_err(convert::failure)
    }

    fn get_remote_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        self.tcp(&this)?.remote_address().map(convert::guest_address).map_err(convert::failure)
    }

    fn get_is_listening(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.is_listening())
    }

    fn get_address_family(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(convert::guest_family(self.table.get(&this)?.family))
    }

    fn set_listen_backlog_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        self.tcp(&this)?.set_backlog(value).map_err(convert::failure)
    }

    fn get_keep_alive_enabled(&mut self, this: Resource<TcpSocket>) -> SocketResult<bool> {
        Ok(self.tcp(&this)?.options.keep_alive.unwrap_or(false))
    }

    // What is set after a connection is made can be read and has no further effect.
    fn set_keep_alive_enabled(&mut self, this: Resource<TcpSocket>, value: bool) -> SocketResult<()> {
        self.tcp(&this)?.options.keep_alive = Some(value);
        Ok(())
    }

    fn get_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>) -> SocketResult<Duration> {
        Ok(self.tcp(&this)?.options.keep_alive_idle_time.unwrap_or(DEFAULT_KEEP_ALIVE_IDLE_TIME))
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>, value: Duration) -> SocketResult<()> {
        self.tcp(&this)?.options.keep_alive_idle_time = Some(nonzero(value)?);
        Ok(())
    }

    fn get_keep_alive_interval(&mut self, this: Resource<TcpSocket>) -> SocketResult<Duration> {
        Ok(self.tcp(&this)?.options.keep_alive_interval.unwrap_or(DEFAULT_KEEP_ALIVE_INTERVAL))
    }

    fn set_keep_alive_interval(&mut self, this: Resource<TcpSocket>, value: Duration) -> SocketResult<()> {
        self.tcp(&this)?.options.keep_alive_interval = Some(nonzero(value)?);
        Ok(())
    }

    fn get_keep_alive_count(&mut self, this: Resource<TcpSocket>) -> SocketResult<u32> {
        Ok(self.tcp(&this)?.options.keep_alive_count.unwrap_or(DEFAULT_KEEP_ALIVE_COUNT))
    }

    fn set_keep_alive_count(&mut self, this: Resource<TcpSocket>, value: u32) -> SocketResult<()> {
        self.tcp(&this)?.options.keep_alive_count = Some(nonzero(value)?);
        Ok(())
    }

    fn get_hop_limit(&mut self, this: Resource<TcpSocket>) -> SocketResult<u8> {
        Ok(self.tcp(&this)?.options.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT))
    }

    fn set_hop_limit(&mut self, this: Resource<TcpSocket>, value: u8) -> SocketResult<()> {
        self.tcp(&this)?.options.hop_limit = Some(nonzero(value)?);
        Ok(())
    }

    fn get_receive_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        Ok(self.tcp(&this)?.options.receive_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE))
    }

    fn set_receive_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        self.tcp(&this)?.options.receive_buffer_size = Some(nonzero(value)?);
        Ok(())
    }

    fn get_send_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        Ok(self.tcp(&this)?.options.send_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE))
    }

    fn set_send_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        self.tcp(&this)?.options.send_buffer_size = Some(nonzero(value)?);
        Ok(())
    }

    fn drop(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
