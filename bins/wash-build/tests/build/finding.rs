//! Which folder is the project, and which file configures it.

use std::os::unix::fs::symlink;

use washlib_test::Output;

use crate::workbench::Workbench;

const COMMAND: &str = "pwd -P > where.txt; cp ../fixtures/component.wasm out.wasm";

/// The result is the path of this project's component, and the command ran in this project's root.
fn assert_built(workbench: &Workbench, output: Output) {
    let output = output.assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path("out.wasm").display()));
    assert_eq!(workbench.read("where.txt"), format!("{}\n", workbench.root().display()));
}

#[test]
fn the_project_is_found_from_its_root_and_from_any_folder_inside() {
    for folder in ["hello", "hello/src", "hello/src/deep/er"] {
        let workbench = Workbench::with_command(COMMAND);
        workbench.write("src/deep/er/x.rs", "");
        let output = workbench.build_in(folder);
        assert_built(&workbench, output);
    }
}

#[test]
fn a_folder_option_starts_elsewhere() {
    let workbench = Workbench::with_command(COMMAND);
    workbench.write("src/lib.rs", "");
    let absolute = workbench.path("src");
    for (from, option) in [(".", "hello"), ("fixtures", "../hello/src"), (".", absolute.to_str().unwrap())] {
        let output = Output::of(workbench.command_in(from).args(["-C", option]));
        assert_built(&workbench, output);
    }
}

#[test]
fn a_link_into_the_project_leads_to_the_project() {
    let workbench = Workbench::with_command(COMMAND);
    workbench.write("src/lib.rs", "");
    symlink(workbench.path("src"), workbench.sandbox().work().join("link")).unwrap();
    let output = workbench.build_in("link");
    assert_built(&workbench, output);
}

#[test]
fn a_folder_option_must_name_a_folder() {
    let workbench = Workbench::with_command(COMMAND);
    let output = workbench.build(["-C", "nowhere"]).assert_code(2).assert_stderr_has("nowhere");
    assert_eq!(output.stdout, "");
    workbench.build(["-C", ".wash/config.yaml"]).assert_code(2).assert_stderr_has(".wash/config.yaml: ");
}

#[test]
fn without_a_project_the_error_names_the_folder_and_says_how_to_get_one() {
    let workbench = Workbench::new();
    let output = workbench.build_in("hello").assert_code(2);
    assert_eq!(output.stdout, "");
    let root = workbench.root().display().to_string();
    output
        .assert_stderr_has(&format!("error: no project found in {root} or above it"))
        .assert_stderr_has("hint: `wash new http-hello-world`");
}

#[test]
fn the_nearest_configuration_counts() {
    let workbench = Workbench::with_command(COMMAND);
    workbench.sandbox().write(".wash/config.yaml", "build:\n  command: exit 9\n");
    let output = workbench.build_in("hello");
    assert_built(&workbench, output);
}

/// The crates of a workspace belong to the project that the workspace is.
#[test]
fn a_configuration_above_beats_a_manifest_nearer_by() {
    let workbench = Workbench::with_command(COMMAND);
    workbench.write("member/Cargo.toml", "this would be no manifest");
    let output = workbench.build_in("hello/member");
    assert_built(&workbench, output);
}

#[test]
fn a_manifest_alone_makes_a_project() {
    let workbench = Workbench::new();
    workbench.write("Makefile", "all:\n\tpwd -P > where.txt; cp ../fixtures/component.wasm out.wasm\n");
    workbench.write("src/deep/x.c", "");
    let output = workbench.build_in("hello/src/deep");
    assert_built(&workbench, output);
}

#[test]
fn a_configuration_is_read_in_each_format_and_both_spellings() {
    let configurations = [
        ("yaml", "build:\n  command: COMMAND\n  component_path: out.wasm\n  env: { WORD: hi }\n"),
        ("yml", "build:\n  command: COMMAND\n  componentPath: out.wasm\n  env: { WORD: hi }\n"),
        ("json", r#"{"build": {"command": "COMMAND", "component_path": "out.wasm", "env": {"WORD": "hi"}}}"#),
        ("json", r#"{"build": {"command": "COMMAND", "componentPath": "out.wasm", "env": {"WORD": "hi"}}}"#),
        ("toml", "[build]\ncommand = 'COMMAND'\ncomponent_path = 'out.wasm'\nenv = { WORD = 'hi' }\n"),
        ("toml", "[build]\ncommand = 'COMMAND'\ncomponentPath = 'out.wasm'\n[build.env]\nWORD = 'hi'\n"),
    ];
    for (format, text) in configurations {
        let workbench = Workbench::new();
        let command = format!("echo $WORD > word.txt && {COMMAND}");
        workbench.write(format!(".wash/config.{format}"), text.replace("COMMAND", &command));
        let output = workbench.build_in("hello");
        assert_built(&workbench, output);
        assert_eq!(workbench.read("word.txt"), "hi\n", "{text}");
    }
}

#[test]
fn of_two_configurations_the_ignored_one_is_named() {
    let workbench = Workbench::with_command(COMMAND);
    let ignored = workbench.write(".wash/config.toml", "[build]\ncommand = 'exit 9'\n");
    let output = workbench.build_in("hello").assert_stderr_has(&format!("warning: {} is ignored", ignored.display()));
    assert_built(&workbench, output);
}
