//! Ports of this machine that lead to the project's service.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use washlib_test::Output;

use crate::project::Project;
use crate::server::{PATIENCE, Server};

const PORTS: &str = "dev:\n  service_file: target/service-leet.wasm\n  service_ports:\n    - { name: leet, port: 7777, publish: 0 }\n    - { name: inner, port: 7778 }\n";

fn address(server: &mut Server) -> SocketAddr {
    let event = server.expect("publishing");
    assert_eq!(event["name"], "leet");
    event["address"].as_str().unwrap().parse().unwrap()
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn ask(stream: &mut BufReader<TcpStream>, line: &str) -> String {
    writeln!(stream.get_mut(), "{line}").unwrap();
    let mut answer = String::new();
    stream.read_line(&mut answer).unwrap();
    answer
}

#[test]
fn a_port_leads_to_the_service_of_the_newest_version() {
    let project = Project::of_parts(&["http-tcp", "service-leet"], PORTS);
    let mut server = Server::launch(&project);
    let address = address(&mut server);
    assert!(address.ip().is_loopback());
    server.wait_for("ready");
    assert_eq!(ask(&mut connect(address), "hello"), "h3110\n");

    // A connection goes on while a component changes.
    let mut open = connect(address);
    project.choose_build("http-tcp", 2);
    server.expect_building(&project, &["parts/http-tcp"]);
    server.expect("built");
    assert_eq!(server.expect("swapped")["service"], "kept");
    assert!(ask(&mut open, "count").ends_with(" service-build-01\n"));

    project.choose_build("service-leet", 2);
    assert_eq!(server.wait_for("swapped")["service"], "restarted");
    assert_eq!(ask(&mut connect(address), "count"), "1 service-build-02\n");
    server.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn connections_beyond_the_limit_wait_for_those_before_them() {
    let ports = PORTS.replace("dev:\n", "dev:\n  max_inbound_socket_connections_per_workload: 1\n");
    let project = Project::of_parts(&["http-tcp", "service-leet"], &ports);
    let mut server = Server::launch(&project);
    let address = address(&mut server);
    server.wait_for("ready");
    let mut first = connect(address);
    let mut second = connect(address);
    writeln!(second.get_mut(), "count").unwrap();
    // The service has not heard of the second one.
    assert_eq!(ask(&mut first, "count"), "1 service-build-01\n");
    drop(first);
    let mut answer = String::new();
    second.read_line(&mut answer).unwrap();
    assert_eq!(answer, "2 service-build-01\n");
    server.stop();
}

#[test]
fn what_cannot_be_published_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ports = PORTS.replace("publish: 0", &format!("publish: {port}"));
    let project = Project::of_parts(&["http-tcp", "service-leet"], &ports);
    let output = Output::of(&mut project.command()).assert_code(1);
    let _ = output.assert_stderr_has(&format!("cannot listen on 127.0.0.1:{port} for the port `leet`"));

    for (ports, message) in [
        ("dev: { service_ports: [{ name: a, port: 1 }] }\n", "is missing beside dev.service_ports"),
        ("dev: { service: true, service_ports: [{ name: a, port: 1, protocol: UDP }] }\n", "protocol UDP"),
        ("dev: { service: true, service_ports: [{ name: a, port: 1, bind: 127.0.0.1 }] }\n", "[0].bind"),
    ] {
        let project = Project::with_config(ports);
        let output = Output::of(&mut project.command()).assert_code(2);
        let _ = output.assert_stderr_has(message).assert_stderr_has(".wash/config.yaml line ");
    }
}
