//! OCI registries: one that behaves, those that do not, and Debian's.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use washlib_registry_server::quirks::{Fault, Place, Quirk, TestRegistry, Tokens};

use crate::packages::{Package, WASI_PACKAGES, package, wasi_at};
use crate::workbench::{WORLD, Workbench};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A project whose namespaces `wasi` and `acme` are in a registry.
fn bench(world: &str, host: &str) -> Workbench {
    let bench = Workbench::without_packages(world);
    bench.write_config(&format!("[namespace_registries]\nwasi = \"{host}\"\nacme = \"{host}\"\n"));
    bench
}

/// Puts packages there as wkg does.
pub(crate) fn seed(registry: &TestRegistry, packages: &[Package]) {
    for package in packages {
        let repository = format!("{}/{}", package.namespace, package.name);
        let config = registry.put_blob(&repository, b"{}");
        let layer = registry.put_blob(&repository, &package.bytes);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2 },
            "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": package.bytes.len() }],
        });
        registry.put_manifest(&repository, &package.version, MANIFEST, manifest.to_string().as_bytes());
    }
}

#[test]
fn packages_are_fetched_once_and_nothing_is_asked_again() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    let bench = bench(WORLD, &registry.host());
    bench.wit(["fetch"]).assert_success();
    bench.assert_resolves();
    let asked = registry.request_lines();
    // Two releases: a manifest and a blob each, and no list of tags.
    assert_eq!(asked.iter().filter(|line| line.contains("/manifests/0.2.12")).count(), 2, "{asked:?}");
    assert_eq!(asked.iter().filter(|line| line.contains("/blobs/")).count(), 2, "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("/tags/")), "{asked:?}");

    registry.forget_requests();
    bench.wit(["fetch"]).assert_success();
    bench.wit(["check"]).assert_success();
    bench.wit(["tree"]).assert_success();
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch"]).assert_success();
    bench.wit(["add", "wasi:http/types@0.2.12"]).assert_success();
    assert_eq!(registry.request_lines(), Vec::<String>::new());
}

#[test]
fn offline_sends_no_packet() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    let bench = bench(WORLD, &registry.host());
    bench.wit(["fetch", "--offline"]).assert_code(1).assert_stderr_has("the network must not be used");
    bench.wit(["add", "wasi:random/random", "--frozen"]).assert_code(1);
    bench.wit(["update", "--offline"]).assert_code(1);
    bench.wit(["outdated", "--offline"]).assert_code(1);
    assert_eq!(registry.request_lines(), Vec::<String>::new());
}

#[test]
fn answers_without_the_network_claim_nothing_about_the_registry() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    seed(&registry, &wasi_at("0.2.13"));
    let bench = bench("package acme:app@1.0.0;\nworld app { import wasi:random/random@0.2.12; }\n", &registry.host());
    bench.wit(["fetch"]).assert_success();
    registry.forget_requests();
    let before = bench.texts();
    for command in ["outdated", "update"] {
        let output = bench.wit([command, "--offline"]).assert_success();
        assert!(output.stderr.contains("only versions in the cache"), "{}", output.stderr);
        assert!(!output.stderr.contains("Everything is"), "{}", output.stderr);
        let json = bench.wit([command, "--offline", "-o", "json"]).assert_success().json();
        assert_eq!(json["data"]["only_cached"], json!(["wasi:random"]));
        assert!(!json["message"].as_str().unwrap().contains("Everything"), "{json}");
    }
    let output = bench.wit(["update", "wasi:random", "--precise", "0.2.13", "--offline"]).assert_code(1);
    assert!(
        output.stderr.contains("`wasi:random@0.2.13` is not in the cache, and no registry was asked"),
        "{}",
        output.stderr
    );
    let output = bench.wit(["publish", "--offline"]).assert_code(1);
    assert!(output.stderr.contains("leave out `--offline`"), "{}", output.stderr);
    assert_eq!(registry.request_lines(), Vec::<String>::new());
    assert_eq!(bench.texts(), before);
    let json = bench.wit(["outdated", "-o", "json"]).assert_success().json();
    assert_eq!(json["data"]["only_cached"], json!([]));
    assert_eq!(json["data"]["packages"][0]["newest"], "0.2.13");
}

