//! Traits and types generated from `wit/sockets`. It implements none of them.
//!
//! Addresses, error codes and the `network` resource are wasmtime-wasi's own, so that its sockets can be called with
//! them and its `wasi:io` accepts our streams.
#![allow(missing_docs, unreachable_pub, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit/sockets",
    world: "wasi:sockets/host-sockets",
    imports: { default: trappable },
    require_store_data_send: true,
    trappable_error_type: {
        "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError,
    },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
        "wasi:sockets/tcp.tcp-socket": super::tcp::TcpSocket,
        "wasi:sockets/udp.udp-socket": super::udp::UdpSocket,
        "wasi:sockets/udp.incoming-datagram-stream": super::udp::IncomingDatagrams,
        "wasi:sockets/udp.outgoing-datagram-stream": super::udp::OutgoingDatagrams,
        "wasi:sockets/ip-name-lookup.resolve-address-stream": super::names::AddressStream,
    },
});

pub(super) use wasi::sockets::{ip_name_lookup, tcp, tcp_create_socket, udp, udp_create_socket};
