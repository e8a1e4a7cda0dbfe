//! A hundred clients at once need little memory.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;

use washlib_registry_server::Digest;
use washlib_test::Sandbox;

use crate::server::{Server, push_blob};

const CLIENTS: usize = 100;
const LIMIT_KB: u64 = 60_000;

/// The most memory that a process has had, in kB.
fn peak(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Pulls a blob and keeps nothing of it: what a hundred clients keep would be the test's own memory.
fn pulled_bytes(address: SocketAddr, path: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    usize::try_from(io::copy(&mut reader, &mut io::sink()).unwrap()).unwrap()
}

#[test]
fn a_hundred_pulls_and_pushes_at_once() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry", "-l", "error"]);
    // Nobody may be reading: the events must not hold it up.
    let content: Vec<u8> = (0..=255).cycle().take(10_000_000).collect();
    assert!(push_blob(&server.url(""), "a", &content));
    let blob = format!("/v2/a/blobs/{}", Digest::sha256(&content));
    let together = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                together.wait();
                assert_eq!(pulled_bytes(server.address(), &blob), content.len());
            });
        }
    });
    let pulled = peak(&server);
    assert!(pulled < LIMIT_KB, "{CLIENTS} pulls took {pulled} kB");
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let base = server.url("");
            let (content, together) = (&content, &together);
            scope.spawn(move || {
                let mut own = content[..1_000_000].to_vec();
                own.extend(number.to_le_bytes());
                together.wait();
                assert!(push_blob(&base, "a", &own));
            });
        }
    });
    let pushed = peak(&server);
    assert!(pushed < LIMIT_KB, "{CLIENTS} pushes took {pushed} kB");
}
