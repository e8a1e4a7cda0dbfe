//! More connections than the process may have files: the host waits for one to end, and burns nothing meanwhile.

#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use washlib_test::Sandbox;

use crate::guests;
use crate::server::Server;

/// The host allows itself at least 64 connections, and needs some files for itself.
const FILES: usize = 80;

#[test]
fn without_files_it_waits_for_one_and_does_not_spin() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    let program = sandbox.command("wash-host");
    let mut limited = Command::new("sh");
    let line = format!("ulimit -n {FILES}; exec \"$0\" run -o json --http-addr 127.0.0.1:0 hello.wasm");
    limited.args(["-c", &line]).arg(program.get_program()).current_dir(sandbox.work());
    sandbox.set_environment(&mut limited);
    let mut server = Server::spawn(limited);
    server.wait_for("ready");
    let address = server.address.unwrap();

    // The system takes them all; the host can accept only some.
    let idle: Vec<_> = (0..2 * FILES).map(|_| TcpStream::connect(address).unwrap()).collect();
    let waiting = request(address);
    server.wait_for_stderr("cannot accept connections at the moment");
    let before = server.processor_time();
    std::thread::sleep(Duration::from_secs(2));
    let spent = server.processor_time() - before;
    assert!(spent < Duration::from_millis(600), "{spent:?} of two seconds were spent on waiting");

    // Those that leave make room, for who waits and for who comes.
    drop(idle);
    for stream in [waiting, request(address)] {
        assert!(answer(stream).starts_with("HTTP/1.1 200 "));
    }

    // The log has the beginning of the trouble and its end, and not each attempt in between.
    let end = server.wait_for_stderr("connections are accepted again");
    let (_, attempts) = end.rsplit_once(": ").unwrap();
    assert!(attempts.trim_end().parse::<u32>().unwrap() > 5, "{end}");
    let end = server.stop();
    assert_eq!(end.stderr.matches("cannot accept connections").count(), 1, "{}", end.stderr);
}

fn request(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let begun = Instant::now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|err| panic!("{err} after {:?}", begun.elapsed()));
    answer
}
