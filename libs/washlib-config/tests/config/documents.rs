//! What each format may say, and that all of them say the same.

use std::path::Path;

use washlib_config::{Config, Protocol, PullPolicy, Secret, Sourced, TrustRoots};

use crate::workbench::config;

const YAML: &str = r#"
version: 2.10
new:
  command: cargo fetch
build:
  command: "cargo build --target wasm32-wasip2"
  env:
    PORT: 8080
    DEBUG: true
    NAME: hello
  component_path: target/hello.wasm
dev:
  address: 127.0.0.1:8080
  service: true
  service_pull_policy: ifNotPresent
  service_ports:
    - {name: grpc, port: 50051, protocol: tcp, publish: 31051}
  components:
    - name: sidecar
      file: sidecar.wasm
      pullPolicy: always
      poolSize: 4
      environment: {config: {A: b}, secretFrom: [db]}
      allowedHosts: ["*.example.com"]
  volumes:
    - host_path: ./testdata
      guest_path: /data
  host_interfaces:
    - namespace: wasi
      package: http
  http_client_trust_roots: webpki-and-native
  max_connections: 100
  wasm_proposals: []
host:
  hostPlugins:
    - id: cache
      image: example.com/cache:1
workload:
  config: {level: info}
  allowedHostLoopbackPorts: ["5432", 53/udp]
configs:
  app: {inline: {COLOR: blue}, fromEnv: [USER]}
secrets:
  db: {inline: {PASSWORD: hunter2}}
wit:
  registries:
    - url: https://example.com
      token: abc
  skip_fetch: false
  wit_dir: ./wit
  sources:
    "wasi:http": https://example.com/wasi-http.tar.gz
"#;

const JSON: &str = r#"{
  "version": 2.10,
  "new": {"command": "cargo fetch"},
  "build": {
    "command": "cargo build --target wasm32-wasip2",
    "env": {"PORT": 8080, "DEBUG": true, "NAME": "hello"},
    "component_path": "target\/hello.wasm"
  },
  "dev": {
    "address": "127.0.0.1:8080",
    "service": true,
    "service_pull_policy": "ifNotPresent",
    "service_ports": [{"name": "grpc", "port": 50051, "protocol": "tcp", "publish": 31051}],
    "components": [{
      "name": "sidecar", "file": "sidecar.wasm", "pullPolicy": "always", "poolSize": 4,
      "environment": {"config": {"A": "b"}, "secretFrom": ["db"]}, "allowedHosts": ["*.example.com"]
    }],
    "volumes": [{"host_path": "./testdata", "guest_path": "/data"}],
    "host_interfaces": [{"namespace": "wasi", "package": "http"}],
    "http_client_trust_roots": "webpki-and-native",
    "max_connections": 100,
    "wasm_proposals": []
  },
  "host": {"hostPlugins": [{"id": "cache", "image": "example.com/cache:1"}]},
  "workload": {"config": {"level": "info"}, "allowedHostLoopbackPorts": ["5432", "53\u002fudp"]},
  "configs": {"app": {"inline": {"COLOR": "blue"}, "fromEnv": ["USER"]}},
  "secrets": {"db": {"inline": {"PASSWORD": "hunter2"}}},
  "wit": {
    "registries": [{"url": "https://example.com", "token": "abc"}],
    "skip_fetch": false,
    "wit_dir": "./wit",
    "sources": {"wasi:http": "https://example.com/wasi-http.tar.gz"}
  }
}"#;

const TOML: &str = r#"
version = 2.10

[new]
command = "cargo fetch"

[build]
command = "cargo build --target wasm32-wasip2"
env = { PORT = 8080, DEBUG = true, NAME = "hello" }
component_path = "target/hello.wasm"

[dev]
address = "127.0.0.1:8080"
service = true
service_pull_policy = "ifNotPresent"
service_ports = [{ name = "grpc", port = 50_051, protocol = "tcp", publish = 31051 }]
volumes = [{ host_path = "./testdata", guest_path = "/data" }]
http_client_trust_roots = "webpki-and-native"
max_connections = 0x64
wasm_proposals = []

