//! What is around the build: help, home, closed pipes, full and read-only disks, another build at the same time.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio, id};

use washlib_test::Output;

use crate::fixtures;
use crate::workbench::Workbench;

const COPY: &str = "cp ../fixtures/component.wasm out.wasm";

#[test]
fn the_help_shows_examples_and_exit_codes() {
    let help = Workbench::new().build(["--help"]).assert_success().stdout;
    for text in ["Usage: wash build", "--skip-fetch", "-C <DIR>", "Examples:", "Exit status:", "  130  "] {
        assert!(help.contains(text), "{text:?} is missing:\n{help}");
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [&["--no-such-option"][..], &["extra"], &["-o", "xml"]] {
        let output = Workbench::with_command(COPY).build(arguments).assert_code(2);
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn a_home_that_does_not_exist_holds_no_configuration() {
    let workbench = Workbench::with_command(COPY).with_variable("HOME", "/nonexistent/home");
    workbench.build_in("hello").assert_success();
    let workbench = Workbench::with_command(COPY);
    Output::of(workbench.command().env_remove("HOME")).assert_success();
    Output::of(workbench.command().env("HOME", "")).assert_success();
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    for arguments in [&[][..], &["-o", "json"], &["--help"]] {
        let workbench = Workbench::with_command(COPY);
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = workbench.command().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("error"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let workbench = Workbench::with_command(COPY);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = workbench.command().stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
}

#[test]
fn a_target_folder_that_cannot_be_written_is_the_commands_failure() {
    let workbench = Workbench::with_config("build:\n  command: cp ../fixtures/component.wasm $WASH_COMPONENT_PATH\n");
    // A file where a folder should be refuses the superuser too.
    let path = workbench.write("file", "").join("out.wasm").display().to_string();
    let output = workbench.with_variable("WASH_BUILD_COMPONENT_PATH", path).build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("failed: exit code 1"), "{}", output.stderr);
}

/// A module in a folder that takes no new file cannot be replaced; it stays as it is.
#[test]
fn a_module_in_a_read_only_folder_cannot_be_wrapped() {
    let workbench = Workbench::with_config("build:\n  command: 'true'\n");
    let module = workbench.write("read-only/out.wasm", fixtures::command_module());
    let open = File::open(&module).unwrap();
    let path = if rustix::process::geteuid().is_root() && cfg!(target_os = "linux") {
        // Permissions do not bind the superuser, but no file can be made in this folder of the kernel's.
        format!("/proc/{}/fd/{}", id(), open.as_raw_fd())
    } else {
        fs::set_permissions(module.parent().unwrap(), Permissions::from_mode(0o555)).unwrap();
        module.display().to_string()
    };
    let workbench = workbench.with_variable("WASH_BUILD_COMPONENT_PATH", &path);
    let output = workbench.build_in("hello");
    fs::set_permissions(module.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    let output = output.assert_code(1);
    assert_eq!(output.stdout, "");
    output
        .assert_stderr_has("error: cannot use the build's result")
        .assert_stderr_has(&format!("caused by: cannot write {path}: "));
    assert_eq!(fs::read(module).unwrap(), fixtures::command_module());
}

/// Both commands wait for each other, so that the builds do overlap.
#[test]
fn two_builds_at_once_both_succeed() {
    let copy = "cp ../fixtures/command.wasm out.$$ && mv out.$$ out.wasm";
    let workbench = Workbench::with_command("exit 9");
    let pipe = workbench.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let spawn = |meet: &str| {
        let mut command = workbench.command();
        command.env("WASH_BUILD_COMMAND", format!("{meet}; {copy}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let builds = [spawn("echo ready > pipe"), spawn("read word < pipe")];
    for build in builds {
        let output = build.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", workbench.path("out.wasm").display()));
    }
    let exports = fixtures::exports(&fs::read(workbench.path("out.wasm")).unwrap());
    assert!(exports[0].starts_with("wasi:cli/run@0.2"), "{exports:?}");
    let names = fs::read_dir(workbench.root()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".wash", "out.wasm", "pipe"]);
}
