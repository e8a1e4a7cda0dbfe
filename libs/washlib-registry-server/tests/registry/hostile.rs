//! Clients that are not what they should be.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use washlib_registry_server::{Credentials, Digest, Limits};

use crate::client::{Client, with_query};
use crate::running::Running;

/// Sends bytes as they are, and returns what comes until the connection ends.
fn raw(registry: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(registry.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may be cut before all is sent.
    _ = stream.write_all(bytes);
    let mut reply = Vec::new();
    _ = stream.read_to_end(&mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

fn quick_limits() -> Limits {
    let mut limits = Limits::default();
    limits.head_timeout = Duration::from_millis(300);
    limits.body_timeout = Duration::from_millis(300);
    limits.write_timeout = Duration::from_millis(300);
    limits
}

#[test]
fn paths_do_not_escape() {
    let registry = Running::start();
    registry.client().push_blob("a", b"x");
    let secret = registry.root().with_extension("secret");
    std::fs::write(&secret, "top secret").unwrap();
    let name = secret.file_name().unwrap().to_str().unwrap();
    for target in [
        format!("/v2/../{name}"),
        format!("/v2/a/blobs/../../../../{name}"),
        format!("/v2/a/blobs/sha256:..%2f..%2f..%2f..%2f{name}"),
        format!("/v2/a/blobs/sha256%3a../../../../{name}"),
        format!("/v2/a/manifests/..%2f..%2f{name}"),
        format!("/v2/a/../../manifests/{name}"),
        format!("/v2/%2e%2e/manifests/{name}"),
        format!("/v2/a/blobs/uploads/..%2f..%2f{name}"),
        format!("/v2/a/referrers/..%2f..%2f{name}"),
        "/v2/a/manifests/%00".to_owned(),
        "/v2/a/manifests/%ff%fe".to_owned(),
        "/v2/.uploads/tags/list".to_owned(),
        "/v2/a%5c..%5c/tags/list".to_owned(),
    ] {
        let reply = raw(&registry, get(&target).as_bytes());
        assert!(reply.starts_with("HTTP/1.1 40"), "{target}: {reply}");
        assert!(!reply.contains("top secret"), "{target}");
    }
    let digest = Digest::sha256(b"x");
    for from in ["..", "../a", "/etc", "a/../a", "%2e%2e"] {
        let target = format!("/v2/b/blobs/uploads/?mount={digest}&from={from}");
        registry.client().send("POST", &target, &[], b"").expect_error(400, "NAME_INVALID");
    }
    std::fs::remove_file(secret).unwrap();
}

#[test]
fn long_names() {
    let registry = Running::start();
    let client = registry.client();
    let name = "a/".repeat(127) + "a";
    client.push_artifact(&name, &"t".repeat(128), b"layer");
    assert_eq!(client.get("/v2/_catalog").json()["repositories"][0], name);
    let reply = client.get(&format!("/v2/{name}a/tags/list")).expect_error(400, "NAME_INVALID");
    assert!(reply.body.len() < 1000, "it is not told back as a whole");
    client.get(&format!("/v2/a/manifests/{}", "t".repeat(129))).expect_error(400, "TAG_INVALID");
}

#[test]
fn heads_that_are_too_large_or_none() {
    let registry = Running::start();
    let large = format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    assert!(raw(&registry, large.as_bytes()).starts_with("HTTP/1.1 431"));
    let many = format!("GET /v2/ HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(5000));
    assert!(raw(&registry, many.as_bytes()).starts_with("HTTP/1.1 431"));
    let long = get(&format!("/v2/{}", "a".repeat(100_000)));
    assert!(raw(&registry, long.as_bytes()).starts_with("HTTP/1.1 4"));
    for garbage in
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), b"\r\n\r\n\r\n garbage \r\n\r\n", b"GET"]
    {
        let mut stream = TcpStream::connect(registry.address()).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&reply));
    }
    registry.client().get("/v2/").expect(200);
}

