//! With skopeo, which is everybody's second opinion: what it copies, signs and verifies.

use std::fs;
use std::process::Command;

use washlib_test::Output;

use crate::Place;

fn skopeo(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new("skopeo");
    place.sandbox.set_environment(&mut command);
    command.current_dir(place.sandbox.work()).args(arguments);
    Output::of(&mut command)
}

#[test]
fn copies_in_and_out() {
    let place = Place::new();
    let digest = place.push(1000);
    let ours = format!("docker://{}", place.reference("hello:v1"));
    let theirs = format!("docker://{}", place.reference("copied:v2"));
    let insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    let copy = |from: &str, to: &str| {
        skopeo(&place, &["--insecure-policy", "copy", "--preserve-digests", insecure[0], insecure[1], from, to])
            .assert_success();
    };
    copy(&ours, &theirs);
    place.oci(&["pull", &place.reference("copied:v2")]).assert_success();
    copy(&ours, "oci:skopeo-layout:v1");
    let copied = place.oci(&["copy", "oci:skopeo-layout:v1", &place.reference("back:v1")]).assert_success();
    assert_eq!(copied.stdout.trim(), digest);
    place.oci(&["copy", &place.reference("hello:v1"), "layout:ours"]).assert_success();
    copy("oci:ours:v1", &format!("docker://{}", place.reference("third:v1")));
    let inspected = skopeo(&place, &["inspect", "--raw", "--tls-verify=false", &ours]).assert_success();
    assert!(inspected.stdout.contains("application/vnd.wasm.config.v0+json"));
}

/// skopeo looks for signatures where this says, and demands them where the policy says.
fn policy(place: &Place, public_key: &str) {
    let repository = place.reference("hello");
    let registry = place.registry.address();
    let key = place.sandbox.work().join(public_key);
    let policy = serde_json::json!({
        "default": [{ "type": "reject" }],
        "transports": { "docker": { repository.clone(): [{
            "type": "sigstoreSigned",
            "keyPath": key,
            "signedIdentity": { "type": "matchRepository" },
        }] } },
    });
    place.sandbox.write("policy.json", policy.to_string());
    place
        .sandbox
        .write("registries.d/all.yaml", format!("docker: {{ \"{registry}\": {{ use-sigstore-attachments: true }} }}"));
}

#[test]
fn what_we_sign_skopeo_verifies() {
    let place = Place::new();
    let digest = place.push(1000);
    let mut generate = place.sandbox.command("wash-oci");
    Output::of(generate.args(["generate-key"]).env("COSIGN_PASSWORD", "x")).assert_success();
    policy(&place, "cosign.pub");
    let from = format!("docker://{}", place.reference(&format!("hello@{digest}")));
    let verify = || {
        let flags = ["--policy", "policy.json", "--registries.d", "registries.d", "copy", "--src-tls-verify=false"];
        let _ = fs::remove_dir_all(place.sandbox.work().join("verified"));
        skopeo(&place, &[flags.as_slice(), &["--remove-signatures", &from, "oci:verified"]].concat())
    };
    assert_ne!(verify().code, Some(0));
    let mut sign = place.sandbox.command("wash-oci");
    sign.args(["sign", &place.reference("hello:v1"), "--key", "cosign.key", "--format", "tag"])
        .env("COSIGN_PASSWORD", "x");
    Output::of(&mut sign).assert_success();
    verify().assert_success();
}

#[test]
fn what_skopeo_signs_we_verify() {
    let place = Place::new();
    place.push(1000);
    let mut generate = place.sandbox.command("wash-oci");
    Output::of(generate.args(["generate-key"]).env("COSIGN_PASSWORD", "x")).assert_success();
    // This skopeo knows the label that cosign wrote before its second version.
    let key = fs::read_to_string(place.sandbox.work().join("cosign.key")).unwrap();
    place.sandbox.write("old.key", key.replace("SIGSTORE", "COSIGN"));
    place.sandbox.write("password", "x");
    place.sandbox.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    let registry = place.registry.address();
    place
        .sandbox
        .write("registries.d/all.yaml", format!("docker: {{ \"{registry}\": {{ use-sigstore-attachments: true }} }}"));
    let (from, to) = (place.reference("hello:v1"), place.reference("signed:v1"));
    let (from, to_docker) = (format!("docker://{from}"), format!("docker://{to}"));
    let flags = ["--policy", "policy.json", "--registries.d", "registries.d", "copy", "--src-tls-verify=false"];
    let signing =
        ["--dest-tls-verify=false", "--sign-by-sigstore-private-key", "old.key", "--sign-passphrase-file", "password"];
    skopeo(&place, &[flags.as_slice(), &signing, &[&from, &to_docker]].concat()).assert_success();
    place.oci(&["verify", &to, "--key", "cosign.pub"]).assert_success();
    place.oci(&["pull", &to, "--verify", "cosign.pub"]).assert_success();
}
