//! Guests that try to reach and to bind what they may not.

use std::net::{TcpListener, UdpSocket};

use super::guests::{component, run, service};
use crate::engine::sockets::{NameLookup, SocketRole, VirtualNetwork};

const DENIED: &str = "PermissionDenied\n";

#[tokio::test]
async fn special_addresses_are_denied() {
    let network = VirtualNetwork::new();
    for address in [
        "169.254.169.254:80",
        "100.100.100.200:80",
        "198.18.0.1:80",
        "192.0.2.1:80",
        "240.0.0.1:80",
        "[fd00:ec2::254]:80",
        "[fe80::1]:80",
        "[64:ff9b::169.254.169.254]:80",
        "[2001:db8::1]:80",
    ] {
        for call in ["tcp-connect", "udp-send", "udp-connect"] {
            assert_eq!(component(&network, &[call, address]).await, DENIED, "{call} {address}");
        }
    }
}

#[tokio::test]
async fn addresses_that_name_no_peer_are_refused() {
    let network = VirtualNetwork::new();
    for address in ["0.0.0.0:80", "[::]:80", "[::ffff:127.0.0.1]:80", "[::ffff:169.254.169.254]:80", "224.0.0.1:80"] {
        for call in ["tcp-connect", "udp-send", "udp-connect"] {
            let output = component(&network, &[call, address]).await;
            assert!(matches!(output.as_str(), "InvalidInput\n" | DENIED), "{call} {address}: {output}");
        }
    }
}

#[tokio::test]
async fn loopback_of_the_system_is_out_of_reach() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let network = VirtualNetwork::new();
    let tcp_address = tcp.local_addr().unwrap().to_string();
    assert_eq!(component(&network, &["tcp-connect", &tcp_address]).await, "ConnectionRefused\n");
    assert_eq!(component(&network, &["udp-send", &udp.local_addr().unwrap().to_string()]).await, "done\n");
    assert!(tcp.accept().is_err());
    assert!(udp.recv(&mut [0; 16]).is_err());
    // And the other way round: what a service binds is free for the system.
    let service = service(&network, &["tcp-bind", &tcp_address]).await;
    assert_eq!(service, "done\n");
}

#[tokio::test]
async fn components_bind_nothing_but_udp_clients() {
    let network = VirtualNetwork::new();
    for address in ["127.0.0.1:80", "0.0.0.0:80", "127.0.0.1:0", "0.0.0.0:0", "[::1]:80", "[::]:0", "10.0.0.1:80"] {
        assert_eq!(component(&network, &["tcp-bind", address]).await, DENIED, "tcp {address}");
    }
    for address in ["127.0.0.1:53", "0.0.0.0:53", "127.0.0.1:0", "[::]:53"] {
        assert_eq!(component(&network, &["udp-bind", address]).await, DENIED, "udp {address}");
    }
    for address in ["0.0.0.0:0", "[::]:0"] {
        assert_eq!(component(&network, &["udp-bind", address]).await, "done\n", "udp {address}");
    }
}

#[tokio::test]
async fn services_bind_their_loopback_alone() {
    let network = VirtualNetwork::new();
    for call in ["tcp-bind", "udp-bind"] {
        for address in ["127.0.0.1:80", "0.0.0.0:80", "127.9.9.9:0", "[::1]:80", "[::]:80"] {
            assert_eq!(service(&network, &[call, address]).await, "done\n", "{call} {address}");
        }
        for address in ["10.0.0.1:80", "192.168.0.1:0", "8.8.8.8:80", "169.254.1.1:80", "[fd00::1]:80"] {
            assert_eq!(service(&network, &[call, address]).await, DENIED, "{call} {address}");
        }
    }
}

#[tokio::test]
async fn names_are_resolved_as_far_as_they_are_allowed() {
    let network = VirtualNetwork::new();
    let allowed = NameLookup::parse(&["*.example.test".to_string()]).unwrap();
    for (name, lookup, expected) in [
        ("db.example.test", NameLookup::Denied, "denied"),
        ("example.test", allowed.clone(), "denied"),
        ("db.example.test", allowed.clone(), "10.0.0.7\ndone\n"),
        ("localhost", NameLookup::Denied, "127.0.0.1\n::1\ndone\n"),
        ("db.localhost", NameLookup::Denied, "127.0.0.1\n::1\ndone\n"),
        ("10.1.2.3", NameLookup::Denied, "10.1.2.3\ndone\n"),
    ] {
        let output = run(&network, SocketRole::Component, lookup, &["resolve", name]).await;
        match expected {
            "denied" => assert!(!output.contains("done"), "{name}: {output}"),
            _ => assert_eq!(output, expected, "{name}"),
        }
    }
}
