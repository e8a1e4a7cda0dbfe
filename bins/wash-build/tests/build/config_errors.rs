//! Configuration that is wrong: the error says where and what was probably meant, and nothing is built.

use crate::workbench::Workbench;

/// Runs with this configuration and returns stderr, after checking that it was a usage error without a result.
fn error(file: &str, text: impl AsRef<[u8]>) -> String {
    let workbench = Workbench::new();
    workbench.write(format!(".wash/{file}"), text);
    let output = workbench.build_in("hello").assert_code(2);
    assert_eq!(output.stdout, "");
    output.stderr
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` should be in:\n{text}");
    }
}

#[test]
fn an_unknown_key_is_named_with_file_line_and_nearest_key() {
    for (file, text) in [
        ("config.yaml", "# why\nbuild:\n  comand: make\n"),
        ("config.yml", "build:\n  env: {}\n  comand: make\n"),
        ("config.json", "{\n  \"build\": {\n    \"comand\": \"make\"\n  }\n}\n"),
        ("config.toml", "# why\n[build]\ncomand = 'make'\n"),
    ] {
        let stderr = error(file, text);
        let place = format!("error: unknown key `build.comand` in .wash/{file} line 3\n");
        assert_has(&stderr, &[&place, "hint: did you mean `command`?"]);
    }
}

#[test]
fn an_unknown_section_is_named_too() {
    assert_has(&error("config.yaml", "biuld:\n  command: make\n"), &["unknown key `biuld`", "did you mean `build`?"]);
}

/// Public examples have `build.rust` and the like, which nothing has read for a long time.
#[test]
fn a_key_like_no_other_gets_the_list_of_known_keys() {
    let stderr = error("config.yaml", "build:\n  zzzzzz: 1\n");
    assert_has(&stderr, &["unknown key `build.zzzzzz`", "command", "component_path", "env"]);
}

#[test]
fn malformed_text_is_an_error_with_line_and_column() {
    for (file, text, place) in [
        ("config.yaml", "build:\n  command: \"make\n", "invalid YAML in .wash/config.yaml line "),
        ("config.yaml", "build:\n\tcommand: make\n", "invalid YAML in .wash/config.yaml line 2 column "),
        ("config.yaml", "build: [\n", "invalid YAML in .wash/config.yaml line "),
        ("config.json", "{ \"build\": {\n", "invalid JSON in .wash/config.json line "),
        ("config.toml", "\n[build\n", "invalid TOML in .wash/config.toml line 2 column "),
    ] {
        assert_has(&error(file, text), &[place, " column "]);
    }
}

#[test]
fn a_value_of_another_type_is_an_error_with_its_line() {
    assert_has(
        &error("config.yaml", "build:\n  command: [make, all]\n"),
        &["`build.command` in .wash/config.yaml line 2: expected text, found a list"],
    );
    assert_has(&error("config.yaml", "- build\n"), &[".wash/config.yaml line 1"]);
    assert_has(&error("config.toml", "build = 1\n"), &["`build` in .wash/config.toml line 1"]);
}

#[test]
fn a_key_in_two_spellings_is_a_duplicate() {
    let stderr = error("config.yaml", "build:\n  component_path: a\n  componentPath: b\n");
    assert_has(&stderr, &["duplicate key `build.component", "line 3", "line 2"]);
}

/// An empty file configures nothing: what is wrong is that nothing says how to build.
#[test]
fn an_empty_file_says_nothing_about_the_build() {
    for (file, text) in [
        ("config.yaml", ""),
        ("config.yml", "\n# nothing yet\n"),
        ("config.yaml", "build:\n"),
        ("config.toml", ""),
        ("config.json", "{}"),
    ] {
        let stderr = error(file, text);
        assert_has(
            &stderr,
            &["error: no build command is configured", "hint: set `build.command` in .wash/config.yaml"],
        );
    }
    assert_has(&error("config.json", ""), &["invalid JSON in .wash/config.json line 1 column 1"]);
}

#[test]
fn what_is_no_text_file_is_an_error() {
    assert_has(&error("config.yaml", b"build:\n  command: \xff\n"), &["config.yaml is not valid UTF-8: line 2"]);
    let workbench = Workbench::new();
    workbench.write(".wash/config.yaml/x", "");
    workbench.build_in("hello").assert_code(2).assert_stderr_has("config.yaml is not a regular file");
}

#[test]
fn a_variable_with_wrong_content_is_named() {
    let workbench = Workbench::with_command("true").with_variable("WASH_BUILD", "{ comand = 'make' }");
    workbench
        .build_in("hello")
        .assert_code(2)
        .assert_stderr_has("unknown key `build.comand` in environment variable WASH_BUILD")
        .assert_stderr_has("did you mean `command`?");
}

#[test]
fn the_users_file_is_named_by_its_path() {
    let workbench = Workbench::with_command("true");
    let path = workbench.sandbox().write("mine.yaml", "build:\n  comand: make\n");
    let option = path.to_str().unwrap();
    workbench
        .build(["--user-config", option])
        .assert_code(2)
        .assert_stderr_has(&format!("unknown key `build.comand` in {option} line 2"));
    let missing = workbench.sandbox().work().join("none.yaml");
    workbench
        .build(["--user-config", missing.to_str().unwrap()])
        .assert_code(2)
        .assert_stderr_has("error: cannot read the user configuration")
        .assert_stderr_has("none.yaml");
}

#[test]
fn nothing_runs_when_the_configuration_is_wrong() {
    let workbench = Workbench::with_config("build:\n  command: touch ran\n  comand: x\n");
    workbench.build_in("hello").assert_code(2).assert_stderr_has("build.comand");
    assert!(!workbench.path("ran").exists());
}
