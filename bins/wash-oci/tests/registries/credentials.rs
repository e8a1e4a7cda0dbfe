//! A registry that wants a password, and all the ways of giving it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use washlib_test::{Output, Registry, RegistryOptions};

use crate::Place;

fn place() -> Place {
    Place::with(&RegistryOptions { password: true, ..RegistryOptions::default() })
}

/// Runs a command with something on stdin.
fn with_stdin(place: &Place, arguments: &[&str], input: &str) -> Output {
    let mut command = place.sandbox.command("wash-oci");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Output {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

#[test]
fn a_refusal_says_what_was_tried() {
    let place = place();
    place.component("hello.wasm", 10);
    let reference = place.reference("hello:v1");
    let refused = place.oci(&["push", &reference, "hello.wasm"]).assert_code(1);
    assert!(refused.stderr.contains("no credentials were found"), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("`wash oci login {}`", place.registry.address())), "{}", refused.stderr);
    let wrong = with_stdin(&place, &["push", &reference, "hello.wasm", "-u", "ada", "--password-stdin"], "wr0ng!\n");
    let wrong = wrong.assert_code(1).assert_stderr_has("asked as user `ada` from --user");
    assert!(!wrong.stderr.contains("wr0ng!") && !wrong.stderr.contains("not found"), "{}", wrong.stderr);
}

#[test]
fn logging_in_and_out() {
    let place = place();
    place.component("hello.wasm", 10);
    let (registry, reference) = (place.registry.address(), place.reference("hello:v1"));
    let login = ["login", registry, "-u", Registry::USER, "--password-stdin"];
    with_stdin(&place, &login, "wrong").assert_code(1).assert_stderr_has("asked as user `ada`");
    let config = place.sandbox.home().join(".docker/config.json");
    assert!(!config.exists());

    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, r#"{"HttpHeaders":{"x":"y"},"auths":{"other":{"auth":"YTpi"}}}"#).unwrap();
    with_stdin(&place, &login, Registry::PASSWORD).assert_success();
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("HttpHeaders") && text.contains("\"other\"") && text.contains(registry), "{text}");
    place.oci(&["push", &reference, "hello.wasm"]).assert_success();

    place.oci(&["logout", registry]).assert_success();
    place.oci(&["pull", &reference]).assert_code(1).assert_stderr_has("refuses");
    assert!(fs::read_to_string(&config).unwrap().contains("\"other\""));
    place.oci(&["logout", registry]).assert_success().assert_stderr_has("no credentials for");
}

#[test]
fn variables_and_files_of_others() {
    let place = place();
    place.component("hello.wasm", 10);
    let reference = place.reference("hello:v1");
    let push = |variables: &[(&str, &str)]| {
        let mut command = place.sandbox.command("wash-oci");
        command.args(["push", &reference, "hello.wasm"]).envs(variables.iter().copied());
        Output::of(&mut command)
    };
    let (user, password) = (("WASH_REG_USER", Registry::USER), ("WASH_REG_PASSWORD", Registry::PASSWORD));
    push(&[user, password]).assert_success();
    push(&[user, password, ("WASH_REG_URL", "other.example")]).assert_code(1);
    push(&[user, password, ("WASH_REG_URL", place.registry.address())]).assert_success();
    // `ada:opensesame`, for a part of the registry alone.
    let auths = |key: &str| format!(r#"{{"auths":{{"{key}":{{"auth":"YWRhOm9wZW5zZXNhbWU="}}}}}}"#);
    let inline = auths(place.registry.address());
    push(&[("DOCKER_AUTH_CONFIG", &inline)]).assert_success();
    let file = place.sandbox.write("auth.json", auths(&place.reference("hello")));
    push(&[("REGISTRY_AUTH_FILE", file.to_str().unwrap())]).assert_success();
    let podman = place.sandbox.write("run/containers/auth.json", auths(place.registry.address()));
    let runtime = podman.parent().unwrap().parent().unwrap();
    push(&[("XDG_RUNTIME_DIR", runtime.to_str().unwrap())]).assert_success();
    place.sandbox.write("docker/config.json", "{ nonsense");
    let docker = place.sandbox.work().join("docker");
    push(&[("DOCKER_CONFIG", docker.to_str().unwrap())]).assert_code(1).assert_stderr_has("config.json cannot be read");
}

#[test]
fn a_helper_keeps_what_login_gives_it() {
    let place = place();
    place.component("hello.wasm", 10);
    let store = place.sandbox.work().join("store.json");
    // The whole protocol in a few lines: it keeps one answer.
    let script = format!(
        "#!/bin/sh\nstore={}\ncase $1 in store) cat > $store;; erase) rm $store;;\nget) if test -f $store; then cat $store; else echo credentials not found; exit 1; fi;; esac\n",
        store.display()
    );
    let helper = place.sandbox.write("bin/docker-credential-test", script);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let config = place.sandbox.home().join(".docker/config.json");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, r#"{"credsStore":"test"}"#).unwrap();
    let path = format!("{}:{}", helper.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = |arguments: &[&str]| {
        let mut command = place.sandbox.command("wash-oci");
        command.args(arguments).env("PATH", &path).env("WASH_REG_PASSWORD", Registry::PASSWORD);
        Output::of(&mut command)
    };
    run(&["login", place.registry.address(), "-u", Registry::USER]).assert_success();
    assert!(fs::read_to_string(&store).unwrap().contains("opensesame"));
    assert!(!fs::read_to_string(&config).unwrap().contains("opensesame"));
    run(&["push", &place.reference("hello:v1"), "hello.wasm"]).assert_success();
    run(&["logout", place.registry.address()]).assert_success();
    assert!(!store.exists());
}

#[test]
fn half_of_the_credentials_is_told_and_not_used() {
    let place = place();
    place.component("hello.wasm", 10);
    let reference = place.reference("hello:v1");
    let table = [
        ("WASH_REG_USER", Registry::USER, "WASH_REG_USER is set, but WASH_REG_PASSWORD is not"),
        ("WASH_REG_PASSWORD", Registry::PASSWORD, "WASH_REG_PASSWORD is set, but WASH_REG_USER is not"),
    ];
    for (name, value, expected) in table {
        let mut command = place.sandbox.command("wash-oci");
        command.args(["push", &reference, "hello.wasm"]).env(name, value);
        let output = Output::of(&mut command).assert_code(1).assert_stderr_has(expected);
        assert_eq!(output.stderr.matches("WARN").count(), 1, "{}", output.stderr);
        assert!(!output.stderr.contains(Registry::PASSWORD), "{}", output.stderr);
    }
    // A password may be for the user of the command line.
    let mut command = place.sandbox.command("wash-oci");
    command.args(["push", &reference, "hello.wasm", "--user", Registry::USER]);
    command.env("WASH_REG_PASSWORD", Registry::PASSWORD);
    let output = Output::of(&mut command).assert_success();
    assert!(!output.stderr.contains("WASH_REG"), "{}", output.stderr);
}
