//! Projects and packages that go back and forth between `wash wit` and wkg.
//!
//! `cargo xtask setup` builds wkg.

use std::path::Path;
use std::process::Command;

use washlib_test::Output;
use washlib_test::foreign::wkg;

use crate::versions;
use crate::workbench::{WORLD, Workbench};

fn run(bench: &Workbench, program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    bench.sandbox.set_environment(&mut command);
    Output::of(command.current_dir(bench.app()).args(arguments)).assert_success()
}

#[test]
fn a_project_can_be_used_with_both_in_turn() {
    let wkg = wkg();
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let ours = bench.texts();
    run(&bench, &wkg, &["fetch"]);
    // The same lock and the same packages, to the letter.
    assert_eq!(bench.read("wkg.lock"), String::from_utf8_lossy(&ours[&bench.app().join("wkg.lock")]));
    bench.wit(["check", "--frozen"]).assert_success();
    assert_eq!(bench.texts(), ours);

    // And the other way round.
    std::fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    std::fs::remove_dir_all(bench.deps()).unwrap();
    run(&bench, &wkg, &["fetch"]);
    bench.wit(["fetch", "--frozen"]).assert_success().assert_stderr_has("Fresh");
    bench.wit(["add", "wasi:random/random@0.2.12"]).assert_success();
    run(&bench, &wkg, &["fetch"]);
    bench.wit(["check", "--frozen"]).assert_success();
}

#[test]
fn paths_of_the_manifest_do_not_make_the_lock_change_for_ever() {
    let wkg = wkg();
    let world =
        "package acme:app@1.0.0;\nworld app { import acme:log/logging@1.0.0; import wasi:random/random@0.2.12; }\n";
    let bench = Workbench::new(world);
    let log = "package acme:log@1.0.0;\ninterface logging { log: func(text: string); }\n";
    bench.write("shared/log.wit", log);
    bench.write("app/wkg.toml", "[overrides]\n\"acme:log\" = { path = \"../shared\" }\n");
    bench.wit(["fetch"]).assert_success();
    run(&bench, &wkg, &["fetch"]);
    let lock = bench.read("wkg.lock");
    bench.wit(["check"]).assert_success();
    bench.wit(["fetch", "--locked"]).assert_success();
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.read("wkg.lock"), lock);
    run(&bench, &wkg, &["fetch"]);
    assert_eq!(bench.read("wkg.lock"), lock);
}

#[test]
fn what_wkg_leaves_of_several_versions_is_what_was_published() {
    let wkg = wkg();
    let bench = versions::bench("  import acme:a/api@1.0.0;\n  import acme:b/api@1.0.0;\n");
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-a-1.0.0", "acme-b-1.0.0", "acme-io-0.2.3"]);
    run(&bench, &wkg, &["fetch"]);
    assert_eq!(bench.entries(), ["acme-a-1.0.0", "acme-b-1.0.0", "acme-io-0.2.0", "acme-io-0.2.3"]);
    let before = bench.snapshot();
    bench.wit(["check", "--frozen"]).assert_success();
    bench.wit(["fetch"]).assert_success().assert_stderr_has("Fresh");
    bench.remove_cache();
    bench.wit(["check"]).assert_success();
    assert_eq!(bench.snapshot(), before);
    // Neither the one nor the other.
    let path = bench.deps().join("acme-io-0.2.0/package.wit");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}// changed\n")).unwrap();
    bench.wit(["check"]).assert_code(1);
}

#[test]
fn packages_in_the_binary_form_are_taken_over() {
    let wkg = wkg();
    let bench = Workbench::new(WORLD);
    run(&bench, &wkg, &["fetch", "-t", "wasm"]);
    assert!(bench.entries().contains(&"wasi-http-0.2.12.wasm".to_owned()), "{:?}", bench.entries());
    bench.wit(["fetch"]).assert_success();
    assert!(bench.entries().iter().all(|name| !name.ends_with(".wasm")), "{:?}", bench.entries());
    bench.assert_resolves();
}

#[test]
fn what_one_publishes_the_other_fetches() {
    let wkg = wkg();
    let log = "package acme:log@1.0.0;\n\ninterface logging {\n  log: func(text: string);\n}\n";
    let user = "package acme:app;\n\nworld app {\n  import acme:log/logging@1.0.0;\n}\n";
    let bench = Workbench::without_packages(log);
    bench.wit(["publish"]).assert_success();
    bench.write("app/wit/world.wit", user);
    run(&bench, &wkg, &["fetch"]);
    bench.assert_resolves();
    bench.wit(["check"]).assert_success();

    let bench = Workbench::without_packages(log);
    run(&bench, &wkg, &["build", "-o", "log.wasm"]);
    run(&bench, &wkg, &["publish", "log.wasm"]);
    bench.wit(["publish"]).assert_code(1).assert_stderr_has("already");
    bench.write("app/wit/world.wit", user);
    bench.wit(["fetch"]).assert_success();
    bench.assert_resolves();
}
