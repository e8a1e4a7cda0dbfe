//! `wasi:sockets/udp` and `udp-create-socket`: the calls of guests, on sockets in the store's table.
//!
//! It holds no state of its own.

use std::net::SocketAddr;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, subscribe};

use super::SocketsCtxView;
use super::bindings::udp::{self, IncomingDatagram, OutgoingDatagram};
use super::bindings::udp_create_socket;
use super::tcp_host::{DEFAULT_HOP_LIMIT, check_not_zero};
use super::udp::{IncomingDatagrams, OutgoingDatagrams, UdpSocket};

/// Datagrams of one call.
const MAX_DATAGRAMS: usize = 16;

/// Bytes of one call, after which it takes no further datagram.
const MAX_RECEIVED_BYTES: usize = 64 << 10;

pub(super) const DEFAULT_BUFFER_SIZE: u64 = 256 << 10;

impl udp_create_socket::Host for SocketsCtxView<'_> {
    fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let slot = self.ctx.socket_slot()?;
        Ok(self.table.push(UdpSocket::new(family, slot))?)
    }
}

impl udp::Host for SocketsCtxView<'_> {}

impl udp::HostUdpSocket for SocketsCtxView<'_> {
    fn start_bind(
        &mut self,
        this: Resource<UdpSocket>,
        network: Resource<Network>,
        local_address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.check_network(&network)?;
        let socket = self.table.get_mut(&this)?;
        Ok(socket.start_bind(&self.ctx.network, self.ctx.role, local_address.into())?)
    }

    fn finish_bind(&mut self, this: Resource<UdpSocket>) -> SocketResult<()> {
        Ok(self.table.get_mut(&this)?.finish_bind()?)
    }

    fn stream(
        &mut self,
        this: Resource<UdpSocket>,
        remote_address: Option<IpSocketAddress>,
    ) -> SocketResult<(Resource<IncomingDatagrams>, Resource<OutgoingDatagrams>)> {
        let mut children = self.table.iter_children(&this)?;
        if children.any(|child| child.is::<IncomingDatagrams>() || child.is::<OutgoingDatagrams>()) {
            return Err(SocketError::trap(wasmtime::format_err!("the socket's earlier streams are not dropped")));
        }
        drop(children);
        let (incoming, outgoing) = self.table.get_mut(&this)?.streams(remote_address.map(SocketAddr::from))?;
        Ok((self.table.push_child(incoming, &this)?, self.table.push_child(outgoing, &this)?))
    }

    fn local_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        Ok(self.table.get(&this)?.local_address()?.into())
    }

    fn remote_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        Ok(self.table.get(&this)?.peer.ok_or(ErrorCode::InvalidState)?.into())
    }

    fn address_family(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&this)?.family)
    }

    fn unicast_hop_limit(&mut self, this: Resource<UdpSocket>) -> SocketResult<u8> {
        Ok(self.table.get(&this)?.options.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT))
    }

    fn set_unicast_hop_limit(&mut self, this: Resource<UdpSocket>, value: u8) -> SocketResult<()> {
        check_not_zero(value)?;
        Ok(self.table.get_mut(&this)?.set_hop_limit(value)?)
    }

    fn receive_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.table.get(&this)?.options.receive_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE))
    }

    // Sizes of buffers are hints, and these are not passed on: the host decides how much a guest may keep waiting.
    fn set_receive_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        check_not_zero(value)?;
        self.table.get_mut(&this)?.options.receive_buffer_size = Some(value);
        Ok(())
    }

    fn send_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.table.get(&this)?.options.send_buffer_size.unwrap_or(DEFAULT_BUFFER_SIZE))
    }

    fn set_send_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        check_not_zero(value)?;
        self.table.get_mut(&this)?.options.send_buffer_size = Some(value);
        Ok(())
    }

    fn subscribe(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn drop(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl udp::HostIncomingDatagramStream for SocketsCtxView<'_> {
    fn receive(&mut self, this: Resource<IncomingDatagrams>, max_results: u64) -> SocketResult<Vec<IncomingDatagram>> {
        let stream = self.table.get_mut(&this)?;
        let most = usize::try_from(max_results).map_or(MAX_DATAGRAMS, |most| most.min(MAX_DATAGRAMS));
        let mut datagrams = Vec::new();
        let mut bytes = 0;
        let mut buffer = Vec::new();
        while datagrams.len() < most && bytes < MAX_RECEIVED_BYTES {
            let Some(datagram) = stream.receive(&mut buffer) else { break };
            bytes += datagram.data.len();
            datagrams.push(IncomingDatagram { data: datagram.data, remote_address: datagram.from.into() });
        }
        Ok(datagrams)
    }

    fn subscribe(&mut self, this: Resource<IncomingDatagrams>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn drop(&mut self, this: Resource<IncomingDatagrams>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl udp::HostOutgoingDatagramStream for SocketsCtxView<'_> {
    fn check_send(&mut self, this: Resource<OutgoingDatagrams>) -> SocketResult<u64> {
        let stream = self.table.get_mut(&this)?;
        stream.permits = if stream.is_ready() { MAX_DATAGRAMS } else { 0 };
        Ok(stream.permits as u64)
    }

    fn send(&mut self, this: Resource<OutgoingDatagrams>, datagrams: Vec<OutgoingDatagram>) -> SocketResult<u64> {
        let stream = self.table.get_mut(&this)?;
        if datagrams.len() > stream.permits {
            return Err(SocketError::trap(wasmtime::format_err!(
                "more datagrams are sent than check-send has granted"
            )));
        }
        if datagrams.is_empty() {
            return Ok(0);
        }
        stream.permits = 0;
        let mut sent = 0;
        for datagram in datagrams {
            match stream.send(datagram.data, datagram.remote_address.map(SocketAddr::from)) {
                Ok(()) => sent += 1,
                // What has left is told; the error comes again with the next call.
                Err(ErrorCode::WouldBlock) => break,
                Err(_) if sent > 0 => break,
                Err(code) => return Err(code.into()),
            }
        }
        Ok(sent)
    }

    fn subscribe(&mut self, this: Resource<OutgoingDatagrams>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn drop(&mut self, this: Resource<OutgoingDatagrams>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
