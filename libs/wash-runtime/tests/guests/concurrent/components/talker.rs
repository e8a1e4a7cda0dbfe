//! A component that talks to whom a request names: `/tcp?127.0.0.1:7000`, `/udp?127.0.0.1:7000`, `/resolve?name`,
//! `/crowd?127.0.0.1:7000`.

use std::net::SocketAddr;

use concurrent::{Answer, text};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::Request;
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket, UdpSocket,
};
use wasip3::wit_stream;

struct Talker;

wasip3::http::service::export!(Talker);

impl wasip3::exports::http::handler::Guest for Talker {
    async fn handle(request: Request) -> Answer {
        let path = request.get_path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        match path {
            "/tcp" => text(format!("{:?}", tcp(address(query)).await)),
            "/udp" => text(format!("{:?}", udp(address(query)).await)),
            "/bind" => text(format!("{:?}", bind(address(query)))),
            "/resolve" => text(format!("{:?}", resolve_addresses(query.to_string()).await)),
            "/many" => {
                let mut sockets = Vec::new();
                while let Ok(socket) = TcpSocket::create(IpAddressFamily::Ipv4) {
                    sockets.push(socket);
                }
                text(sockets.len().to_string())
            }
            "/crowd" => text(crowd(address(query)).await.to_string()),
            path => text(format!("unknown: {path}")),
        }
    }
}

fn address(text: &str) -> IpSocketAddress {
    match text.parse().unwrap() {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) })
        }
        SocketAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.ip().segments();
            let address = (a, b, c, d, e, f, g, h);
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port: 7000, address, flow_info: 0, scope_id: 0 })
        }
    }
}

fn family(address: &IpSocketAddress) -> IpAddressFamily {
    match address {
        IpSocketAddress::Ipv4(_) => IpAddressFamily::Ipv4,
        IpSocketAddress::Ipv6(_) => IpAddressFamily::Ipv6,
    }
}

fn bind(address: IpSocketAddress) -> Result<(), ErrorCode> {
    TcpSocket::create(family(&address))?.bind(address)
}

/// Sends, ends its direction, and returns what comes back.
async fn tcp(address: IpSocketAddress) -> Result<String, ErrorCode> {
    let socket = TcpSocket::create(family(&address))?;
    socket.set_keep_alive_enabled(true)?;
    socket.set_hop_limit(42)?;
    socket.connect(address).await?;
    assert_eq!(socket.get_hop_limit()?, 42);
    let (mut writer, reader) = wit_stream::new();
    let sent = socket.send(reader);
    writer.write_all(b"said over tcp".to_vec()).await;
    drop(writer);
    sent.await?;
    let (incoming, received) = socket.receive();
    let bytes = incoming.collect().await;
    received.await?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn udp(address: IpSocketAddress) -> Result<String, ErrorCode> {
    let socket = UdpSocket::create(family(&address))?;
    socket.connect(address)?;
    socket.send(b"said over udp".to_vec(), None).await?;
    let (bytes, _) = socket.receive().await?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// Connects until it may not any more, and keeps the streams of each connection without its socket.
async fn crowd(address: IpSocketAddress) -> usize {
    let mut kept = Vec::new();
    while let Ok(socket) = TcpSocket::create(family(&address)) {
        match socket.connect(address).await {
            Ok(()) => {
                let (writer, reader) = wit_stream::new();
                kept.push((writer, socket.send(reader), socket.receive()));
            }
            // The listener has not taken the last ones yet.
            Err(_) => wait_for(1_000_000).await,
        }
    }
    kept.len()
}
