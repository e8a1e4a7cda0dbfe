//! Help, usage errors, and finding the project.

use washlib_test::{Output, Sandbox};

use crate::workbench::{WORLD, Workbench};

#[test]
fn help_names_every_command() {
    let output = Sandbox::new().run("wash-wit", ["--help"]).assert_success();
    for command in
        ["fetch", "add", "remove", "update", "clean", "build", "check", "tree", "outdated", "why", "vendor", "publish"]
    {
        assert!(output.stdout.contains(&format!("  {command} ")), "{command} in:\n{}", output.stdout);
    }
    for text in ["Usage: wash wit", "--wit-dir", "--offline", "--locked", "--frozen", "Exit status:"] {
        assert!(output.stdout.contains(text), "{text} in:\n{}", output.stdout);
    }
}

#[test]
fn a_folder_without_a_project_is_a_usage_error() {
    let output = Sandbox::new().run("wash-wit", ["fetch"]).assert_code(2);
    assert!(output.stderr.contains("no project found"), "{}", output.stderr);
}

#[test]
fn a_project_without_wit_is_a_usage_error() {
    let bench = Workbench::new(WORLD);
    std::fs::remove_dir_all(bench.app().join("wit")).unwrap();
    bench.wit(["fetch"]).assert_code(2).assert_stderr_has("no WIT folder `");
    std::fs::create_dir(bench.app().join("wit")).unwrap();
    bench.wit(["fetch"]).assert_code(2).assert_stderr_has("no .wit files");
}

#[test]
fn the_project_is_found_from_below_and_by_option() {
    let bench = Workbench::new(WORLD);
    Output::of(bench.command(["check", "--offline"]).current_dir(bench.app().join("wit"))).assert_code(1);
    Output::of(bench.command(["-C", "app", "fetch"]).current_dir(bench.sandbox.work())).assert_success();
    assert!(bench.app().join("wkg.lock").is_file());
}

#[test]
fn a_package_of_interfaces_alone_is_a_project() {
    let bench = Workbench::new(WORLD);
    bench.write("app/shared/wit/world.wit", "package acme:shared;\nworld w { import wasi:random/random@0.2.12; }\n");
    bench.write("app/shared/wkg.toml", "");
    Output::of(bench.command(["fetch"]).current_dir(bench.app().join("shared"))).assert_success();
    assert!(bench.app().join("shared/wkg.lock").is_file());
    assert!(!bench.app().join("wkg.lock").exists());

    let work = bench.sandbox.work();
    bench.write("alone/wit/world.wit", "package acme:alone;\nworld w { import wasi:random/random@0.2.12; }\n");
    Output::of(bench.command(["fetch"]).current_dir(work.join("alone"))).assert_success();
    assert!(work.join("alone/wit/deps/wasi-random-0.2.12/package.wit").is_file());
}

#[test]
fn the_wit_folder_can_be_elsewhere() {
    let bench = Workbench::new(WORLD);
    std::fs::rename(bench.app().join("wit"), bench.app().join("interfaces")).unwrap();
    bench.wit(["fetch", "--wit-dir", "interfaces"]).assert_success();
    assert!(bench.app().join("interfaces/deps/wasi-http-0.2.12/package.wit").is_file());
    bench.write("app/.wash/config.yaml", "wit:\n  wit_dir: interfaces\n");
    bench.wit(["check", "--frozen"]).assert_success();
}
