//! Requests that nobody would write: pieces of good ones put together at random.
//!
//! The same seed gives the same requests, so that a failure can be looked at again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use washlib_registry_server::{Digest, Repository};

use crate::running::Running;

const REQUESTS: usize = 1500;

/// Marsaglia's xorshift: random enough for this, and without a dependency.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap()
    }

    fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next() % from.len()]
    }
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const HEADERS: [&str; 14] = [
    "range: bytes=5-2",
    "range: bytes=-18446744073709551616",
    "range: bytes=0-18446744073709551615",
    "content-range: 0-18446744073709551615",
    "content-range: -1-5",
    "content-type: application/vnd.oci.image.manifest.v1+json",
    "content-type: application/vnd.oci.image.index.v1+json",
    "content-type: \x7f\u{e4}",
    "if-none-match: *",
    "if-range: W/\"\"",
    "if-match: \"",
    "authorization: Basic ////",
    "accept: */*;q=nan",
    "expect: 100-continue",
];

const BODIES: [&str; 8] = [
    "",
    "{",
    "[[[[[[",
    "{\"config\":null,\"layers\":[null]}",
    "{\"schemaVersion\":-1,\"manifests\":{}}",
    "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[],\"subject\":{\"digest\":\"../..\"}}",
    "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}",
    "hello",
];

fn target(random: &mut Random, digest: &str) -> String {
    let parts = [
        "a",
        "b",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2f",
        "%00",
        "blobs",
        "uploads",
        "manifests",
        "tags",
        "list",
        "referrers",
        "_catalog",
        "index.json",
        "oci-layout",
        "sha256",
        "latest",
        "A",
        "a..b",
        "%ff",
        "sha256:../x",
        ".uploads",
        digest,
    ];
    let queries = [
        "",
        "?n=0",
        "?n=-1",
        "?n=99999999999999999999",
        "?last=%00",
        "?mount=x&from=..",
        "?digest=",
        "?digest=sha256:zz",
        "?artifactType=%ff",
        "?&&&==",
        "?n=1&n=2",
    ];
    let count = 1 + random.next() % 6;
    let path: Vec<&str> = (0..count).map(|_| random.choose(&parts)).collect();
    format!("/v2/{}{}", path.join("/"), random.choose(&queries))
}

#[test]
fn nothing_breaks_it() {
    let registry = Running::start();
    let digest = registry.client().push_artifact("a", "latest", b"hello").1.to_string();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for number in 0..REQUESTS {
        let (method, target) = (random.choose(&METHODS), target(&mut random, &digest));
        let (header, body) = (random.choose(&HEADERS), random.choose(&BODIES));
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(registry.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It may be cut before all is sent.
        _ = stream.write_all(request.as_bytes());
        let mut reply = Vec::new();
        _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply).replace("HTTP/1.1 100 Continue\r\n\r\n", "");
        let is_answer = ["HTTP/1.1 2", "HTTP/1.1 3", "HTTP/1.1 4"].iter().any(|start| reply.starts_with(start));
        assert!(is_answer, "request {number}:\n{request}\n\nreply:\n{reply}");
    }
    assert_only_repositories(&registry);
    registry.client().get("/v2/").expect(200);
}

/// Whatever was asked for, folders have names that repositories have.
fn assert_only_repositories(registry: &Running) {
    let mut open = vec![registry.root().to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(registry.root()).unwrap().to_str().unwrap().to_owned();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_layout = ["blobs", "index.json", "oci-layout", ".lock", ".new", ".uploads"].contains(&name);
            let is_escaped = name.starts_with('_');
            assert!(is_layout || is_escaped || Repository::parse(&below.replace("/_", "/")).is_ok(), "{below}");
            if path.is_dir() && !is_layout {
                open.push(path);
            }
        }
    }
    let blobs = registry.root().join("a/blobs/sha256");
    for blob in std::fs::read_dir(blobs).unwrap() {
        let path = blob.unwrap().path();
        let digest = Digest::sha256(&std::fs::read(&path).unwrap());
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), digest.hex());
    }
}
