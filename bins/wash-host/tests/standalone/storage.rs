//! Storage, values and messages for components that ask for nothing but by their imports.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use washlib_test::Sandbox;

use crate::guests;
use crate::server::{PATIENCE, Server};

/// Sends a body, and returns that of the answer.
fn post(server: &Server, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server.address.unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.0\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn data_on_the_file_system_outlives_the_host() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::of_runtime("store"), "store.wasm");
    let flags = ["store.wasm", "--keyvalue", "filesystem:data/kv", "--blobstore", "filesystem:data/blobs"];
    let server = Server::start(&sandbox, &flags);
    assert_eq!(
        post(&server, "/", "set cache key value\nget cache key\ncreate box\nput box thing text"),
        "ok\nvalue\nbox\nok"
    );
    server.stop();
    let server = Server::start(&sandbox, &flags);
    assert_eq!(post(&server, "/", "get cache key\nhas box thing"), "value\ntrue");
    server.stop();
    assert!(sandbox.work().join("data/kv").is_dir() && sandbox.work().join("data/blobs").is_dir());
    // In memory it starts anew.
    let server = Server::start(&sandbox, &["store.wasm"]);
    assert_ne!(post(&server, "/", "get cache key"), "value");
    server.stop();
}

#[test]
fn values_of_the_command_line_reach_the_component() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::of_runtime("messenger"), "messenger.wasm");
    let mut server =
        Server::start(&sandbox, &["messenger.wasm", "--config", "greeting=hello", "--env", "ONLY_ENV=yes"]);
    assert_eq!(post(&server, "/value/greeting", ""), "Some(\"hello\")");
    assert_eq!(post(&server, "/value/ONLY_ENV", ""), "Some(\"yes\")");
    assert_eq!(post(&server, "/value/other", ""), "None");
    post(&server, "/log/warn", "a warning of the guest");
    server.wait_for_stderr("a warning of the guest");
    server.stop();
}
