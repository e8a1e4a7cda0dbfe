//! The command line, the events, the end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rustix::process::Signal;
use washlib_test::{Output, Sandbox};

use crate::server::{Server, push_artifact, push_blob, send};

const USER: [(&str, &str); 1] = [("authorization", "Basic YWxpY2U6c2VjcmV0")];

#[test]
fn it_tells_what_happens_until_it_is_ended() {
    let sandbox = Sandbox::new();
    let mut server = Server::start(&sandbox, &["registry"]);
    assert_eq!(server.ready["directory"], sandbox.work().join("registry").to_str().unwrap());
    assert_eq!(server.ready["authentication"], false);
    assert_ne!(server.address().port(), 0);
    send("GET", &server.url("/v2/a/tags/list?n=1"), &[], b"").unwrap();
    let request = server.next_event();
    assert_eq!((&request["type"], &request["method"]), (&"request".into(), &"GET".into()));
    assert_eq!((&request["path"], &request["status"]), (&"/v2/a/tags/list?n=1".into(), &404.into()));
    server.signal(Signal::TERM);
    let (code, events, errors) = server.wait();
    assert_eq!(code, Some(0), "{errors}");
    let types: Vec<&str> = events.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(types, ["stopping", "stopped"]);
}

#[test]
fn people_are_told_what_they_care_about() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("wash-oci");
    command.args(["serve", "--addr", "127.0.0.1:0", "-o", "json"]);
    let server = Server::spawn(command);
    assert!(push_artifact(&server.url(""), "hello", "1.0.0", b"layer"));
    send("GET", &server.url("/v2/hello/manifests/1.0.0"), &[], b"").unwrap();
    send("DELETE", &server.url("/v2/hello/manifests/1.0.0"), &[], b"").unwrap();
    server.signal(Signal::INT);
    let (code, _, errors) = server.wait();
    assert_eq!(code, Some(0), "{errors}");
    let told: Vec<&str> = errors.lines().map(str::trim).collect();
    assert!(told[0].starts_with("Serving http://127.0.0.1:"), "{told:?}");
    // Without a folder's name, among the user's data.
    assert!(told[0].ends_with("/home/.local/share/wash/registry"), "{told:?}");
    assert_eq!(told[1..4], ["Pushed hello:1.0.0", "Pulled hello:1.0.0", "Deleted hello:1.0.0"]);
}

#[test]
fn what_was_pushed_is_there_the_next_time() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    assert!(push_artifact(&server.url(""), "hello", "1.0.0", b"layer"));
    drop(server);
    let server = Server::start(&sandbox, &["registry"]);
    assert_eq!(send("GET", &server.url("/v2/hello/manifests/1.0.0"), &[], b"").unwrap().0, 200);
}

#[test]
fn a_password_is_not_among_the_arguments() {
    let sandbox = Sandbox::new();
    for arguments in [["--auth", "alice:secret"].as_slice(), &["--auth=alice:secret"]] {
        let server = Server::start(&sandbox, &[arguments, &["registry"]].concat());
        assert_eq!(server.ready["authentication"], true);
        let line = fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        assert!(line.contains("serve -o json --addr 127.0.0.1:0 registry") && !line.contains("secret"), "{line}");
        assert_eq!(send("GET", &server.url("/v2/"), &[], b"").unwrap().0, 401);
        assert_eq!(send("GET", &server.url("/v2/"), &USER, b"").unwrap().0, 200);
        server.signal(Signal::TERM);
        let (_, events, errors) = server.wait();
        assert!(!errors.contains("secret") && !events.contains("secret"), "{errors}{events}");
    }
}

#[test]
fn the_folder_to_run_in_is_entered_once() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.work().join("inner")).unwrap();
    let server = Server::start(&sandbox, &["-C", "inner", "--auth", "alice:secret", "registry"]);
    assert_eq!(server.ready["directory"], sandbox.work().join("inner/registry").to_str().unwrap());
}

