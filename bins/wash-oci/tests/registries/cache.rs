//! The cache, policies and offline work.

use std::fs;

use crate::failures::with_little_room;
use crate::{Place, component};

#[test]
fn policies_and_the_network() {
    let place = Place::new();
    let digest = place.push(1000);
    let reference = place.reference("hello:v1");
    place.oci(&["pull", &reference, "--offline"]).assert_code(1).assert_stderr_has("is not in the cache");
    place.oci(&["pull", &reference, "--policy", "never"]).assert_code(1).assert_stderr_has("never to be pulled");
    place.oci(&["pull", &reference]).assert_success();
    let by_digest = place.reference(&format!("hello@{digest}"));
    let Place { sandbox, registry } = place;
    drop(registry);
    for arguments in [
        ["pull", reference.as_str(), "--offline"].as_slice(),
        &["pull", &reference, "--policy", "never"],
        &["pull", &reference, "--policy", "if-not-present"],
        &["pull", &by_digest],
        &["pull", &by_digest, "--offline"],
    ] {
        let _ = fs::remove_file(sandbox.work().join("component.wasm"));
        sandbox.run("wash-oci", arguments).assert_success().assert_stderr_has("from the cache");
        assert_eq!(fs::read(sandbox.work().join("component.wasm")).unwrap(), component(1000));
    }
    sandbox.run("wash-oci", ["pull", &reference]).assert_code(1).assert_stderr_has("cannot reach");
}

#[test]
fn it_is_listed_pruned_and_cleaned() {
    let place = Place::new();
    let digest = place.push(1000);
    place.oci(&["pull", &place.reference("hello:v1")]).assert_success();
    let list = place.oci(&["-o", "json", "cache", "list"]).assert_success().json();
    let entries = list["data"]["entries"].as_array().unwrap();
    let manifest = entries.iter().find(|entry| entry["digest"] == digest).unwrap();
    assert_eq!(manifest["references"], serde_json::json!([place.reference("hello:v1")]));
    assert_eq!(entries.len(), 2);
    place.oci(&["cache", "prune"]).assert_success();
    assert_eq!(place.oci(&["cache", "list"]).assert_success().stdout.lines().count(), 2);
    let pruned = place.oci(&["-o", "json", "cache", "prune", "--max-size", "0"]).assert_success().json();
    assert_eq!(pruned["data"]["entries"], 2);
    place.oci(&["pull", &place.reference("hello:v1")]).assert_success();
    let cleaned = place.oci(&["-o", "json", "cache", "clean"]).assert_success().json();
    assert_eq!(cleaned["data"]["entries"], 2);
    let folder = place.oci(&["cache", "path"]).assert_success();
    assert_eq!(folder.stdout.trim(), place.sandbox.home().join(".cache/wash/oci").to_str().unwrap());
    place.oci(&["cache", "prune", "--unused-for", "soon"]).assert_code(2);
}

#[test]
fn what_an_interrupted_pull_has_left_is_listed_and_pruned() {
    let place = Place::new();
    place.push(2_000_000);
    let listed = || {
        let list = place.oci(&["-o", "json", "cache", "list"]).assert_success().json();
        list["data"]["unfinished"].clone()
    };
    assert_eq!(listed(), serde_json::json!({ "downloads": 0, "bytes": 0 }));
    assert_eq!(place.oci(&["cache", "list"]).assert_success().stderr, "");
    with_little_room(&place.sandbox, 500, &["pull", &place.reference("hello:v1")]).assert_code(1);
    assert_eq!(listed(), serde_json::json!({ "downloads": 1, "bytes": 512_000 }));
    let list = place.oci(&["cache", "list"]).assert_success().assert_stderr_has("1 unfinished download, 512 kB");
    // Each line of stdout is an entry: here the manifest's.
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
    // Young enough to be continued.
    place.oci(&["cache", "prune"]).assert_success();
    assert_eq!(listed()["downloads"], 1);
    let pruned = place.oci(&["-o", "json", "cache", "prune", "--unused-for", "0s"]).assert_success().json();
    assert_eq!((&pruned["data"]["entries"], &pruned["data"]["unfinished"]), (&1.into(), &1.into()));
    assert_eq!(listed()["downloads"], 0);
    place.oci(&["pull", &place.reference("hello:v1")]).assert_success();
}
