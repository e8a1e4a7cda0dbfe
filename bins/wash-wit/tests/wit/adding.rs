//! `add` and `remove`: edits that keep everything else, and are undone when they cannot stand.

use crate::packages::package;
use crate::workbench::{WORLD, Workbench};

#[test]
fn an_interface_is_imported_after_the_others() {
    let bench = Workbench::new(WORLD);
    bench.wit(["add", "wasi:random/random@0.2.12"]).assert_success().assert_stderr_has("in world app");
    let expected = WORLD.replace("; // settings\n", "; // settings\n  import wasi:random/random@0.2.12;\n");
    assert_eq!(bench.world(), expected);
    assert!(bench.read("wkg.lock").contains("wasi:random"));
    bench.assert_resolves();
}

#[test]
fn an_interface_can_be_exported_and_a_world_included() {
    let bench = Workbench::new(WORLD);
    bench.wit(["add", "wasi:cli/run@0.2.12", "--export"]).assert_success();
    let output = bench.wit(["add", "wasi:clocks/imports@0.2.12", "-o", "json"]).assert_success();
    assert_eq!(output.json()["data"]["added_as"], "include");
    let world = bench.world();
    assert!(
        world.contains("  export wasi:cli/run@0.2.12;\n") && world.contains("  include wasi:clocks/imports@0.2.12;\n")
    );
    bench.assert_resolves();
    bench.wit(["add", "wasi:clocks/imports@0.2.12", "--export"]).assert_code(2);
}

#[test]
fn a_package_alone_becomes_valid_wit() {
    let bench = Workbench::new(WORLD);
    // Its world that stands for everything.
    bench.wit(["add", "wasi:random@0.2.12"]).assert_success();
    assert!(bench.world().contains("  include wasi:random/imports@0.2.12;\n"));
    // Its only interface.
    bench.publish(&[package("package acme:log@1.0.0; interface logging { log: func(text: string); }", &[])]);
    bench.wit(["add", "acme:log@1.0.0"]).assert_success();
    assert!(bench.world().contains("  import acme:log/logging@1.0.0;\n"));
    bench.assert_resolves();
    // Nothing stands for the others.
    bench.publish(&[package("package acme:two@1.0.0; interface a { f: func(); } interface b { f: func(); }", &[])]);
    let before = bench.texts();
    let output = bench.wit(["add", "acme:two@1.0.0"]).assert_code(2);
    assert!(
        output.stderr.contains("a, b") && output.stderr.contains("wash wit add acme:two/a@1.0.0"),
        "{}",
        output.stderr
    );
    assert_eq!(bench.texts(), before);
}

#[test]
fn without_a_version_it_is_the_one_in_use_or_the_newest_release() {
    let bench = Workbench::new(WORLD);
    for version in ["1.0.0", "1.2.0", "2.0.0-rc.1"] {
        bench.publish(&[package(
            &format!("package acme:log@{version}; interface logging {{ log: func(text: string); }}"),
            &[],
        )]);
    }
    bench.wit(["add", "acme:log/logging"]).assert_success();
    assert!(bench.world().contains("import acme:log/logging@1.2.0;"));
    bench.wit(["add", "wasi:cli/stdout"]).assert_success();
    assert!(bench.world().contains("import wasi:cli/stdout@0.2.12;"));
}

#[test]
fn what_is_there_already_is_not_added_again() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.snapshot();
    bench.wit(["add", "wasi:cli/environment@0.2.12"]).assert_success().assert_stderr_has("already");
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_failure_leaves_no_trace() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.snapshot();
    let output = bench.wit(["add", "wasi:htttp/types@0.2.12"]).assert_code(1);
    assert!(output.stderr.contains("wasi:http"), "the nearest name in:\n{}", output.stderr);
    let output = bench.wit(["add", "wasi:http/types@9.9.9"]).assert_code(1);
    assert!(output.stderr.contains("there is 0.2.12"), "{}", output.stderr);
    let output = bench.wit(["add", "wasi:http/no-such-thing@0.2.12"]).assert_code(1);
    assert!(output.stderr.contains("incoming-handler"), "{}", output.stderr);
    bench.wit(["add", "nobody:knows/this@1.0.0"]).assert_code(2).assert_stderr_has("no registry is known");
    bench.wit(["add", "wasi"]).assert_code(2).assert_stderr_has("namespace:name");
    bench
        .wit(["add", "wasi:random/random@0.2.12", "--world", "nope"])
        .assert_code(1)
        .assert_stderr_has("these exist: app");
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn an_addition_that_does_not_fit_is_undone() {
    let bench = Workbench::new("package acme:app;\nworld app { import f: func(); }\n");
    // The world has a function of the name that the other world brings.
    bench.publish(&[package("package acme:clash@1.0.0; world w { import f: func(); }", &[])]);
    let before = bench.texts();
    bench.wit(["add", "acme:clash/w@1.0.0"]).assert_code(2);
    assert_eq!(bench.texts(), before);
}

#[test]
fn a_dependency_is_removed_with_its_line() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    bench.wit(["remove", "wasi:cli"]).assert_success();
    assert_eq!(bench.world(), WORLD.replace("import wasi:cli/environment@0.2.12; // settings", "// settings"));
    assert!(!bench.read("wkg.lock").contains("wasi:cli"));
    bench.assert_resolves();
    bench.wit(["remove", "wasi:http/incoming-handler"]).assert_success();
    assert!(bench.entries().is_empty(), "{:?}", bench.entries());
}

#[test]
fn what_is_not_there_or_still_used_cannot_be_removed() {
    let bench = Workbench::new(WORLD);
    let text = "interface api {\n  use wasi:http/types@0.2.12.{fields};\n  make: func() -> fields;\n}\n";
    bench.write("app/wit/api.wit", text);
    bench.wit(["fetch"]).assert_success();
    let before = bench.snapshot();
    bench.wit(["remove", "wasi:sockets"]).assert_code(1).assert_stderr_has("they depend on wasi:cli, wasi:http");
    bench.wit(["remove", "wasi:http"]).assert_code(1).assert_stderr_has("wit/api.wit:2");
    assert_eq!(bench.snapshot(), before);
}
