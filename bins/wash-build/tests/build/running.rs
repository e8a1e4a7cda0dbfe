//! How the build command runs: folder, environment, output, input, and how its end is told.

use std::io::Write as _;
use std::process::Stdio;

use washlib_test::Output;

use crate::workbench::Workbench;

const COPY: &str = "cp ../fixtures/component.wasm out.wasm";

#[test]
fn the_command_gets_its_environment_and_the_components_path() {
    let workbench = Workbench::with_config(
        "build:\n  command: echo $GREETING/$INHERITED/$WASH_COMPONENT_PATH > seen.txt; mkdir -p a; cp ../fixtures/component.wasm $WASH_COMPONENT_PATH\n  env: { GREETING: good day, INHERITED: replaced }\n  component_path: a/b.wasm\n",
    )
    .with_variable("INHERITED", "original");
    workbench.build_in("hello").assert_success();
    assert_eq!(workbench.read("seen.txt"), "good day/replaced/a/b.wasm\n");
}

#[test]
fn without_a_configured_path_the_component_is_named_like_the_folder() {
    let workbench = Workbench::with_config(
        "build:\n  command: echo $WASH_COMPONENT_PATH > seen.txt; cp ../fixtures/component.wasm $WASH_COMPONENT_PATH\n",
    );
    let output = workbench.build_in("hello").assert_success();
    assert_eq!(workbench.read("seen.txt"), "hello.wasm\n");
    assert_eq!(output.stdout, format!("{}\n", workbench.path("hello.wasm").display()));
}

/// The search path of the build is the one that its own environment says.
#[test]
fn the_environment_may_change_the_search_path() {
    let workbench = Workbench::new().stand_in("own-compiler", &format!("/bin/{COPY}"));
    let folder = workbench.sandbox().work().join("bin").display().to_string();
    workbench.write(
        ".wash/config.yaml",
        format!("build:\n  command: own-compiler --fast\n  env: {{ PATH: {folder} }}\n  component_path: out.wasm\n"),
    );
    let workbench = workbench.with_variable("PATH", "/usr/bin:/bin");
    workbench.build_in("hello").assert_code(1).assert_stderr_has("error: the program `sh` was not found");
    let path = format!("{folder}:/usr/bin:/bin");
    workbench.write(
        ".wash/config.yaml",
        format!("build:\n  command: own-compiler --fast\n  env: {{ PATH: '{path}' }}\n  component_path: out.wasm\n"),
    );
    workbench.build_in("hello").assert_success();
    assert_eq!(workbench.calls(), ["own-compiler", "--fast"]);
}

#[test]
fn a_command_is_a_shell_script() {
    let workbench = Workbench::with_config(
        "build:\n  component_path: out.wasm\n  command: |\n    set -eu\n    word='it''s \"quoted\"'\n    for n in 1 2; do echo \"$word $n\"; done | tail -n 1 > seen.txt && cp ../fixtures/component.wasm out.wasm\n",
    );
    workbench.build_in("hello").assert_success();
    assert_eq!(workbench.read("seen.txt"), "its \"quoted\" 2\n");
}

#[test]
fn what_the_command_prints_goes_to_stderr() {
    let workbench = Workbench::with_command(&format!("echo to-stdout; echo to-stderr >&2; {COPY}"));
    let output = workbench.build_in("hello").assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path("out.wasm").display()));
    output.assert_stderr_has("\nto-stdout\n").assert_stderr_has("\nto-stderr\n");
}

#[test]
fn ten_megabytes_of_output_pass() {
    let flood = "head -c 10000000 /dev/zero | tr '\\0' x";
    let workbench = Workbench::with_command(&format!("{flood}; {flood} >&2; {COPY}"));
    let output = workbench.build(["-o", "json"]).assert_success();
    assert_eq!(output.json()["success"], true);
    assert!(output.stderr.len() > 20_000_000, "{}", output.stderr.len());
}

#[test]
fn the_command_cannot_read_our_input() {
    let workbench = Workbench::with_command(&format!("cat > seen.txt; {COPY}"));
    let mut child =
        workbench.command().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Kept open: were it inherited, the build would wait for its end, or read this.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"secret\n").unwrap();
    let status = child.wait().unwrap();
    drop(input);
    assert!(status.success());
    assert_eq!(workbench.read("seen.txt"), "");
}

#[test]
fn the_commands_exit_code_is_in_the_message() {
    let workbench = Workbench::with_config("build:\n  command: echo broken >&2; exit 42\n");
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    output
        .assert_stderr_has("broken\n")
        .assert_stderr_has("error: the build command `echo broken >&2; exit 42` failed: exit code 42");
}

#[test]
fn a_signal_that_ended_the_command_is_in_the_message() {
    let workbench = Workbench::with_config("build:\n  command: kill -9 $$\n");
    workbench.build_in("hello").assert_code(1).assert_stderr_has("failed: ended by signal 9");
}

#[test]
fn a_program_that_is_not_installed_gives_a_hint() {
    let workbench = Workbench::with_config("build:\n  command: no-such-compiler --fast\n");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("failed: exit code 127")
        .assert_stderr_has("hint: a program that the command calls is not installed");
}

/// The component that lies there from before is no excuse.
#[test]
fn a_command_that_fails_has_no_result() {
    let workbench = Workbench::with_command("exit 1");
    workbench.write("out.wasm", crate::fixtures::component());
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
}

#[test]
fn what_runs_is_told_and_can_be_silenced() {
    let workbench = Workbench::with_command(COPY);
    let output = workbench.build_in("hello").assert_success();
    output
        .assert_stderr_has(&format!("    Building hello ({})", workbench.root().display()))
        .assert_stderr_has(&format!("     Running `{COPY}`\n"))
        .assert_stderr_has("    Finished ");
    let output = workbench.build(["-l", "warn"]).assert_success();
    assert_eq!(output.stderr, "");
}

#[test]
fn a_command_that_cannot_be_passed_on_is_an_error() {
    let workbench = Workbench::with_config("build:\n  command: \"echo \\0\"\n");
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("cannot run `sh`"), "{}", output.stderr);
}

#[test]
fn a_variable_that_holds_two_lines_arrives_whole() {
    let workbench = Workbench::with_config(
        "build:\n  command: printf %s \"$TEXT\" > seen.txt; cp ../fixtures/component.wasm hello.wasm\n  env:\n    TEXT: \"a\\nb $HOME 'c'\"\n",
    );
    Output::of(&mut workbench.command()).assert_success();
    assert_eq!(workbench.read("seen.txt"), "a\nb $HOME 'c'");
}
