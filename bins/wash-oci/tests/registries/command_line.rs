//! Wrong command lines: each names what is wrong and what would be right.

use washlib_test::Sandbox;

#[test]
fn references_of_every_malformed_kind() {
    let sandbox = Sandbox::new();
    let digest = format!("ghcr.io/a/b@sha256:{}", "A".repeat(64));
    let table = [
        ("", "the reference is empty"),
        ("https://ghcr.io/a/b", "hint: write `ghcr.io/a/b`"),
        ("./hello.wasm", "is the path of a file"),
        ("ghcr.io", "hint: a reference is written `ghcr.io/name:tag`"),
        ("ghcr.io/Acme/Hello", "hint: write `acme/hello`"),
        ("ghcr.io/a/../b", "cannot be part of a repository"),
        ("ghcr.io/a b", "cannot contain ' '"),
        ("ghcr.io/a:b:c", "is no tag"),
        ("ghcr.io/a@sha256:abc", "has 64 hexadecimal digits, and this one has 3"),
        ("ghcr.io/a@md5:abc", "sha256 and sha512 are supported"),
        (digest.as_str(), "not `A`"),
        ("ghcr.io:x/a", "is no port"),
        ("a..b/c", "is no name of a registry"),
        ("ghcr.io/\u{1b}[31m", "cannot contain"),
    ];
    for (reference, expected) in table {
        let output = sandbox.run("wash-oci", ["pull", reference]).assert_code(2).assert_stderr_has(expected);
        assert!(!output.stderr.contains('\u{1b}'), "{}", output.stderr);
    }
}

#[test]
fn what_cannot_be_together() {
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", crate::component(1));
    let digest = format!("localhost:1/a@sha256:{}", "a".repeat(64));
    let table: [(&[&str], &str); 7] = [
        (&["pull", "localhost:1/a", "--offline", "--policy", "always"], "leave out one of them"),
        (&["push", &digest, "hello.wasm"], "give the reference a tag"),
        (&["push", "localhost:1/a", "hello.wasm", "--annotation", "novalue"], "write KEY=VALUE"),
        (&["pull", "localhost:1/a", "--user", "ada"], "--password-stdin"),
        (&["pull", "localhost:1/a", "--password", "x"], "add `--user <USER>`"),
        (&["delete", "localhost:1/a"], "a tag or a digest"),
        (&["pull", "localhost:1/a", "--verify", "missing.pub"], "missing.pub"),
    ];
    for (arguments, expected) in table {
        sandbox.run("wash-oci", arguments).assert_code(2).assert_stderr_has(expected);
    }
    let both = sandbox.run("wash-oci", ["-o", "json", "pull", "localhost:1/a", "-"]).assert_code(2).json();
    assert_eq!(both["hints"][0], "name a file instead of `-`");
}

#[test]
fn what_is_no_webassembly_is_not_pushed() {
    let sandbox = Sandbox::new();
    sandbox.write("text.wasm", "hello");
    sandbox.write("empty.wasm", "");
    let whole = crate::component(100);
    sandbox.write("cut.wasm", &whole[..whole.len() - 10]);
    let table = [
        ("text.wasm", "text.wasm: the file is no WebAssembly binary"),
        ("empty.wasm", "empty.wasm: the file is empty"),
        ("cut.wasm", "cut.wasm: the file is damaged"),
        ("missing.wasm", "missing.wasm"),
    ];
    for (file, expected) in table {
        sandbox.run("wash-oci", ["push", "localhost:1/a", file]).assert_code(1).assert_stderr_has(expected);
    }
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    // Nothing listens on the discard port.
    let output = sandbox.run("wash-oci", ["pull", "127.0.0.1:9/hello:v1"]).assert_code(1);
    assert!(output.stderr.contains("cannot reach 127.0.0.1:9"), "{}", output.stderr);
}

#[test]
fn the_configuration_is_checked() {
    let sandbox = Sandbox::new();
    sandbox.write(".wash/config.yaml", "oci: { registrys: {} }");
    sandbox.run("wash-oci", ["pull", "localhost:1/a"]).assert_code(2).assert_stderr_has("oci.registrys");
}

#[test]
fn a_folder_is_not_pushed() {
    let sandbox = Sandbox::new();
    sandbox.write("dist/hello.wasm", crate::component(1));
    let refused = sandbox.run("wash-oci", ["push", "localhost:1/a", "dist"]).assert_code(1);
    let refused = refused.assert_stderr_has("dist is a folder, and one file is pushed");
    refused.assert_stderr_has("hint: name the component's file");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", crate::component(1));
    let push = ["push", "localhost:1/a", "hello.wasm", "--dry-run"];
    let json = [["-o", "json"].as_slice(), &push].concat();
    for arguments in [push.as_slice(), json.as_slice(), &["--help"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = sandbox.command("wash-oci");
        command.args(arguments).stdout(full);
        let expected = "error: cannot write the result to the standard output: No space left on device";
        washlib_test::Output::of(&mut command).assert_code(1).assert_stderr_has(expected);
    }
}
