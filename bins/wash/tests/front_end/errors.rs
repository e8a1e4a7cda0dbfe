//! What cannot be done, how it is said, and with which exit code.

use snapbox::assert_data_eq;
use snapbox::str;

use crate::environment::{Outcome, Sandbox};

fn stderr(sandbox: &Sandbox, outcome: &Outcome, code: i32) -> String {
    sandbox.redact(outcome.stderr(code).as_bytes())
}

#[test]
fn an_unknown_command_with_a_near_name() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-build");
    let outcome = sandbox.wash().args(["biuld", "--skip-fetch"]).output();
    assert_data_eq!(
        outcome.stderr(127),
        str![[r#"
error: no such command: `biuld`
hint: a command with a similar name exists: `build`

"#]]
    );
}

#[test]
fn third_party_and_built_in_commands_are_suggested_too() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-frobnicate");
    for (typed, near) in [("frobnicat", "frobnicate"), ("hlep", "help"), ("completions", "completion")] {
        let outcome = sandbox.wash().args([typed]).output();
        assert!(outcome.stderr(127).ends_with(&format!("exists: `{near}`\n")), "{typed}");
    }
}

#[test]
fn an_unknown_command_with_no_near_name() {
    let sandbox = Sandbox::new();
    // Not installed, so not worth suggesting.
    let outcome = sandbox.wash().args(["biuld"]).output();
    assert_data_eq!(
        outcome.stderr(127),
        str![[r#"
error: no such command: `biuld`
hint: `wash --list` shows the commands

"#]]
    );
    let _ = sandbox.wash().args([""]).output().stderr(127);
    let _ = sandbox.wash().args(["help", "biuld"]).output().stderr(127);
}

#[test]
fn a_command_of_the_family_that_is_not_installed() {
    let sandbox = Sandbox::new();
    assert_data_eq!(
        sandbox.wash().args(["build"]).output().stderr(127),
        str![[r#"
error: wash-build is not installed
hint: `wash help` says where commands are searched, `wash --list` shows those found

"#]]
    );
}

#[test]
fn a_file_that_is_not_executable() {
    let sandbox = Sandbox::new();
    sandbox.file("path/wash-x", "#!/bin/sh\n", 0o644);
    assert_data_eq!(
        stderr(&sandbox, &sandbox.wash().args(["x"]).output(), 126),
        str![[r#"
error: cannot run [ROOT]/path/wash-x
  caused by: the file is not marked as executable
hint: `chmod +x [ROOT]/path/wash-x`

"#]]
    );
}

#[test]
fn of_several_that_are_not_executable_the_first_is_reported() {
    let sandbox = Sandbox::new();
    sandbox.file("bin/wash-x", "", 0o644);
    sandbox.file("path/wash-x", "", 0o644);
    let outcome = sandbox.wash().args(["x"]).output();
    assert!(stderr(&sandbox, &outcome, 126).starts_with("error: cannot run [ROOT]/bin/wash-x\n"));
}

#[test]
fn a_script_without_its_interpreter() {
    let sandbox = Sandbox::new();
    sandbox.file("path/wash-x", "#! /nonexistent/sh -e\n", 0o755);
    assert_data_eq!(
        stderr(&sandbox, &sandbox.wash().args(["x"]).output(), 126),
        str![[r#"
error: cannot run [ROOT]/path/wash-x
  caused by: the interpreter that its first line names does not exist: `/nonexistent/sh`

"#]]
    );
}

#[test]
fn a_script_with_the_line_ends_of_another_system() {
    let sandbox = Sandbox::new();
    sandbox.file("path/wash-x", "#!/bin/sh\r\nexit 0\r\n", 0o755);
    let outcome = sandbox.wash().args(["x"]).output();
    assert!(outcome.stderr(126).contains(r"does not exist: `/bin/sh\r`"));
}

#[test]
fn a_file_that_is_no_program() {
    let sandbox = Sandbox::new();
    let contents: [&[u8]; 4] = [b"", b"exit 0\n", b"\0\0\0\0", b"\0asm\x01\0\0\0"];
    for content in contents {
        sandbox.file("path/wash-x", content, 0o755);
        assert_data_eq!(
            stderr(&sandbox, &sandbox.wash().args(["x"]).output(), 126),
            str![[r#"
error: cannot run [ROOT]/path/wash-x
  caused by: the file is neither a program nor a script that begins with `#!`
hint: install the tool again; in a script of your own, begin the first line with `#!/bin/sh`

"#]]
        );
    }
}

#[test]
fn a_tool_that_the_kernel_forbids() {
    let sandbox = Sandbox::new();
    let interpreter = sandbox.file("interpreter", "", 0o644);
    sandbox.file("path/wash-x", format!("#!{}\n", interpreter.display()), 0o755);
    assert_data_eq!(
        stderr(&sandbox, &sandbox.wash().args(["x"]).output(), 126),
        str![[r#"
error: cannot run [ROOT]/path/wash-x
  caused by: Permission denied (os error 13)

"#]]
    );
}

#[test]
fn a_wrong_command_line() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-build");
    let table: [(&[&str], &str); 9] = [
        (
            &["--skip-fetch", "build"],
            "error: unknown option: `--skip-fetch`\nhint: options of a command come after its name",
        ),
        (
            &["--verison"],
            "error: unknown option: `--verison`\nhint: an option with a similar name exists: `--version`\n",
        ),
        (&["--"], "error: unknown option: `--`\n"),
        (&["-C"], "error: option `-C` needs a value\nhint: `wash -C <DIR> <COMMAND>`\n"),
        (&["--list", "build"], "error: unexpected argument: `build`\n"),
        (&["-o", "xml", "--list"], "error: invalid value for `--output`: `xml`\nhint: possible values: text, json\n"),
        (
            &["--color=pink", "-V"],
            "error: invalid value for `--color`: `pink`\nhint: possible values: auto, always, never\n",
        ),
        (&["--verbose=1", "build"], "error: option takes no value: `--verbose=1`\n"),
        (&["\x1b[31m\n", "x"], "error: no such command: `\\u{1b}[31m\\n`\n"),
    ];
    for (line, expected) in table {
        let outcome = sandbox.wash().args(line).output();
        let code = if line[0].starts_with('-') { 2 } else { 127 };
        let stderr = outcome.stderr(code);
        assert!(stderr.starts_with(expected), "{line:?}\n{stderr}");
        assert!(stderr.contains("\nhint: "), "{line:?}\n{stderr}");
    }
}

#[test]
fn an_error_as_json() {
    let sandbox = Sandbox::new();
    sandbox.file("path/wash-x", "#!/bin/sh\n", 0o644);
    let outcome = sandbox.wash().args(["-o", "json", "x"]).output();
    assert_eq!((outcome.code(), outcome.output.stderr.as_slice()), (Some(126), b"".as_slice()));
    assert_data_eq!(
        sandbox.redact(&outcome.output.stdout),
        str![[r#"
{
  "message": "cannot run [ROOT]/path/wash-x",
  "success": false,
  "data": null,
  "causes": [
    "the file is not marked as executable"
  ],
  "hints": [
    "`chmod +x [ROOT]/path/wash-x`"
  ]
}

"#]]
    );
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let sandbox = Sandbox::new();
    let colored = sandbox.wash().args(["--color", "always", "xyz"]).env("NO_COLOR", "1").output();
    assert!(colored.stderr(127).starts_with("\x1b[1;31merror\x1b[0m: no such command"));
    let plain = sandbox.wash().args(["xyz"]).env("TERM", "xterm").output();
    assert!(plain.stderr(127).starts_with("error: no such command"));
}
