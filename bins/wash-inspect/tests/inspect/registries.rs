//! References: the options of all tools that speak to registries.

use washlib_registry::{Artifact, ArtifactOptions, Cancellation, Client, Reference, Settings, Unwatched, run_blocking};
use washlib_registry_server::quirks::{Quirk, TestRegistry, Tokens};
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect};

/// A registry that knows `ada` alone, and a reference to a component in it.
fn registry() -> (TestRegistry, String) {
    let registry = TestRegistry::start();
    let reference: Reference = registry.reference("me/shop:1").parse().unwrap();
    let artifact = Artifact::new(component(WIT), &ArtifactOptions::default()).unwrap();
    let client = Client::new(Settings::default()).unwrap();
    let tags = [reference.tag_or_default().to_owned()];
    let push = client.push(reference.repository(), &tags, &artifact, &Unwatched);
    run_blocking(push, &Cancellation::default()).unwrap().unwrap().unwrap();
    registry.set_quirks([Quirk::Tokens(Tokens::for_user("ada", "opensesame"))]);
    (registry, reference.to_string())
}

#[test]
fn a_user_and_a_password_are_options_of_every_command() {
    let (_registry, reference) = registry();
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let local = inspect(&sandbox, &["shop.wasm"]).assert_success().stdout;
    inspect(&sandbox, &[&reference]).assert_code(1).assert_stderr_has("cannot pull");
    inspect(&sandbox, &[&reference, "-u", "ada"]).assert_code(2).assert_stderr_has("there is a user, but no password");
    let shown = inspect(&sandbox, &[&reference, "-u", "ada", "-p", "opensesame"]).assert_success();
    assert_eq!(shown.stdout, local);
    assert!(!shown.stderr.contains("opensesame"), "{}", shown.stderr);

    let sandbox = sandbox.with_variable("WASH_REG_PASSWORD", "opensesame");
    inspect(&sandbox, &["diff", "shop.wasm", &reference, "--user", "ada"]).assert_success();
}

#[test]
fn a_password_goes_to_the_first_registry_alone() {
    let (_registry, reference) = registry();
    let (other, of_other) = registry();
    let sandbox = Sandbox::new().with_variable("WASH_REG_PASSWORD", "opensesame");
    other.forget_requests();
    inspect(&sandbox, &["diff", &reference, &of_other, "-u", "ada"]).assert_code(1).assert_stderr_has(&of_other);
    let requests = other.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")), "{requests:?}");
}

#[test]
fn a_provider_archive_is_shown_as_its_file_is() {
    let registry = TestRegistry::start();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("claims.jwt", &b"e30.e30.x"[..]), ("x86_64-linux.bin", b"program")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, content).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    let descriptor = |kind: &str, content: &[u8]| {
        serde_json::json!({
            "mediaType": kind,
            "digest": registry.put_blob("me/kv", content).to_string(),
            "size": content.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.wasmcloud.provider.archive.config", b"{}"),
        "layers": [descriptor("application/vnd.wasmcloud.provider.archive.layer.v1+par", &archive)],
    });
    let kind = "application/vnd.oci.image.manifest.v1+json";
    registry.put_manifest("me/kv", "1", kind, manifest.to_string().as_bytes());
    let sandbox = Sandbox::new();
    let reference = registry.reference("me/kv:1");
    sandbox.write("kv.par", &archive);
    let local = inspect(&sandbox, &["kv.par"]).assert_success().stdout;
    let pulled = inspect(&sandbox, &[&reference]).assert_success().stdout;
    assert_eq!(pulled.replace(&reference, "kv.par"), local);
    assert!(local.contains("targets    x86_64-linux"), "{local}");
    inspect(&sandbox, &["size", &reference]).assert_code(1).assert_stderr_has("a provider archive");
}
