//! The steps of the debugging guide on real components: what is in it, is it valid, will it run, what is it made of.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use washlib_test::{Registry, RegistryOptions, Sandbox, guest};

/// Some of the workspace's own guests, by their folders.
fn guests() -> Vec<(&'static str, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    ["templates/http-hello-world", "libs/wash-runtime/tests/guests/store", "libs/wash-runtime/tests/guests/net"]
        .into_iter()
        .map(|project| (project, guest::build(&root.join(project))))
        .collect()
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    sandbox.run("wash", [&["-o", "json", "inspect"], arguments].concat()).assert_success().json()
}

#[test]
fn a_real_component_is_seen_validated_checked_and_measured() {
    let sandbox = Sandbox::new();
    for (project, component) in guests() {
        let component = component.to_str().unwrap();
        let wit = sandbox.run("wash", ["inspect", component]).assert_success().stdout;
        assert!(wit.starts_with("package root:component;\n\nworld root {\n"), "{project}: {wit}");
        assert!(wit.contains("import wasi:"), "{project}: {wit}");
        sandbox.run("wash", ["inspect", "validate", component]).assert_success();
        // This host runs its own guests.
        let check = json(&sandbox, &["check", component, "--host", "wash"]);
        let keyvalue = check["data"]["advice"].to_string().contains("package: keyvalue");
        assert_eq!(keyvalue, project.ends_with("store"), "{project}: {check}");
        let size = json(&sandbox, &["size", component]);
        // Every byte of code is some crate's, though a stripped component does not tell whose.
        let sum = |list: &str| -> u64 {
            size["data"][list].as_array().unwrap().iter().map(|entry| entry["size"].as_u64().unwrap()).sum()
        };
        assert!(size["data"]["n_functions"].as_u64() > Some(100), "{project}: {size}");
        assert!(sum("crates") > sum("functions") && sum("functions") > 0, "{project}: {size}");
        let description = json(&sandbox, &[component]);
        let producers = description["data"]["parts"].to_string();
        assert!(producers.contains("wit-bindgen-rust"), "{project}: {producers}");
        let same = sandbox.run("wash", ["inspect", "diff", component, component]).assert_success().stdout;
        assert_eq!(same, "verdict: patch (patch for callers, patch for hosts)\n");
    }
}

#[test]
fn a_stripped_component_has_the_same_wit_and_still_fits() {
    let sandbox = Sandbox::new();
    let (_, component) = guests().remove(0);
    let component = component.to_str().unwrap();
    sandbox.run("wash", ["inspect", "strip", component, "--all", "--to", "small.wasm"]).assert_success();
    sandbox.run("wash", ["inspect", "validate", "small.wasm"]).assert_success();
    let wit = |file: &str| sandbox.run("wash", ["inspect", file]).assert_success().stdout;
    assert_eq!(wit("small.wasm"), wit(component));
    sandbox.run("wash", ["inspect", "check", "small.wasm", "--host", "wasmtime-serve"]).assert_success();
    let sizes = [component, "small.wasm"].map(|file| std::fs::metadata(sandbox.work().join(file)).unwrap().len());
    assert!(sizes[1] < sizes[0], "{sizes:?}");
}

#[test]
fn references_and_files_mix() {
    let sandbox = Sandbox::new();
    let registry = Registry::start(&RegistryOptions::default());
    let (_, component) = guests().remove(0);
    let component = component.to_str().unwrap();
    let reference = format!("{}/demo/hello:1.0.0", registry.address());
    sandbox.run("wash", ["oci", "push", &reference, component]).assert_success();
    let wit = |file: &str| sandbox.run("wash", ["inspect", file]).assert_success().stdout;
    assert_eq!(wit(&reference), wit(component));
    let difference = sandbox.run("wash", ["inspect", "diff", &reference, component]).assert_success().stdout;
    assert_eq!(difference, "verdict: patch (patch for callers, patch for hosts)\n");
    sandbox.run("wash", ["inspect", "check", &reference, "--host", "wash"]).assert_success();
    let missing = format!("{}/demo/none:1.0.0", registry.address());
    let output = sandbox.run("wash", ["inspect", &missing]).assert_code(1);
    assert!(output.stderr.contains("cannot pull") && output.stderr.contains("demo/none"), "{}", output.stderr);
}
