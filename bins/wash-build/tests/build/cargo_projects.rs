//! Cargo projects are recognised, and cargo's own messages name the component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use washlib_test::{Output, guest};

use crate::fixtures;
use crate::workbench::Workbench;

const MANIFEST: &str = "[package]\nname = \"NAME\"\nedition = \"2024\"\n";
const PROGRAM: &str = "fn main() { println!(\"hello\"); }\n";

fn write_program(workbench: &Workbench, folder: &str, name: &str) {
    workbench.write(Path::new(folder).join("Cargo.toml"), MANIFEST.replace("NAME", name));
    workbench.write(Path::new(folder).join("src/main.rs"), PROGRAM);
}

/// The component that was built is where stdout says, and a program.
fn assert_program(output: Output) -> PathBuf {
    let output = output.assert_success();
    let path = PathBuf::from(output.stdout.trim_end());
    let exports = fixtures::exports(&fs::read(&path).unwrap());
    assert!(exports[0].starts_with("wasi:cli/run@0.2"), "{exports:?}");
    path
}

/// The template under another name, so that no other test writes the same component. Its dependencies are those that
/// the workspace's tests have compiled already.
fn template(workbench: Workbench, name: &str) -> Workbench {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/http-hello-world");
    let template = template.canonicalize().unwrap();
    let target = guest::build(&template).ancestors().nth(3).unwrap().to_path_buf();
    for folder in [".", "src", "wit"] {
        copy(&template, Path::new(folder), &workbench, name);
    }
    for package in fs::read_dir(template.join("wit/deps")).unwrap() {
        copy(&template, &Path::new("wit/deps").join(package.unwrap().file_name()), &workbench, name);
    }
    workbench.with_variable("CARGO_TARGET_DIR", target.display().to_string())
}

/// Copies the files of one folder of the template, without those below.
fn copy(template: &Path, folder: &Path, workbench: &Workbench, name: &str) {
    for entry in fs::read_dir(template.join(folder)).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let text = fs::read_to_string(entry.path()).unwrap();
            workbench
                .write(folder.join(entry.file_name()), text.replace("\"http-hello-world\"", &format!("\"{name}\"")));
        }
    }
}

#[test]
fn the_template_is_recognised_without_a_configuration() {
    let workbench = template(Workbench::new(), "wash-build-recognised");
    let output = workbench.build(["-o", "json"]).assert_success();
    let document = output.json();
    assert_eq!(document["data"]["toolchain"], "cargo");
    let command = "cargo build --target wasm32-wasip2 --release --message-format=json-render-diagnostics --package wash-build-recognised";
    assert_eq!(document["data"]["command"], command);
    let path = document["data"]["component_path"].as_str().unwrap();
    assert!(path.ends_with("/guests/wasm32-wasip2/release/wash_build_recognised.wasm"), "{path}");
    let exports = fixtures::exports(&fs::read(path).unwrap());
    assert!(exports[0].starts_with("wasi:http/incoming-handler@0.2"), "{exports:?}");
    output.assert_stderr_has(&format!("     Running `{command}`"));
}

/// The configured path says `target`, and cargo's folder is elsewhere.
#[test]
fn the_templates_own_configuration_finds_cargos_target_folder() {
    let workbench = template(Workbench::new(), "wash-build-configured");
    workbench.write(
        ".wash/config.yaml",
        "build:\n  command: cargo build --target wasm32-wasip2 --release\n  component_path: target/wasm32-wasip2/release/wash_build_configured.wasm\n",
    );
    for _ in 0..2 {
        let output = workbench.build_in("hello").assert_success();
        assert!(
            output.stdout.ends_with("/guests/wasm32-wasip2/release/wash_build_configured.wasm\n"),
            "{}",
            output.stdout
        );
    }
}

#[test]
fn a_program_is_built_and_an_unchanged_one_is_fresh() {
    let workbench = Workbench::new();
    write_program(&workbench, ".", "hello");
    let first = assert_program(workbench.build_in("hello/src"));
    assert_eq!(first, workbench.path("target/wasm32-wasip2/release/hello.wasm"));
    let before = fs::metadata(&first).unwrap().modified().unwrap();
    assert_eq!(assert_program(workbench.build_in("hello")), first);
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), before);
}

#[test]
fn a_compilation_error_reaches_the_person() {
    let workbench = Workbench::new();
    write_program(&workbench, ".", "hello");
    workbench.write("src/main.rs", "fn main() { no_such_function(); }\n");
    let output = workbench.build(["-o", "json"]).assert_code(1);
    assert_eq!(output.json()["success"], false);
    assert!(output.json()["message"].as_str().unwrap().ends_with("failed: exit code 101"));
    assert!(output.stderr.contains("error[E0425]") && output.stderr.contains("no_such_function"), "{}", output.stderr);
}

