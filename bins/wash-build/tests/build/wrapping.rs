//! Core modules become components, in place and with the adapter that fits.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::fixtures;
use crate::workbench::Workbench;

fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".wash-build")).collect()
}

#[test]
fn each_kind_of_module_gets_its_adapter() {
    for (module, adapter, export) in
        [("command", "command", "wasi:cli/run@0.2"), ("reactor", "reactor", "greet"), ("pure", "none", "greet")]
    {
        let workbench = Workbench::with_command(&format!("cp ../fixtures/{module}.wasm out.wasm"));
        let output = workbench.build(["-o", "json"]).assert_success();
        let data = &output.json()["data"];
        assert_eq!(data["adapter"], adapter);
        let component = fs::read(workbench.path("out.wasm")).unwrap();
        assert_eq!(data["size"], component.len());
        let exports = fixtures::exports(&component);
        assert!(exports.len() == 1 && exports[0].starts_with(export), "{module}: {exports:?}");
        output.assert_stderr_has(&format!(
            "     Wrapped the core module in a component (WASI preview-1 adapter: {adapter})"
        ));
        assert_eq!(leftovers(&workbench.root()), [""; 0]);
    }
}

#[test]
fn permissions_are_kept() {
    for mode in ["640", "755", "444"] {
        let workbench =
            Workbench::with_command(&format!("cp ../fixtures/command.wasm out.wasm; chmod {mode} out.wasm"));
        workbench.build_in("hello").assert_success();
        let permissions = fs::metadata(workbench.path("out.wasm")).unwrap().permissions();
        assert_eq!(format!("{:o}", permissions.mode() & 0o777), mode);
    }
}

/// Cargo's own file in `deps` is the same file under two names: what cargo keeps must stay what cargo built.
#[test]
fn another_name_of_the_module_keeps_the_module() {
    let workbench = Workbench::with_command("cp ../fixtures/command.wasm kept; ln -f kept out.wasm");
    workbench.build_in("hello").assert_success();
    assert_eq!(fs::read(workbench.path("kept")).unwrap(), fixtures::command_module());
    assert_ne!(fs::read(workbench.path("out.wasm")).unwrap(), fixtures::command_module());
    // The next build puts the module back, as cargo does, with its old time.
    workbench.set_age("kept", 1000);
    let output = workbench.build(["-o", "json"]).assert_success();
    assert_eq!(output.json()["data"]["adapter"], "command");
}

#[test]
fn what_was_wrapped_once_is_left_alone() {
    let workbench = Workbench::with_command("test -e out.wasm || cp ../fixtures/command.wasm out.wasm");
    workbench.build_in("hello").assert_success();
    let component = fs::read(workbench.path("out.wasm")).unwrap();
    let output = workbench.build(["-o", "json"]).assert_success();
    assert_eq!(output.json()["data"]["adapter"], serde_json::Value::Null);
    assert_eq!(fs::read(workbench.path("out.wasm")).unwrap(), component);
}
