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
fn a_database_keeps_data_for_hosts_that_come_and_go_and_its_password_to_itself() {
    let database = washlib_test::Postgres::start();
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::of_runtime("store"), "store.wasm");
    // The server trusts everybody here, whatever they say.
    let url = database.url().replace("wash@", "wash:topsecret@");
    let launch = |flags: &[&str]| {
        let mut command = sandbox.command("wash-host");
        command.args(["run", "--verbose", "-o", "json", "--http-addr", "127.0.0.1:0", "store.wasm"]).args(flags);
        command.env("WASH_POSTGRES_URL", &url);
        let mut server = Server::spawn(command);
        server.wait_for("ready");
        server
    };
    let (one, other) = (launch(&[]), launch(&["--blobstore", "in-memory"]));
    assert_eq!(
        post(&one, "/", "set cache key value\nincrement cache n 20\ncreate box\nput box thing text"),
        "ok\n20\nbox\nok"
    );
    assert_eq!(post(&other, "/", "get cache key\nincrement cache n 22"), "value\n42");
    // It keeps objects elsewhere.
    assert_ne!(post(&other, "/", "has box thing"), "true");
    one.signal(rustix::process::Signal::KILL);
    let killed = one.end();
    let server = launch(&[]);
    assert_eq!(post(&server, "/", "get cache n\nhas box thing"), "42\ntrue");
    for end in [killed, other.stop(), server.stop()] {
        assert!(!format!("{end:?}").contains("topsecret"), "{end:?}");
    }
}

#[test]
fn servers_keep_data_and_their_passwords_to_themselves() {
    let (redis, nats) = (washlib_test::Redis::start(), washlib_test::Nats::start());
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::of_runtime("store"), "store.wasm");
    let launch = |variables: &[(&str, String)]| {
        let mut command = sandbox.command("wash-host");
        command.args(["run", "--verbose", "-o", "json", "--http-addr", "127.0.0.1:0", "store.wasm"]);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut server = Server::spawn(command);
        server.wait_for("ready");
        server
    };
    let nats = ("WASH_DATA_NATS_URL", nats.url());
    // Of several servers Redis has the values.
    for variables in [&[nats.clone()][..], &[nats.clone(), ("WASH_REDIS_URL", redis.url())]] {
        let one = launch(variables);
        assert_eq!(post(&one, "/", "get cache key\nset cache key value\nincrement cache n 20"), "none\nok\n20");
        one.signal(rustix::process::Signal::KILL);
        let killed = one.end();
        let other = launch(variables);
        assert_eq!(post(&other, "/", "get cache key\nincrement cache n 22"), "value\n42");
        for end in [killed, other.stop()] {
            assert!(!format!("{end:?}").contains("opensesame"), "{end:?}");
        }
    }
    let server = launch(std::slice::from_ref(&nats));
    assert_eq!(post(&server, "/", "create box\nput box thing text"), "box\nok");
    server.stop();
    let server = launch(&[nats]);
    assert_eq!(post(&server, "/", "has box thing"), "true");
    server.stop();
}

#[test]
fn a_server_that_is_not_there_keeps_the_host_from_starting() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::of_runtime("store"), "store.wasm");
    for (scheme, option, server, hint) in [
        ("postgres", "--postgres-url", "database", "--postgres-url or WASH_POSTGRES_URL"),
        ("nats", "--data-nats-url", "NATS server", "--data-nats-url or WASH_DATA_NATS_URL"),
        ("redis", "--redis-url", "Redis server", "--redis-url or WASH_REDIS_URL"),
    ] {
        let url = format!("{scheme}://wash:topsecret@127.0.0.1:{port}/1");
        let arguments = ["run", "--http-addr", "127.0.0.1:0", "store.wasm", option, &url];
        let output = sandbox.run("wash-host", arguments).assert_code(1);
        let output = output.assert_stderr_has(&format!("cannot connect to the {server} at 127.0.0.1:{port}"));
        let output = output.assert_stderr_has(&format!("hint: start the server there, or correct {hint}"));
        assert!(!format!("{output:?}").contains("topsecret"), "{output:?}");
    }
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
