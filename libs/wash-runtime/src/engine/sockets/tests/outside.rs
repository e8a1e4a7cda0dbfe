//! Guests that reach the outside, for which a part of this machine's loopback stands. Only Linux has addresses there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::guests::{component, service};
use crate::engine::sockets::VirtualNetwork;

/// An address that the policy takes for the outside in tests.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1));

#[tokio::test]
async fn connections_to_the_outside_go_through_the_system() {
    let network = VirtualNetwork::new();
    let listener = tokio::net::TcpListener::bind(SocketAddr::new(OUTSIDE, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let echo = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    };
    let ask = ["tcp-ask", &address, "hello"];
    let ((), answer) = tokio::join!(echo, component(&network, &ask));
    assert_eq!(answer, format!("from 127.0.0.1 to {address}\nhello\ndone\n"));
    drop(listener);
    assert_eq!(component(&network, &ask).await, "ConnectionRefused\n");
    // From a socket that is bound to the loopback no way leads out.
    assert_eq!(service(&network, &["udp-send-from", "127.0.0.1:9", &address]).await, "HostUnreachable\n");
}

#[tokio::test]
async fn datagrams_of_strangers_outside_do_not_arrive() {
    let network = VirtualNetwork::new();
    let socket = tokio::net::UdpSocket::bind(SocketAddr::new(OUTSIDE, 0)).await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let echo = async {
        let stranger = UdpSocket::bind(SocketAddr::new(OUTSIDE, 0)).unwrap();
        let mut buffer = [0; 16];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        // What somebody else says to the port does not get through, though it comes first.
        stranger.send_to(b"strange", peer).unwrap();
        socket.send_to(&buffer[..length], peer).await.unwrap();
    };
    let ask = ["udp-ask-anybody", &address, "hello"];
    let ((), answer) = tokio::join!(echo, component(&network, &ask));
    assert_eq!(answer, format!("from {address}\nhello\ndone\n"));
}

#[tokio::test]
async fn one_socket_speaks_inside_and_outside() {
    let network = VirtualNetwork::new();
    let socket = tokio::net::UdpSocket::bind(SocketAddr::new(OUTSIDE, 0)).await.unwrap();
    let outside = socket.local_addr().unwrap().to_string();
    let inside = network.bind_udp("127.0.0.1:53".parse().unwrap()).unwrap();
    let echo = async {
        let mut buffer = [0; 16];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let datagram = loop {
            match inside.mailbox().take(None) {
                Some(datagram) => break datagram,
                None => tokio::task::yield_now().await,
            }
        };
        inside.send(datagram.data, datagram.from);
        socket.send_to(&buffer[..length], peer).await.unwrap();
    };
    let ask = ["udp-ask-both", &outside, "127.0.0.1:53"];
    let ((), answer) = tokio::join!(echo, component(&network, &ask));
    let mut answers: Vec<&str> = answer.lines().collect();
    answers.sort_unstable();
    assert_eq!(answers, ["127.0.0.1:53", &outside, "done"]);
}

#[test]
fn sockets_that_lead_out_of_a_workload_are_limited() {
    let network = VirtualNetwork::with_max_descriptors(Some(1));
    let slot = network.descriptor_slot();
    assert!(slot.is_some());
    assert!(network.descriptor_slot().is_none());
    drop(slot);
    assert!(network.descriptor_slot().is_some());
}
