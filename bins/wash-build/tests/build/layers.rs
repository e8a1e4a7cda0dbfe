//! Where a value comes from: user, project, environment; the later wins.

use std::fs;

use crate::workbench::Workbench;

fn command(word: &str) -> String {
    format!("echo {word} > word.txt; cp ../fixtures/component.wasm hello.wasm")
}

/// The word of the layer whose command ran.
fn winner(workbench: &Workbench, arguments: &[&str]) -> String {
    let output = workbench.build(arguments).assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path("hello.wasm").display()));
    workbench.read("word.txt").trim().to_owned()
}

#[test]
fn each_layer_beats_those_below_it() {
    let workbench = Workbench::new();
    let config = |word: &str| format!("build:\n  command: {}\n", command(word));
    workbench.write(".wash/config.yaml", "");
    let user = workbench.sandbox().write("../home/.config/wash/config.yaml", config("user"));
    assert_eq!(winner(&workbench, &[]), "user");

    let option = workbench.sandbox().write("mine.yaml", config("user-option"));
    assert_eq!(winner(&workbench, &["--user-config", option.to_str().unwrap()]), "user-option");

    workbench.write(".wash/config.yaml", config("project"));
    assert_eq!(winner(&workbench, &[]), "project");
    assert_eq!(winner(&workbench, &["--user-config", option.to_str().unwrap()]), "project");

    let workbench = workbench.with_variable("WASH_BUILD", format!("{{ command = '{}' }}", command("section")));
    assert_eq!(winner(&workbench, &[]), "section");

    let workbench = workbench.with_variable("WASH_BUILD_COMMAND", command("key"));
    assert_eq!(winner(&workbench, &[]), "key");
    assert!(user.exists());
}

#[test]
fn the_users_file_is_looked_for_where_xdg_says() {
    let workbench = Workbench::with_config("");
    workbench.sandbox().write("../home/.config/wash/config.yaml", format!("build:\n  command: {}\n", command("home")));
    workbench.sandbox().write("xdg/wash/config.toml", format!("[build]\ncommand = '{}'\n", command("xdg")));
    assert_eq!(winner(&workbench, &[]), "home");
    let xdg = workbench.sandbox().work().join("xdg").display().to_string();
    assert_eq!(winner(&workbench.with_variable("XDG_CONFIG_HOME", xdg), &[]), "xdg");
}

#[test]
fn tables_are_merged_key_by_key() {
    let workbench = Workbench::with_config(
        "build:\n  command: echo $A $B $C > word.txt; cp ../fixtures/component.wasm hello.wasm\n  env: { B: project, C: project }\n",
    );
    workbench.sandbox().write("../home/.config/wash/config.yaml", "build:\n  env: { A: user, B: user, C: user }\n");
    let workbench = workbench.with_variable("WASH_BUILD_ENV", r#"{"C": "variable"}"#);
    assert_eq!(winner(&workbench, &[]), "user project variable");
}

#[test]
fn a_variable_as_json_counts_like_toml() {
    let json = format!(r#"{{"command": "{}"}}"#, command("json"));
    let workbench = Workbench::with_config("build:\n  command: exit 9\n").with_variable("WASH_BUILD", json);
    assert_eq!(winner(&workbench, &[]), "json");
}

#[test]
fn a_blank_variable_counts_as_not_set() {
    let workbench = Workbench::with_config(&format!("build:\n  command: {}\n", command("project")));
    let workbench = workbench.with_variable("WASH_BUILD_COMMAND", " ").with_variable("WASH_BUILD", "");
    assert_eq!(winner(&workbench, &[]), "project");
}

#[test]
fn a_command_in_a_variable_spares_the_configuration() {
    let workbench = Workbench::new().with_variable("WASH_BUILD_COMMAND", command("variable"));
    workbench.write("Cargo.toml", "not read: the command is known");
    assert_eq!(winner(&workbench, &[]), "variable");
}

#[test]
fn skipping_the_fetch_is_accepted_and_leaves_local_dependencies_alone() {
    let workbench =
        Workbench::with_config(&format!("build:\n  command: {}\nwit:\n  skip_fetch: false\n", command("x")));
    let dependency = workbench.write("wit/deps/a.wit", "package a:b;\n");
    assert_eq!(winner(&workbench, &["--skip-fetch"]), "x");
    assert_eq!(fs::read_to_string(dependency).unwrap(), "package a:b;\n");
}

#[test]
fn the_files_that_count_are_shown_to_who_asks_for_detail() {
    let workbench = Workbench::with_command("cp ../fixtures/component.wasm out.wasm");
    let output = workbench.build([""; 0]).assert_success();
    assert!(!output.stderr.contains("configuration: "), "{}", output.stderr);
    let output = workbench.build(["--verbose"]).assert_success();
    let _ = output.assert_stderr_has("configuration: ").assert_stderr_has(".wash/config.yaml");
}
