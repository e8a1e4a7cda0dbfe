//! Proxies, as variables name them.

use washlib_test::{Output, Sandbox};

use crate::Place;

/// An address for documentation, which nobody has.
const ELSEWHERE: &str = "192.0.2.2:20509/a/b:1";

#[test]
fn a_proxy_that_is_not_there_is_named_with_its_variable() {
    let sandbox = Sandbox::new();
    let mut pull = sandbox.command("wash-oci");
    // Nothing listens on the discard port.
    pull.args(["pull", ELSEWHERE, "--insecure"]).env("http_proxy", "http://ada:opensesame@127.0.0.1:9");
    let expected = "cannot reach the proxy http://127.0.0.1:9 (from http_proxy) on the way to 192.0.2.2:20509";
    let output = Output::of(&mut pull).assert_code(1).assert_stderr_has(expected);
    assert!(!output.stderr.contains("opensesame"), "{}", output.stderr);
}

#[test]
fn a_proxy_that_is_none_is_blamed_on_its_variable_where_it_would_be_used() {
    let place = Place::new();
    place.component("hello.wasm", 10);
    let run = |arguments: &[&str]| {
        let mut command = place.sandbox.command("wash-oci");
        command.args(arguments).env("no_proxy", "10.0.0.0/8");
        command.env("HTTP_PROXY", "junk:///").env("ALL_PROXY", "junk:///");
        Output::of(&mut command)
    };
    run(&["push", &place.reference("hello:v1"), "hello.wasm"]).assert_success();
    run(&["pull", ELSEWHERE, "--insecure"]).assert_code(1).assert_stderr_has("HTTP_PROXY");
    run(&["pull", ELSEWHERE]).assert_code(1).assert_stderr_has("ALL_PROXY");
}
