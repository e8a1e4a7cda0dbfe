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

fn openssl(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    place.sandbox.set_environment(&mut command);
    Output::of(command.current_dir(place.sandbox.work()).args(arguments))
}

/// Debian's skopeo is built without signatures, so OpenSSL has the second opinion: on a key of its own, and on what is
/// signed, which is read from where cosign looks for it.
#[test]
fn openssl_makes_the_key_and_verifies_the_signature() {
    let place = Place::new();
    let digest = place.push(1000);
    openssl(&place, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem"])
        .assert_success();
    openssl(&place, &["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub"]).assert_success();
    let reference = place.reference("hello:v1");
    place.oci(&["sign", &reference, "--key", "key.pem", "--format", "tag", "--format", "bundle"]).assert_success();
    place.oci(&["verify", &reference, "--key", "key.pub"]).assert_success();

    let tag = place.reference(&format!("hello:{}.sig", digest.replace(':', "-")));
    let manifest = place.oci(&["-o", "json", "info", &tag]).assert_success().json();
    let layer = &manifest["data"]["manifest"]["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    place.oci(&["pull", &tag, "payload.json", "--raw"]).assert_success();
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    verified_by_openssl(&place, "payload.json", signature);
    let payload = fs::read_to_string(place.sandbox.work().join("payload.json")).unwrap();
    assert!(payload.contains(&format!("\"docker-manifest-digest\":\"{digest}\"")), "{payload}");

    let listed = place.oci(&["-o", "json", "referrers", &reference]).assert_success().json();
    let bundle = listed["data"]["referrers"][0]["digest"].as_str().unwrap();
    place.oci(&["pull", &place.reference(&format!("hello@{bundle}")), "bundle.json", "--raw"]).assert_success();
    let bundle = fs::read(place.sandbox.work().join("bundle.json")).unwrap();
    let bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
    let envelope = &bundle["dsseEnvelope"];
    let (kind, payload) = (envelope["payloadType"].as_str().unwrap(), envelope["payload"].as_str().unwrap());
    place.sandbox.write("statement.b64", format!("{payload}\n"));
    openssl(&place, &["base64", "-d", "-A", "-in", "statement.b64", "-out", "statement.json"]).assert_success();
    let statement = fs::read(place.sandbox.work().join("statement.json")).unwrap();
    let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), statement.len()).into_bytes();
    signed.extend(&statement);
    place.sandbox.write("signed", signed);
    verified_by_openssl(&place, "signed", envelope["signatures"][0]["sig"].as_str().unwrap());
    assert!(String::from_utf8(statement).unwrap().contains(&digest["sha256:".len()..]));
}

fn verified_by_openssl(place: &Place, file: &str, signature: &str) {
    place.sandbox.write("signature.b64", format!("{signature}\n"));
    openssl(place, &["base64", "-d", "-A", "-in", "signature.b64", "-out", "signature"]).assert_success();
    openssl(place, &["dgst", "-sha256", "-verify", "key.pub", "-signature", "signature", file]).assert_success();
}
