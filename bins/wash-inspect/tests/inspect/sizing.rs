//! `wash inspect size` and `wash inspect deps` through their command line.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;

use washlib_test::Sandbox;

use crate::fixtures::{inspect, wasm};

fn sample(body: &str) -> Vec<u8> {
    wasm(&format!(
        "(component (core module $main (memory 1) (data $rodata \"abcdefgh\")
            (func $core::fmt::write (export \"w\") {body})
            (func $<app::Thing_as_core::fmt::Display>::fmt)))"
    ))
}

#[test]
fn parts_sections_crates_functions_and_data() {
    let sandbox = Sandbox::new();
    sandbox.write("a.wasm", sample("(drop (i32.const 1)) (drop (i32.const 2))"));
    let text = inspect(&sandbox, &["size", "a.wasm"]).assert_success().stdout;
    for part in
        ["core-module main", "code by crate", "core  (1 functions)", "core::fmt::write", "rodata", "stripping saves"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let one = inspect(&sandbox, &["-o", "json", "size", "a.wasm", "--top", "1"]).assert_success().json();
    assert_eq!(one["data"]["functions"].as_array().unwrap().len(), 1);
    assert_eq!(one["data"]["n_functions"], 2);
    assert_eq!(one["data"]["functions"][0]["crate"], "core");
    assert_eq!(crates(&sandbox, "a.wasm").len(), 2);
    assert_eq!(one["data"]["crates"].as_array().unwrap().len(), 1);
    sandbox.write("b.wasm", wasm("(module)"));
    let change = |top: &str| {
        let json = inspect(&sandbox, &["-o", "json", "size", "a.wasm", "--diff", "b.wasm", "--top", top]);
        let json = json.assert_success().json();
        ["crates", "functions"].map(|list| json["data"][list].as_array().unwrap().len())
    };
    assert_eq!((change("9"), change("1")), ([2, 2], [1, 1]));
}

#[test]
fn a_difference_and_a_map() {
    let sandbox = Sandbox::new();
    sandbox.write("a.wasm", sample(""));
    sandbox.write("b.wasm", sample(&"(drop (i32.const 1))".repeat(50)));
    let json = inspect(&sandbox, &["-o", "json", "size", "b.wasm", "--diff", "a.wasm"]).assert_success().json();
    let data = &json["data"];
    assert_eq!(data["functions"][0]["name"], "main: core::fmt::write");
    assert_eq!(data["crates"][0]["name"], "core");
    assert!(data["size"].as_u64() > data["size_before"].as_u64());
    let text = inspect(&sandbox, &["size", "b.wasm", "--diff", "a.wasm"]).assert_success().stdout;
    assert!(text.contains("+150 B  main: core::fmt::write"), "{text}");

    inspect(&sandbox, &["size", "b.wasm", "--treemap", "map.html"]).assert_success();
    let page = std::fs::read_to_string(sandbox.work().join("map.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("core::fmt::write (15"), "{page}");
    for stdout in ["-", "/dev/stdout"] {
        let printed = inspect(&sandbox, &["size", "b.wasm", "--treemap", stdout]).assert_success();
        assert_eq!((printed.stdout.as_str(), printed.stderr.as_str()), (page.as_str(), ""));
        let both = ["-o", "json", "size", "b.wasm", "--treemap", stdout];
        inspect(&sandbox, &both).assert_code(2);
        inspect(&sandbox, &["size", "b.wasm", "--treemap", stdout, "--diff", "a.wasm"]).assert_code(2);
    }
    // It stands alone.
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("src="), "{page}");
}

/// The bytes of each crate in a component.
fn crates(sandbox: &Sandbox, file: &str) -> BTreeMap<String, u64> {
    let json = inspect(sandbox, &["-o", "json", "size", file, "--top", "1000"]).assert_success().json();
    let crates = json["data"]["crates"].as_array().unwrap().iter();
    crates.map(|one| (one["name"].as_str().unwrap().to_owned(), one["size"].as_u64().unwrap())).collect()
}

#[test]
fn code_by_crate_of_a_debug_build_with_and_without_names() {
    let sandbox = Sandbox::new();
    sandbox.write("hello.rs", "fn main() { println!(\"hello\"); }\n");
    let mut rustc = Command::new("rustc");
    sandbox.set_environment(&mut rustc);
    rustc.args(["--target", "wasm32-wasip2", "-g", "hello.rs", "-o", "hello.wasm"]).current_dir(sandbox.work());
    assert!(rustc.status().unwrap().success());
    let by_name = crates(&sandbox, "hello.wasm");
    // Then DWARF alone tells whose code it is.
    inspect(&sandbox, &["strip", "hello.wasm", "--delete", "name", "--to", "unnamed.wasm"]).assert_success();
    let by_dwarf = crates(&sandbox, "unnamed.wasm");
    for crates in [&by_name, &by_dwarf] {
        assert!(["hello", "std", "core", "dlmalloc.c"].iter().all(|name| crates.contains_key(*name)), "{crates:?}");
        let (known, total) =
            (crates.values().sum::<u64>() - crates.get("?").unwrap_or(&0), crates.values().sum::<u64>());
        assert!(known * 10 > total * 9, "{crates:?}");
    }
}

/// A component whose module records two crates as cargo-auditable does.
fn auditable() -> Vec<u8> {
    let json = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},
        {"name":"serde","version":"1.0.200","source":"crates.io"}]}"#;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(json.as_bytes()).unwrap();
    let section: String = encoder.finish().unwrap().iter().map(|byte| format!("\\{byte:02x}")).collect();
    wasm(&format!("(component (core module $main (@custom \".dep-v0\" \"{section}\")))"))
}

