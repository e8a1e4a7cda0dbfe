//! Worlds that people have: the templates', and WASI's own; after one fetch they need no network.

use std::fs;
use std::path::Path;

use washlib_registry_server::quirks::TestRegistry;

use crate::oci::seed;
use crate::packages::WASI_PACKAGES;
use crate::workbench::Workbench;

/// Every command that is published, without a packet.
fn assert_works_offline(bench: &Workbench) {
    let world = bench.world();
    for arguments in [&["fetch"][..], &["fetch", "--clean"], &["build"], &["check"], &["tree"]] {
        bench.wit(arguments.iter().chain(&["--offline"])).assert_success();
    }
    bench.wit(["clean", "--offline"]).assert_success();
    bench.wit(["fetch", "--offline"]).assert_success();
    bench.wit(["add", "wasi:random/insecure@0.2.12", "--offline"]).assert_success();
    bench.wit(["remove", "wasi:random/insecure", "--offline"]).assert_success();
    bench.wit(["update", "--offline"]).assert_success();
    assert_eq!(bench.world(), world);
    bench.assert_resolves();
}

#[test]
fn templates_work_as_they_are_without_any_registry() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates");
    for template in fs::read_dir(templates).unwrap() {
        let wit = template.unwrap().path().join("wit");
        if !wit.is_dir() {
            continue;
        }
        let bench = Workbench::without_packages(&fs::read_to_string(wit.join("world.wit")).unwrap());
        copy(&wit, &bench.app().join("wit"));
        bench.write_config("");
        let before = bench.snapshot();
        bench.wit(["fetch", "--frozen"]).assert_success();
        // Without a lock and a registry, nobody knows whether they are what was published.
        bench.wit(["check", "--frozen"]).assert_code(1).assert_stderr_has("not compared");
        assert_eq!(bench.snapshot(), before);
        bench.wit(["build", "--frozen", "--output-file", "out.wasm"]).assert_success();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, to).map(drop).unwrap() }
    }
}

#[test]
fn worlds_of_wasi_work_offline_after_one_fetch() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    for world in [
        "package wasmcloud:hello;\n\nworld hello {\n  export wasi:http/incoming-handler@0.2.12;\n}\n",
        "package acme:proxy;\n\nworld app {\n  include wasi:http/proxy@0.2.12;\n}\n",
        "package acme:command;\n\nworld app {\n  include wasi:cli/command@0.2.12;\n}\n",
    ] {
        let bench = Workbench::without_packages(world);
        bench.write_config(&format!("[namespace_registries]\nwasi = \"{}\"\n", registry.host()));
        bench.wit(["add", "wasi:random/insecure@0.2.12"]).assert_success();
        bench.wit(["remove", "wasi:random/insecure"]).assert_success();
        assert_eq!(bench.world(), world);
        registry.forget_requests();
        assert_works_offline(&bench);
        assert_eq!(registry.request_lines(), Vec::<String>::new());
    }
}
