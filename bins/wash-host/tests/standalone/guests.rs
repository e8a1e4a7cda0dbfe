//! Components to run: the template's, the runtime's probe, and small ones in text.

use std::path::{Path, PathBuf};

use washlib_test::Sandbox;

/// The template's component.
pub(crate) fn hello() -> PathBuf {
    washlib_test::guest::build(&root().join("templates/http-hello-world"))
}

/// A component whose paths are ways to behave.
pub(crate) fn probe() -> PathBuf {
    of_runtime("probe")
}

/// A component of the runtime's own tests.
pub(crate) fn of_runtime(name: &str) -> PathBuf {
    washlib_test::guest::build(&root().join("libs/wash-runtime/tests/guests").join(name))
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Puts a component into the work folder under a name.
pub(crate) fn place(sandbox: &Sandbox, component: &Path, name: &str) {
    sandbox.write(name, std::fs::read(component).unwrap());
}

/// Puts a component in text into the work folder.
pub(crate) fn place_text(sandbox: &Sandbox, text: &str, name: &str) {
    sandbox.write(name, wat::parse_str(text).unwrap());
}

/// Exports `test:math/ops@1.0.0` with `add`, and a few functions of the world.
pub(crate) const MATH: &str = r#"(component
    (core module $m
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func (export "judge") (param i32) (result i32) (local.get 0))
        (func (export "trap") unreachable)
        (func (export "spin") (loop (br 0))))
    (core instance $i (instantiate $m))
    (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func $judge (param "code" u32) (result (result)) (canon lift (core func $i "judge")))
    (func $trap (canon lift (core func $i "trap")))
    (func $spin (canon lift (core func $i "spin")))
    (instance $ops (export "add" (func $add)))
    (export "test:math/ops@1.0.0" (instance $ops))
    (export "judge" (func $judge))
    (export "trap" (func $trap))
    (export "spin" (func $spin)))"#;

/// A service that checks its sibling's sums, and fails where one is wrong.
pub(crate) const ACCOUNTANT: &str = r#"(component
    (import "test:math/ops@1.0.0" (instance $ops
        (export "add" (func (param "a" u32) (param "b" u32) (result u32)))))
    (core func $add (canon lower (func $ops "add")))
    (core module $m
        (import "ops" "add" (func $add (param i32 i32) (result i32)))
        (func (export "run") (result i32)
            (if (i32.ne (call $add (i32.const 40) (i32.const 2)) (i32.const 42)) (then unreachable))
            (i32.const 0)))
    (core instance $i (instantiate $m (with "ops" (instance (export "add" (func $add))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#;

/// A service that fails at once.
pub(crate) const FAILING_SERVICE: &str = r#"(component
    (core module $m (func (export "run") (result i32) unreachable))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#;
