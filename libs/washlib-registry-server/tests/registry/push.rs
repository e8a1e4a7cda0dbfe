//! The category "push".

use serde_json::json;
use washlib_registry_server::{Algorithm, Digest};

use crate::client::{Client, INDEX, MANIFEST, with_query};
use crate::running::Running;

fn assert_has(client: &Client, name: &str, content: &[u8]) {
    let digest = Digest::sha256(content);
    assert_eq!(client.get(&format!("/v2/{name}/blobs/{digest}")).expect(200).body, content);
}

#[test]
fn a_blob_in_one_request() {
    let registry = Running::start();
    let client = registry.client();
    let digest = Digest::sha256(b"hello");
    let target = format!("/v2/a/blobs/uploads/?digest={digest}");
    let reply = client.send("POST", &target, &[], b"hello").expect(201);
    assert_eq!(reply.header("location"), format!("/v2/a/blobs/{digest}"));
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    assert_has(&client, "a", b"hello");
    client.send("POST", &target, &[], b"other").expect_error(400, "DIGEST_INVALID");
    client.send("POST", "/v2/a/blobs/uploads/?digest=md5:00", &[], b"other").expect_error(400, "DIGEST_INVALID");
}

#[test]
fn a_blob_in_two_requests() {
    let registry = Running::start();
    let client = registry.client();
    let digest = client.push_blob("a", b"hello");
    assert_has(&client, "a", b"hello");
    // Again, which changes nothing.
    assert_eq!(client.push_blob("a", b"hello"), digest);
    let content = vec![7; 3_000_000];
    client.push_blob("a", &content);
    assert_has(&client, "a", &content);
}

#[test]
fn the_content_must_have_the_digest() {
    let registry = Running::start();
    let client = registry.client();
    let digest = Digest::sha256(b"hello");
    let location = client.begin("a");
    let put = with_query(&location, &format!("digest={digest}"));
    client.send("PUT", &location, &[], b"hello").expect_error(400, "DIGEST_INVALID");
    let location = client.begin("a");
    let put_other = with_query(&location, &format!("digest={digest}"));
    client.send("PUT", &put_other, &[], b"hell0").expect_error(400, "DIGEST_INVALID");
    // The wrong content is gone, and the right one was never there.
    client.send("PUT", &put_other, &[], b"hello").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    client.get(&format!("/v2/a/blobs/{digest}")).expect(404);
    // The first upload was only asked the wrong way.
    client.send("PUT", &put, &[], b"hello").expect(201);
}

#[test]
fn another_algorithm() {
    let registry = Running::start();
    let client = registry.client();
    let digest = Digest::of(Algorithm::Sha512, b"hello");
    let location = client.begin("a");
    client.send("PUT", &with_query(&location, &format!("digest={digest}")), &[], b"hello").expect(201);
    assert_eq!(client.get(&format!("/v2/a/blobs/{digest}")).expect(200).body, b"hello");
    let manifest = client.artifact("a", b"layer", &json!({}));
    let digest = Digest::of(Algorithm::Sha512, manifest.as_bytes());
    let reply = client.put_manifest("a", &digest.to_string(), MANIFEST, &manifest).expect(201);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    client.get(&format!("/v2/a/manifests/{digest}")).expect(200);
}