#[test]
fn a_workspace_member_is_built_from_its_own_folder() {
    let workbench = Workbench::new();
    workbench.write("Cargo.toml", "[workspace]\nmembers = ['one', 'two']\nresolver = '3'\n");
    write_program(&workbench, "one", "one");
    write_program(&workbench, "two", "two");
    let path = assert_program(workbench.build_in("hello/two/src"));
    assert_eq!(path, workbench.path("target/wasm32-wasip2/release/two.wasm"));
    assert!(!workbench.path("target/wasm32-wasip2/release/one.wasm").exists());
}

/// In the root of a virtual workspace the only package that can be a component is meant; two are a question.
#[test]
fn a_virtual_workspace_with_one_candidate_is_clear_and_with_two_is_not() {
    let workbench = Workbench::new();
    workbench.write("Cargo.toml", "[workspace]\nmembers = ['member', 'library']\nresolver = '3'\n");
    write_program(&workbench, "member", "member");
    workbench.write("library/Cargo.toml", MANIFEST.replace("NAME", "library"));
    workbench.write("library/src/lib.rs", "");
    assert_program(workbench.build_in("hello"));

    workbench.write("library/src/main.rs", PROGRAM);
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    output
        .assert_stderr_has("several packages could be the component: `member`, `library`")
        .assert_stderr_has("hint: set `build.command` and `build.component_path`");
}

/// Which of them came last in cargo's messages was once taken for the component.
#[test]
fn a_package_with_two_programs_is_ambiguous() {
    let workbench = Workbench::new();
    write_program(&workbench, ".", "hello");
    workbench.write("src/bin/other.rs", PROGRAM);
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    let folder = workbench.path("target/wasm32-wasip2/release").display().to_string();
    output
        .assert_stderr_has(&format!("left several components: {folder}/hello.wasm, {folder}/other.wasm"))
        .assert_stderr_has("hint: set `build.component_path` to one of them");

    workbench.write(".wash/config.yaml", "build:\n  component_path: target/wasm32-wasip2/release/other.wasm\n");
    assert_eq!(assert_program(workbench.build_in("hello")), workbench.path("target/wasm32-wasip2/release/other.wasm"));
}

#[test]
fn a_library_that_is_no_cdylib_says_what_to_add() {
    let workbench = Workbench::new();
    workbench.write("Cargo.toml", MANIFEST.replace("NAME", "plain"));
    workbench.write("src/lib.rs", "");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("package `plain` has neither a cdylib nor a program")
        .assert_stderr_has("hint: add `crate-type = [\"cdylib\"]` under `[lib]`");
}

#[test]
fn a_broken_manifest_is_told_in_cargos_words() {
    let workbench = Workbench::new();
    workbench.write("Cargo.toml", "[package\n");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("error: cannot read the Cargo project in ")
        .assert_stderr_has("Cargo.toml:1");
}

#[test]
fn without_cargo_the_hint_says_where_to_get_it() {
    let workbench = Workbench::new();
    write_program(&workbench, ".", "hello");
    workbench
        .with_variable("PATH", "/nonexistent")
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("error: the program `cargo` was not found")
        .assert_stderr_has("hint: install Rust with rustup");
}

#[test]
fn a_missing_target_gives_the_command_that_adds_it() {
    for target in ["wasm32-wasip2", "wasm32-wasip1", "wasm32-unknown-unknown"] {
        let workbench = Workbench::with_config(&format!("build:\n  command: cargo build --target {target}\n"));
        let workbench = workbench.stand_in("cargo", "exit 101").stand_in("rustc", "echo /nonexistent/lib");
        workbench
            .build_in("hello")
            .assert_code(1)
            .assert_stderr_has("failed: exit code 101")
            .assert_stderr_has(&format!("hint: run `rustup target add {target}`"));
        let rustc = ["rustc", "--print", "target-libdir", "--target", target];
        assert_eq!(workbench.calls()[4..], rustc);
    }
}

#[test]
fn an_installed_target_is_not_suggested() {
    let workbench = Workbench::with_config("build:\n  command: cargo build --target wasm32-wasip2\n");
    let workbench = workbench.stand_in("cargo", "exit 101").stand_in("rustc", "echo /");
    let output = workbench.build_in("hello").assert_code(1);
    assert!(!output.stderr.contains("hint"), "{}", output.stderr);
}

#[test]
fn two_cargo_builds_at_once_both_succeed() {
    let workbench = Workbench::new();
    write_program(&workbench, ".", "hello");
    let spawn = || workbench.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for build in [spawn(), spawn()] {
        let output = build.wait_with_output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_program(Output { stdout, stderr, code: output.status.code() });
    }
}
