//! Where an IP address leads that a guest names: to a loopback, out of the machine, or nowhere.
//!
//! It looks at addresses alone, not at ports, names or who asks, and decides nothing: what a loopback is to a guest is
//! for the caller to say. The ranges are those of the IANA special-purpose registries, and the addresses at which cloud
//! providers hand out credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// Back to where it comes from: for sockets the workload's own network, for HTTP this machine.
    Loopback,
    /// Out of the machine. Private ranges are included: databases live there.
    Outside,
    /// Nowhere.
    Forbidden,
}

/// Ranges of IPv4 that no guest reaches, with the length of their prefix.
const FORBIDDEN_V4: &[(Ipv4Addr, u32)] = &[
    // "This network": Linux takes 0.0.0.0 for its own loopback.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Metadata of Alibaba Cloud, inside the range of carrier-grade NAT, which clusters use for their pods.
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    // Metadata and machine agent of Azure.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // Link-local, with the metadata service of most clouds at 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocol assignments, with the metadata service of Oracle Cloud.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Relays of 6to4, given up.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Ranges of IPv6 that no guest reaches, with the length of their prefix.
const FORBIDDEN_V6: &[(Ipv6Addr, u32)] = &[
    // Unspecified, IPv4-compatible, and what else was never given out.
    (Ipv6Addr::UNSPECIFIED, 8),
    // NAT64 of the local network: which IPv4 address it leads to is not known here.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    // Discard.
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    // Protocol assignments: Teredo, benchmarks, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4, given up: it would tunnel to any IPv4 address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // Segment routing.
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),
    // Metadata of Scaleway, Amazon and Google, inside the private range.
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
    // Link-local and its predecessor, site-local.
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 9),
    // Multicast.
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Well-known prefix of NAT64: the last 32 bits are the IPv4 address that it leads to.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Where this address leads. An IPv6 form of an IPv4 address leads where that one does, but never to the loopback.
pub(crate) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Reach::Loopback,
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) if reach_v4(embedded) == Reach::Outside => Reach::Outside,
            Some(_) => Reach::Forbidden,
            None if FORBIDDEN_V6.iter().any(|range| contains_v6(*range, address)) => Reach::Forbidden,
            None => Reach::Outside,
        },
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    // Tests contact no machine but their own, whose 127.77.0.0/16 stands for the outside there.
    if cfg!(test) && address.octets()[..2] == [127, 77] {
        Reach::Outside
    } else if address.is_loopback() {
        Reach::Loopback
    } else if FORBIDDEN_V4.iter().any(|range| contains_v4(*range, address)) {
        Reach::Forbidden
    } else {
        Reach::Outside
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if contains_v6(NAT64, address) {
        let [.., a, b, c, d] = address.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    address.to_ipv4_mapped()
}

fn contains_v4((network, prefix): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

fn contains_v6((network, prefix): (Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_reach(expected: Reach, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn loopback_is_the_workloads_own() {
        assert_reach(Reach::Loopback, &["127.0.0.1", "127.0.0.0", "127.255.255.254", "::1"]);
    }

    #[test]
    fn public_and_private_addresses_are_outside() {
        assert_reach(
            Reach::Outside,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "126.255.255.255",
                "128.0.0.1",
                "169.253.255.255",
                "169.255.0.0",
                "192.0.1.1",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2606:4700::1111",
                "2001:200::1",
                "2003::1",
                "fd12:3456::1",
                "fc00::1",
                "64:ff9b::8.8.8.8",
                "::ffff:8.8.8.8",
            ],
        );
    }

    #[test]
    fn special_addresses_lead_nowhere() {
        assert_reach(
            Reach::Forbidden,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "100.100.100.200",
                "168.63.129.16",
                "169.254.0.1",
                "169.254.169.254",
                "169.254.170.2",
                "192.0.0.192",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.7",
                "203.0.113.9",
                "224.0.0.1",
                "239.255.255.250",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::2",
                "::127.0.0.1",
                "::169.254.169.254",
                "100::1",
                "2001::1",
                "2001:2::1",
                "2001:20::1",
                "2001:db8::1",
                "2002:7f00:1::1",
                "3fff::1",
                "5f00::1",
                "64:ff9b:1::1",
                "fd00:42::42",
                "fd00:ec2::254",
                "fd20:ce::254",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
            ],
        );
    }

    #[test]
    fn ipv6_forms_of_special_addresses_lead_nowhere() {
        for v4 in ["127.0.0.1", "0.0.0.0", "169.254.169.254", "100.100.100.200", "224.0.0.1", "255.255.255.255"] {
            assert_reach(Reach::Forbidden, &[&format!("::ffff:{v4}"), &format!("64:ff9b::{v4}")]);
        }
    }
}