#[test]
fn users_stand_in_a_file_or_the_environment() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("users", "# those who may\nalice:secret\nbob:hunter2\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let server = Server::start(&sandbox, &["registry", "--auth-file", "users"]);
    assert_eq!(send("GET", &server.url("/v2/"), &USER, b"").unwrap().0, 200);
    let mut command = sandbox.command("wash-oci");
    command
        .args(["serve", "-o", "json", "--addr", "127.0.0.1:0", "registry"])
        .env("WASH_OCI_SERVE_AUTH", "alice:secret");
    let server = Server::spawn(command);
    assert_eq!(send("GET", &server.url("/v2/"), &[], b"").unwrap().0, 401);
    assert_eq!(send("GET", &server.url("/v2/"), &USER, b"").unwrap().0, 200);

    let refused = |content: &str, mode: u32, said: &str| {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let output = sandbox.run("wash-oci", ["serve", "registry", "--addr", "127.0.0.1:0", "--auth-file", "users"]);
        let output = output.assert_code(2).assert_stderr_has(said);
        assert!(!output.stderr.contains("secret"), "{}", output.stderr);
    };
    refused("alice:secret\n", 0o644, "can be read by others");
    refused("alice:secret\nsecret\n", 0o600, "line 2 of users is not `user:password`");
    refused("# nobody\n", 0o600, "names no user");
    let output = sandbox.run("wash-oci", ["serve", "registry", "--addr", "127.0.0.1:0", "--auth", "nocolon"]);
    let output = output.assert_code(2).assert_stderr_has("the value of --auth is not `user:password`");
    assert!(!output.stderr.contains("nocolon"), "{}", output.stderr);
}

#[test]
fn others_are_not_let_in_by_accident() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| {
        sandbox.run("wash-oci", [&["serve", "registry", "--addr", "0.0.0.0:0"], arguments].concat()).assert_code(2)
    };
    _ = run(&[]).assert_stderr_has("hint: `--allow-remote` with `--auth-file` lets others in");
    _ = run(&["--auth", "alice:secret"]).assert_stderr_has("can be reached from other machines");
    _ = run(&["--allow-remote"]).assert_stderr_has("no credentials are set");
    let mut command = sandbox.command("wash-oci");
    command.args([
        "serve",
        "-o",
        "json",
        "--addr",
        "0.0.0.0:0",
        "--allow-remote",
        "--auth",
        "alice:secret",
        "registry",
    ]);
    let server = Server::spawn(command);
    server.signal(Signal::TERM);
    let (code, _, errors) = server.wait();
    assert_eq!(code, Some(0));
    assert!(errors.contains("without --tls-cert"), "{errors}");
}

#[test]
fn it_says_why_it_cannot_start() {
    let sandbox = Sandbox::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = sandbox.run("wash-oci", ["serve", "registry", "--addr", &address]).assert_code(1);
    _ = output.assert_stderr_has("take any free port with `--addr 127.0.0.1:0`");
    let server = Server::start(&sandbox, &["registry"]);
    assert!(push_blob(&server.url(""), "hello", b"x"));
    let output = sandbox.run("wash-oci", ["serve", "registry/hello", "--addr", "127.0.0.1:0"]).assert_code(1);
    _ = output.assert_stderr_has("is itself an image layout").assert_stderr_has("registry` serves it as a repository");
    sandbox.write("file", "");
    let output = sandbox.run("wash-oci", ["serve", "file/registry"]).assert_code(1);
    _ = output.assert_stderr_has("cannot keep a registry there");
    let output = sandbox.run("wash-oci", ["serve", "--tls-cert", "x"]).assert_code(2);
    _ = output.assert_stderr_has("--tls-key");
}

#[test]
fn connections_can_be_encrypted() {
    let sandbox = Sandbox::new();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = sandbox.write("tls.crt", certified.cert.pem());
    sandbox.write("tls.key", certified.signing_key.serialize_pem());
    let server = Server::start(&sandbox, &["registry", "--tls-cert", "tls.crt", "--tls-key", "tls.key"]);
    assert!(server.url("").starts_with("https://"));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--cacert"]).arg(certificate);
    curl.arg(format!("https://localhost:{}/v2/", server.address().port()));
    assert_eq!(Output::of(&mut curl).assert_success().stdout, "{}");
}

#[test]
fn a_second_interrupt_does_not_wait() {
    let sandbox = Sandbox::new();
    let mut server = Server::start(&sandbox, &["registry"]);
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let head = "PUT /v2/a/manifests/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    std::io::Read::read_exact(&mut stream, &mut [0; 25]).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.next_event()["type"], "stopping");
    let begun = std::time::Instant::now();
    server.signal(Signal::TERM);
    let (code, _, errors) = server.wait();
    assert_eq!(code, Some(0), "{errors}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}
