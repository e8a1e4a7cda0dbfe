//! How it ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use rustix::process::Signal;
use washlib_test::Sandbox;

use crate::guests;
use crate::server::{PATIENCE, Server};

fn send(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address.unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn each_signal_ends_it_cleanly() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let server = Server::start(&sandbox, &["hello.wasm"]);
        server.signal(signal);
        let end = server.end();
        assert_eq!((end.code, end.types()), (Some(0), vec!["stopping", "workload-stopped", "stopped"]));
    }
}

#[test]
fn requests_in_flight_are_finished() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let mut server = Server::start(&sandbox, &["probe.wasm"]);
    let mut stream = send(&server, "/sleep");
    // Counted before it is answered: the host has it.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    // A second request that is answered shows that the first one was read long ago.
    assert_eq!(server.get("/version").status, 200);
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    assert!(reader.join().unwrap().contains("slept"));
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn a_second_signal_does_not_wait() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let mut server = Server::start(&sandbox, &["probe.wasm"]);
    let _stream = send(&server, "/never");
    server.wait_for_stderr("entered");
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    server.signal(Signal::TERM);
    let end = server.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(end.types(), ["warning", "stopped"]);
}

#[test]
fn the_drain_timeout_ends_what_does_not_finish() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let mut server = Server::start(&sandbox, &["probe.wasm", "--drain-timeout", "100ms"]);
    let _stream = send(&server, "/never");
    server.wait_for_stderr("entered");
    assert_eq!(server.stop().types(), ["stopping", "workload-stopped", "stopped"]);
}
