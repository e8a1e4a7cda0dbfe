//! What a virtual network does without any guest.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime_wasi::p2::{InputStream, OutputStream, StreamError};

use crate::engine::sockets::mailbox::MAX_DATAGRAMS;
use crate::engine::sockets::network::{ConnectError, TcpListener, VirtualNetwork};
use crate::engine::sockets::pipe::{BUDGET, CAPACITY, CROWDED_CAPACITY};
use crate::engine::sockets::stream::VirtualStream;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn listen(network: &Arc<VirtualNetwork>, on: &str, backlog: usize) -> TcpListener {
    VirtualNetwork::listen(network.bind_tcp(address(on)).unwrap(), backlog)
}

/// Both ends of a connection: the one that connected first.
async fn pair(network: &Arc<VirtualNetwork>, listener: &mut TcpListener) -> (VirtualStream, VirtualStream) {
    let client = network.connect(listener.address().port()).await.unwrap();
    (client, listener.accept().unwrap())
}

fn poll_once<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> std::task::Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_way_ends_on_its_own() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "0.0.0.0:7777", 4);
    let (mut client, mut server) = pair(&network, &mut listener).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    drop((client, listener));
    assert_eq!(network.budget().used(), 0);
}

#[tokio::test]
async fn networks_do_not_see_each_other() {
    let (one, other) = (VirtualNetwork::new(), VirtualNetwork::new());
    let _listener = listen(&one, "127.0.0.1:80", 4);
    assert_eq!(other.connect(80).await.err(), Some(ConnectError::Refused));
    let _same_port = listen(&other, "127.0.0.1:80", 4);
    assert!(one.bind_tcp(address("0.0.0.0:80")).is_err());
}

#[tokio::test]
async fn nobody_is_reached_before_or_after_somebody_listens() {
    let network = VirtualNetwork::new();
    let port = network.bind_tcp(address("[::1]:80")).unwrap();
    assert_eq!(network.connect(80).await.err(), Some(ConnectError::Refused));
    let listener = VirtualNetwork::listen(port, 4);
    assert!(network.connect(80).await.is_ok());
    drop(listener);
    assert_eq!(network.connect(80).await.err(), Some(ConnectError::Refused));
    assert!(network.bind_tcp(address("[::1]:80")).is_ok());
}

#[tokio::test]
async fn ends_know_each_others_addresses() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "0.0.0.0:80", 4);
    let mut connecting = network.start_connect(None, address("127.0.0.9:80")).unwrap();
    let (client, client_end, ..) = connecting.take().unwrap().unwrap().into_parts();
    let (server, server_end, ..) = listener.accept().unwrap().into_parts();
    assert_eq!(client.remote_address(client_end), address("127.0.0.9:80"));
    assert_eq!(server.local_address(server_end), address("127.0.0.9:80"));
    assert_eq!(client.local_address(client_end), server.remote_address(server_end));
    assert!(client.local_address(client_end).port() >= 49_152);
}

#[tokio::test]
async fn a_full_backlog_makes_clients_wait() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "127.0.0.1:80", 2);
    let first = network.connect(80).await.unwrap();
    let _second = network.connect(80).await.unwrap();
    let mut third = Box::pin(network.connect(80));
    assert!(poll_once(&mut third).is_pending());
    drop(first);
    assert!(poll_once(&mut third).is_pending());
    listener.accept().unwrap();
    third.await.unwrap();
}

#[tokio::test]
async fn connections_that_nobody_accepts_are_reset() {
    let network = VirtualNetwork::new();
    let listener = listen(&network, "127.0.0.1:80", 1);
    let mut accepted = network.connect(80).await.unwrap();
    let mut waiting = Box::pin(network.connect(80));
    assert!(poll_once(&mut waiting).is_pending());
    drop(listener);
    assert_eq!(accepted.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(accepted.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(waiting.await.err(), Some(ConnectError::Refused));
}

#[tokio::test]
async fn a_writer_waits_for_its_reader() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "127.0.0.1:80", 4);
    let (mut client, mut server) = pair(&network, &mut listener).await;
    let written = client.write(&vec![1; 2 * CAPACITY]).await.unwrap();
    assert_eq!(written, CAPACITY);
    let mut more = Box::pin(client.write_all(&[2; 10]));
    assert!(poll_once(&mut more).is_pending());
    server.read_exact(&mut [0; 10]).await.unwrap();
    more.await.unwrap();
    assert_eq!(network.budget().used(), CAPACITY);
}

