//! A program for tests of the host's sockets: its first argument says what to do, and it prints what came of it.
//!
//! It knows nothing of WebAssembly: what it uses is the standard library's network.

use std::env;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[1..] {
        ["tcp-serve", address, connections] => tcp_serve(address, connections.parse().unwrap()),
        ["tcp-ask", address, text] => tcp_ask(address, text.as_bytes()),
        ["tcp-send", address, bytes] => tcp_send(address, bytes.parse().unwrap()),
        ["tcp-bind", address] => TcpListener::bind(address).map(|listener| drop(listener)),
        ["tcp-connect", address] => TcpStream::connect(address).map(drop),
        ["tcp-leave-unread", address] => tcp_leave_unread(address),
        ["udp-serve", address, datagrams] => udp_serve(address, datagrams.parse().unwrap()),
        ["udp-ask", address, text] => udp_ask(address, text.as_bytes()),
        ["udp-ask-anybody", address, text] => udp_ask_anybody(address, text.as_bytes()),
        ["udp-ask-both", one, other] => udp_ask_both(one, other),
        ["udp-bind", address] => UdpSocket::bind(address).map(drop),
        ["udp-send", address] => udp_send(address),
        ["udp-send-from", from, to] => UdpSocket::bind(from).and_then(|socket| socket.send_to(b"hello", to)).map(drop),
        ["udp-connect", address] => udp_connect(address),
        ["resolve", name] => resolve(name),
        ["hoard", sockets] => hoard(sockets.parse().unwrap()),
        _ => panic!("unknown arguments: {arguments:?}"),
    };
    match result {
        Ok(()) => println!("done"),
        Err(err) => println!("{:?}", err.kind()),
    }
}

/// Answers each connection with what came, in upper case, after it has ended.
fn tcp_serve(address: &str, connections: usize) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for _ in 0..connections {
        let (mut stream, peer) = listener.accept()?;
        assert_eq!(stream.peer_addr()?, peer);
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        println!("{} bytes from {} to {}", text.len(), peer.ip(), stream.local_addr()?);
        stream.write_all(&text.to_ascii_uppercase())?;
    }
    Ok(())
}

fn tcp_ask(address: &str, text: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    println!("from {} to {}", stream.local_addr()?.ip(), stream.peer_addr()?);
    stream.write_all(text)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    println!("{answer}");
    Ok(())
}

/// Sends many bytes and reads as many back.
fn tcp_send(address: &str, bytes: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&vec![b'x'; bytes])?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    println!("{} bytes", answer.iter().filter(|byte| **byte == b'X').count());
    Ok(())
}

/// Accepts one connection, waits for a byte, leaves the rest and ends.
fn tcp_leave_unread(address: &str) -> io::Result<()> {
    let (mut stream, _) = TcpListener::bind(address)?.accept()?;
    stream.read_exact(&mut [0])
}

fn udp_serve(address: &str, datagrams: usize) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    println!("bound to {}", socket.local_addr()?);
    let mut buffer = [0; 1 << 16];
    for _ in 0..datagrams {
        let (length, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length].to_ascii_uppercase(), peer)?;
    }
    Ok(())
}

fn udp_ask(address: &str, text: &[u8]) -> io::Result<()> {
    let address: SocketAddr = address.parse().unwrap();
    let socket = UdpSocket::bind(any_port(address))?;
    socket.connect(address)?;
    socket.send(text)?;
    let mut buffer = [0; 1 << 16];
    let length = socket.recv(&mut buffer)?;
    println!("{}", String::from_utf8_lossy(&buffer[..length]));
    Ok(())
}

/// Asks without being connected, so that anybody could answer.
fn udp_ask_anybody(address: &str, text: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(text, address)?;
    let mut buffer = [0; 1 << 16];
    let (length, from) = socket.recv_from(&mut buffer)?;
    println!("from {from}\n{}", String::from_utf8_lossy(&buffer[..length]));
    Ok(())
}

/// Asks two peers from one socket and prints who answers.
fn udp_ask_both(one: &str, other: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    for peer in [one, other] {
        socket.send_to(b"hello", peer)?;
    }
    for _ in 0..2 {
        println!("{}", socket.recv_from(&mut [0; 16])?.1);
    }
    Ok(())
}

fn udp_send(address: &str) -> io::Result<()> {
    let address: SocketAddr = address.parse().unwrap();
    UdpSocket::bind(any_port(address))?.send_to(b"hello", address).map(drop)
}

fn udp_connect(address: &str) -> io::Result<()> {
    let address: SocketAddr = address.parse().unwrap();
    let socket = UdpSocket::bind(any_port(address))?;
    socket.connect(address)?;
    socket.send(b"hello").map(drop)
}

fn any_port(peer: SocketAddr) -> SocketAddr {
    if peer.is_ipv4() { "0.0.0.0:0".parse().unwrap() } else { "[::]:0".parse().unwrap() }
}

fn resolve(name: &str) -> io::Result<()> {
    for address in (name, 0).to_socket_addrs()? {
        println!("{}", address.ip());
    }
    Ok(())
}

/// Opens sockets and closes none, until it has so many or gets no more; then it closes one and tries once more.
fn hoard(sockets: usize) -> io::Result<()> {
    let mut hoarded = Vec::new();
    while hoarded.len() < sockets {
        match UdpSocket::bind("0.0.0.0:0") {
            Ok(socket) => hoarded.push(socket),
            Err(err) => {
                println!("{} sockets, then {:?}", hoarded.len(), err.raw_os_error().is_some());
                break;
            }
        }
    }
    hoarded.pop();
    UdpSocket::bind("0.0.0.0:0").map(drop)
}
