//! What the keys of the configuration do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use washlib_test::Output;

use crate::connection::{Answer, Connection};
use crate::project::{Project, build_of_guide};
use crate::server::Server;

/// A project whose component shows its environment.
fn settings(more: &str) -> Project {
    Project::of_parts(&["settings"], more)
}

fn private(project: &Project, path: &str, text: &str) {
    project.write(path, text);
    fs::set_permissions(project.path(path), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn values_come_from_sets_files_and_the_environment() {
    let project = settings(
        "
configs: { app: { inline: { A: inline }, file: app.env, fromEnv: [FROM_ENV] } }
secrets: { token: { file: token.env } }
dev: { environment: { FROM_ENV: of the host } }
workload: { environment: { config: { Z: last }, configFrom: [app], secretFrom: [token] } }
",
    );
    project.write("app.env", "B=file\n");
    private(&project, "token.env", "C=secret\n");
    let mut server = Server::start(&project);
    let all = "A=inline\nB=file\nC=secret\nFROM_ENV=of the host\nZ=last";
    assert_eq!(server.get("/"), Answer::ok(all));
    // A file of values is a source like any other.
    project.replace("app.env", "B=other\n");
    server.wait_for("swapped");
    assert_eq!(server.get("/"), Answer::ok(all.replace("=file", "=other")));
    server.stop();
}

#[test]
fn an_ignored_file_of_secrets_is_watched_all_the_same() {
    let project =
        settings("secrets: { token: { file: token.env } }\nworkload: { environment: { secretFrom: [token] } }\n");
    project.write(".gitignore", "*.env\n");
    private(&project, "token.env", "A=1\n");
    let mut server = Server::start(&project);
    assert_eq!(server.get("/"), Answer::ok("A=1"));
    fs::write(project.path("token.env"), "A=2\n").unwrap();
    server.expect("swapped");
    assert_eq!(server.get("/"), Answer::ok("A=2"));
    server.stop().assert_no_more_events();
}

#[test]
fn a_secret_that_others_can_read_is_refused_and_not_shown() {
    let project =
        settings("secrets: { token: { file: token.env } }\nworkload: { environment: { secretFrom: [token] } }\n");
    project.write("token.env", "A=swordfish\n");
    let output = Output::of(&mut project.command()).assert_code(2);
    let output = output.assert_stderr_has("others can read it").assert_stderr_has("chmod 600");
    assert!(!output.stderr.contains("swordfish"), "{}", output.stderr);
}

#[test]
fn an_empty_list_of_hosts_allows_none_and_no_list_all() {
    // Whether the component's request to its own server comes to it.
    let reaches = |more: &str| {
        let project = Project::fetcher(more);
        let server = Server::start(&project);
        let mut connection = Connection::open(server.address());
        let target = format!("http://{}/nothing", server.address());
        connection.send(&format!("GET /fetch HTTP/1.1\r\nhost: a\r\nx-target: {target}\r\n\r\n"));
        let body = connection.read_answer().body;
        server.stop();
        match (body.contains("not found"), body.contains("Denied")) {
            (true, false) => true,
            (false, true) => false,
            _ => panic!("{body}"),
        }
    };
    assert!(reaches(""));
    assert!(reaches("workload: {}\n"));
    assert!(reaches("workload: { allowedHosts: ['127.0.0.1'] }\n"));
    assert!(!reaches("workload: { allowedHosts: [] }\n"));
    assert!(!reaches("workload: { allowedHosts: [example.com] }\n"));
}

#[test]
fn outgoing_requests_are_limited_and_wait_as_the_configuration_says() {
    let limits = "max_outbound_http_connections_per_workload: 1, http_connection_wait: 10ms";
    let project = Project::fetcher(&format!("dev: {{ {limits}, http_client_trust_roots: native }}\n"));
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(&project);
    let target = format!("http://{}/", upstream.local_addr().unwrap());
    let ask = || {
        let mut connection = Connection::open(server.address());
        connection.send(&format!("GET /fetch HTTP/1.1\r\nhost: a\r\nx-target: {target}\r\n\r\n"));
        connection
    };
    let mut first = ask();
    // It is under way, and nobody answers it.
    let (stream, _) = upstream.accept().unwrap();
    let body = ask().read_answer().body;
    assert!(body.contains("ConnectionLimitReached"), "{body}");
    drop(stream);
    first.read_answer();
    server.stop();
}

#[test]
fn a_component_may_have_names_of_its_own_to_look_up() {
    let more =
        "dev: { components: [{ name: other, file: target/task-leet.wasm, allowedIpNameLookups: [a.example] }] }\n";
    let project = Project::of_parts(&["settings", "task-leet"], more);
    let server = Server::start(&project);
    assert_eq!(server.get("/").status, 200);
    server.stop();
}

#[test]
fn both_spellings_of_a_key_are_taken() {
    for key in ["wasi_keyvalue_path", "wasiKeyvaluePath"] {
        let project = Project::of_parts(&["key-value"], &format!("dev: {{ {key}: data/{key} }}\n"));
        let server = Server::start(&project);
        server.send("POST", "/", r#"{"key":"k","value":"v"}"#);
        assert!(project.path(&format!("data/{key}")).is_dir());
        server.stop();
    }
}

#[test]
fn an_entry_of_host_interfaces_is_followed() {
    // Only the entry named `cache` is there, and the component opens another one.
    let more = "dev: { host_interfaces: [{ namespace: wasi, package: keyvalue, name: cache }] }\n";
    let project = Project::of_parts(&["key-value"], more);
    let server = Server::start(&project);
    assert_eq!(server.get("/?key=k").status, 500);
    server.stop();
    let more = "dev: { host_interfaces: [{ namespace: wasi, package: keyvalue, config: { backend: in-memory } }] }\n";
    let project = Project::of_parts(&["key-value"], more);
    let server = Server::start(&project);
    assert_eq!(server.get("/?key=k").status, 404);
    server.stop();
}

#[test]
fn an_interface_that_an_entry_leaves_out_is_named_with_what_to_add() {
    const COPY: &str = "cp ../components/counter.wasm app.wasm";
    let yaml = format!(
        "build: {{ command: {COPY}, component_path: app.wasm }}
dev:
  host_interfaces:
    - {{ namespace: wasi, package: keyvalue, interfaces: [store] }}
"
    );
    let json = format!(
        r#"{{ "build": {{ "command": "{COPY}", "component_path": "app.wasm" }}, "dev":
{{ "host_interfaces": [
  {{ "namespace": "wasi", "package": "keyvalue", "interfaces": ["store"] }}] }} }}"#
    );
    let toml = format!(
        r#"build = {{ command = "{COPY}", component_path = "app.wasm" }}
[[dev.host_interfaces]]
namespace = "wasi"
package = "keyvalue"
interfaces = ["store"]
"#
    );
    for (file, line, text, lines) in [
        (".wash/config.yaml", 4, yaml, "    interfaces: [atomics, store]"),
        (".wash/config.json", 3, json, r#"    "interfaces": ["atomics", "store"]"#),
        (".wash/config.toml", 3, toml, r#"    interfaces = ["atomics", "store"]"#),
    ] {
        let project = Project::empty();
        project.offer("counter", build_of_guide("counter", 1));
        project.write(file, text);
        let output = Output::of(&mut project.command()).assert_code(1);
        let import = "wasi:keyvalue/atomics@0.2.0-draft";
        let output =
            output.assert_stderr_has(&format!("`wash-dev-component` imports {import}, which nothing provides"));
        let output = output.assert_stderr_has(&format!(
            "the entry for wasi:keyvalue in dev.host_interfaces ({file} line {line}) leaves out {import}"
        ));
        let output = output.assert_stderr_has(lines);
        // That key is one of Kubernetes documents.
        assert!(!output.stderr.contains("hostInterfaces"), "{}", output.stderr);
    }
}

#[test]
fn what_excludes_each_other_is_told() {
    for (more, message) in [
        ("dev: { service: true, service_file: a.wasm }\n", "dev.service and dev.service_file"),
        ("dev: { tls_cert_path: a.pem }\n", "dev.tls_key_path is missing beside dev.tls_cert_path"),
        ("dev: { components: [{ name: a }] }\n", "the component `a`"),
        ("dev: { components: [{ name: service, file: a.wasm }] }\n", "that is the service's name"),
        ("dev: { components: [{ name: a, file: a.wasm }, { name: a, file: b.wasm }] }\n", "two entries"),
        ("dev: { components: [{ name: a, file: a.wasm, pullPolicy: always }] }\n", "pullPolicy"),
        ("dev: { volumes: [{ host_path: ., guest_path: data }] }\n", "not an absolute path"),
        ("dev: { volumes: [{ host_path: missing, guest_path: /data }] }\n", "dev.volumes"),
        ("dev: { host_interfaces: [{ namespace: a, package: b, version: x }] }\n", "not a version"),
        ("workload: { environment: { configFrom: [missing] } }\n", "not in the section `configs`"),
        ("workload: { allowedHosts: [a.example, 'ftp://a'] }\n", "`ftp://a` in workload.allowedHosts[1]"),
        (
            "dev: { components: [{ name: a, file: a.wasm, allowedHosts: ['a*'] }] }\n",
            "`a*` in dev.components[0].allowedHosts[0]",
        ),
        ("workload: { allowedIpNameLookups: ['*.a', 'b c'] }\n", "`b c` in workload.allowedIpNameLookups[1]"),
        ("dev: { ignore: ['*.md', '{src'] }\n", "`{src` in dev.ignore[1]"),
        ("dev: { watch: ['src/*.rs'] }\n", "`src/*.rs` in dev.watch[0]"),
        ("dev: { http_connection_wait: soon }\n", "`soon` in dev.http_connection_wait"),
        ("dev: { http_client_trust_roots: extra-only }\n", "dev.http_client_ca_paths is missing"),
    ] {
        let project = Project::with_config(more);
        let output = Output::of(&mut project.command()).assert_code(2);
        let _ = output.assert_stderr_has(message).assert_stderr_has(".wash/config.yaml line 4");
        assert!(!project.path("app.wasm").exists(), "{more}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_with_its_key_and_without_its_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (key, scheme, message) in [
        ("postgres_url", "postgres", "cannot connect to the database at 127.0.0.1:"),
        ("data_nats_url", "nats", "cannot connect to the NATS server at 127.0.0.1:"),
        ("wasi_keyvalue_nats_url", "nats", "cannot connect to the NATS server at 127.0.0.1:"),
        ("wasi_keyvalue_redis_url", "redis", "cannot connect to the Redis server at 127.0.0.1:"),
    ] {
        let config = |url: String| format!("dev: {{ {key}: '{url}' }}\n");
        let absent = format!("start the server there, or correct dev.{key} (.wash/config.yaml line ");
        let unusable = format!("dev.{key} (.wash/config.yaml line ");
        for (config, code, messages) in [
            (config(format!("{scheme}://me:topsecret@127.0.0.1:{port}/1")), 1, [message, &absent]),
            (config("other://me:topsecret@db".to_owned()), 2, [&unusable, &format!("hint: write `{scheme}://")]),
        ] {
            let project = Project::with_config(&config);
            let mut output = Output::of(&mut project.command()).assert_code(code);
            for message in messages {
                output = output.assert_stderr_has(message);
            }
            assert!(!format!("{output:?}").contains("topsecret"), "{output:?}");
        }
    }
}

#[test]
fn what_needs_a_restart_is_said() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.configure(&(crate::project::config() + "dev: { max_connections: 10 }\n"));
    server.wait_for("unchanged");
    server.wait_for_stderr("dev.max_connections has changed: that takes effect after a restart");
    server.stop();
}

#[test]
fn watch_and_ignore_choose_the_sources() {
    let project = Project::with_config("dev: { watch: [which.txt, src], ignore: ['*.md', 'src/gen/'] }\n");
    project.write("src/lib.rs", "one");
    let mut server = Server::start(&project);
    for noise in ["other.txt", "src/notes.md", "src/gen/code.rs"] {
        project.replace(noise, "noise");
    }
    project.choose_version(2);
    server.expect_swap(&project, &["which.txt"]);
    project.replace("src/lib.rs", "two");
    server.expect_building(&project, &["src/lib.rs"]);
    server.stop();
}

#[test]
fn a_port_can_be_chosen_alone() {
    let project = Project::new();
    let mut command = project.bare_command();
    command.args(["-o", "json", "--port", "0"]);
    let mut server = Server::spawn(command);
    let ready = server.wait_for("ready");
    assert!(ready["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{ready}");
    assert_ne!(server.address().port(), 0);
    server.stop();
}

#[test]
fn once_builds_and_starts_and_ends() {
    let project = Project::new();
    let output = Output::of(project.command().args(["--once", "-o", "json"])).assert_success();
    let kinds: Vec<_> = output.stdout.lines().map(|line| line.split('"').nth(3).unwrap().to_owned()).collect();
    assert_eq!(kinds, ["building", "built", "ready"]);
    project.offer("silent", wat::parse_str("(component)").unwrap());
    project.choose("silent");
    let _ = Output::of(project.command().arg("--once")).assert_code(1).assert_stderr_has("must export");
}

#[test]
fn no_watch_serves_what_was_built() {
    let project = Project::new();
    let mut command = project.command();
    command.args(["-o", "json", "--no-watch"]);
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    project.choose_version(2);
    project.replace("app.wasm", "noise");
    assert_eq!(server.get("/"), Answer::ok(crate::project::greeting(1)));
    server.stop().assert_no_more_events();
}

#[test]
fn polling_notices_changes() {
    let project = Project::new();
    let mut command = project.command();
    command.args(["-o", "json", "--poll"]);
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    project.choose_version(2);
    server.expect_swap(&project, &["which.txt"]);
    assert_eq!(server.get("/"), Answer::ok(crate::project::greeting(2)));
    server.stop().assert_no_more_events();
}

#[test]
fn requests_are_told() {
    let project = Project::new();
    let mut server = Server::start(&project);
    server.get("/");
    server.get("/elsewhere?token=swordfish");
    let first = server.next_request();
    assert_eq!((&first["method"], &first["path"], &first["status"]), (&"GET".into(), &"/".into(), &200.into()));
    assert!(first["elapsed_ms"].as_f64().unwrap() > 0.0, "{first}");
    assert_eq!(first["stale"], false);
    let second = server.next_request();
    assert_eq!((&second["path"], &second["status"]), (&"/elsewhere".into(), &404.into()));
    server.stop();
}

#[test]
fn a_request_whose_client_leaves_is_told() {
    let project = Project::probe("");
    let mut server = Server::start(&project);
    let mut client = std::net::TcpStream::connect(server.address()).unwrap();
    std::io::Write::write_all(&mut client, b"GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    server.wait_for_stderr("entered");
    drop(client);
    let request = server.next_request();
    assert_eq!((&request["path"], &request["status"]), (&"/never".into(), &499.into()));
    server.stop();
}

#[test]
fn what_guests_write_is_no_reason_to_build() {
    let project = Project::with_config(
        "dev:\n  wasi_keyvalue_path: values\n  volumes: [{ host_path: ./data, guest_path: /data }]\n",
    );
    std::fs::create_dir(project.path("data")).unwrap();
    let mut server = Server::start(&project);
    project.write("data/log", "a line");
    project.write("values/bucket/key", "a value");
    project.choose_version(2);
    // The first build after that is because of the source alone.
    server.expect_swap(&project, &["which.txt"]);
    server.stop();
}

#[test]
fn a_mended_secret_ends_what_it_has_caused() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::with_config(
        "secrets: { token: { file: token.env } }\nworkload:\n  environment:\n    secretFrom: [token]\n",
    );
    project.write("token.env", "TOKEN=one\n");
    let set_mode = |mode| {
        std::fs::set_permissions(project.path("token.env"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o600);
    let mut server = Server::start(&project);
    set_mode(0o644);
    server.wait_for("build-failed");
    assert_eq!(server.header("/", "x-wash-dev-stale").as_deref(), Some("1"));
    set_mode(0o600);
    server.wait_for("unchanged");
    assert_eq!(server.header("/", "x-wash-dev-stale"), None);
    server.stop();
}
