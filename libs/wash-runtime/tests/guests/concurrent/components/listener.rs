//! A service that answers on its workload's loopback: port 7000 sends back what comes, over TCP and over UDP.

use wasip3::sockets::types::{
    IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket, UdpSocket,
};
use wasip3::spawn_local;

struct Listener;

wasip3::cli::command::export!(Listener);

const ADDRESS: IpSocketAddress = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 7000, address: (127, 0, 0, 1) });

impl wasip3::exports::cli::run::Guest for Listener {
    async fn run() -> Result<(), ()> {
        let outside = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 7000, address: (10, 0, 0, 1) });
        let socket = TcpSocket::create(IpAddressFamily::Ipv4).unwrap();
        println!("outside: {:?}", socket.bind(outside));
        socket.bind(ADDRESS).unwrap();
        let mut connections = socket.listen().unwrap();
        println!("listening: {} {:?}", socket.get_is_listening(), socket.get_local_address());

        let datagrams = UdpSocket::create(IpAddressFamily::Ipv4).unwrap();
        datagrams.bind(ADDRESS).unwrap();
        spawn_local(async move {
            while let Ok((data, from)) = datagrams.receive().await {
                datagrams.send(data, Some(from)).await.unwrap();
            }
        });
        println!("entered");
        while let Some(connection) = connections.next().await {
            spawn_local(async move {
                // What comes in goes out, without a byte passing through this guest.
                let (incoming, _received) = connection.receive();
                println!("echoed: {:?}", connection.send(incoming).await);
            });
        }
        Ok(())
    }
}
