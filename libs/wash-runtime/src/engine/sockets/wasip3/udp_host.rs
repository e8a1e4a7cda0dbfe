//! `wasi:sockets/types` of WASI 0.3, its UDP sockets: the same sockets as those of WASI 0.2, called in another way.
//!
//! It holds no state of its own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use wasmtime::component::{Accessor, Resource};
use wasmtime_wasi::p2::Pollable as _;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode as Code, IpAddressFamily as Family};

use super::bindings::types::{HostUdpSocket, HostUdpSocketWithStore, IpAddressFamily, IpSocketAddress};
use super::{SocketResult, convert};
use crate::engine::sockets::tcp_host::{DEFAULT_HOP_LIMIT, check_not_zero};
use crate::engine::sockets::udp::{UdpSocket, UdpState};
use crate::engine::sockets::udp_host::DEFAULT_BUFFER_SIZE;
use crate::engine::sockets::{Sockets, SocketsCtxView};

impl<T: Send + 'static> HostUdpSocketWithStore<T> for Sockets {
    async fn send(
        store: &Accessor<T, Self>,
        this: Resource<UdpSocket>,
        data: Vec<u8>,
        remote_address: Option<IpSocketAddress>,
    ) -> SocketResult<()> {
        let to = remote_address.map(convert::address);
        let mut outgoing = store.with(|mut access| {
            let mut view = access.get();
            view.bind_implicitly(&this)?;
            let socket = view.table.get_mut(&this)?;
            let (_, outgoing) = socket.streams(socket.peer).map_err(convert::failure)?;
            SocketResult::Ok(outgoing)
        })?;
        // One waits until there is room, others wait for that one.
        let turn = outgoing.turn();
        let _turn = turn.lock().await;
        loop {
            match outgoing.send(data.clone(), to) {
                Err(Code::WouldBlock) => outgoing.ready().await,
                result => return result.map_err(convert::failure),
            }
        }
    }

    async fn receive(store: &Accessor<T, Self>, this: Resource<UdpSocket>) -> SocketResult<(Vec<u8>, IpSocketAddress)> {
        let mut incoming = store.with(|mut access| {
            let socket = access.get().table.get_mut(&this)?;
            let (incoming, _) = socket.streams(socket.peer).map_err(convert::failure)?;
            SocketResult::Ok(incoming)
        })?;
        // One waits for the next datagram, others wait for that one.
        let turn = incoming.turn();
        let _turn = turn.lock().await;
        let mut buffer = Vec::new();
        loop {
            if let Some(datagram) = incoming.receive(&mut buffer) {
                return Ok((datagram.data, convert::guest_address(datagram.from)));
            }
            incoming.ready().await;
        }
    }
}

impl SocketsCtxView<'_> {
    fn udp(&mut self, this: &Resource<UdpSocket>) -> SocketResult<&mut UdpSocket> {
        Ok(self.table.get_mut(this)?)
    }

    fn bind_udp(&mut self, this: &Resource<UdpSocket>, address: SocketAddr) -> SocketResult<()> {
        let socket = self.table.get_mut(this)?;
        let bound = socket.start_bind(&self.ctx.network, self.ctx.role, address).and_then(|()| socket.finish_bind());
        bound.map_err(convert::failure)
    }

    /// A socket that sends before it is bound is bound to any port.
    fn bind_implicitly(&mut self, this: &Resource<UdpSocket>) -> SocketResult<()> {
        let socket = self.udp(this)?;
        if !matches!(socket.state, UdpState::Idle) {
            return Ok(());
        }
        let any = match socket.family {
            Family::Ipv4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            Family::Ipv6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        self.bind_udp(this, any)
    }

    /// Changes whom the socket speaks with: one peer, or everybody.
    fn set_peer(&mut self, this: &Resource<UdpSocket>, peer: Option<SocketAddr>) -> SocketResult<()> {
        self.udp(this)?.streams(peer).map(|_| ()).map_err(convert::failure)
    }
}

fn check<N: Default + PartialEq>(value: N) -> SocketResult<()> {
    check_not_zero(value).map_err(convert::failure)
}

impl HostUdpSocket for SocketsCtxView<'_> {
    fn create(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let slot = self.ctx.socket_slot().map_err(convert::failure)?;
        Ok(self.table.push(UdpSocket::new(convert::family(family), slot))?)
    }

    fn bind(&mut self, this: Resource<UdpSocket>, local_address: IpSocketAddress) -> SocketResult<()> {
        self.bind_udp(&this, convert::address(local_address))
    }

    fn connect(&mut self, this: Resource<UdpSocket>, remote_address: IpSocketAddress) -> SocketResult<()> {
        self.bind_implicitly(&this)?;
        self.set_peer(&this, Some(convert::address(remote_address)))
    }

    fn disconnect(&mut self, this: Resource<UdpSocket>) -> SocketResult<()> {
        if self.udp(&this)?.peer.is_none() {
            return Err(convert::failure(Code::InvalidState));
        }
        self.set_peer(&this, None)
    }

    fn get_local_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        self.udp(&this)?.local_address().map(convert::guest_address).map_err(convert::failure)
    }

    fn get_remote_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        let peer = self.udp(&this)?.peer.ok_or(convert::failure(Code::InvalidState))?;
        Ok(convert::guest_address(peer))
    }

    fn get_address_family(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(convert::guest_family(self.table.get(&this)?.family))
    }

    fn get_unicast_hop_limit(&mut self, this: Resource<UdpSocket>) -> SocketResult<u8> {
        Ok(self.udp(&this)?.options.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT))
    }

    fn set_unicast_hop_limit(&mut self, this: Resource<UdpSocket>, value: u8) -> SocketResult<()> {
        check(value)?;
        self.udp(&this)?.set_hop_limit(value).map_err(convert::failure)
    }

    fn get_receive_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.udp(&this)?.options.receive_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE))
    }

    fn set_receive_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        check(value)?;
        self.udp(&this)?.options.receive_buffer_size = Some(value);
        Ok(())
    }

    fn get_send_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.udp(&this)?.options.send_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE))
    }

    fn set_send_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        check(value)?;
        self.udp(&this)?.options.send_buffer_size = Some(value);
        Ok(())
    }

    fn drop(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