#[test]
fn what_cannot_be_compared_without_the_network_is_no_agreement() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    let bench = bench(WORLD, &registry.host());
    bench.wit(["fetch"]).assert_success();
    bench.remove_cache();
    registry.forget_requests();
    let output = bench.wit(["check", "--frozen"]).assert_code(1);
    assert!(
        output.stderr.contains("not compared") && output.stderr.contains("wasi:cli@0.2.12, wasi:http@0.2.12"),
        "{}",
        output.stderr
    );
    let data = bench.wit(["check", "--offline", "-o", "json"]).assert_code(1).json()["data"].clone();
    assert_eq!((data["verified"].as_bool(), data["agrees"].as_bool()), (Some(false), Some(false)));
    assert_eq!(data["not_compared"], json!(["wasi:cli@0.2.12", "wasi:http@0.2.12"]));
    assert_eq!(registry.request_lines(), Vec::<String>::new());
    // What one is told helps.
    bench.wit(["check"]).assert_success();
    bench.wit(["check", "--frozen"]).assert_success();
    // Without a lock it cannot be known either.
    bench.remove_cache();
    let lock = bench.read("wkg.lock");
    fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    bench.wit(["check", "--offline"]).assert_code(1).assert_stderr_has("not compared");
    bench.wit(["fetch", "--offline"]).assert_success();
    assert!(!bench.app().join("wkg.lock").exists());
    // A registry that does not answer is told.
    bench.write_config("[namespace_registries]\nwasi = \"127.0.0.1:1\"\n");
    bench.wit(["check"]).assert_code(1).assert_stderr_has("cannot reach `127.0.0.1:1`");
    bench.wit(["fetch"]).assert_success().assert_stderr_has("nothing is locked");
    bench.write_config(&format!("[namespace_registries]\nwasi = \"{}\"\n", registry.host()));
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.read("wkg.lock"), lock);
}

#[test]
fn updates_and_listings_come_from_the_tags() {
    let registry = TestRegistry::builder().quirk(Quirk::PageSize(1)).start();
    seed(&registry, &WASI_PACKAGES);
    seed(&registry, &wasi_at("0.2.13"));
    seed(&registry, &wasi_at("0.3.0"));
    let bench = bench(WORLD, &registry.host());
    bench.wit(["fetch"]).assert_success();
    let outdated = bench.wit(["outdated"]).assert_success().stdout;
    assert!(outdated.contains("0.2.13") && outdated.contains("0.3.0"), "{outdated}");
    let updated = bench.wit(["update"]).assert_success().stdout;
    assert_eq!(updated, "wasi:cli 0.2.12 -> 0.2.13\nwasi:http 0.2.12 -> 0.2.13\n");
    bench.assert_resolves();
}

#[test]
fn what_is_missing_is_told_apart() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    let bench = bench(WORLD, &registry.host());
    bench.wit(["fetch"]).assert_success();
    let output = bench.wit(["add", "wasi:htttp/types@0.2.12"]).assert_code(1);
    assert!(output.stderr.contains("has no package `wasi:htttp`"), "{}", output.stderr);
    assert!(output.stderr.contains("wasi:http"), "the nearest name in:\n{}", output.stderr);
    let output = bench.wit(["add", "wasi:http/types@9.9.9"]).assert_code(1);
    assert!(
        output.stderr.contains("no version 9.9.9") && output.stderr.contains("there is 0.2.12"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_registry_that_is_not_there_says_that_offline_exists() {
    let bench = bench(WORLD, "127.0.0.1:1");
    let output = bench.wit(["fetch"]).assert_code(1);
    assert!(
        output.stderr.contains("cannot reach `127.0.0.1:1`") && output.stderr.contains("--offline"),
        "{}",
        output.stderr
    );
}

#[test]
fn faults_of_registries_are_told_apart_and_change_nothing() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    let bench = bench(WORLD, &registry.host());
    let before = bench.texts();
    let manifest = |fault| Quirk::from(Quirk::fault(Place::Manifest, fault));
    let blob = |fault| Quirk::from(Quirk::fault(Place::Blob, fault));
    for (quirk, expected) in [
        (manifest(Fault::Status(401)), "not authorised"),
        (manifest(Fault::Status(403)), "not authorised"),
        (blob(Fault::Status(403)), "not authorised"),
        (blob(Fault::Status(404)), "wasi:"),
        (manifest(Fault::Garbage), "failed to give"),
        (blob(Fault::Garbage), "failed to give"),
        (blob(Fault::FlippedByte), "digest"),
        (blob(Fault::Huge(1 << 20)), "failed to give"),
        (manifest(Fault::Page(404)), "has no"),
        (manifest(Fault::RedirectLoop), "wasi:"),
    ] {
        registry.set_quirks([quirk.clone()]);
        let output = bench.wit(["fetch"]).assert_code(1);
        assert!(output.stderr.contains(expected), "{quirk:?}: `{expected}` in:\n{}", output.stderr);
        assert!(!output.stderr.contains("panicked"), "{quirk:?}: {}", output.stderr);
        assert_eq!(bench.texts(), before, "{quirk:?}");
    }
}

#[test]
fn faults_that_pass_are_waited_for() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    for fault in [Fault::Status(500), Fault::TooManyRequests { retry_after: 0 }, Fault::Cut, Fault::HalfBody] {
        registry.set_quirks([Quirk::fault(Place::Blob, fault.clone()).times(1).into()]);
        let bench = bench(WORLD, &registry.host());
        bench.wit(["fetch"]).assert_success();
        bench.assert_resolves();
    }
}

