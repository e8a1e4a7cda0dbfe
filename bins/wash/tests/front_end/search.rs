//! Which file becomes the tool.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;

use crate::environment::Sandbox;

/// The stand-in tool that ran, by its path in the scratch folder.
fn ran(stdout: &str) -> &str {
    stdout.lines().next().unwrap_or_default()
}

#[test]
fn the_order_of_the_folders() {
    let sandbox = Sandbox::new();
    let places = ["first", "second", "bin", "libexec/wash", "libexec", "path", "later"];
    let tools = places.map(|place| sandbox.tool(&format!("{place}/wash-x")));
    let exec_path = env::join_paths([sandbox.path("first"), sandbox.path("second")]).unwrap();
    let path = env::join_paths([sandbox.path("path"), sandbox.path("later")]).unwrap();
    for (place, tool) in places.iter().zip(&tools) {
        let run = || sandbox.wash().env("WASH_EXEC_PATH", &exec_path).env("PATH", &path);
        assert_eq!(ran(run().args(["x"]).output().stdout()), format!("{place}/wash-x"));
        let listed = run().args(["--list"]).output();
        assert_eq!(listed.stdout(), format!("x    {}\n", tool.display()));
        fs::remove_file(tool).unwrap();
    }
}

#[test]
fn a_third_partys_tool_on_the_path() {
    let sandbox = Sandbox::new();
    sandbox.tool("path/wash-foo-bar.v2");
    assert_eq!(ran(sandbox.wash().args(["foo-bar.v2"]).output().stdout()), "path/wash-foo-bar.v2");
}

#[test]
fn a_symlink_to_the_front_end_finds_the_tools_beside_the_file() {
    let sandbox = Sandbox::new();
    sandbox.tool("bin/wash-x");
    sandbox.tool("libexec/wash/wash-y");
    sandbox.folder("home/bin");
    symlink("../../bin/wash", sandbox.path("home/bin/other-name")).unwrap();
    symlink("other-name", sandbox.path("home/bin/wash")).unwrap();
    for name in ["home/bin/wash", "home/bin/other-name"] {
        assert_eq!(ran(sandbox.front_end(name).args(["x"]).output().stdout()), "bin/wash-x");
        assert_eq!(ran(sandbox.front_end(name).args(["y"]).output().stdout()), "libexec/wash/wash-y");
    }
}

#[test]
fn a_front_end_found_on_the_path_finds_its_libexec_folder() {
    let sandbox = Sandbox::new();
    sandbox.install_front_end("usr/bin");
    sandbox.tool("usr/libexec/wash-x");
    sandbox.script("call", "wash x");
    let outcome = sandbox.front_end("call").env("PATH", sandbox.path("usr/bin")).output();
    assert_eq!(ran(outcome.stdout()), "usr/libexec/wash-x");
}

#[test]
fn a_symlink_to_a_tool_is_a_tool() {
    let sandbox = Sandbox::new();
    sandbox.tool("opt/x-1.0");
    symlink("../opt/x-1.0", sandbox.path("path/wash-x")).unwrap();
    assert_eq!(ran(sandbox.wash().args(["x"]).output().stdout()), "opt/x-1.0");
}

#[test]
fn what_is_no_executable_file_is_passed_over() {
    let sandbox = Sandbox::new();
    sandbox.folder("bin/wash-x");
    sandbox.file("libexec/wash-x", "#!/bin/sh\n", 0o644);
    let first = sandbox.folder("first");
    symlink("nowhere", first.join("wash-x")).unwrap();
    sandbox.tool("path/wash-x");
    let run = || sandbox.wash().env("WASH_EXEC_PATH", &first);
    assert_eq!(ran(run().args(["x"]).output().stdout()), "path/wash-x");
    let listed = run().args(["--list"]).output();
    assert_eq!(sandbox.redact(listed.stdout().as_bytes()), "x    [ROOT]/path/wash-x\n");
}

#[test]
fn what_the_kernel_forbids_is_passed_over() {
    let sandbox = Sandbox::new();
    let interpreter = sandbox.file("interpreter", "", 0o644);
    sandbox.file("bin/wash-x", format!("#!{}\n", interpreter.display()), 0o755);
    sandbox.tool("path/wash-x");
    assert_eq!(ran(sandbox.wash().args(["x"]).output().stdout()), "path/wash-x");
}

#[test]
fn the_current_folder_is_not_searched_by_accident() {
    let sandbox = Sandbox::new();
    sandbox.tool("here/wash-x");
    let here = sandbox.path("here");
    for (exec_path, path) in [("", ""), (":", ":"), ("/nonexistent:", ":/nonexistent")] {
        let run = || sandbox.wash().env("WASH_EXEC_PATH", exec_path).env("PATH", path).current_dir(&here);
        let _ = run().args(["x"]).output().stderr(127);
        assert_eq!(run().args(["--list"]).output().stdout(), "0 commands found\n");
    }
    let outcome = sandbox.wash().env("PATH", ".").current_dir(&here).args(["x"]).output();
    assert_eq!(ran(outcome.stdout()), "here/wash-x", "the current folder by name is no accident");
}

#[test]
fn a_relative_folder_is_listed_in_full() {
    let sandbox = Sandbox::new();
    sandbox.tool("relative/wash-x");
    let outcome = sandbox.wash().env("WASH_EXEC_PATH", "relative").args(["--list"]).output();
    assert_eq!(sandbox.redact(outcome.stdout().as_bytes()), "x    [ROOT]/relative/wash-x\n");
}

#[test]
fn a_command_cannot_leave_the_folders() {
    let sandbox = Sandbox::new();
    sandbox.folder("path/wash-a");
    sandbox.tool("path/wash-a/x");
    sandbox.tool("path/x");
    for command in ["a/x", "a/../x", "/x", "../x"] {
        let outcome = sandbox.wash().args([command]).output();
        let expected = format!("error: no such command: `{command}`\nhint: `wash --list` shows the commands\n");
        assert_eq!(outcome.stderr(127), expected);
    }
}

#[test]
fn built_in_commands_cannot_be_replaced() {
    let sandbox = Sandbox::new();
    sandbox.tool("bin/wash-help");
    sandbox.tool("bin/wash-completion");
    assert!(sandbox.wash().args(["help"]).output().stdout().contains("Usage: wash"));
    assert_eq!(sandbox.wash().args(["--list"]).output().stdout(), "0 commands found\n");
}