[[dev.components]]
name = "sidecar"
file = "sidecar.wasm"
pullPolicy = "always"
poolSize = 4
environment = { config.A = "b", secretFrom = ["db"] }
allowedHosts = ["*.example.com"]

[[dev.host_interfaces]]
namespace = "wasi"
package = "http"

[[host.hostPlugins]]
id = "cache"
image = "example.com/cache:1"

[workload]
config.level = "info"
allowedHostLoopbackPorts = ["5432", "53/udp"]

[configs.app]
inline.COLOR = "blue"
fromEnv = ["USER"]

[secrets.db.inline]
PASSWORD = "hunter2"

[wit]
registries = [{ url = "https://example.com", token = "abc" }]
skip_fetch = false
wit_dir = "./wit"
sources."wasi:http" = "https://example.com/wasi-http.tar.gz"
"#;

fn value<T: Clone>(sourced: &Option<Sourced<T>>) -> T {
    sourced.as_ref().unwrap().value().clone()
}

#[test]
fn every_format_gives_the_same_configuration() {
    let yaml = config("config.yaml", YAML);
    assert_eq!(config("config.json", JSON), yaml);
    assert_eq!(config("config.toml", TOML), yaml);
    assert_eq!(config("config.yml", YAML), yaml);
    // Every line end and byte order mark that editors leave.
    assert_eq!(config("config.yaml", &format!("\u{feff}{}", YAML.replace('\n', "\r\n"))), yaml);
    assert_eq!(config("config.json", &format!("\u{feff}{}", JSON.replace('\n', "\r\n"))), yaml);
    assert_eq!(config("config.toml", &format!("\u{feff}{}", TOML.replace('\n', "\r\n"))), yaml);
}

#[test]
fn the_values_are_what_was_written() {
    let config = config("config.yaml", YAML);
    assert_eq!(value(&config.version), "2.10");
    assert_eq!(value(&config.new.command), "cargo fetch");
    assert_eq!(config.build.env["PORT"].value(), "8080");
    assert_eq!(config.build.env["DEBUG"].value(), "true");
    assert_eq!(value(&config.build.component_path), Path::new("target/hello.wasm"));
    assert!(value(&config.dev.service));
    assert_eq!(value(&config.dev.service_pull_policy), PullPolicy::IfNotPresent);
    let port = &value(&config.dev.service_ports)[0];
    assert_eq!((*port.port.value(), value(&port.protocol), value(&port.publish)), (50051, Protocol::Tcp, 31051));
    let component = &value(&config.dev.components)[0];
    assert_eq!(component.name.value(), "sidecar");
    assert_eq!(value(&component.pool_size), 4);
    assert_eq!(component.environment.config["A"].value(), "b");
    assert_eq!(value(&component.environment.secret_from), ["db"]);
    assert_eq!(value(&config.dev.volumes)[0].guest_path.value(), Path::new("/data"));
    let interface = &value(&config.dev.host_interfaces)[0];
    assert_eq!(interface.namespace.value(), "wasi");
    assert!(interface.interfaces.is_none() && interface.config.is_empty());
    assert_eq!(value(&config.dev.http_client_trust_roots), TrustRoots::WebpkiAndNative);
    assert_eq!(value(&config.dev.max_connections), 100);
    assert!(value(&config.dev.wasm_proposals).is_empty());
    assert_eq!(value(&config.host.host_plugins)[0].id.value(), "cache");
    let workload = config.workload.as_ref().unwrap();
    assert_eq!(value(&workload.allowed_host_loopback_ports), ["5432", "53/udp"]);
    assert_eq!(value(&config.configs["app"].value().from_env), ["USER"]);
    assert_eq!(config.secrets["db"].value().inline["PASSWORD"].value().expose(), "hunter2");
    assert_eq!(config.wit.sources["wasi:http"].value(), "https://example.com/wasi-http.tar.gz");
}

#[test]
fn a_document_in_memory_is_read_like_a_file() {
    let path = Path::new("template/.wash/config.toml");
    assert_eq!(Config::parse(path, TOML).unwrap(), config("config.toml", TOML));
    let err = Config::parse(path, "[new]\ncomand = 'x'\n").unwrap_err();
    assert_eq!(err.to_string(), "unknown key `new.comand` in template/.wash/config.toml line 2");
}