#[tokio::test]
async fn a_crowded_network_leaves_each_connection_a_little_room() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "127.0.0.1:80", 4);
    let mut full = Vec::new();
    while network.budget().used() < BUDGET {
        let (mut client, server) = pair(&network, &mut listener).await;
        client.write_all(&vec![0; CAPACITY]).await.unwrap();
        full.push((client, server));
    }
    let (mut client, mut server) = pair(&network, &mut listener).await;
    assert_eq!(client.write(&vec![0; CAPACITY]).await.unwrap(), CROWDED_CAPACITY);
    server.read_exact(&mut [0; 24]).await.unwrap();
    assert_eq!(client.write(&vec![0; CAPACITY]).await.unwrap(), 24);
    drop(full);
    assert_eq!(network.budget().used(), CROWDED_CAPACITY);
}

#[tokio::test]
async fn leaving_something_unread_is_a_reset_after_what_was_said() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "127.0.0.1:80", 4);
    let (mut client, mut server) = pair(&network, &mut listener).await;
    client.write_all(b"unread").await.unwrap();
    server.write_all(b"bye").await.unwrap();
    drop(server);
    let mut said = Vec::new();
    let end = client.read_to_end(&mut said).await;
    assert_eq!((said.as_slice(), end.unwrap_err().kind()), (b"bye".as_slice(), ErrorKind::ConnectionReset));
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(network.budget().used(), 0);
}

#[tokio::test]
async fn writing_to_who_is_gone_fails() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "127.0.0.1:80", 4);
    let (mut client, server) = pair(&network, &mut listener).await;
    drop(server);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn guests_write_what_they_were_granted_and_no_more() {
    let network = VirtualNetwork::new();
    let mut listener = listen(&network, "127.0.0.1:80", 4);
    let (client, server) = pair(&network, &mut listener).await;
    let (_, _, _, mut writer) = client.into_parts();
    let (_, _, mut reader, server_writer) = server.into_parts();
    assert!(matches!(writer.write(vec![0; 1].into()), Err(StreamError::Trap(_))));
    assert_eq!(writer.check_write().unwrap(), CAPACITY);
    writer.write(vec![7; CAPACITY].into()).unwrap();
    assert_eq!(writer.check_write().unwrap(), 0);
    assert!(matches!(writer.write(vec![0; 1].into()), Err(StreamError::Trap(_))));
    assert_eq!(reader.read(3).unwrap().as_ref(), [7; 3]);
    assert_eq!(writer.check_write().unwrap(), 3);
    drop((reader, server_writer));
    assert!(matches!(writer.check_write(), Err(StreamError::Closed)));
}

#[test]
fn datagrams_arrive_whole_or_not_at_all() {
    let network = VirtualNetwork::new();
    let server = network.bind_udp(address("0.0.0.0:53")).unwrap();
    let client = network.bind_udp(address("0.0.0.0:0")).unwrap();
    client.send(b"nobody".to_vec(), address("127.0.0.1:54"));
    for _ in 0..MAX_DATAGRAMS + 10 {
        client.send(b"hello".to_vec(), address("127.0.0.1:53"));
    }
    let mut received = Vec::new();
    while let Some(datagram) = server.mailbox().take(None) {
        received.push(datagram);
    }
    assert_eq!(received.len(), MAX_DATAGRAMS);
    assert_eq!(received[0].data, b"hello");
    assert_eq!(received[0].from, SocketAddr::new("127.0.0.1".parse().unwrap(), client.address().port()));
    for _ in 0..10 {
        client.send(vec![0; 60_000], address("127.0.0.1:53"));
    }
    assert_eq!(network.budget().used(), 4 * 60_000);
    drop(server);
    assert_eq!(network.budget().used(), 0);
    assert!(network.bind_udp(address("127.0.0.1:53")).is_ok());
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let network = VirtualNetwork::new();
    let [one, peer, stranger] =
        ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"].map(|bound| network.bind_udp(address(bound)).unwrap());
    stranger.send(b"strange".to_vec(), one.address());
    peer.send(b"known".to_vec(), one.address());
    assert_eq!(one.mailbox().take(Some(peer.address())).map(|datagram| datagram.data), Some(b"known".to_vec()));
    assert_eq!(one.mailbox().take(None), None);
}