#[test]
fn slow_clients() {
    let registry = Running::configured(|builder| builder.with_limits(quick_limits()));
    let client = registry.client();
    let begun = Instant::now();
    // A head that does not end.
    raw(&registry, b"GET /v2/ HTTP/1.1\r\nhost:");
    // A connection without a request.
    raw(&registry, b"");
    // A body that does not come.
    let put = "PUT /v2/a/manifests/x HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    let reply = raw(&registry, put.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    let location = client.begin("a");
    let patch = format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345");
    let reply = raw(&registry, patch.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    // What came can be gone on from.
    assert_eq!(client.get(&location).expect(204).header("range"), "0-4");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_client_that_takes_nothing() {
    let registry = Running::configured(|builder| builder.with_limits(quick_limits()));
    // More than the system keeps for a socket.
    let digest = registry.client().push_blob("a", &vec![7; 20_000_000]);
    let mut stream = TcpStream::connect(registry.address()).unwrap();
    stream.write_all(get(&format!("/v2/a/blobs/{digest}")).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let mut reply = Vec::new();
    _ = stream.read_to_end(&mut reply);
    assert!(reply.len() < 20_000_000, "the connection should have been cut");
}

#[test]
fn a_body_that_breaks_off() {
    let registry = Running::start();
    let client = registry.client();
    let location = client.begin("a");
    let mut stream = TcpStream::connect(registry.address()).unwrap();
    let patch = format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhello");
    stream.write_all(patch.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // The server closes the connection when it has done with the request.
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    _ = stream.read_to_end(&mut Vec::new());
    let reply = client.send("PATCH", &location, &[], b"");
    let range = reply.expect(202).header("range").to_owned();
    assert!(range == "0-4" || range == "0-0", "{range}");
    let rest = if range == "0-4" { &b" world"[..] } else { b"hello world" };
    client.send("PATCH", &location, &[], rest).expect(202);
    let put = with_query(&location, &format!("digest={}", Digest::sha256(b"hello world")));
    client.send("PUT", &put, &[], b"").expect(201);
}

#[test]
fn pages_of_the_web_are_refused() {
    let registry = Running::start();
    let reply = registry.client().send("POST", "/v2/a/blobs/uploads/", &[("origin", "http://evil.example")], b"");
    reply.expect_error(403, "DENIED");
}

#[test]
fn only_users_are_let_in() {
    let registry =
        Running::configured(|builder| builder.with_credentials(Credentials::new().with_user("user", "secret")));
    let client: Client = registry.client();
    let reply = client.get("/v2/").expect_error(401, "UNAUTHORIZED");
    assert_eq!(reply.header("www-authenticate"), "Basic realm=\"registry\"");
    // Strangers do not learn what is there.
    client.get("/v2/a/manifests/x").expect_error(401, "UNAUTHORIZED");
    client.get("/nowhere").expect_error(401, "UNAUTHORIZED");
    let basic = |value: &str| client.send("GET", "/v2/", &[("authorization", value)], b"");
    basic("Basic dXNlcjpzZWNyZXQ=").expect(200);
    for wrong in ["Basic dXNlcjpzZWNyZXR4", "Bearer dXNlcjpzZWNyZXQ=", "Basic", "Basic ***"] {
        basic(wrong).expect_error(401, "UNAUTHORIZED");
    }
    // The client hears it although it is still sending.
    client.send("PATCH", "/v2/a/blobs/uploads/x", &[], &vec![0; 5_000_000]).expect_error(401, "UNAUTHORIZED");
}

#[test]
fn too_many_uploads() {
    let registry = Running::start();
    let client = registry.client();
    for _ in 0..1024 {
        client.begin("a");
    }
    let reply = client.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect_error(429, "TOOMANYREQUESTS");
    assert_eq!(reply.header("retry-after"), "60");
}
