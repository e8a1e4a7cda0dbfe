//! Sockets of WASI 0.3: a loopback for each workload, and the same policy for what lies beyond.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wash_runtime::types::{LocalResources, Service, WorkloadStartRequest};

use super::{component, concurrent};
use crate::support::{Answer, TestHost, workload_of};

fn talking(id: &str) -> WorkloadStartRequest {
    let mut request = workload_of(id, vec![component("talker", LocalResources::default())]);
    let service = Service { bytes: concurrent("listener"), max_restarts: 0, ..Service::default() };
    request.workload.service = Some(service);
    request
}

#[tokio::test]
async fn a_component_talks_to_its_service_on_the_workload_s_own_loopback() {
    let mut host = TestHost::start().await;
    host.deploy(talking("talking")).await;
    for line in ["outside: Err(ErrorCode::AccessDenied)", "listening: true Ok(", "entered"] {
        host.output.find(line).await;
    }
    let mut connection = host.connect().await;
    for _ in 0..2 {
        assert_eq!(connection.get("/tcp?127.0.0.1:7000").await, Answer::ok(r#"Ok("said over tcp")"#));
        host.output.find("echoed: Ok(())").await;
        assert_eq!(connection.get("/udp?127.0.0.1:7000").await, Answer::ok(r#"Ok("said over udp")"#));
    }
    // Nobody listens there, or on the other family.
    for address in ["127.0.0.1:7001", "[::1]:7000"] {
        let answer = connection.get(&format!("/tcp?{address}")).await;
        assert_eq!(answer, Answer::ok("Err(ErrorCode::ConnectionRefused)"), "{address}");
    }
}

#[tokio::test]
async fn connections_count_until_their_streams_end_and_a_listener_outlives_a_crowd() {
    let host = TestHost::start().await;
    host.deploy(talking("crowded")).await;
    let mut connection = host.connect().await;
    for _ in 0..2 {
        // The listener has sockets of its own, so that there are more connections than it may take.
        assert_eq!(connection.get("/crowd?127.0.0.1:7000").await, Answer::ok("1024"));
        // It notices one after the other that the crowd has gone.
        while connection.get("/tcp?127.0.0.1:7000").await != Answer::ok(r#"Ok("said over tcp")"#) {}
    }
}

#[tokio::test]
async fn nothing_leads_to_the_machine_s_own_loopback_or_to_special_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = TestHost::start().await;
    host.deploy(workload_of("talker", vec![component("talker", LocalResources::default())])).await;
    let mut connection = host.connect().await;
    let port = listener.local_addr().unwrap().port();
    for (path, expected) in [
        (format!("/tcp?127.0.0.1:{port}"), "Err(ErrorCode::ConnectionRefused)"),
        (format!("/tcp?[::ffff:127.0.0.1]:{port}"), "Err(ErrorCode::InvalidArgument)"),
        ("/tcp?169.254.169.254:80".to_string(), "Err(ErrorCode::AccessDenied)"),
        ("/udp?169.254.169.254:80".to_string(), "Err(ErrorCode::AccessDenied)"),
        ("/tcp?0.0.0.0:80".to_string(), "Err(ErrorCode::InvalidArgument)"),
        // Only services listen.
        ("/bind?127.0.0.1:7000".to_string(), "Err(ErrorCode::AccessDenied)"),
        ("/bind?10.0.0.1:7000".to_string(), "Err(ErrorCode::AccessDenied)"),
        // No entry allows names.
        ("/resolve?example.com".to_string(), "Err(ErrorCode::AccessDenied)"),
        ("/resolve?127.0.0.1".to_string(), "Ok([IpAddress::Ipv4((127, 0, 0, 1))])"),
        ("/many".to_string(), "1024"),
    ] {
        assert_eq!(connection.get(&path).await, Answer::ok(expected), "{path}");
    }
}

/// An address of this machine in a private network, which guests may reach as they may others there.
fn own_address() -> Option<std::net::Ipv4Addr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Sends nothing: it only asks which address would be the sender's.
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) if address.is_private() => Some(address),
        _ => None,
    }
}

#[tokio::test]
async fn other_machines_are_reached() {
    // A machine without such a network cannot show it.
    let Some(address) = own_address() else { return };
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
    });
    let host = TestHost::start().await;
    host.deploy(workload_of("talker", vec![component("talker", LocalResources::default())])).await;
    assert_eq!(host.get(&format!("/tcp?{address}:{port}")).await, Answer::ok(r#"Ok("SAID OVER TCP")"#));
}
