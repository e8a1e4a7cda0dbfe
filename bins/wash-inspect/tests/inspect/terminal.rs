//! What a person at a terminal sees.

use std::io::Read as _;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component};

/// Runs `wash inspect` with a terminal as its standard output, and returns what appears there.
fn at_terminal(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut command = sandbox.command("wash-inspect");
    command.args(arguments).stdout(Stdio::from(terminal)).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    // The end of a terminal is an error on Linux.
    let _ = std::fs::File::from(controller).read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_summary_stands_above_the_wit() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let shown = at_terminal(&sandbox, &["shop.wasm"]);
    let (summary, wit) = shown.split_once("\n\n").unwrap();
    assert!(summary.starts_with("file       shop.wasm\nkind       a component\n"), "{shown}");
    assert!(wit.starts_with("package root:component;\n"), "{shown}");
    let wit_alone = at_terminal(&sandbox, &["--wit", "shop.wasm"]);
    assert!(wit_alone.starts_with("package root:component;\n"), "{wit_alone}");
}

#[test]
fn a_binary_is_not_written_to_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    assert_eq!(at_terminal(&sandbox, &["strip", "shop.wasm", "--to", "-"]), "");
}
