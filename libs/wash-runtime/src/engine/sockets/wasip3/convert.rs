//! Between the terms of WASI 0.3 and those that the sockets are written in, which are WASI 0.2's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode as Code, IpAddressFamily as Family};

use super::SocketError;
use super::bindings::ip_name_lookup::ErrorCode as LookupCode;
use super::bindings::types::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};

/// An error of the sockets themselves.
pub(super) fn error(code: Code) -> ErrorCode {
    match code {
        Code::AccessDenied => ErrorCode::AccessDenied,
        Code::NotSupported => ErrorCode::NotSupported,
        Code::InvalidArgument => ErrorCode::InvalidArgument,
        Code::OutOfMemory => ErrorCode::OutOfMemory,
        Code::Timeout => ErrorCode::Timeout,
        Code::InvalidState | Code::ConcurrencyConflict | Code::NotInProgress => ErrorCode::InvalidState,
        Code::AddressNotBindable => ErrorCode::AddressNotBindable,
        Code::AddressInUse => ErrorCode::AddressInUse,
        Code::RemoteUnreachable => ErrorCode::RemoteUnreachable,
        Code::ConnectionRefused => ErrorCode::ConnectionRefused,
        Code::ConnectionReset => ErrorCode::ConnectionReset,
        Code::ConnectionAborted => ErrorCode::ConnectionAborted,
        Code::DatagramTooLarge => ErrorCode::DatagramTooLarge,
        Code::NewSocketLimit => ErrorCode::Other(Some("the limit of sockets is reached".to_string())),
        _ => ErrorCode::Other(None),
    }
}

/// The same, on its way to the guest.
pub(super) fn failure(code: Code) -> SocketError {
    error(code).into()
}

/// An error of the system, or of a pipe.
pub(super) fn io_error(err: io::Error) -> ErrorCode {
    match err.kind() {
        io::ErrorKind::BrokenPipe => ErrorCode::ConnectionBroken,
        _ => error(Code::from(err)),
    }
}

pub(super) fn lookup_error(code: Code) -> LookupCode {
    match code {
        Code::AccessDenied => LookupCode::AccessDenied,
        Code::InvalidArgument => LookupCode::InvalidArgument,
        Code::NameUnresolvable => LookupCode::NameUnresolvable,
        Code::TemporaryResolverFailure => LookupCode::TemporaryResolverFailure,
        Code::PermanentResolverFailure => LookupCode::PermanentResolverFailure,
        _ => LookupCode::Other(None),
    }
}

pub(super) fn family(family: IpAddressFamily) -> Family {
    match family {
        IpAddressFamily::Ipv4 => Family::Ipv4,
        IpAddressFamily::Ipv6 => Family::Ipv6,
    }
}

pub(super) fn guest_family(family: Family) -> IpAddressFamily {
    match family {
        Family::Ipv4 => IpAddressFamily::Ipv4,
        Family::Ipv6 => IpAddressFamily::Ipv6,
    }
}

pub(super) fn address(address: IpSocketAddress) -> SocketAddr {
    match address {
        IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (a, b, c, d) }) => {
            SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).into()
        }
        IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info, address, scope_id }) => {
            let (a, b, c, d, e, f, g, h) = address;
            SocketAddrV6::new(Ipv6Addr::new(a, b, c, d, e, f, g, h), port, flow_info, scope_id).into()
        }
    }
}

pub(super) fn guest_address(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => {
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: address.ip().octets().into() })
        }
        SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: address.port(),
            flow_info: address.flowinfo(),
            address: address.ip().segments().into(),
            scope_id: address.scope_id(),
        }),
    }
}

pub(super) fn guest_ip(address: IpAddr) -> IpAddress {
    match address {
        IpAddr::V4(address) => IpAddress::Ipv4(address.octets().into()),
        IpAddr::V6(address) => IpAddress::Ipv6(address.segments().into()),
    }
}
