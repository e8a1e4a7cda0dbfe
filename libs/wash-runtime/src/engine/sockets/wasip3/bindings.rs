//! Traits and types generated from `wit/sockets-0.3`. It implements none of them.
#![allow(missing_docs, unreachable_pub, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit/sockets-0.3",
    world: "wasi:sockets/host-sockets",
    imports: {
        "wasi:sockets/types.[method]tcp-socket.listen": store | trappable,
        "wasi:sockets/types.[method]tcp-socket.send": store | trappable,
        "wasi:sockets/types.[method]tcp-socket.receive": store | trappable,
        default: trappable,
    },
    require_store_data_send: true,
    trappable_error_type: {
        "wasi:sockets/types.error-code" => super::SocketError,
    },
    with: {
        "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
        "wasi:sockets/types.tcp-socket": super::tcp::TcpSocket,
        "wasi:sockets/types.udp-socket": crate::engine::sockets::udp::UdpSocket,
    },
});

pub(super) use wasi::sockets::{ip_name_lookup, types};
