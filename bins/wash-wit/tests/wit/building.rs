//! `build`, `vendor` and `publish`.

use std::fs;

use crate::packages::package;
use crate::workbench::{WORLD, Workbench};

const LOG: &str = "\
package acme:log@1.0.0;

/// Writes lines.
interface logging {
  enum level { low, high }
  record entry { level: level, text: string }
  log: func(entry: entry);
  flush: func() -> result<_, string>;
}

world imports {
  import logging;
}
";

#[test]
fn a_package_is_built_the_same_each_time() {
    let bench = Workbench::new(WORLD);
    let output = bench.wit(["build"]).assert_success();
    assert_eq!(output.stdout, "acme-app-1.0.0.wasm\n");
    let first = fs::read(bench.app().join("acme-app-1.0.0.wasm")).unwrap();
    let json = bench.wit(["build", "--output-file", "out.wasm", "-o", "json"]).assert_success().json();
    let data = &json["data"];
    assert_eq!((data["package"].as_str(), data["version"].as_str()), (Some("acme:app"), Some("1.0.0")));
    assert_eq!(data["size"].as_u64(), Some(first.len() as u64));
    assert_eq!(fs::read(bench.app().join("out.wasm")).unwrap(), first);
    let decoded = wit_component::decode(&first).unwrap();
    assert!(matches!(decoded, wit_component::DecodedWasm::WitPackage(..)));
}

#[test]
fn metadata_of_the_manifest_is_kept_in_the_package() {
    let bench = Workbench::new(LOG);
    bench.write("app/wkg.toml", "[metadata]\ndescription = \"Lines of text\"\nlicenses = \"MIT\"\n");
    bench.wit(["build"]).assert_success();
    let bytes = fs::read(bench.app().join("acme-log-1.0.0.wasm")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("Lines of text") && text.contains("MIT"));
    bench.write("app/wkg.toml", "[metadata]\nlicenses = \"no licence at all (\"\n");
    bench.wit(["build"]).assert_code(2).assert_stderr_has("metadata.licenses");
}

#[test]
fn a_vendored_folder_serves_in_the_place_of_the_registry() {
    let bench = Workbench::new(WORLD);
    let output = bench.wit(["vendor"]).assert_success();
    assert_eq!(output.stdout, "wit/vendor\n");
    assert!(bench.app().join("wit/vendor/wasi/http/0.2.12.wasm").is_file());
    assert!(output.stderr.contains("`wasi: wit/vendor`"), "{}", output.stderr);
    bench.remove_registry();
    bench.remove_cache();
    let lock = bench.read("wkg.lock");
    bench.write("app/.wash/config.yaml", "wit:\n  sources:\n    wasi: wit/vendor\n");
    // The lock stays as it is, with every digest.
    bench.wit(["fetch", "--locked"]).assert_success().assert_stderr_has("Fresh");
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch", "--offline"]).assert_success();
    bench.wit(["check", "--frozen"]).assert_success();
    assert_eq!(bench.read("wkg.lock"), lock);
    bench.assert_resolves();
    let tree = bench.wit(["tree"]).assert_success().stdout;
    assert!(tree.contains("wit/vendor"), "{tree}");
}

#[test]
fn a_vendored_release_that_was_tampered_with_is_found() {
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n");
    let log = |text: &str| package(&format!("package acme:log@1.0.0; interface logging {{ {text} }}"), &[]);
    bench.publish(&[log("log: func(text: string);")]);
    bench.wit(["vendor"]).assert_success();
    bench.write("app/.wash/config.yaml", "wit:\n  sources:\n    acme: wit/vendor\n");
    bench.wit(["fetch", "--frozen"]).assert_success();
    let vendored = bench.app().join("wit/vendor/acme/log/1.0.0.wasm");
    fs::write(&vendored, log("log: func(text: list<u8>);").bytes).unwrap();
    let before = bench.texts();
    for command in ["fetch", "check"] {
        let output = bench.wit([command, "--frozen"]).assert_code(1);
        assert!(
            output.stderr.contains("the lock says that `acme:log@1.0.0`") && output.stderr.contains("wit/vendor` has"),
            "{}",
            output.stderr
        );
    }
    assert_eq!(bench.texts(), before);
    // Whoever wants the new content says so.
    bench.wit(["update", "acme:log"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("list<u8>"));
    assert!(bench.read("wkg.lock").contains("registry = \"test.registry\""));
}

#[test]
fn a_release_is_published_once() {
    let bench = Workbench::without_packages(LOG);
    let output = bench.wit(["publish", "--dry-run"]).assert_success();
    assert_eq!(output.stdout, "");
    assert!(!bench.registry().join("acme").exists());
    bench.wit(["publish"]).assert_success();
    let path = bench.registry().join("acme/log/1.0.0.wasm");
    let first = fs::read(&path).unwrap();
    bench.write("app/wit/world.wit", &LOG.replace("Writes lines", "Writes more lines"));
    bench.wit(["publish"]).assert_code(1).assert_stderr_has("has `acme:log@1.0.0` already");
    assert_eq!(fs::read(&path).unwrap(), first);

    // And it can be used.
    bench.write("app/wit/world.wit", "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n");
    bench.wit(["fetch"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("/// Writes lines."));
}

#[test]
fn every_broken_promise_is_listed() {
    let bench = Workbench::without_packages(LOG);
    bench.wit(["publish"]).assert_success();
    let broken = LOG
        .replace("@1.0.0", "@1.1.0")
        .replace("low, high", "high")
        .replace("log: func(entry: entry);", "log: func(entry: entry, twice: bool);")
        .replace("  flush: func() -> result<_, string>;\n", "");
    bench.write("app/wit/world.wit", &broken);
    let output = bench.wit(["publish"]).assert_code(1);
    for text in [
        "1.0.0 -> 1.1.0: the function `log` of `logging` was `func(entry: entry)` and is `func(entry: entry, twice: bool)`",
        "the function `flush` of `logging` is gone",
        "the type `level` of `logging` has changed: `low` is gone",
    ] {
        assert!(output.stdout.contains(text), "{text} in:\n{}", output.stdout);
    }
    assert!(!bench.registry().join("acme/log/1.1.0.wasm").exists());
    // What the lines mean stands above them.
    assert!(
        output.stderr.contains("error: acme:log@1.1.0 is not compatible with what is published"),
        "{}",
        output.stderr
    );

    // What is only added breaks nothing, and a new major version may break everything.
    bench.write(
        "app/wit/world.wit",
        &LOG.replace("@1.0.0", "@1.1.0").replace("world imports", "interface more { f: func(); }\n\nworld imports"),
    );
    bench.wit(["publish"]).assert_success();
    bench.write("app/wit/world.wit", &broken.replace("@1.1.0", "@2.0.0"));
    bench.wit(["publish"]).assert_success();
    // An older version must not have more than the newer one that is there already.
    let more =
        LOG.replace("@1.0.0", "@1.0.5").replace("world imports", "interface extra { f: func(); }\n\nworld imports");
    bench.write("app/wit/world.wit", &more);
    bench.wit(["publish"]).assert_code(1);
}

#[test]
fn a_package_without_a_version_is_not_published() {
    let bench = Workbench::without_packages(&LOG.replace("@1.0.0", ""));
    bench.wit(["publish"]).assert_code(2).assert_stderr_has("has no version");
}