#[test]
fn credentials_come_from_where_they_are_kept() {
    let registry = TestRegistry::builder().quirk(Tokens::for_user("bob", "s3cret")).start();
    seed(&registry, &WASI_PACKAGES);
    let host = registry.host();
    let refused = bench(WORLD, &host).wit(["fetch"]).assert_code(1);
    assert!(
        refused.stderr.contains("not authorised") && refused.stderr.contains(&format!("wash oci login {host}")),
        "{}",
        refused.stderr
    );

    // Docker's file.
    let bench = bench(WORLD, &host);
    let docker = bench.sandbox.home().join(".docker");
    fs::create_dir_all(&docker).unwrap();
    fs::write(docker.join("config.json"), format!(r#"{{"auths":{{"{host}":{{"auth":"Ym9iOnMzY3JldA=="}}}}}}"#))
        .unwrap();
    bench.wit(["fetch"]).assert_success();

    // The project's own registry, with a token of the environment.
    let bench = Workbench::without_packages(WORLD);
    bench.write_config("");
    let text =
        format!("wit:\n  registries:\n    - url: http://{host}\n      username: bob\n      token: ${{TOKEN_OF_BOB}}\n");
    bench.write("app/.wash/config.yaml", &text);
    let mut command = bench.command(["fetch"]);
    command.env("TOKEN_OF_BOB", "s3cret");
    let output = washlib_test::Output::of(&mut command).assert_success();
    assert!(!output.stderr.contains("s3cret"));
    bench.assert_resolves();

    // A refused one is blamed on where it stands, not on what other tools keep.
    let bench = Workbench::without_packages(WORLD);
    bench.write_config("");
    bench.write(
        "app/.wash/config.yaml",
        &format!("wit:\n  registries:\n    - url: http://{host}\n      token: wr0ng\n"),
    );
    let output = bench.wit(["fetch"]).assert_code(1);
    let place = "the token of `wit.registries` (";
    assert_eq!(output.stderr.matches(place).count(), 2, "{}", output.stderr);
    for text in ["DOCKER_AUTH_CONFIG", "wash oci login", "wr0ng"] {
        assert!(!output.stderr.contains(text), "{text} in:\n{}", output.stderr);
    }
    bench.write("app/.wash/config.yaml", &format!("wit:\n  registries:\n    - url: http://bob:s3cret@{host}\n"));
    let output = bench.wit(["fetch"]).assert_code(2);
    assert!(output.stderr.contains("belong in `token`") && !output.stderr.contains("s3cret"), "{}", output.stderr);

    // wasm-pkg's own configuration.
    let bench = Workbench::without_packages(WORLD);
    bench.write_config(&format!(
        "[namespace_registries]\nwasi = \"{host}\"\n[registry.\"{host}\".oci]\nauth = {{ username = \"bob\", password = \"s3cret\" }}\nprotocol = \"http\"\n"
    ));
    bench.wit(["fetch"]).assert_success();
    bench.write_config(&format!(
        "[namespace_registries]\nwasi = \"{host}\"\n[registry.\"{host}\".oci]\nauth = {{ username = \"bob\", password = \"wr0ng\" }}\n"
    ));
    bench.remove_cache();
    fs::remove_dir_all(bench.deps()).unwrap();
    let output = bench.wit(["fetch"]).assert_code(1);
    assert!(output.stderr.contains("not authorised") && !output.stderr.contains("wr0ng"), "{}", output.stderr);
}

#[test]
fn the_project_registries_are_asked_in_order() {
    let (first, second) = (TestRegistry::start(), TestRegistry::start());
    seed(&second, &WASI_PACKAGES);
    let bench = Workbench::without_packages(WORLD);
    bench.write_config("");
    let text =
        format!("wit:\n  registries:\n    - url: http://{}\n    - url: http://{}/\n", first.host(), second.host());
    bench.write("app/.wash/config.yaml", &text);
    bench.wit(["fetch"]).assert_success();
    assert!(bench.read("wkg.lock").contains(&format!("registry = \"{}\"", second.host())));
    assert!(!first.request_lines().is_empty());
}

#[test]
fn an_artifact_can_be_a_source() {
    let registry = TestRegistry::start();
    let log = package("package acme:log@1.0.0; interface logging { log: func(text: string); }", &[]);
    seed(&registry, std::slice::from_ref(&log));
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n");
    bench.write_config("");
    let source = registry.reference("acme/log:1.0.0");
    bench.write("app/.wash/config.yaml", &format!("wit:\n  sources:\n    \"acme:log\": {source}\n"));
    bench.wit(["fetch"]).assert_success();
    let tree = bench.wit(["tree"]).assert_success().stdout;
    assert!(tree.contains("oci://"), "{tree}");
    // The tag moves; the lock does not.
    let other = package("package acme:log@1.0.0; interface logging { other: func(); }", &[]);
    let before = bench.read("wit/deps/acme-log-1.0.0/package.wit");
    seed(&registry, &[other]);
    bench.remove_cache();
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.read("wit/deps/acme-log-1.0.0/package.wit"), before);
    bench.wit(["update", "acme:log"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("other: func()"));
}

#[test]
fn a_release_is_published_with_its_facts() {
    let registry = TestRegistry::start();
    let bench = bench("package acme:log@1.0.0;\ninterface logging { log: func(text: string); }\n", &registry.host());
    bench.write("app/wkg.toml", "[metadata]\ndescription = \"Lines\"\nlicenses = \"MIT\"\n");
    bench.wit(["publish", "--dry-run"]).assert_success();
    assert!(!registry.request_lines().iter().any(|line| line.starts_with("PUT") || line.starts_with("POST")));
    let output = bench.wit(["publish"]).assert_success();
    assert!(output.stdout.starts_with(&format!("{}/acme/log:1.0.0@sha256:", registry.host())), "{}", output.stdout);
    bench.wit(["publish"]).assert_code(1).assert_stderr_has("already");
    bench.write("app/wit/world.wit", "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n");
    bench.wit(["fetch"]).assert_success();
}

#[test]
fn ctrl_c_ends_a_fetch_from_a_registry_that_hangs() {
    let registry = TestRegistry::start();
    seed(&registry, &WASI_PACKAGES);
    let bench = bench(WORLD, &registry.host());
    let before = bench.texts();
    for place in [Place::Manifest, Place::Blob] {
        registry.set_quirks([Quirk::fault(place, Fault::HangInBody).into()]);
        registry.forget_requests();
        let mut child = bench.command(["fetch"]).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while registry.request_lines().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(bench.texts(), before);
    }
}

/// Debian's registry, in a folder of the test.
struct DockerRegistry {
    process: Child,
    host: String,
}

impl DockerRegistry {
    fn start(folder: &Path) -> Self {
        let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n",
            folder.join("docker-registry").display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("docker-registry, which `cargo xtask setup` installs");
        let started = Instant::now();
        while TcpStream::connect(&host).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "docker-registry does not start");
            std::thread::yield_now();
        }
        Self { process, host }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn debians_registry_takes_and_gives_packages() {
    let bench =
        Workbench::without_packages("package acme:log@1.0.0;\ninterface logging { log: func(text: string); }\n");
    let registry = DockerRegistry::start(&bench.sandbox.work());
    let host = &registry.host;
    bench.write_config(&format!(
        "[namespace_registries]\nacme = \"{host}\"\n[registry.\"{host}\".oci]\nprotocol = \"http\"\n"
    ));
    bench.wit(["publish"]).assert_success();
    bench.wit(["publish"]).assert_code(1).assert_stderr_has("already");
    bench.write(
        "app/wit/world.wit",
        "package acme:log@1.1.0;\ninterface logging { log: func(text: string); flush: func(); }\n",
    );
    bench.wit(["publish"]).assert_success();
    bench.write("app/wit/world.wit", "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n");
    bench.wit(["fetch"]).assert_success();
    bench.assert_resolves();
    assert_eq!(bench.wit(["update"]).assert_success().stdout, "acme:log 1.0.0 -> 1.1.0\n");
    bench.wit(["add", "acme:none/x@1.0.0"]).assert_code(1).assert_stderr_has("has no package `acme:none`");
}
