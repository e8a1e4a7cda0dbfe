//! What `wasi:sockets` demands of an address, whatever the policy says about it.
//!
//! Where an address leads is the business of [`special_addresses`](crate::engine::special_addresses).

use std::net::SocketAddr;

use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

use crate::engine::special_addresses::{Reach, reach};

/// Fails unless a socket of this family can use the address. Sockets of IPv6 are IPv6 only, so they do not take
/// IPv4 addresses in disguise.
pub(super) fn check_family(address: SocketAddr, family: IpAddressFamily) -> Result<(), ErrorCode> {
    match (address, family) {
        (SocketAddr::V4(_), IpAddressFamily::Ipv4) => Ok(()),
        (SocketAddr::V6(address), IpAddressFamily::Ipv6) if address.ip().to_ipv4_mapped().is_none() => Ok(()),
        _ => Err(ErrorCode::InvalidArgument),
    }
}

/// Fails unless one peer can be meant.
pub(super) fn check_remote(address: SocketAddr, family: IpAddressFamily) -> Result<(), ErrorCode> {
    check_family(address, family)?;
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err(ErrorCode::InvalidArgument);
    }
    Ok(())
}

/// Fails unless the address belongs to the workload's own network: nothing else can be bound, by whomever.
pub(super) fn check_bindable(address: SocketAddr) -> Result<(), ErrorCode> {
    let ip = address.ip();
    if ip.is_multicast() {
        return Err(ErrorCode::InvalidArgument);
    }
    if ip.is_unspecified() || reach(ip) == Reach::Loopback { Ok(()) } else { Err(ErrorCode::AccessDenied) }
}
