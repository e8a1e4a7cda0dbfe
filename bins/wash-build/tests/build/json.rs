//! `-o json`: one document on stdout, in the shape that scripts parse.

use snapbox::{Assert, IntoData, Redactions, str};

use crate::workbench::Workbench;

fn assert_document(workbench: &Workbench, code: i32, expected: impl IntoData) {
    let output = workbench.build(["-o", "json"]).assert_code(code);
    // Exactly one document: a second one, or a stray line, does not parse.
    assert_eq!(output.json()["success"], code == 0);
    let mut redactions = Redactions::new();
    redactions.insert("[WORK]", workbench.sandbox().work()).unwrap();
    let assert = Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV).redact_with(redactions);
    assert.eq(output.stdout, expected);
}

#[test]
fn success() {
    let workbench = Workbench::with_config(
        "build:\n  command: echo noise; cp ../fixtures/component.wasm out.wasm\n  component_path: out.wasm\n",
    );
    assert_document(
        &workbench,
        0,
        str![[r#"
{
  "message": "Successfully built component",
  "success": true,
  "data": {
    "component_path": "[WORK]/hello/out.wasm",
    "project_path": "[WORK]/hello",
    "size": 8,
    "command": "echo noise; cp ../fixtures/component.wasm out.wasm",
    "toolchain": null,
    "adapter": null,
    "elapsed_ms": [..]
  }
}

"#]],
    );
}

#[test]
fn a_toolchain_and_an_adapter_are_named() {
    let workbench = Workbench::new();
    workbench.write("Makefile", "all:\n\tcp ../fixtures/command.wasm hello.wasm\n");
    assert_document(
        &workbench,
        0,
        str![[r#"
{
  "message": "Successfully built component",
  "success": true,
  "data": {
    "component_path": "[WORK]/hello/hello.wasm",
    "project_path": "[WORK]/hello",
    "size": [..],
    "command": "make",
    "toolchain": "make",
    "adapter": "command",
    "elapsed_ms": [..]
  }
}

"#]],
    );
}

#[test]
fn a_failed_command() {
    let workbench = Workbench::with_config("build:\n  command: echo noise; exit 42\n");
    assert_document(
        &workbench,
        1,
        str![[r#"
{
  "message": "the build command `echo noise; exit 42` failed: exit code 42",
  "success": false,
  "data": null
}

"#]],
    );
}

#[test]
fn a_cause_and_a_hint() {
    let workbench = Workbench::with_config("build:\n  command: echo hello > out.wasm\n  component_path: out.wasm\n");
    assert_document(
        &workbench,
        1,
        str![[r#"
{
  "message": "[WORK]/hello/out.wasm is not a component",
  "success": false,
  "data": null,
  "causes": [
    "the file is a text, not a WebAssembly binary"
  ],
  "hints": [
    "set `build.component_path` to the component that the command builds"
  ]
}

"#]],
    );
}

#[test]
fn a_wrong_configuration() {
    let workbench = Workbench::with_config("build:\n  comand: make\n");
    assert_document(
        &workbench,
        2,
        str![[r#"
{
  "message": "unknown key `build.comand` in .wash/config.yaml line 2",
  "success": false,
  "data": null,
  "hints": [
    "did you mean `command`?"
  ]
}

"#]],
    );
}
