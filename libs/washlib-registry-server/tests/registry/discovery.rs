//! The category "content discovery".

use serde_json::{Value, json};
use washlib_registry_server::Digest;

use crate::client::{Client, INDEX, MANIFEST};
use crate::running::Running;

/// What comes next, of a `Link`.
fn next(link: &str) -> &str {
    link.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .filter(|(_, rest)| *rest == "; rel=\"next\"")
        .unwrap()
        .0
}

fn all_pages(client: &Client, first: &str, list: &str) -> (Vec<Value>, usize) {
    let (mut target, mut items, mut pages) = (first.to_owned(), Vec::new(), 0);
    loop {
        let reply = client.get(&target).expect(200);
        items.extend(reply.json()[list].as_array().unwrap().clone());
        pages += 1;
        if !reply.headers.contains_key("link") {
            return (items, pages);
        }
        target = next(reply.header("link")).to_owned();
    }
}

#[test]
fn tags() {
    let registry = Running::start();
    let client = registry.client();
    client.get("/v2/a/tags/list").expect_error(404, "NAME_UNKNOWN");
    client.push_blob("a", b"x");
    assert_eq!(client.get("/v2/a/tags/list").expect(200).json(), json!({ "name": "a", "tags": [] }));
    let manifest = client.artifact("a", b"layer", &json!({}));
    let tags = ["0.10.0", "0.9.0", "B", "a", "latest"];
    for tag in ["latest", "a", "0.9.0", "B", "0.10.0"] {
        client.put_manifest("a", tag, MANIFEST, &manifest).expect(201);
    }
    assert_eq!(client.get("/v2/a/tags/list").json()["tags"], json!(tags), "in the order of their bytes");
    let page = client.get("/v2/a/tags/list?n=2").expect(200);
    assert_eq!(page.json()["tags"], json!(["0.10.0", "0.9.0"]));
    assert_eq!(all_pages(&client, "/v2/a/tags/list?n=2", "tags"), (tags.map(Value::from).to_vec(), 3));
    // A last page that is full links nowhere.
    assert_eq!(all_pages(&client, "/v2/a/tags/list?n=5", "tags").1, 1);
    assert_eq!(client.get("/v2/a/tags/list?n=2&last=0.9.0").json()["tags"], json!(["B", "a"]));
    assert_eq!(client.get("/v2/a/tags/list?last=latest").json()["tags"], json!([]));
    let none = client.get("/v2/a/tags/list?n=0").expect(200);
    assert_eq!((none.json()["tags"].clone(), none.headers.get("link")), (json!([]), None));
    client.get("/v2/a/tags/list?n=x").expect_error(400, "PAGINATION_NUMBER_INVALID");
}

#[test]
fn repositories() {
    let registry = Running::start();
    let client = registry.client();
    assert_eq!(client.get("/v2/_catalog").expect(200).json(), json!({ "repositories": [] }));
    // Names that could be mistaken for a layout's own files are repositories as good as others.
    let names = ["a", "a/blobs", "a/blobs/sha256", "a/index.json", "b/c", "z"];
    for name in names {
        client.push_artifact(name, "latest", name.as_bytes());
    }
    assert_eq!(client.get("/v2/_catalog").json()["repositories"], json!(names));
    assert_eq!(all_pages(&client, "/v2/_catalog?n=4", "repositories"), (names.map(Value::from).to_vec(), 2));
}

#[test]
fn referrers() {
    let registry = Running::start();
    let client = registry.client();
    let (subject, digest) = client.push_artifact("a", "latest", b"layer");
    let target = format!("/v2/a/referrers/{digest}");
    let none = client.get(&target).expect(200);
    assert_eq!(none.header("content-type"), INDEX);
    assert_eq!(none.json(), json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }));

    let subject = json!({ "mediaType": MANIFEST, "digest": digest, "size": subject.len() });
    let push = |more: Value| {
        let manifest = client.artifact("a", b"attached", &more);
        let reference = Digest::sha256(manifest.as_bytes()).to_string();
        let reply = client.put_manifest("a", &reference, MANIFEST, &manifest).expect(201);
        assert_eq!(reply.header("oci-subject"), digest.to_string());
        (reference, manifest.len())
    };
    let (sbom, size) = push(json!({ "subject": subject, "artifactType": "text/sbom", "annotations": { "by": "me" } }));
    let (typeless, _) = push(json!({ "subject": subject }));
    let index =
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject, "artifactType": "" });
    let reply = client.put_manifest("a", "an-index", INDEX, &index.to_string()).expect(201);
    let index = reply.header("docker-content-digest").to_owned();

    let reply = client.get(&target).expect(200);
    assert!(!reply.headers.contains_key("oci-filters-applied"));
    let manifests = reply.json()["manifests"].as_array().unwrap().clone();
    let of = |digest: &str| manifests.iter().find(|entry| entry["digest"] == digest).unwrap();
    assert_eq!(manifests.len(), 3);
    let expected = json!({ "mediaType": MANIFEST, "digest": sbom, "size": size, "artifactType": "text/sbom",
        "annotations": { "by": "me" } });
    assert_eq!(*of(&sbom), expected);
    assert_eq!(of(&typeless)["artifactType"], "application/vnd.oci.empty.v1+json", "of its config");
    assert_eq!(of(&index).get("artifactType"), None);

    let filtered = client.get(&format!("{target}?artifactType=text%2Fsbom")).expect(200);
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    assert_eq!(filtered.json()["manifests"], json!([expected]));
    // Another repository has none of it.
    assert_eq!(client.get(&format!("/v2/b/referrers/{digest}")).expect(200).json()["manifests"], json!([]));
    client.get("/v2/a/referrers/sha256:00").expect_error(400, "DIGEST_INVALID");

    client.delete(&format!("/v2/a/manifests/{sbom}")).expect(202);
    assert_eq!(client.get(&target).json()["manifests"].as_array().unwrap().len(), 2);
}

#[test]
fn referrers_of_what_is_not_there() {
    let registry = Running::start();
    let client = registry.client();
    let digest = Digest::sha256(b"not pushed yet");
    let subject = json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 });
    let manifest = client.artifact("a", b"attached", &json!({ "subject": subject }));
    let reply = client.put_manifest("a", "early", MANIFEST, &manifest).expect(201);
    assert_eq!(reply.header("oci-subject"), digest.to_string());
    assert_eq!(client.get(&format!("/v2/a/referrers/{digest}")).json()["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn many_referrers_come_in_pages() {
    let registry = Running::start();
    let client = registry.client();
    let digest = Digest::sha256(b"subject");
    let subject = json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 });
    for number in 0..7 {
        let annotations = json!({ "number": number.to_string(), "padding": "a".repeat(400_000) });
        let manifest = client.artifact("a", b"attached", &json!({ "subject": subject, "annotations": annotations }));
        client.put_manifest("a", &format!("t{number}"), MANIFEST, &manifest).expect(201);
    }
    let (manifests, pages) = all_pages(&client, &format!("/v2/a/referrers/{digest}"), "manifests");
    let mut numbers: Vec<&str> =
        manifests.iter().map(|entry| entry["annotations"]["number"].as_str().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(pages, 3);
}
