//! Which addresses of a virtual network are bound, for one protocol, and what each leads to.
//!
//! It knows neither TCP nor UDP, and takes no lock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};

/// The ports that are given to sockets which ask for none, as IANA sets them aside.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// The address, or every ephemeral port of it, is bound already.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct AddressInUse;

/// Bound addresses. Families are apart, as for sockets that are IPv6 only.
pub(super) struct PortTable<E> {
    bound: HashMap<(Family, u16), Vec<(IpAddr, E)>>,
    next_ephemeral: u16,
}

#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Family {
    V4,
    V6,
}

impl<E> PortTable<E> {
    pub(super) fn new() -> Self {
        Self { bound: HashMap::new(), next_ephemeral: *EPHEMERAL.start() }
    }

    /// Binds the address; port 0 stands for any free one. Returns the address with its port.
    pub(super) fn bind(&mut self, address: SocketAddr, entry: E) -> Result<SocketAddr, AddressInUse> {
        if address.port() != 0 {
            if self.is_taken(address) {
                return Err(AddressInUse);
            }
            self.insert(address, entry);
            return Ok(address);
        }
        for _ in EPHEMERAL {
            let candidate = SocketAddr::new(address.ip(), self.next_ephemeral);
            self.next_ephemeral =
                if self.next_ephemeral == *EPHEMERAL.end() { *EPHEMERAL.start() } else { self.next_ephemeral + 1 };
            if !self.is_taken(candidate) {
                self.insert(candidate, entry);
                return Ok(candidate);
            }
        }
        Err(AddressInUse)
    }

    /// Frees a bound address. The entry is handed back so that it is not dropped under the caller's lock.
    pub(super) fn release(&mut self, address: SocketAddr) -> Option<E> {
        let Entry::Occupied(mut port) = self.bound.entry(key(address)) else { return None };
        let position = port.get().iter().position(|(ip, _)| *ip == address.ip())?;
        let (_, entry) = port.get_mut().swap_remove(position);
        if port.get().is_empty() {
            port.remove();
        }
        Some(entry)
    }

    /// What a packet to this address reaches: an exact binding, or one of all addresses.
    pub(super) fn find(&self, destination: SocketAddr) -> Option<&E> {
        let port = self.bound.get(&key(destination))?;
        port.iter().find(|(ip, _)| *ip == destination.ip() || ip.is_unspecified()).map(|(_, entry)| entry)
    }

    /// All that is bound, in no particular order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u16, &E)> {
        self.bound.iter().flat_map(|((_, port), bound)| bound.iter().map(|(_, entry)| (*port, entry)))
    }

    /// Replaces what a bound address leads to.
    pub(super) fn replace(&mut self, address: SocketAddr, entry: E) {
        let port = self.bound.get_mut(&key(address));
        if let Some((_, bound)) = port.and_then(|port| port.iter_mut().find(|(ip, _)| *ip == address.ip())) {
            *bound = entry;
        }
    }

    fn is_taken(&self, address: SocketAddr) -> bool {
        let conflicts = |ip: IpAddr| ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
        self.bound.get(&key(address)).is_some_and(|port| port.iter().any(|(ip, _)| conflicts(*ip)))
    }

    fn insert(&mut self, address: SocketAddr, entry: E) {
        self.bound.entry(key(address)).or_default().push((address.ip(), entry));
    }
}

fn key(address: SocketAddr) -> (Family, u16) {
    (if address.is_ipv4() { Family::V4 } else { Family::V6 }, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_bound_once_and_again_when_released() {
        let mut table = PortTable::new();
        let bound = [("127.0.0.1:80", 1), ("127.0.0.2:80", 2), ("[::1]:80", 3), ("0.0.0.0:81", 4)];
        for (text, entry) in bound {
            assert_eq!(table.bind(address(text), entry), Ok(address(text)));
        }
        for taken in ["127.0.0.1:80", "0.0.0.0:80", "127.0.0.1:81", "0.0.0.0:81", "[::]:80"] {
            assert_eq!(table.bind(address(taken), 9), Err(AddressInUse), "{taken}");
        }
        assert_eq!(table.find(address("127.0.0.2:80")), Some(&2));
        assert_eq!(table.find(address("127.0.0.9:81")), Some(&4));
        assert_eq!(table.find(address("127.0.0.3:80")), None);
        assert_eq!(table.find(address("[::1]:81")), None);
        assert_eq!(table.release(address("127.0.0.1:80")), Some(1));
        assert_eq!(table.release(address("127.0.0.1:80")), None);
        assert_eq!(table.bind(address("127.0.0.1:80"), 5), Ok(address("127.0.0.1:80")));
    }

    #[test]
    fn ephemeral_ports_run_out_and_are_found_again() {
        let mut table = PortTable::new();
        for _ in EPHEMERAL {
            table.bind(address("127.0.0.1:0"), ()).unwrap();
        }
        assert_eq!(table.bind(address("127.0.0.1:0"), ()), Err(AddressInUse));
        assert_eq!(table.bind(address("127.0.0.2:0"), ()).map(|bound| bound.ip()), Ok(address("127.0.0.2:0").ip()));
        table.release(address("127.0.0.1:50000")).unwrap();
        assert_eq!(table.bind(address("127.0.0.1:0"), ()), Ok(address("127.0.0.1:50000")));
    }
}
