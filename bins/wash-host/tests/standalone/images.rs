//! Components from OCI registries: references on the command line and in documents, policies, signatures, credentials.

use serde_json::json;
use washlib_registry::{
    Artifact, ArtifactOptions, Cancellation, Client, PrivateKey, Reference, Settings, SignatureFormat, Unwatched,
    run_blocking,
};
use washlib_registry_server::quirks::{Quirk, TestRegistry, Tokens};
use washlib_test::Sandbox;

use crate::guests;
use crate::server::Server;

/// Whatever runs by mistake takes nobody's port.
const ANY: &str = "127.0.0.1:0";

const HELLO: &str = "Hello from wasmCloud!\n";

/// Puts a component into a registry, as `wash oci push` does.
fn push(registry: &TestRegistry, rest: &str, component: &[u8]) -> Reference {
    let reference: Reference = registry.reference(rest).parse().unwrap();
    let artifact = Artifact::new(component.to_vec(), &ArtifactOptions::default()).unwrap();
    let client = Client::new(Settings::default()).unwrap();
    let tags = [reference.tag_or_default().to_owned()];
    let push = client.push(reference.repository(), &tags, &artifact, &Unwatched);
    run_blocking(push, &Cancellation::default()).unwrap().unwrap().unwrap();
    reference
}

fn hello() -> Vec<u8> {
    std::fs::read(guests::hello()).unwrap()
}

#[test]
fn a_reference_is_pulled_once_and_answers_without_its_registry_too() {
    let registry = TestRegistry::start();
    push(&registry, "acme/hello:1.0.0", &hello());
    let (sandbox, reference) = (Sandbox::new(), registry.reference("acme/hello:1.0.0"));
    let mut server = Server::launch(&sandbox, &[&reference]);
    let pulling = server.next();
    assert_eq!((&pulling["type"], &pulling["image"]), (&json!("pulling"), &json!(reference)));
    let pulled = server.next();
    assert_eq!((&pulled["type"], &pulled["from_cache"]), (&json!("pulled"), &json!(false)), "{pulled}");
    let digest = pulled["digest"].as_str().unwrap().to_owned();
    assert_eq!(server.wait_for("workload-started")["workload_id"], "default/hello");
    server.wait_for("ready");
    assert_eq!(server.get("/").body, HELLO);
    server.stop();

    // It has been pulled, so nobody is asked.
    registry.forget_requests();
    let mut server = Server::launch(&sandbox, &[&reference]);
    let pulled = server.wait_for("pulled");
    assert_eq!((&pulled["from_cache"], &pulled["digest"]), (&json!(true), &json!(digest)));
    server.wait_for("ready");
    assert_eq!(server.get("/").body, HELLO);
    server.stop();
    assert_eq!(registry.request_lines(), [""; 0]);

    drop(registry);
    for policy in ["if-not-present", "never"] {
        let server = Server::start(&sandbox, &[&reference, "--pull-policy", policy]);
        assert_eq!(server.get("/").body, HELLO, "{policy}");
        server.stop();
    }
    let run = |policy| sandbox.run("wash-host", ["run", &reference, "--http-addr", ANY, "--pull-policy", policy]);
    run("always").assert_code(1).assert_stderr_has("cannot pull");
    let other = reference.replace("hello", "other");
    let output = sandbox.run("wash-host", ["run", &other, "--http-addr", ANY, "--pull-policy", "never"]);
    output.assert_code(1).assert_stderr_has("is not in the cache, and it is never to be pulled");
}

#[test]
fn a_tag_that_moves_is_followed_when_told_so() {
    let registry = TestRegistry::start();
    push(&registry, "hello:1", &hello());
    let (sandbox, reference) = (Sandbox::new(), registry.reference("hello:1"));
    Server::start(&sandbox, &[&reference]).stop();
    push(&registry, "hello:1", &std::fs::read(guests::probe()).unwrap());
    let server = Server::start(&sandbox, &[&reference]);
    assert_eq!(server.get("/").body, HELLO);
    server.stop();
    let server = Server::start(&sandbox, &[&reference, "--pull-policy", "always", "--env", "VERSION=probe"]);
    assert_eq!(server.get("/version").body, "probe");
    server.stop();
}

#[test]
fn what_is_not_signed_as_configured_is_not_run() {
    let registry = TestRegistry::start();
    let reference = push(&registry, "acme/hello:1", &hello());
    let key = PrivateKey::generate().unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("acme.pub", key.public().to_pem());
    sandbox.write(".wash/config.yaml", "oci: { verification: [{ scope: '', keys: [acme.pub] }] }");
    let run =
        || sandbox.run("wash-host", ["run", &reference.to_string(), "--http-addr", ANY, "--pull-policy", "always"]);
    run().assert_code(1).assert_stderr_has("must not be used");

    let client = Client::new(Settings::default()).unwrap();
    let sign = async {
        let subject = client.resolve(&reference, &Unwatched).await.unwrap();
        client.sign(reference.repository(), &subject, &key, SignatureFormat::Bundle, &Unwatched).await.unwrap();
    };
    run_blocking(sign, &Cancellation::default()).unwrap();
    let server = Server::start(&sandbox, &[&reference.to_string(), "--pull-policy", "always"]);
    assert_eq!(server.get("/").body, HELLO);
    server.stop();

    // Somebody who has no key moves the tag.
    push(&registry, "acme/hello:1", &std::fs::read(guests::probe()).unwrap());
    run().assert_code(1).assert_stderr_has("must not be used");
    // A document is no way around it.
    sandbox.write("w.yaml", document(&reference.to_string(), "imagePullPolicy: Always"));
    sandbox
        .run("wash-host", ["run", "w.yaml", "--http-addr", ANY])
        .assert_code(1)
        .assert_stderr_has("must not be used");
}

