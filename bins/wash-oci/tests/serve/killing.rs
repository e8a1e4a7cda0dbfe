//! The registry is killed in the middle of its work, again and again, and what it said it had is there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use washlib_registry_server::Digest;
use washlib_test::Sandbox;

use crate::server::{Server, assert_intact, push_artifact, send, send_for_headers};

const ROUNDS: usize = 12;

/// A layer that differs from all others, of a size that the round's pushes end at different points of.
fn layer(number: usize) -> Vec<u8> {
    let mut layer = format!("layer {number} ").into_bytes();
    layer.resize(1000 + (number % 7) * 150_000, b'x');
    layer
}

#[test]
fn what_was_acknowledged_survives() {
    let sandbox = Sandbox::new();
    let (next, acknowledged) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let mut server = Some(Server::start(&sandbox, &["registry"]));
        let base = server.as_ref().unwrap().url("");
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if push_artifact(&base, "a", &format!("t{number}"), &layer(number)) {
                            acknowledged.lock().unwrap().push(number);
                        }
                    }
                });
            }
            // Any moment will do; a different one each time.
            thread::sleep(Duration::from_millis(60 + 37 * round as u64));
            drop(server.take());
            is_over.store(true, Ordering::Relaxed);
        });
        let layout = sandbox.work().join("registry/a");
        if layout.join("oci-layout").exists() {
            assert_intact(&layout);
        }
    }
    let server = Server::start(&sandbox, &["registry"]);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > ROUNDS, "{} pushes", acknowledged.len());
    for number in acknowledged {
        let manifest = server.url(&format!("/v2/a/manifests/t{number}"));
        assert_eq!(send("GET", &manifest, &[], b"").unwrap().0, 200, "t{number}");
        let blob = server.url(&format!("/v2/a/blobs/{}", Digest::sha256(&layer(number))));
        assert_eq!(send("GET", &blob, &[], b"").unwrap(), (200, layer(number)));
    }
}

#[test]
fn an_upload_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    let (_, headers, _) = send_for_headers("POST", &server.url("/v2/a/blobs/uploads/"), &[], b"").unwrap();
    let location = headers["location"].to_str().unwrap().to_owned();
    let content: Vec<u8> = (0..=255).cycle().take(900_000).collect();
    assert_eq!(send("PATCH", &server.url(&location), &[], &content[..400_000]).unwrap().0, 202);
    drop(server);
    let server = Server::start(&sandbox, &["registry"]);
    let (status, headers, _) = send_for_headers("GET", &server.url(&location), &[], b"").unwrap();
    assert_eq!((status, headers["range"].to_str().unwrap()), (204, "0-399999"));
    let range = [("content-range", "400000-899999")];
    assert_eq!(send("PATCH", &server.url(&location), &range, &content[400_000..]).unwrap().0, 202);
    drop(server);
    let server = Server::start(&sandbox, &["registry"]);
    let digest = Digest::sha256(&content);
    assert_eq!(send("PUT", &server.url(&format!("{location}?digest={digest}")), &[], b"").unwrap().0, 201);
    assert_eq!(send("GET", &server.url(&format!("/v2/a/blobs/{digest}")), &[], b"").unwrap(), (200, content));
}
