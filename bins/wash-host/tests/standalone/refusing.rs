//! Command lines and sources that cannot be.

use std::net::TcpListener;

use washlib_test::Sandbox;
use washlib_test::hostile::bombs;

use crate::guests;

#[test]
fn sources_that_are_none() {
    let sandbox = Sandbox::new();
    sandbox.write("text.txt", "hello");
    sandbox.write("text.wasm", "hello");
    sandbox.write("empty.yaml", "");
    sandbox.write("unknown.yaml", "apiVersion: v1\nkind: Workload\n");
    sandbox.write("folder/notes.txt", "neither a project nor documents");
    for (source, code, message) in [
        ("missing.wasm", 2, "there is no file or folder missing.wasm"),
        ("ghcr.io/Me/hello:1", 2, "is neither a file nor a reference in a registry"),
        ("text.txt", 2, "text.txt is neither a component nor a file of documents"),
        ("text.wasm", 1, "not a WebAssembly binary"),
        ("empty.yaml", 2, "no document asks for a workload to run"),
        ("unknown.yaml", 2, "unknown.yaml:1: `v1` in `apiVersion` is not runtime.wasmcloud.dev/v1alpha1"),
        ("folder", 2, "no project found"),
    ] {
        let output = sandbox.run("wash-host", ["run", "--http-addr", "127.0.0.1:0", source]);
        output.assert_code(code).assert_stderr_has(message);
    }
}

#[test]
fn a_component_that_answers_nothing_names_its_exports() {
    let sandbox = Sandbox::new();
    guests::place_text(&sandbox, guests::MATH, "math.wasm");
    sandbox
        .run("wash-host", ["run", "math.wasm"])
        .assert_code(2)
        .assert_stderr_has("it exports test:math/ops@1.0.0, judge, trap, spin")
        .assert_stderr_has("--invoke");
}

#[test]
fn options_that_cannot_be_followed() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    sandbox.write("workload.yaml", "");
    for (arguments, message) in [
        (&["hello.wasm", "--env", "=x"][..], "`=x` in --env is not NAME=VALUE"),
        (&["hello.wasm", "--env", "NOT_SET"], "NOT_SET"),
        (&["hello.wasm", "--volume", "x"], "HOST_PATH:GUEST_PATH"),
        (&["hello.wasm", "--volume", "/none:/x"], "cannot use the path in --volume"),
        (&["hello.wasm", "--keyvalue", "etcd"], "`in-memory`, `filesystem:DIR`, `redis` or `postgres` or `nats`"),
        (&["hello.wasm", "--keyvalue", "redis"], "hint: name one in the environment variable WASH_REDIS_URL"),
        (&["hello.wasm", "--blobstore", "postgres"], "--blobstore asks for the backend `postgres`, and no server is"),
        (&["hello.wasm", "--data-nats-url", "http://db"], "begins with neither `nats://` nor"),
        (&["hello.wasm", "--redis-url", "http://db"], "begins with neither `redis://` nor"),
        (&["hello.wasm", "--postgres-url", "mysql://db"], "begins with neither `postgres://` nor"),
        (&["hello.wasm", "--request-timeout", "soon"], "a length of time"),
        (&["hello.wasm", "--tls-cert-path", "none.pem"], "--tls-key-path"),
        (&["hello.wasm", "--tls-cert-path", "none.pem", "--tls-key-path", "none.pem"], "none.pem"),
        (&["workload.yaml", "--env", "A=b"], "--env has no effect on documents"),
        (&["hello.wasm", "hello.wasm"], "two sources are the workload `default/hello`"),
        (&[], "SOURCE"),
    ] {
        let arguments = [&["run", "--http-addr", "127.0.0.1:0"], arguments].concat();
        sandbox.run("wash-host", &arguments).assert_code(2).assert_stderr_has(message);
    }
}

#[test]
fn an_address_that_is_taken() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = sandbox.run("wash-host", ["run", "hello.wasm", "--http-addr", &address]);
    output.assert_code(1).assert_stderr_has(&format!("cannot listen on {address}")).assert_stderr_has("--http-addr");
    let arguments = ["run", "hello.wasm", "--http-addr", "127.0.0.1:0", "--admin-addr", &address];
    sandbox.run("wash-host", arguments).assert_code(1).assert_stderr_has("the admin address");
}

#[test]
fn errors_of_a_stream_are_its_last_event() {
    let sandbox = Sandbox::new();
    sandbox.write("text.wasm", "hello");
    let output = sandbox.run("wash-host", ["run", "text.wasm", "-o", "json", "--http-addr", "127.0.0.1:0"]);
    let last: serde_json::Value = serde_json::from_str(output.assert_code(1).stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "error");
    assert_eq!(last["message"], "cannot start default/text");
}

/// The compiler would overflow its stack with some of these, and take gigabytes for others.
#[test]
fn components_that_ask_for_too_much() {
    let sandbox = Sandbox::new();
    for bomb in bombs().into_iter().take(10) {
        sandbox.write("bomb.wasm", &bomb.bytes);
        for arguments in
            [&["run", "--http-addr", "127.0.0.1:0", "bomb.wasm"][..], &["run", "bomb.wasm", "--invoke", "f()"]]
        {
            sandbox
                .run("wash-host", arguments)
                .assert_code(1)
                .assert_stderr_has("too complex to be compiled")
                .assert_stderr_has("beyond what is accepted, at byte 0x");
        }
    }
}

/// Reading these would never end.
#[test]
fn sources_that_are_no_files() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/dev/zero", sandbox.work().join("zero.wasm")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(sandbox.work().join("pipe.wasm")).status().unwrap().success());
    for name in ["zero.wasm", "pipe.wasm"] {
        let output = sandbox.run("wash-host", ["run", "--http-addr", "127.0.0.1:0", name]);
        output.assert_code(2).assert_stderr_has(&format!("{name} is not a regular file"));
    }
}
