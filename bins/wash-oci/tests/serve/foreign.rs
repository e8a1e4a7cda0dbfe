//! Programs of others against the registry: skopeo, oras' Python library, wkg, curl. `cargo xtask setup` installs them.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use washlib_registry_server::Digest;
use washlib_test::{Output, Sandbox, foreign};

use crate::server::{Server, assert_intact, manifest, push_artifact, send};

fn skopeo(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = Command::new("skopeo");
    sandbox.set_environment(&mut command);
    command.current_dir(sandbox.work()).env("XDG_RUNTIME_DIR", sandbox.home());
    Output::of(command.args(["--insecure-policy"]).args(arguments)).assert_success()
}

/// An image layout that skopeo can copy from, with one artifact.
fn layout(sandbox: &Sandbox, folder: &str, tag: &str, layer: &[u8]) {
    for blob in [b"{}".as_slice(), layer, manifest(layer).as_bytes()] {
        sandbox.write(format!("{folder}/blobs/sha256/{}", Digest::sha256(blob).hex()), blob);
    }
    let manifest = manifest(layer);
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": Digest::sha256(manifest.as_bytes()),
        "size": manifest.len(),
        "annotations": { "org.opencontainers.image.ref.name": tag },
    }] });
    sandbox.write(format!("{folder}/index.json"), index.to_string());
    sandbox.write(format!("{folder}/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
}

#[test]
fn skopeo_copies_in_and_out() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    let layer: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    layout(&sandbox, "theirs", "1.0.0", &layer);
    let remote = |name: &str| format!("docker://{}/{name}", server.address());
    skopeo(&sandbox, &["copy", "--dest-tls-verify=false", "oci:theirs:1.0.0", &remote("a/b:1.0.0")]);
    let digest = Digest::sha256(manifest(&layer).as_bytes());
    // The manifest is as it was.
    let raw = skopeo(&sandbox, &["inspect", "--tls-verify=false", "--raw", &remote("a/b:1.0.0")]);
    assert_eq!(raw.stdout, manifest(&layer));
    let tags = skopeo(&sandbox, &["list-tags", "--tls-verify=false", &remote("a/b")]);
    assert_eq!(tags.json()["Tags"], serde_json::json!(["1.0.0"]));
    // From one repository to another, where the blobs are mounted.
    let both = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&sandbox, &["copy", both[0], both[1], &remote("a/b:1.0.0"), &remote("c:latest")]);
    skopeo(&sandbox, &["copy", "--src-tls-verify=false", &remote(&format!("c@{digest}")), "oci:ours:x"]);
    assert_eq!(fs::read(sandbox.work().join("ours/blobs/sha256").join(Digest::sha256(&layer).hex())).unwrap(), layer);
    skopeo(&sandbox, &["delete", "--tls-verify=false", &remote("c:latest")]);
    assert_eq!(send("GET", &server.url("/v2/c/manifests/latest"), &[], b"").unwrap().0, 404);
    assert_intact(&sandbox.work().join("registry/a/b"));
}

#[test]
fn skopeo_reads_and_writes_the_folder_itself() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    assert!(push_artifact(&server.url(""), "a/b", "1.0.0", b"layer"));
    assert!(push_artifact(&server.url(""), "a/b", "2.0.0", b"other"));
    skopeo(&sandbox, &["copy", "oci:registry/a/b:2.0.0", "oci:taken:x"]);
    assert!(sandbox.work().join("taken/blobs/sha256").join(Digest::sha256(b"other").hex()).is_file());
    // What it adds is there at once.
    layout(&sandbox, "theirs", "3", b"third");
    skopeo(&sandbox, &["copy", "oci:theirs:3", "oci:registry/a/b:3.0.0"]);
    let tags = send("GET", &server.url("/v2/a/b/tags/list"), &[], b"").unwrap().1;
    assert_eq!(String::from_utf8(tags).unwrap(), r#"{"name":"a/b","tags":["1.0.0","2.0.0","3.0.0"]}"#);
    assert_eq!(send("GET", &server.url("/v2/a/b/manifests/3.0.0"), &[], b"").unwrap().1, manifest(b"third").as_bytes());
}

