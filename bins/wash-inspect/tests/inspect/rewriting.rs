//! `wash inspect metadata` and `wash inspect strip`: what they write.

use std::os::unix::fs::PermissionsExt as _;

use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect, wasm};

#[test]
fn metadata_is_set_shown_and_removed() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("shop.wasm", component(WIT));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let fields = ["--name", "shop", "--set-version", "1.2.0", "--licenses", "Apache-2.0", "--authors", "A. Uthor"];
    inspect(&sandbox, &[&["metadata", "shop.wasm", "--in-place"], &fields[..]].concat()).assert_success();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let shown = inspect(&sandbox, &["-o", "json", "metadata", "shop.wasm"]).assert_success().json();
    let data = &shown["data"];
    assert_eq!((data["name"].as_str(), data["version"].as_str()), (Some("shop"), Some("1.2.0")));
    assert_eq!((data["licenses"].as_str(), data["authors"].as_str()), (Some("Apache-2.0"), Some("A. Uthor")));
    inspect(&sandbox, &["validate", "shop.wasm"]).assert_success();
    let summary = inspect(&sandbox, &["--summary", "shop.wasm"]).assert_success().stdout;
    assert!(summary.contains("licence    Apache-2.0\n") && summary.contains("version    1.2.0\n"), "{summary}");
    inspect(&sandbox, &["metadata", "shop.wasm", "--licenses", "", "--to", "bare.wasm"]).assert_success();
    let bare = inspect(&sandbox, &["-o", "json", "metadata", "bare.wasm"]).assert_success().json();
    assert_eq!((bare["data"]["licenses"].as_str(), bare["data"]["name"].as_str()), (None, Some("shop")));
}

#[test]
fn what_cannot_be_set_is_said_before_anything_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    inspect(&sandbox, &["metadata", "shop.wasm", "--licenses", "no licence", "--to", "x.wasm"]).assert_code(2);
    inspect(&sandbox, &["metadata", "shop.wasm", "--source", "no url", "--to", "x.wasm"]).assert_code(2);
    inspect(&sandbox, &["metadata", "shop.wasm", "--name", "x"]).assert_code(2).assert_stderr_has("--in-place");
    inspect(&sandbox, &["metadata", "shop.wasm", "--in-place"]).assert_code(2).assert_stderr_has("--set-version");
    assert!(!sandbox.work().join("x.wasm").exists());
}

#[test]
fn stripping_saves_what_size_says() {
    let sandbox = Sandbox::new();
    let debug = "x".repeat(5_000);
    let text = format!(
        "(component (core module $m (func $f (export \"f\")) (@custom \".debug_info\" \"{debug}\")) (import \"g\" (func)))"
    );
    let bytes = wasm(&text);
    sandbox.write("big.wasm", &bytes);
    let size = inspect(&sandbox, &["-o", "json", "size", "big.wasm"]).assert_success().json();
    let saves = |key: &str| size["data"]["strippable"][key].as_u64().unwrap();
    let stripped = |arguments: &[&str]| {
        inspect(&sandbox, &[&["strip", "big.wasm", "--to", "small.wasm"], arguments].concat()).assert_success();
        let small = std::fs::read(sandbox.work().join("small.wasm")).unwrap();
        inspect(&sandbox, &["validate", "small.wasm"]).assert_success();
        (bytes.len() - small.len()) as u64
    };
    // Around what was removed, sizes are written in fewer bytes.
    for (saved, said) in [(stripped(&[]), saves("default")), (stripped(&["--all"]), saves("all"))] {
        assert!(saved >= said && saved < said + 10, "{saved} {said}");
    }
    assert!(stripped(&["--delete", ".debug_*"]) >= 5_000);
    let wit = |file: &str| inspect(&sandbox, &[file]).assert_success().stdout;
    assert_eq!(wit("big.wasm"), wit("small.wasm"));
    inspect(&sandbox, &["strip", "big.wasm"]).assert_code(2).assert_stderr_has("--to <FILE>");
    // Binary on standard output, for a pipe.
    let mut command = sandbox.command("wash-inspect");
    let output = command.args(["strip", "big.wasm", "--to", "-"]).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"\0asm"));
}

#[test]
fn a_target_that_cannot_be_written_leaves_all_as_it_was() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("shop.wasm", component(WIT));
    let before = std::fs::read(&path).unwrap();
    inspect(&sandbox, &["strip", "shop.wasm", "--to", "none/x.wasm"]).assert_code(1).assert_stderr_has("none/x.wasm");
    inspect(&sandbox, &["strip", "shop.wasm", "--to", "."]).assert_code(1);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let files: Vec<_> = std::fs::read_dir(sandbox.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["shop.wasm"]);
}

#[test]
fn an_empty_name_is_removed_and_all_others_stay() {
    let sandbox = Sandbox::new();
    sandbox.write("m.wasm", wasm("(module $m (func $inner))"));
    inspect(&sandbox, &["metadata", "m.wasm", "--name", "", "--to", "bare.wasm"]).assert_success();
    assert_eq!(std::fs::read(sandbox.work().join("bare.wasm")).unwrap(), wasm("(module (func $inner))"));
}

#[test]
fn a_link_leads_to_the_file_that_is_changed() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("m.wasm", wasm("(module $m)"));
    let link = sandbox.work().join("link.wasm");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    inspect(&sandbox, &["strip", "link.wasm", "--all", "--in-place"]).assert_success();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&file).unwrap(), wasm("(module)"));
}

/// A file in the place of a pipe or a device would be no use to who reads from it.
#[test]
fn a_pipe_is_written_to_and_stays_one() {
    use std::os::unix::fs::FileTypeExt as _;
    let sandbox = Sandbox::new();
    sandbox.write("m.wasm", wasm("(module $m)"));
    let pipe = sandbox.work().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    // Open for both, it is not waited for.
    let mut reader = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    inspect(&sandbox, &["strip", "m.wasm", "--all", "--to", "pipe"]).assert_success();
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let mut read = vec![0; wasm("(module)").len()];
    std::io::Read::read_exact(&mut reader, &mut read).unwrap();
    assert_eq!(read, wasm("(module)"));
    let mut command = sandbox.command("wash-inspect");
    let output = command.args(["strip", "m.wasm", "--all", "--to", "/dev/stdout"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(0), wasm("(module)")));
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/dev/stdin", sandbox.work().join("input")).unwrap();
    let mut command = sandbox.command("wash-inspect");
    command.args(["strip", "input", "--in-place"]);
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &wasm("(module $m)")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no file to replace"));
}

#[test]
fn a_section_that_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("m.wasm", wasm("(module $m)"));
    let strip =
        |name: &str| inspect(&sandbox, &["strip", "m.wasm", "--to", "x.wasm", "--delete", name]).assert_success();
    strip("debug_*").assert_stderr_has("has no custom section `debug_*`");
    assert!(!strip("na*").stderr.contains("no custom section"));
}
