//! Real TCP connections to addresses that the policy lets out: wasmtime-wasi's sockets, told to connect and no more.
//!
//! They never bind and never listen, and loopback is not reachable through them.

use std::net::SocketAddr;
use std::sync::LazyLock;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::network::{IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, Pollable, SocketResult, TcpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx, WasiSocketsCtxView};

use super::tcp::TcpOptions;
use crate::engine::special_addresses::{Reach, reach};

/// A connection, or an attempt at one, through the operating system.
pub(super) struct OutsideTcp {
    socket: TcpSocket,
    /// The descriptor counts until it is closed.
    _descriptor: OwnedSemaphorePermit,
}

/// What wasmtime-wasi's sockets may do. It repeats the policy that was asked before, so that one mistake is not enough.
static CONTEXT: LazyLock<WasiSocketsCtx> = LazyLock::new(|| {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(true).allow_udp(false).allow_ip_name_lookup(false);
    builder.socket_addr_check(|address, purpose| Box::pin(async move { is_permitted(address, purpose) }));
    builder.build().sockets().clone()
});

fn is_permitted(address: SocketAddr, purpose: SocketAddrUse) -> bool {
    match purpose {
        SocketAddrUse::TcpConnect => reach(address.ip()) == Reach::Outside,
        // A connection binds implicitly, to nothing in particular.
        SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
        _ => false,
    }
}

impl OutsideTcp {
    /// Starts to connect to an address that is outside.
    pub(super) fn start_connect(
        table: &mut ResourceTable,
        network: &Resource<Network>,
        (family, options): (IpAddressFamily, &TcpOptions),
        remote: IpSocketAddress,
        descriptor: OwnedSemaphorePermit,
    ) -> SocketResult<Self> {
        let mut context = CONTEXT.clone();
        let mut view = WasiSocketsCtxView { ctx: &mut context, table };
        let socket = view.create_tcp_socket(family)?;
        let connecting = options
            .apply(&mut view, &socket)
            .and_then(|()| view.start_connect(borrow(&socket), Resource::new_borrow(network.rep()), remote));
        let socket = view.table.delete(socket)?;
        connecting?;
        Ok(Self { socket, _descriptor: descriptor })
    }

    /// Calls a function of wasmtime-wasi's socket. Those want it in the table; outside of calls it is kept here, where
    /// the guest's own resource can wait for it.
    pub(super) fn call<R>(
        self,
        table: &mut ResourceTable,
        function: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<TcpSocket>) -> SocketResult<R>,
    ) -> SocketResult<(Self, SocketResult<R>)> {
        let Self { socket, _descriptor } = self;
        let socket = table.push(socket)?;
        let mut context = CONTEXT.clone();
        let result = function(&mut WasiSocketsCtxView { ctx: &mut context, table }, borrow(&socket));
        Ok((Self { socket: table.delete(socket)?, _descriptor }, result))
    }

    pub(super) async fn ready(&mut self) {
        self.socket.ready().await;
    }
}

/// The streams of a connection that is made, taken out of the table to become another resource's children.
pub(super) fn finish_connect(
    view: &mut WasiSocketsCtxView<'_>,
    socket: Resource<TcpSocket>,
) -> SocketResult<(DynInputStream, DynOutputStream)> {
    let (input, output) = view.finish_connect(socket)?;
    Ok((view.table.delete(input)?, view.table.delete(output)?))
}

fn borrow<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}
