//! What is on the disk: image layouts that others can read, and those that others wrote.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;

use serde_json::{Value, json};
use washlib_registry_server::{Digest, OpenError, Store};

use crate::client::{INDEX, MANIFEST, with_query};
use crate::running::Running;

#[test]
fn a_repository_is_an_image_layout() {
    let registry = Running::start();
    let (manifest, digest) = registry.client().push_artifact("a/b", "1.0.0", b"layer");
    let folder = registry.root().join("a/b");
    assert_eq!(fs::read_to_string(folder.join("oci-layout")).unwrap(), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let entry = json!({ "mediaType": MANIFEST, "digest": digest, "size": manifest.len(),
        "annotations": { "org.opencontainers.image.ref.name": "1.0.0" } });
    assert_eq!(index, json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }));
    assert_eq!(fs::read_to_string(folder.join("blobs/sha256").join(digest.hex())).unwrap(), manifest);
    assert_eq!(fs::read_dir(registry.root().join(".uploads")).unwrap().count(), 0);
}

#[test]
fn a_layout_that_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("theirs");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |content: &str| {
        let digest = Digest::sha256(content.as_bytes());
        fs::write(blobs.join(digest.hex()), content).unwrap();
        digest
    };
    let config = write("{}");
    let manifest = json!({ "config": { "mediaType": "x", "digest": config, "size": 2 }, "layers": [] }).to_string();
    let part = write(&manifest);
    let index = json!({ "schemaVersion": 2, "manifests": [
        { "mediaType": MANIFEST, "digest": part, "size": manifest.len() },
        { "mediaType": MANIFEST, "digest": Digest::sha256(b"absent"), "size": 6 },
    ] });
    let whole = write(&index.to_string());
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": [{ "mediaType": INDEX, "digest": whole, "size": 1,
        "annotations": { "org.opencontainers.image.ref.name": "1.0.0" } }] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();

    let registry = Running::on(folder.path(), |builder| builder);
    let client = registry.client();
    client.get("/v2/theirs/manifests/1.0.0").expect(200);
    // The index lists it, and that it is there makes it a manifest.
    assert_eq!(client.get(&format!("/v2/theirs/manifests/{part}")).expect(200).text(), manifest);
    client.get(&format!("/v2/theirs/manifests/{}", Digest::sha256(b"absent"))).expect(404);
    // Another program may change it while the registry runs.
    fs::write(layout.join("index.json"), index.to_string().replace("1.0.0", "2.0.0-beta")).unwrap();
    assert_eq!(client.get("/v2/theirs/tags/list").json()["tags"], json!(["2.0.0-beta"]));
    fs::write(layout.join("index.json"), "garbage").unwrap();
    let reply = client.get("/v2/theirs/tags/list").expect_error(500, "UNKNOWN");
    assert!(!reply.text().contains(folder.path().to_str().unwrap()), "{}", reply.text());
}

#[test]
fn a_link_is_no_blob() {
    let registry = Running::start();
    let client = registry.client();
    client.push_blob("a", b"x");
    let secret = registry.root().join("secret");
    fs::write(&secret, "secret").unwrap();
    let digest = Digest::sha256(b"secret");
    symlink(&secret, registry.root().join("a/blobs/sha256").join(digest.hex())).unwrap();
    let reply = client.get(&format!("/v2/a/blobs/{digest}"));
    assert!(reply.status >= 400 && !reply.text().contains("secret"), "{reply:?}");
}

#[test]
fn a_layout_is_no_registry() {
    let registry = Running::start();
    registry.client().push_artifact("a", "latest", b"layer");
    let error = Store::open(registry.root().join("a")).unwrap_err();
    assert!(matches!(error, OpenError::IsLayout { .. }), "{error}");
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::on(folder.path(), |builder| builder);
    let location = first.client().begin("a");
    first.client().send("PATCH", &location, &[], b"hello ").expect(202);
    drop(first);
    let second = Running::on(folder.path(), |builder| builder);
    let client = second.client();
    assert_eq!(client.get(&location).expect(204).header("range"), "0-5");
    client.send("PATCH", &location, &[("content-range", "6-10")], b"world").expect(202);
    let put = with_query(&location, &format!("digest={}", Digest::sha256(b"hello world")));
    client.send("PUT", &put, &[], b"").expect(201);
}

#[test]
fn what_nobody_finished_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::on(folder.path(), |builder| builder);
    let (old, new) = (first.client().begin("a"), first.client().begin("a"));
    drop(first);
    let path = folder.path().join(".uploads").join(old.rsplit('/').next().unwrap());
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 60 * 60)).unwrap();
    let second = Running::on(folder.path(), |builder| builder);
    second.client().get(&old).expect(404);
    second.client().get(&new).expect(204);
}

#[test]
fn two_registries_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) =
        (Running::on(folder.path(), |builder| builder), Running::on(folder.path(), |builder| builder));
    thread::scope(|scope| {
        for (number, registry) in [&first, &second, &first, &second].into_iter().enumerate() {
            scope.spawn(move || {
                for round in 0..15 {
                    let tag = format!("t{number}-{round}");
                    registry.client().push_artifact("a", &tag, tag.as_bytes());
                }
            });
        }
    });
    for registry in [&first, &second] {
        assert_eq!(registry.client().get("/v2/a/tags/list").json()["tags"].as_array().unwrap().len(), 60);
    }
    // An upload may change over, too.
    let location = first.client().begin("a");
    first.client().send("PATCH", &location, &[], b"hello ").expect(202);
    second.client().send("PATCH", &location, &[], b"world").expect(202);
    let put = with_query(&location, &format!("digest={}", Digest::sha256(b"hello world")));
    first.client().send("PUT", &put, &[], b"").expect(201);
}