#[test]
fn recorded_crates_and_their_bills_of_materials() {
    let sandbox = Sandbox::new();
    sandbox.write("a.wasm", auditable());
    let text = inspect(&sandbox, &["deps", "a.wasm"]).assert_success().stdout;
    assert_eq!(text, "# main\napp 0.1.0  local\nserde 1.0.200  crates.io\n");
    let cyclonedx = inspect(&sandbox, &["deps", "a.wasm", "--sbom", "cyclonedx"]).assert_success().json();
    assert_eq!(cyclonedx["specVersion"], "1.6");
    assert_eq!(cyclonedx["components"][1]["purl"], "pkg:cargo/serde@1.0.200");
    assert_eq!(cyclonedx["dependencies"][0]["dependsOn"][0], "pkg:cargo/app@0.1.0?source=local");
    let spdx = inspect(&sandbox, &["deps", "a.wasm", "--sbom", "spdx"]).assert_success().json();
    assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
    let relations: Vec<_> =
        spdx["relationships"].as_array().unwrap().iter().map(|r| r["relationshipType"].clone()).collect();
    assert_eq!(relations, ["DESCRIBES", "DEPENDS_ON", "DEPENDS_ON"]);
    // What is not known is left out.
    assert_eq!(spdx["packages"][0]["SPDXID"], "SPDXRef-Wasm");
    assert_eq!(spdx["packages"][0].get("versionInfo"), None);
    inspect(&sandbox, &["metadata", "a.wasm", "--set-version", "2.0.0", "--to", "v.wasm"]).assert_success();
    let versioned = inspect(&sandbox, &["deps", "v.wasm", "--sbom", "spdx"]).assert_success().json();
    assert_eq!(versioned["packages"][0]["versionInfo"], "2.0.0");
    // The same file gives the same document.
    let again = inspect(&sandbox, &["deps", "a.wasm", "--sbom", "spdx"]).assert_success().json();
    assert_eq!(spdx, again);
    let summary = inspect(&sandbox, &["--summary", "a.wasm"]).assert_success().stdout;
    assert!(summary.contains("recorded   2 crates or packages"), "{summary}");
    sandbox.write("bare.wasm", wasm("(module)"));
    inspect(&sandbox, &["deps", "bare.wasm"]).assert_success().assert_stderr_has("cargo auditable build");
}
