//! The category "content management".

use serde_json::json;

use crate::client::MANIFEST;
use crate::running::Running;

#[test]
fn a_tag_goes_and_its_manifest_stays() {
    let registry = Running::start();
    let client = registry.client();
    let (manifest, digest) = client.push_artifact("a", "one", b"layer");
    client.put_manifest("a", "two", MANIFEST, &manifest).expect(201);
    client.delete("/v2/a/manifests/one").expect(202);
    client.get("/v2/a/manifests/one").expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(client.get("/v2/a/tags/list").json()["tags"], json!(["two"]));
    client.delete("/v2/a/manifests/two").expect(202);
    assert_eq!(client.get(&format!("/v2/a/manifests/{digest}")).expect(200).text(), manifest);
    client.delete("/v2/a/manifests/two").expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_manifest_goes_with_its_tags() {
    let registry = Running::start();
    let client = registry.client();
    let (_, digest) = client.push_artifact("a", "one", b"layer");
    let target = format!("/v2/a/manifests/{digest}");
    client.delete(&target).expect(202);
    client.get(&target).expect_error(404, "MANIFEST_UNKNOWN");
    client.get("/v2/a/manifests/one").expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(client.get("/v2/a/tags/list").json()["tags"], json!([]));
    client.delete(&target).expect_error(404, "MANIFEST_UNKNOWN");
    client.delete("/v2/nowhere/manifests/one").expect_error(404, "NAME_UNKNOWN");
}

#[test]
fn a_blob_goes() {
    let registry = Running::start();
    let client = registry.client();
    let digest = client.push_blob("a", b"hello");
    let target = format!("/v2/a/blobs/{digest}");
    client.delete(&target).expect(202);
    client.get(&target).expect_error(404, "BLOB_UNKNOWN");
    client.delete(&target).expect_error(404, "BLOB_UNKNOWN");
    client.delete(&format!("/v2/nowhere/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN");
    assert_eq!(client.push_blob("a", b"hello"), digest);
    client.get(&target).expect(200);
}

#[test]
fn a_manifest_is_not_deleted_as_a_blob() {
    let registry = Running::start();
    let client = registry.client();
    let (_, digest) = client.push_artifact("a", "one", b"layer");
    client.delete(&format!("/v2/a/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN");
    client.get("/v2/a/manifests/one").expect(200);
}

#[test]
fn methods_that_a_place_does_not_know() {
    let registry = Running::start();
    let client = registry.client();
    let digest = client.push_blob("a", b"hello");
    for (method, target, allowed) in [
        ("POST", "/v2/".to_owned(), "GET, HEAD"),
        ("DELETE", "/v2/a/tags/list".to_owned(), "GET, HEAD"),
        ("PUT", format!("/v2/a/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("PATCH", "/v2/a/manifests/x".to_owned(), "GET, HEAD, PUT, DELETE"),
        ("GET", "/v2/a/blobs/uploads/".to_owned(), "POST"),
    ] {
        let reply = client.send(method, &target, &[], b"").expect_error(405, "UNSUPPORTED");
        assert_eq!(reply.header("allow"), allowed, "{method} {target}");
    }
    client.get("/").expect(404);
    client.get("/v1/").expect(404);
}