/// A `WorkloadDeployment` with a component of this image.
fn document(image: &str, line: &str) -> String {
    format!(
        "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadDeployment\nmetadata: {{name: hello}}\nspec:\n  \
         template:\n    spec:\n      hostInterfaces:\n      - {{namespace: wasi, package: http, interfaces: \
         [incoming-handler]}}\n      components:\n      - name: http\n        image: {image}\n        {line}\n"
    )
}

#[test]
fn documents_name_images_with_the_credentials_of_a_secret() {
    let registry = TestRegistry::start();
    let reference = push(&registry, "acme/hello:1", &hello()).to_string();
    registry.set_quirks([Quirk::Tokens(Tokens::for_user("ada", "opensesame"))]);
    let sandbox = Sandbox::new();
    sandbox.write("w.yaml", document(&reference, "imagePullSecret: {name: acme}"));
    let output = sandbox.run("wash-host", ["run", "w.yaml", "--http-addr", ANY]).assert_code(1);
    assert!(output.stderr.contains("cannot pull"), "{}", output.stderr);
    sandbox.write("secret.json", pull_secret(&registry, "opensesame"));
    // Somebody's own credentials do not come before those that the document names.
    let sandbox = sandbox.with_variable("WASH_REG_USER", "eve").with_variable("WASH_REG_PASSWORD", "guess");
    let server = Server::start(&sandbox, &["w.yaml", "secret.json"]);
    assert_eq!(server.get("/").body, HELLO);
    let end = server.stop();
    assert!(!end.stderr.contains("opensesame"), "{}", end.stderr);
}

/// A secret with the credentials of `ada`.
fn pull_secret(registry: &TestRegistry, password: &str) -> String {
    let auths = json!({
        "auths": { registry.host(): { "username": "ada", "password": password } },
        // What such a helper would do, it does to nobody.
        "credHelpers": { registry.host(): "of-the-document" },
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "acme" },
        "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": auths.to_string() },
    });
    secret.to_string()
}

#[test]
fn a_secret_that_is_refused_is_named_and_runs_no_helper() {
    let registry = TestRegistry::start();
    let reference = push(&registry, "acme/hello:1", &hello()).to_string();
    registry.set_quirks([Quirk::Tokens(Tokens::for_user("ada", "opensesame"))]);
    let sandbox = Sandbox::new();
    let helper = sandbox.write("bin/docker-credential-of-the-document", "#!/bin/sh\ntouch ran\n");
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", helper.parent().unwrap().display());
    let sandbox = sandbox.with_variable("PATH", path);
    sandbox.write("w.yaml", document(&reference, "imagePullSecret: {name: acme}"));
    sandbox.write("secret.json", pull_secret(&registry, "wrong"));
    let output = sandbox.run("wash-host", ["run", "w.yaml", "secret.json", "--http-addr", ANY]).assert_code(1);
    for text in
        ["names docker-credential-of-the-document, which is not run", "user `ada` from the Secret `default/acme`"]
    {
        assert!(output.stderr.contains(text), "{text}: {}", output.stderr);
    }
    assert!(!sandbox.work().join("ran").exists());
}

#[test]
fn a_lazy_workload_is_pulled_by_its_first_request() {
    let registry = TestRegistry::start();
    let reference = push(&registry, "acme/hello:1", &hello()).to_string();
    registry.forget_requests();
    let sandbox = Sandbox::new();
    sandbox.write("w.yaml", document(&reference, ""));
    let server = Server::start(&sandbox, &["w.yaml", "--lazy"]);
    assert_eq!(registry.request_lines(), [""; 0]);
    assert_eq!(server.get("/").body, HELLO);
    assert!(!registry.requests().is_empty());
    server.stop();
}

#[test]
fn a_core_module_is_no_component() {
    let registry = TestRegistry::start();
    let module = wat::parse_str("(module (func (export \"f\")))").unwrap();
    let reference = push(&registry, "acme/module:1", &module).to_string();
    let output = Sandbox::new().run("wash-host", ["run", &reference, "--http-addr", ANY]);
    output.assert_code(1).assert_stderr_has("is a core module, not a component");
}

#[test]
fn an_interrupt_ends_a_pull() {
    // Takes connections and never says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/acme/hello:1", silent.local_addr().unwrap());
    let sandbox = Sandbox::new();
    let mut server = Server::launch(&sandbox, &[&reference]);
    server.wait_for("pulling");
    server.signal(rustix::process::Signal::INT);
    assert_eq!(server.end().code, Some(130));
}
