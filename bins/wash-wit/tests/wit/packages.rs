//! Packages to publish: WASI's own, as crates of the dependency graph carry them, and made-up ones.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::MetadataCommand;
use wit_parser::Resolve;

/// A package in its binary form.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) bytes: Vec<u8>,
}

/// The version of WASI that the crates carry.
pub(crate) const WASI: &str = "0.2.12";

/// WASI 0.2 whole: cli, clocks, filesystem, http, io, random and sockets.
pub(crate) static WASI_PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(|| wasi_at(WASI));

/// The same, saying that it is another version.
pub(crate) fn wasi_at(version: &str) -> Vec<Package> {
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    let groups = wasi_files().into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = said_to_be_from_the_start(&text.replace(&format!("@{WASI}"), &format!("@{version}")));
        wit_parser::UnresolvedPackageGroup::parse(&path, &text)
            .unwrap_or_else(|(map, err)| panic!("{}", err.render(&map)))
    });
    let root = wit_parser::UnresolvedPackageGroup::parse("root.wit", "package test:root;").unwrap();
    resolve.push_groups(root, groups.collect()).unwrap();
    let ids = resolve.packages.iter().filter(|(_, package)| package.name.namespace == "wasi").map(|(id, _)| id);
    ids.map(|id| encode(&resolve, id)).collect()
}

/// `@since(version = …)` must not name a version that is yet to come.
fn said_to_be_from_the_start(text: &str) -> String {
    let mut parts = text.split("(version = ");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once(')').map_or("", |(_, rest)| rest);
        result.push_str("(version = 0.2.0)");
        result.push_str(rest);
    }
    result
}

fn wasi_files() -> Vec<PathBuf> {
    let metadata = MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"))
        .other_options(["--locked", "--offline"].map(str::to_owned).to_vec())
        .exec()
        .unwrap();
    let host = metadata.packages.iter().find(|package| package.name.as_str() == "wasmtime-wasi-http").unwrap();
    let deps = host.manifest_path.parent().unwrap().join("wit/deps");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(deps).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A package of one file that refers to none but `others`.
pub(crate) fn package(text: &str, others: &[&str]) -> Package {
    let parse = |text: &str| {
        wit_parser::UnresolvedPackageGroup::parse("package.wit", text)
            .unwrap_or_else(|(map, err)| panic!("{}", err.render(&map)))
    };
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    let others = others.iter().map(|text| parse(text)).collect();
    let id = resolve.push_groups(parse(text), others).unwrap_or_else(|err| panic!("{err}"));
    encode(&resolve, id)
}

fn encode(resolve: &Resolve, id: wit_parser::PackageId) -> Package {
    let name = &resolve.packages[id].name;
    Package {
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        version: name.version.as_ref().map(ToString::to_string).unwrap_or_default(),
        bytes: wit_component::encode(resolve, id).unwrap(),
    }
}