#[test]
fn skopeo_signs_in() {
    let sandbox = Sandbox::new().with_variable("WASH_OCI_SERVE_AUTH", "alice:secret");
    let server = Server::start(&sandbox, &["registry"]);
    layout(&sandbox, "theirs", "1", b"layer");
    let remote = format!("docker://{}/a:1", server.address());
    let copy = ["copy", "--dest-tls-verify=false", "--dest-creds", "alice:secret", "oci:theirs:1", &remote];
    skopeo(&sandbox, &copy);
    let mut command = Command::new("skopeo");
    sandbox.set_environment(&mut command);
    command.args(["inspect", "--tls-verify=false", "--creds", "alice:wrong", &remote]);
    _ = Output::of(&mut command).assert_code(1).assert_stderr_has("unauthorized");
}

fn curl(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    sandbox.set_environment(&mut command);
    command.current_dir(sandbox.work()).args(["--silent", "--show-error", "--fail"]).args(arguments);
    Output::of(&mut command).assert_success().stdout
}

#[test]
fn curl_pushes_and_pulls() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    let content: Vec<u8> = (0..=255).cycle().take(10_000_000).collect();
    sandbox.write("blob", &content);
    let digest = Digest::sha256(&content);
    let begin = server.url("/v2/a/blobs/uploads/");
    let head = curl(&sandbox, &["-X", "POST", "--dump-header", "-", "--output", "/dev/null", &begin]);
    let location = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim();
    curl(&sandbox, &["--upload-file", "blob", &server.url(&format!("{location}?digest={digest}"))]);
    let blob = server.url(&format!("/v2/a/blobs/{digest}"));
    curl(&sandbox, &["--output", "pulled", &blob]);
    assert!(fs::read(sandbox.work().join("pulled")).unwrap() == content);
    // What broke off goes on.
    fs::write(sandbox.work().join("pulled"), &content[..4_000_000]).unwrap();
    curl(&sandbox, &["--output", "pulled", "--continue-at", "-", &blob]);
    assert!(fs::read(sandbox.work().join("pulled")).unwrap() == content);
}

/// Where the Python packages are that `cargo xtask setup` installs.
fn python_packages() -> PathBuf {
    let test = env::current_exe().unwrap();
    let target = test.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists()).unwrap();
    target.join("foreign-python")
}

#[test]
fn oras_pushes_and_pulls() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    sandbox.write("hello.wasm", "a component");
    let program = r#"
import sys, oras.client
client = oras.client.OrasClient(hostname=sys.argv[1], insecure=True, tls_verify=False)
target = sys.argv[1] + "/oras/hello:1.0.0"
client.push(target=target, files=["hello.wasm:application/wasm"], disable_path_validation=True)
print(client.pull(target=target, outdir="out"))
print(client.get_tags(sys.argv[1] + "/oras/hello"))
"#;
    let mut python = Command::new("python3");
    sandbox.set_environment(&mut python);
    python.current_dir(sandbox.work()).env("PYTHONPATH", python_packages());
    let output = Output::of(python.args(["-c", program, &server.address().to_string()])).assert_success();
    assert!(output.stdout.contains("['1.0.0']"), "{}", output.stdout);
    assert_eq!(fs::read_to_string(sandbox.work().join("out/hello.wasm")).unwrap(), "a component");
    assert_intact(&sandbox.work().join("registry/oras/hello"));
}

#[test]
fn wkg_pushes_and_pulls_and_so_do_we() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, &["registry"]);
    let registry = server.address().to_string();
    let component = wat::parse_str("(component (core module $m (func (export \"f\"))))").unwrap();
    sandbox.write("hello.wasm", &component);
    let wkg = |arguments: &[&str]| {
        let mut command = Command::new(foreign::wkg());
        sandbox.set_environment(&mut command);
        command.current_dir(sandbox.work()).args(["oci", arguments[0], "--insecure", &registry]).args(&arguments[1..]);
        Output::of(&mut command).assert_success();
    };
    let (theirs, ours) = (format!("{registry}/a/theirs:1.0.0"), format!("{registry}/a/ours:1.0.0"));
    wkg(&["push", &theirs, "hello.wasm"]);
    _ = sandbox.run("wash-oci", ["push", ours.as_str(), "hello.wasm"]).assert_success();
    for (number, reference) in [&theirs, &ours].into_iter().enumerate() {
        let (by_wkg, by_wash) = (format!("wkg-{number}.wasm"), format!("wash-{number}.wasm"));
        wkg(&["pull", reference, "--output", &by_wkg]);
        _ = sandbox.run("wash-oci", ["pull", reference.as_str(), &by_wash]).assert_success();
        for pulled in [by_wkg, by_wash] {
            assert!(fs::read(sandbox.work().join(&pulled)).unwrap() == component, "{pulled}");
        }
    }
    assert_intact(&sandbox.work().join("registry/a/theirs"));
}
