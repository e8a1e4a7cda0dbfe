//! What reaches the tool and what comes back from it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::environment::Sandbox;

#[test]
fn arguments_reach_the_tool_untouched() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-x");
    let arguments = ["-h", "--list", "-o", "json", "a  b", "", "--", "-C", "$HOME", "--output=text", "help"];
    let outcome = sandbox.wash().args(["x"]).args(arguments).output();
    assert_eq!(outcome.stdout(), format!("path/wash-x\n{}\n", arguments.join("\n")));
}

#[test]
fn arguments_that_are_not_utf8_reach_the_tool() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-x");
    let bytes = OsStr::from_bytes(b"\xff\xfe=\x80");
    let outcome = sandbox.wash().args(["-C".as_ref(), bytes, "x".as_ref(), bytes]).output();
    assert_eq!(outcome.output.stdout, b"path/wash-x\n-C\n\xff\xfe=\x80\n\xff\xfe=\x80\n");
}

#[test]
fn global_options_become_the_first_arguments_of_the_tool() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-build");
    let globals = [
        ["-C", "some where"].as_slice(),
        &["-Cfolder"],
        &["-o", "json"],
        &["-ojson"],
        &["--output=json"],
        &["-l", "debug"],
        &["--log-level", "trace"],
        &["--verbose"],
        &["--non-interactive"],
        &["--user-config", "file"],
        &["--user-config=file"],
        &["--color", "never"],
        // Wrong, but that is for the tool to say.
        &["-o", "xml"],
    ];
    for global in globals.iter().copied().chain([globals.concat().as_slice()]) {
        let outcome = sandbox.wash().args(global).args(["build", "--skip-fetch"]).output();
        let expected = ["path/wash-build"].iter().chain(global).chain(&["--skip-fetch"]);
        assert_eq!(outcome.stdout().lines().collect::<Vec<_>>(), expected.copied().collect::<Vec<_>>());
    }
}

#[test]
fn help_of_a_command_is_the_tools_own() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-oci");
    let table: [(&[&str], &str); 5] = [
        (&["help", "oci"], "--help"),
        (&["--help", "oci"], "--help"),
        (&["-h", "oci"], "--help"),
        (&["help", "oci", "push"], "push\n--help"),
        (&["--color=never", "help", "oci"], "--color=never\n--help"),
    ];
    for (line, expected) in table {
        let outcome = sandbox.wash().args(line).output();
        assert_eq!(outcome.stdout(), format!("path/wash-oci\n{expected}\n"), "{line:?}");
    }
}

#[test]
fn the_exit_code_is_the_tools() {
    let sandbox = Sandbox::new();
    sandbox.script("path/wash-x", "exit \"$1\"");
    for code in [0, 1, 42, 126, 255] {
        assert_eq!(sandbox.wash().args(["x", &code.to_string()]).output().code(), Some(code));
    }
}

#[test]
fn the_tool_takes_the_place_of_the_front_end() {
    let sandbox = Sandbox::new();
    sandbox.script("path/wash-x", "echo $$; kill -TERM $$");
    let child = sandbox.wash().args(["x"]).spawn();
    let process_id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(str::from_utf8(&output.stdout).unwrap(), format!("{process_id}\n"));
    assert_eq!(output.status.code(), None);
}

#[test]
fn a_signal_that_ends_the_tool_is_seen_from_outside() {
    let sandbox = Sandbox::new();
    sandbox.script("path/wash-x", "kill -KILL $$");
    assert_eq!(sandbox.wash().args(["x"]).output().signal(), Some(9));
}

#[test]
fn a_closed_pipe_ends_the_tool_as_it_would_without_the_front_end() {
    let sandbox = Sandbox::new();
    // The shell's own `echo`: it dies of SIGPIPE unless somebody told it to ignore that.
    sandbox.script("path/wash-x", "while echo y; do :; done; exit 3");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(sandbox.wash().args(["x"]).stdout(writer).output().signal(), Some(13));
}

#[test]
fn environment_and_folder_are_the_tools_too() {
    let sandbox = Sandbox::new();
    sandbox.script("path/wash-x", "echo \"$MARK\"; pwd -P");
    let folder = sandbox.folder("elsewhere");
    let outcome = sandbox.wash().args(["x"]).env("MARK", "a b").current_dir(&folder).output();
    assert_eq!(outcome.stdout(), format!("a b\n{}\n", folder.display()));
}
