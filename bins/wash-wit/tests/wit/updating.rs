//! `update` and `outdated`.

use crate::packages::{package, wasi_at};
use crate::workbench::{WORLD, Workbench};

fn log(version: &str) -> crate::packages::Package {
    package(&format!("package acme:log@{version}; interface logging {{ log: func(text: string); }}"), &[])
}

/// A project that uses version 1.0.0 of a package that has newer ones.
fn bench() -> Workbench {
    let bench =
        Workbench::without_packages("package acme:app;\nworld app {\n  import acme:log/logging@1.0.0; // keep me\n}\n");
    bench.publish(&["1.0.0", "1.0.1", "1.4.0", "2.0.0", "3.0.0-rc.1"].map(log));
    bench.wit(["fetch"]).assert_success();
    bench
}

#[test]
fn the_newest_compatible_version_goes_into_the_sources() {
    let bench = bench();
    let output = bench.wit(["update"]).assert_success();
    assert_eq!(output.stdout, "acme:log 1.0.0 -> 1.4.0\n");
    assert!(bench.world().contains("  import acme:log/logging@1.4.0; // keep me\n"));
    assert_eq!(bench.entries(), ["acme-log-1.4.0"]);
    let before = bench.snapshot();
    assert_eq!(bench.wit(["update", "acme:log"]).assert_success().stdout, "");
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn other_versions_only_when_asked_for() {
    let bench = bench();
    assert_eq!(bench.wit(["update", "--breaking"]).assert_success().stdout, "acme:log 1.0.0 -> 2.0.0\n");
    let output = bench.wit(["update", "acme:log", "--precise", "1.0.1", "-o", "json"]).assert_success();
    assert_eq!(output.json()["data"]["updates"][0]["to"], "1.0.1");
    assert!(bench.world().contains("@1.0.1"));
    let before = bench.snapshot();
    bench
        .wit(["update", "acme:log", "--precise", "1.0.9"])
        .assert_code(1)
        .assert_stderr_has("there is 3.0.0-rc.1, 2.0.0");
    bench.wit(["update", "acme:log", "--precise", "one"]).assert_code(2);
    bench.wit(["update", "acme:none"]).assert_code(1).assert_stderr_has("they depend on acme:log");
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_failed_update_loses_nothing() {
    let bench = bench();
    let before = bench.snapshot();
    // The newest version is no package at all.
    std::fs::write(bench.registry().join("acme/log/1.9.0.wasm"), "garbage").unwrap();
    bench.wit(["update"]).assert_code(1);
    assert_eq!(bench.snapshot(), before);
    bench.remove_registry();
    bench.wit(["update"]).assert_code(1);
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn an_update_that_does_not_fit_keeps_no_other_back() {
    let bench = bench();
    // The next major version lacks what the sources need.
    bench.publish(
        &["1.0.0", "1.1.0"]
            .map(|version| package(&format!("package acme:other@{version}; interface api {{ f: func(); }}"), &[])),
    );
    bench.publish(&[package("package acme:log@2.0.0; interface renamed { log: func(text: string); }", &[])]);
    let before = bench.texts();
    let output = bench.wit(["update", "acme:log", "--breaking"]).assert_code(1);
    for text in ["acme:log 1.0.0 -> 2.0.0; nothing was changed", "acme:log 2.0.0 does not fit: ", "wit/world.wit:3"] {
        assert!(output.stderr.contains(text), "{text} in:\n{}", output.stderr);
    }
    assert_eq!(bench.texts(), before);

    let world = "package acme:app;\nworld app {\n  import acme:log/logging@1.0.0;\n  import acme:other/api@1.0.0;\n}\n";
    bench.write("app/wit/world.wit", world);
    bench.wit(["fetch"]).assert_success();
    let output = bench.wit(["update", "--breaking"]).assert_code(1);
    assert_eq!(output.stdout, "acme:other 1.0.0 -> 1.1.0\n");
    assert!(output.stderr.contains("acme:log 1.0.0 -> 2.0.0; the others were updated"), "{}", output.stderr);
    assert_eq!(bench.world(), world.replace("other/api@1.0.0", "other/api@1.1.0"));
    bench.wit(["check"]).assert_success();
    let json = bench.wit(["update", "--breaking", "-o", "json"]).assert_code(1).json();
    assert_eq!(json["data"]["misfits"][0]["to"], "2.0.0");
    assert_eq!(json["data"]["updates"], serde_json::json!([]));
}

#[test]
fn the_lock_keeps_what_an_update_is_not_about() {
    let bench = Workbench::new(WORLD);
    bench.publish(&wasi_at("0.2.13"));
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.wit(["update", "wasi:cli"]).assert_success().stdout, "wasi:cli 0.2.12 -> 0.2.13\n");
    let lock = bench.read("wkg.lock");
    assert!(lock.contains("version = \"0.2.12\"") && lock.contains("version = \"0.2.13\""), "{lock}");
    bench.assert_resolves();
}

#[test]
fn a_release_that_was_replaced_is_noticed_and_can_be_accepted() {
    let bench = bench();
    let other = package("package acme:log@1.0.0; interface logging { log: func(level: u8, text: string); }", &[]);
    bench.publish(&[other]);
    // What was fetched once is still used.
    bench.wit(["fetch"]).assert_success();
    bench.remove_cache();
    std::fs::remove_dir_all(bench.deps()).unwrap();
    let before = bench.texts();
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("wash wit update acme:log");
    assert_eq!(bench.texts(), before);
    bench.wit(["update", "acme:log", "--precise", "1.0.0"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("level: u8"));
}

#[test]
fn newer_versions_are_listed() {
    let bench = bench();
    let output = bench.wit(["outdated"]).assert_success();
    let line = output.stdout.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(line, ["acme:log", "1.0.0", "1.4.0", "2.0.0"]);
    let json = bench.wit(["outdated", "-o", "json"]).assert_success().json();
    assert_eq!(json["data"]["packages"][0]["newest"], "2.0.0");
    bench.wit(["update", "--breaking"]).assert_success();
    assert_eq!(bench.wit(["outdated"]).assert_success().stdout, "");
}