#[test]
fn confidential_values_stay_out_of_debug_texts() {
    let text = format!("{:?}", config("config.yaml", YAML));
    assert!(text.contains("sidecar"));
    assert!(!text.contains("hunter2") && !text.contains("abc\""), "{text}");
    assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
}

#[test]
fn every_key_is_accepted_in_both_casings() {
    let snake = "
build: {component_path: a.wasm}
dev:
  host_plugins: [{id: p, max_restarts: 3, expected_digest: 'sha256:0'}]
  components: [{name: c, pull_policy: never, allowed_ip_name_lookups: [a]}]
  wasi_keyvalue_redis_url: redis://localhost
workload: {allowed_hosts: [a], environment: {config_from: [x]}}
configs: {x: {from_env: [Y]}}
";
    let camel = "
build: {componentPath: a.wasm}
dev:
  hostPlugins: [{id: p, maxRestarts: 3, expectedDigest: 'sha256:0'}]
  components: [{name: c, pullPolicy: never, allowedIpNameLookups: [a]}]
  wasiKeyvalueRedisUrl: redis://localhost
workload: {allowedHosts: [a], environment: {configFrom: [x]}}
configs: {x: {fromEnv: [Y]}}
";
    assert_eq!(config("config.yaml", snake), config("config.yaml", camel));
    assert!(config("config.yaml", camel).workload.unwrap().allowed_hosts.is_some());
}

#[test]
fn an_empty_document_is_an_empty_configuration() {
    let cases = ["", "\n\n", "# only a comment\n", "null\n", "~", "---\n", "{}", "build:\n", "build:\n  command:\n"];
    for text in cases {
        assert_eq!(config("config.yaml", text), Config::default(), "{text:?}");
    }
    assert_eq!(config("config.toml", "# nothing\n"), Config::default());
    for text in ["{}", "null", r#"{"build": null}"#, r#"{"build": {"command": null}}"#] {
        assert_eq!(config("config.json", text), Config::default(), "{text:?}");
    }
}

#[test]
fn a_workload_without_keys_differs_from_none() {
    assert_eq!(config("config.yaml", "workload: {}").workload, Some(washlib_config::Workload::default()));
    assert_eq!(config("config.yaml", "version: 1").workload, None);
}

#[test]
fn yaml_words_mean_what_yaml_1_2_says() {
    // Text keeps the spelling; in YAML 1.1 most of these were something else.
    let words =
        ["yes", "off", "012", "1_000", "1e3", "0x1F", "+12", ".5", ".inf", "22:30", "2024-01-01", "1.10", "True"];
    for word in words {
        assert_eq!(value(&config("config.yaml", &format!("version: {word}")).version), word);
    }
    assert_eq!(value(&config("config.yaml", "version: !!str null").version), "null");
    assert_eq!(value(&config("config.yaml", "version: '~'").version), "~");
    assert!(value(&config("config.yaml", "dev: {service: TRUE}").dev.service));
    assert_eq!(value(&config("config.yaml", "dev: {max_connections: 0o17}").dev.max_connections), 15);
    assert_eq!(value(&config("config.yaml", "dev: {max_connections: +12}").dev.max_connections), 12);
}

#[test]
fn yaml_blocks_anchors_and_merge_keys_work() {
    let config = config(
        "config.yaml",
        "
build:
  command: |
    make generate
    make build
  env: &shared {A: one, B: two}
dev:
  environment:
    <<: *shared
    B: three
",
    );
    assert_eq!(value(&config.build.command), "make generate\nmake build\n");
    assert_eq!(config.dev.environment["A"].value(), "one");
    assert_eq!(config.dev.environment["B"].value(), "three");
    assert_eq!(config.dev.environment["B"].origin().line(), Some(10));
}

#[test]
fn words_from_a_list_are_taken_in_any_case() {
    for word in ["ifNotPresent", "IfNotPresent", "if-not-present", "IF_NOT_PRESENT"] {
        let config = config("config.yaml", &format!("dev: {{service_pull_policy: {word}}}"));
        assert_eq!(value(&config.dev.service_pull_policy), PullPolicy::IfNotPresent, "{word}");
    }
}
