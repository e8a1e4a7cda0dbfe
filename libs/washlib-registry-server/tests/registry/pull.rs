//! The category "pull".

use crate::client::MANIFEST;
use crate::running::Running;

#[test]
fn the_api_is_there() {
    let registry = Running::start();
    let reply = registry.client().get("/v2/").expect(200);
    assert_eq!(reply.header("docker-distribution-api-version"), "registry/2.0");
    registry.client().head("/v2/").expect(200);
    registry.client().get("/v2").expect(200);
}

#[test]
fn blobs_that_are_not_there() {
    let registry = Running::start();
    let client = registry.client();
    let target = format!("/v2/a/blobs/{}", washlib_registry_server::Digest::sha256(b"nothing"));
    client.get(&target).expect_error(404, "BLOB_UNKNOWN");
    assert!(client.head(&target).expect(404).body.is_empty());
    client.push_blob("a", b"something");
    client.get(&target).expect_error(404, "BLOB_UNKNOWN");
}

#[test]
fn a_blob_comes_as_it_was_pushed() {
    let registry = Running::start();
    let client = registry.client();
    // Longer than a piece that is read at once.
    for content in [Vec::new(), b"short".to_vec(), (0..=250).cycle().take(700_001).collect()] {
        let digest = client.push_blob("a/b", &content);
        let target = format!("/v2/a/b/blobs/{digest}");
        let head = client.head(&target).expect(200);
        assert_eq!(head.header("content-length"), content.len().to_string());
        assert_eq!(head.header("docker-content-digest"), digest.to_string());
        let reply = client.get(&target).expect(200);
        assert_eq!(reply.body, content);
        assert_eq!(reply.header("content-length"), content.len().to_string());
        assert_eq!(reply.header("content-type"), "application/octet-stream");
        let encoded = digest.to_string().replace(':', "%3A");
        client.get(&format!("/v2/a/b/blobs/{encoded}")).expect(200);
    }
}

#[test]
fn a_part_of_a_blob() {
    let registry = Running::start();
    let client = registry.client();
    let digest = client.push_blob("a", b"0123456789");
    let target = format!("/v2/a/blobs/{digest}");
    let part = |range: &str| client.send("GET", &target, &[("range", range)], b"");
    for (range, content, header) in
        [("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=7-", "789", "bytes 7-9/10"), ("bytes=-2", "89", "bytes 8-9/10")]
    {
        let reply = part(range).expect(206);
        assert_eq!((reply.text().as_str(), reply.header("content-range")), (content, header));
    }
    let reply = part("bytes=10-").expect(416);
    assert_eq!(reply.header("content-range"), "bytes */10");
    assert_eq!(part("bytes=0-1,3-4").expect(200).body.len(), 10);
    let etag = format!("\"{digest}\"");
    client.send("GET", &target, &[("if-none-match", &etag)], b"").expect(304);
    client.send("GET", &target, &[("if-match", "\"other\"")], b"").expect(412);
    let headers = [("range", "bytes=2-4"), ("if-range", "\"other\"")];
    client.send("GET", &target, &headers, b"").expect(200);
}

#[test]
fn manifests_that_are_not_there() {
    let registry = Running::start();
    let client = registry.client();
    client.get("/v2/a/manifests/latest").expect_error(404, "NAME_UNKNOWN");
    let blob = client.push_blob("a", b"a blob is no manifest");
    client.get("/v2/a/manifests/latest").expect_error(404, "MANIFEST_UNKNOWN");
    client.head("/v2/a/manifests/latest").expect(404);
    client.get(&format!("/v2/a/manifests/{blob}")).expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_manifest_comes_as_it_was_pushed() {
    let registry = Running::start();
    let client = registry.client();
    let (manifest, digest) = client.push_artifact("a", "1.0.0", b"layer");
    for reference in ["1.0.0", &digest.to_string()] {
        let target = format!("/v2/a/manifests/{reference}");
        let reply = client.get(&target).expect(200);
        assert_eq!(reply.text(), manifest);
        assert_eq!(reply.header("content-type"), MANIFEST);
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        let head = client.head(&target).expect(200);
        assert_eq!(head.header("content-length"), manifest.len().to_string());
        assert_eq!(head.header("content-type"), MANIFEST);
        let etag = format!("\"{digest}\"");
        client.send("GET", &target, &[("if-none-match", &etag)], b"").expect(304);
    }
    // What a tag names may change.
    assert_eq!(client.get("/v2/a/manifests/1.0.0").header("cache-control"), "no-cache");
}
