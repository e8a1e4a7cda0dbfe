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

#[test]
fn the_nearest_folder_with_any_sign_is_the_project() {
    let world = "package acme:near;\nworld w { import wasi:random/random@0.2.12; }\n";
    for stray in ["wkg.lock", "wkg.toml", "Cargo.toml", ".wash/config.yaml"] {
        let bench = Workbench::new(WORLD);
        bench.write("far/near/wit/world.wit", world);
        bench.write("far/wit/world.wit", "package acme:far;\nworld w {}\n");
        bench.write(&format!("far/{stray}"), "");
        let near = bench.sandbox.work().join("far/near");
        Output::of(bench.command(["fetch"]).current_dir(&near)).assert_success();
        assert!(near.join("wkg.lock").is_file(), "{stray}");
        let output = Output::of(bench.command(["-C", ".", "add", "wasi:cli/stdout@0.2.12"]).current_dir(&near));
        output.assert_success();
        assert!(std::fs::read_to_string(near.join("wit/world.wit")).unwrap().contains("wasi:cli"), "{stray}");
    }
}

#[test]
fn a_manifest_belongs_to_the_configured_project_above_it() {
    let bench = Workbench::new(WORLD);
    bench.write("app/crates/one/Cargo.toml", "");
    Output::of(bench.command(["fetch"]).current_dir(bench.app().join("crates/one"))).assert_success();
    assert!(bench.app().join("wkg.lock").is_file());
}

#[test]
fn a_file_of_another_folder_is_named_in_full() {
    let bench = Workbench::new(WORLD);
    let below = bench.app().join("src");
    std::fs::create_dir(&below).unwrap();
    let add = |item: &str, folder: &std::path::Path, arguments: &[&str]| {
        let arguments = [arguments, &["add", item]].concat();
        Output::of(bench.command(arguments).current_dir(folder)).assert_success().stderr
    };
    let stderr = add("wasi:cli/stdout@0.2.12", &below, &[]);
    let file = bench.app().canonicalize().unwrap().join("wit/world.wit");
    assert!(stderr.contains(&format!("Edited {}", file.display())), "{stderr}");
    let stderr = add("wasi:cli/stderr@0.2.12", &bench.sandbox.work(), &["-C", "app"]);
    assert!(stderr.contains("Edited app/wit/world.wit"), "{stderr}");
    assert!(add("wasi:cli/stdin@0.2.12", &bench.app(), &[]).contains("Edited wit/world.wit"));
}
