//! Calls of single functions.

use serde_json::json;
use washlib_test::Sandbox;

use crate::guests;

fn math() -> Sandbox {
    let sandbox = Sandbox::new();
    guests::place_text(&sandbox, guests::MATH, "math.wasm");
    sandbox
}

fn run(sandbox: &Sandbox, call: &str, more: &[&str]) -> washlib_test::Output {
    sandbox.run("wash-host", [&["run", "math.wasm", "--invoke", call], more].concat())
}

#[test]
fn the_result_is_all_that_stdout_gets() {
    let sandbox = math();
    for call in ["test:math/ops@1.0.0#add(40, 2)", "test:math/ops#add(40,2)", "add(40, 2)"] {
        let output = run(&sandbox, call, &[]).assert_success();
        assert_eq!(output.stdout, "42\n", "{call}");
    }
    let output = run(&sandbox, "add(40, 2)", &["-o", "json"]).assert_success();
    assert_eq!(output.json()["data"], json!({"wave": "42", "result": 42}));
    assert_eq!(output.json()["success"], json!(true));
}

#[test]
fn a_failure_is_exit_code_1() {
    let sandbox = math();
    let output = run(&sandbox, "trap()", &[]).assert_code(1).assert_stderr_has("`trap` failed");
    assert_eq!(output.stdout, "");
    output.assert_stderr_has("unreachable");
    let output = run(&sandbox, "trap()", &["-o", "json"]).assert_code(1);
    assert_eq!(output.json()["success"], json!(false));
    run(&sandbox, "spin()", &["--request-timeout", "200ms"]).assert_code(1).assert_stderr_has("longer than 200ms");
    // A result that is an error is printed, and is no success.
    let output = run(&sandbox, "judge(1)", &[]).assert_code(1);
    assert_eq!(output.stdout, "err\n");
    assert_eq!(run(&sandbox, "judge(0)", &[]).assert_success().stdout, "ok\n");
}

#[test]
fn a_wrong_call_is_exit_code_2_with_a_hint() {
    let sandbox = math();
    run(&sandbox, "ad(1, 2)", &[]).assert_code(2).assert_stderr_has("did you mean `test:math/ops@1.0.0#add`?");
    run(&sandbox, "nothing-like-it()", &[])
        .assert_code(2)
        .assert_stderr_has("test:math/ops@1.0.0#add: func(a: u32, b: u32) -> u32; judge: func(code: u32) -> result");
    run(&sandbox, "add(1)", &[]).assert_code(2).assert_stderr_has("its signature is test:math/ops@1.0.0#add");
    run(&sandbox, "add", &[]).assert_code(2).assert_stderr_has("is not a call");
    sandbox.run("wash-host", ["run", "math.wasm", "math.wasm", "--invoke", "add(1, 2)"]).assert_code(2);
}