#[test]
fn a_blob_in_pieces() {
    let registry = Running::start();
    let client = registry.client();
    let patch = |location: &str, range: &str, content: &[u8]| {
        client.send(
            "PATCH",
            location,
            &[("content-range", range), ("content-type", "application/octet-stream")],
            content,
        )
    };
    let location = client.begin("a");
    let reply = patch(&location, "0-4", b"01234").expect(202);
    assert_eq!(reply.header("range"), "0-4");
    let location = reply.header("location").to_owned();
    // Out of order: after a gap, and once more.
    for range in ["6-8", "0-4"] {
        let reply = patch(&location, range, b"567").expect_error(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(reply.header("range"), "0-4");
        assert!(reply.header("location").starts_with("/v2/a/blobs/uploads/"));
    }
    let status = client.get(&location).expect(204);
    assert_eq!(status.header("range"), "0-4");
    patch(status.header("location"), "5-7", b"567").expect(202);
    let digest = Digest::sha256(b"0123456789");
    let put = with_query(&location, &format!("digest={digest}"));
    // The last piece may come with the end.
    client.send("PUT", &put, &[("content-range", "9-9")], b"9").expect(416);
    client.send("PUT", &put, &[("content-range", "8-9")], b"89").expect(201);
    assert_has(&client, "a", b"0123456789");
    client.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_blob_in_a_stream() {
    let registry = Running::start();
    let client = registry.client();
    let location = client.begin("a");
    // Without Content-Range, which clients leave out that do not know the length.
    let location = client.send("PATCH", &location, &[], b"hello ").expect(202).header("location").to_owned();
    let location = client.send("PATCH", &location, &[], b"world").expect(202).header("location").to_owned();
    let digest = Digest::sha256(b"hello world");
    client.send("PUT", &with_query(&location, &format!("digest={digest}")), &[], b"").expect(201);
    assert_has(&client, "a", b"hello world");
}

#[test]
fn wrong_pieces() {
    let registry = Running::start();
    let client = registry.client();
    let location = client.begin("a");
    for range in ["x", "4-2", "0-99999999999999999999", ""] {
        let reply = client.send("PATCH", &location, &[("content-range", range)], b"hello");
        reply.expect_error(400, "BLOB_UPLOAD_INVALID");
    }
    // It announces more than comes; what came can be gone on from.
    client.send("PATCH", &location, &[("content-range", "0-9")], b"hello").expect_error(400, "SIZE_INVALID");
    assert_eq!(client.get(&location).expect(204).header("range"), "0-4");
}

#[test]
fn an_upload_is_cancelled() {
    let registry = Running::start();
    let client = registry.client();
    let location = client.begin("a");
    client.delete(&location).expect(204);
    client.delete(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    client.send("PATCH", &location, &[], b"hello").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_blob_is_mounted() {
    let registry = Running::start();
    let client = registry.client();
    let digest = client.push_blob("from", b"hello");
    let mount = |name: &str, query: &str| client.send("POST", &format!("/v2/{name}/blobs/uploads/?{query}"), &[], b"");
    let reply = mount("to", &format!("mount={digest}&from=from")).expect(201);
    assert_eq!(reply.header("location"), format!("/v2/to/blobs/{digest}"));
    assert_has(&client, "to", b"hello");
    // What is there already needs no source.
    mount("to", &format!("mount={digest}")).expect(201);
    // What cannot be mounted is uploaded.
    for query in [format!("mount={digest}"), format!("mount={digest}&from=nowhere")] {
        let reply = mount("third", &query).expect(202);
        let put = with_query(reply.header("location"), &format!("digest={digest}"));
        client.send("PUT", &put, &[], b"hello").expect(201);
        client.delete(&format!("/v2/third/blobs/{digest}")).expect(202);
    }
    mount("to", "mount=sha256:00&from=from").expect_error(400, "DIGEST_INVALID");
    mount("to", &format!("mount={digest}&from=../from")).expect_error(400, "NAME_INVALID");
    // It is the same file, and yet each repository has its own.
    client.delete(&format!("/v2/from/blobs/{digest}")).expect(202);
    assert_has(&client, "to", b"hello");
}

#[test]
fn a_manifest_by_tag_and_by_digest() {
    let registry = Running::start();
    let client = registry.client();
    let manifest = client.artifact("a", b"layer", &json!({}));
    let digest = Digest::sha256(manifest.as_bytes());
    for reference in ["latest", &digest.to_string()] {
        let reply = client.put_manifest("a", reference, MANIFEST, &manifest).expect(201);
        assert_eq!(reply.header("location"), format!("/v2/a/manifests/{digest}"));
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    }
    let other = Digest::sha256(b"other").to_string();
    client.put_manifest("a", &other, MANIFEST, &manifest).expect_error(400, "DIGEST_INVALID");
    // A tag can be moved.
    let (_, second) = client.push_artifact("a", "latest", b"second");
    assert_eq!(client.head("/v2/a/manifests/latest").header("docker-content-digest"), second.to_string());
    client.get(&format!("/v2/a/manifests/{digest}")).expect(200);
}

#[test]
fn a_manifest_without_its_blobs() {
    let registry = Running::start();
    let client = registry.client();
    let manifest = client.artifact("other", b"layer", &json!({}));
    client.put_manifest("a", "latest", MANIFEST, &manifest).expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    client.get("/v2/a/manifests/latest").expect(404);
}

#[test]
fn no_manifests() {
    let registry = Running::start();
    let client = registry.client();
    let manifest = client.artifact("a", b"layer", &json!({}));
    for (media_type, content) in [
        (MANIFEST, "blablabla"),
        (MANIFEST, "{}"),
        (MANIFEST, ""),
        (INDEX, &manifest),
        ("text/plain", &manifest),
        (MANIFEST, &manifest.replace("sha256:", "sha999:")),
    ] {
        client.put_manifest("a", "latest", media_type, content).expect_error(400, "MANIFEST_INVALID");
    }
    // Unknown fields are nobody's business.
    let unknown = client.artifact("a", b"layer", &json!({ "x-something": [1, 2, { "deep": null }] }));
    client.put_manifest("a", "latest", MANIFEST, &unknown).expect(201);
    assert_eq!(client.get("/v2/a/manifests/latest").text(), unknown);
}

#[test]
fn large_manifests() {
    let registry = Running::start();
    let client = registry.client();
    let with_padding =
        |bytes: usize| client.artifact("a", b"layer", &json!({ "annotations": { "x": "a".repeat(bytes) } }));
    let base = with_padding(0).len();
    let largest = 4 * 1024 * 1024;
    client.put_manifest("a", "large", MANIFEST, &with_padding(largest - base)).expect(201);
    assert_eq!(client.get("/v2/a/manifests/large").expect(200).body.len(), largest);
    let reply = client.put_manifest("a", "larger", MANIFEST, &with_padding(largest - base + 1));
    reply.expect_error(413, "SIZE_INVALID");
    // Without saying so first.
    let target = "/v2/a/manifests/larger";
    let headers = [("content-type", MANIFEST), ("transfer-encoding", "chunked")];
    client.send("PUT", target, &headers, with_padding(largest).as_bytes()).expect_error(413, "SIZE_INVALID");
    client.get(target).expect(404);
}

#[test]
fn an_index() {
    let registry = Running::start();
    let client = registry.client();
    let manifest = client.artifact("a", b"layer", &json!({}));
    let digest = Digest::sha256(manifest.as_bytes());
    client.put_manifest("a", &digest.to_string(), MANIFEST, &manifest).expect(201);
    let missing = Digest::sha256(b"of a platform that was not copied");
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            { "mediaType": MANIFEST, "digest": digest, "size": manifest.len(), "platform": { "os": "wasip2" } },
            { "mediaType": MANIFEST, "digest": missing, "size": 1 },
        ],
    });
    client.put_manifest("a", "index", INDEX, &index.to_string()).expect(201);
    assert_eq!(client.get("/v2/a/manifests/index").header("content-type"), INDEX);
    client.put_manifest("a", "empty", INDEX, r#"{"schemaVersion":2,"manifests":[]}"#).expect(201);
}
