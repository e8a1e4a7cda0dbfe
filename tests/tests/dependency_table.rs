//! The dependency table of `ARCHITECTURE.md`, proved on what cargo resolves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

const CLAP: &str = "clap";
const TOKIO: &str = "tokio";
const WASMTIME: &str = "wasmtime";
const TERMINAL: [&str; 3] = ["anstream", "dialoguer", "indicatif"];
const NETWORK: [&str; 6] = ["hyper", "oci-client", "reqwest", "rustls", "tokio-rustls", "ureq"];

/// What each crate must not reach, however far down. A crate that is missing here fails the test.
fn forbidden() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let set = |single: &[&'static str], groups: &[&[&'static str]]| -> BTreeSet<&'static str> {
        single.iter().copied().chain(groups.iter().flat_map(|group| group.iter().copied())).collect()
    };
    BTreeMap::from([
        // Checked by a rule of its own: no dependency at all.
        ("wash", set(&[], &[])),
        // Fetches WIT dependencies, so it links a client; it starts none when there is nothing to fetch.
        ("wash-build", set(&[WASMTIME], &[])),
        ("wash-dev", set(&[], &[])),
        ("wash-host", set(&[], &[])),
        ("wash-inspect", set(&[WASMTIME], &[])),
        ("wash-new", set(&[WASMTIME], &[])),
        ("wash-oci", set(&[WASMTIME], &[])),
        ("wash-runtime", set(&[CLAP], &[&TERMINAL])),
        ("wash-wit", set(&[WASMTIME], &[])),
        ("washlib-build", set(&[CLAP, WASMTIME, TOKIO], &[&NETWORK, &TERMINAL])),
        ("washlib-cli", set(&[WASMTIME, TOKIO], &[&NETWORK])),
        ("washlib-component", set(&[CLAP, WASMTIME, TOKIO, "fs-err"], &[&NETWORK, &TERMINAL])),
        ("washlib-config", set(&[CLAP, WASMTIME, TOKIO], &[&NETWORK, &TERMINAL])),
        ("washlib-git", set(&[CLAP, WASMTIME], &[&TERMINAL])),
        ("washlib-oci", set(&[CLAP, WASMTIME], &[&TERMINAL])),
        ("washlib-registry", set(&[CLAP, WASMTIME], &[&TERMINAL])),
        ("washlib-registry-server", set(&[CLAP, WASMTIME], &[&TERMINAL])),
        ("washlib-template", set(&[CLAP, WASMTIME], &[&TERMINAL])),
        ("washlib-test", set(&[WASMTIME], &[])),
        ("washlib-wit", set(&[CLAP, WASMTIME, TOKIO], &[&NETWORK, &TERMINAL])),
        ("washlib-workload", set(&[CLAP, WASMTIME, TOKIO], &[&NETWORK, &TERMINAL])),
        ("wash-tests", set(&[], &[])),
        ("xtask", set(&[WASMTIME, TOKIO], &[])),
    ])
}

/// The workspace as cargo resolves it for this platform, without the network.
fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let options = ["--locked", "--offline", "--filter-platform", host().as_str()].map(str::to_owned).to_vec();
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}

fn host() -> String {
    let output = std::process::Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// The normal dependencies of every package: neither for builds nor for tests.
fn normal_dependencies(metadata: &Metadata) -> BTreeMap<PackageId, Vec<PackageId>> {
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let normal = |node: &cargo_metadata::Node| {
        let deps = node.deps.iter();
        deps.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
            .map(|dep| dep.pkg.clone())
            .collect()
    };
    nodes.iter().map(|node| (node.id.clone(), normal(node))).collect()
}

fn reachable(from: &PackageId, edges: &BTreeMap<PackageId, Vec<PackageId>>) -> BTreeSet<PackageId> {
    let mut seen = BTreeSet::new();
    let mut open = edges[from].clone();
    while let Some(package) = open.pop() {
        if seen.insert(package.clone()) {
            open.extend(edges[&package].iter().cloned());
        }
    }
    seen
}

#[test]
fn no_crate_reaches_what_it_must_not() {
    let metadata = metadata();
    let edges = normal_dependencies(&metadata);
    let forbidden = forbidden();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let forbidden = forbidden.get(name).unwrap_or_else(|| panic!("{name} has no line in the dependency table"));
        for reached in reachable(&package.id, &edges) {
            let reached = metadata[&reached].name.as_str();
            assert!(
                !forbidden.contains(reached),
                "{name} must not reach {reached}: see `cargo tree -p {name} -i {reached}`"
            );
        }
    }
}

#[test]
fn the_front_end_depends_on_nothing() {
    let metadata = metadata();
    let wash = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == "wash").unwrap();
    assert!(normal_dependencies(&metadata)[&wash.id].is_empty());
}

#[test]
fn binaries_stand_alone_and_the_workspace_is_flat() {
    let metadata = metadata();
    let edges = normal_dependencies(&metadata);
    let root = metadata.workspace_root.clone();
    let folder = |id: &PackageId| metadata[id].manifest_path.strip_prefix(&root).unwrap().to_string();
    let members: BTreeSet<_> = metadata.workspace_packages().into_iter().map(|package| package.id.clone()).collect();

    fn depth(id: &PackageId, edges: &BTreeMap<PackageId, Vec<PackageId>>, members: &BTreeSet<PackageId>) -> usize {
        let own = edges[id].iter().filter(|dependency| members.contains(dependency));
        1 + own.map(|dependency| depth(dependency, edges, members)).max().unwrap_or(0)
    }

    for member in &members {
        let name = &metadata[member].name;
        for dependency in edges[member].iter().filter(|dependency| members.contains(dependency)) {
            assert!(!folder(dependency).starts_with("bins/"), "{name} depends on a binary");
            assert_ne!(metadata[dependency].name.as_str(), "washlib-test", "{name} ships the tests' library");
        }
        assert!(depth(member, &edges, &members) <= 3, "{name} stands on more than two layers of the workspace");
        let directory = metadata[member].manifest_path.parent().unwrap().file_name().unwrap();
        let named_alike = directory == name.as_str() || directory == "tests";
        assert!(named_alike, "the folder {directory} holds the package {name}");
    }
}

#[test]
fn one_copy_of_the_wasm_tools_and_one_crypto_provider() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
    }
    for family in ["wasm-encoder", "wasm-metadata", "wasmparser", "wit-component", "wit-parser", "wasmtime"] {
        assert_eq!(versions[family].len(), 1, "{family}: {:?}", versions[family]);
    }
    for second in ["aws-lc-sys", "openssl-sys"] {
        assert!(!versions.contains_key(second), "{second} is a second crypto library: see `cargo tree -i {second}`");
    }
}

#[test]
fn the_crate_map_names_every_crate() {
    let metadata = metadata();
    let map = std::fs::read_to_string(metadata.workspace_root.join("ARCHITECTURE.md")).unwrap();
    for package in metadata.workspace_packages() {
        assert!(map.contains(&format!("`{}`", package.name)), "ARCHITECTURE.md does not name {}", package.name);
    }
    assert!(map.lines().count() <= 150, "ARCHITECTURE.md has grown past a quick read");
}
