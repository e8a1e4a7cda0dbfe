//! Keys, signatures and the rule that demands them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use washlib_test::Output;

use crate::Place;

/// Runs a command with the password of the key.
fn with_password(place: &Place, arguments: &[&str], password: &str) -> Output {
    let mut command = place.sandbox.command("wash-oci");
    command.args(arguments).env("COSIGN_PASSWORD", password);
    Output::of(&mut command)
}

#[test]
fn a_signed_component_pulls_and_a_tampered_one_does_not() {
    let place = Place::new();
    let digest = place.push(10);
    let reference = place.reference("hello:v1");
    with_password(&place, &["generate-key"], "s3cret").assert_success();
    let private = place.sandbox.work().join("cosign.key");
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&private).unwrap().starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));

    place.oci(&["pull", &reference, "--verify", "cosign.pub"]).assert_code(1).assert_stderr_has("is not signed");
    assert!(!place.sandbox.work().join("component.wasm").exists());
    with_password(&place, &["sign", &reference, "--key", "cosign.key"], "wrong")
        .assert_code(1)
        .assert_stderr_has("the password does not open the private key");
    let signed = with_password(&place, &["sign", &reference, "--key", "cosign.key"], "s3cret").assert_success();
    assert_eq!(signed.stdout.trim(), digest);
    place.oci(&["verify", &reference, "--key", "cosign.pub"]).assert_success();
    place.oci(&["pull", &reference, "--verify", "cosign.pub"]).assert_success();

    // Another component under the same tag.
    place.push(11);
    place.oci(&["verify", &reference, "--key", "cosign.pub"]).assert_code(1).assert_stderr_has("is not signed");
    place.oci(&["pull", &reference, "out.wasm", "--verify", "cosign.pub"]).assert_code(1);
    assert!(!place.sandbox.work().join("out.wasm").exists());

    with_password(&place, &["generate-key", "other"], "").assert_success();
    let original = place.reference(&format!("hello@{digest}"));
    place
        .oci(&["verify", &original, "--key", "other.pub"])
        .assert_code(1)
        .assert_stderr_has("none by the expected key");
    with_password(&place, &["generate-key", "other"], "").assert_code(2).assert_stderr_has("exists already");
}

#[test]
fn a_rule_of_the_user_cannot_be_undone_by_a_project() {
    let place = Place::new();
    place.push(10);
    let reference = place.reference("hello:v1");
    with_password(&place, &["generate-key", "mine"], "x").assert_success();
    let public = place.sandbox.work().join("mine.pub");
    let rule = format!(
        "oci: {{ verification: [{{ scope: \"{}\", keys: [\"{}\"] }}] }}",
        place.registry.address(),
        public.display()
    );
    let user_config = place.sandbox.home().join(".config/wash/config.yaml");
    fs::create_dir_all(user_config.parent().unwrap()).unwrap();
    fs::write(&user_config, rule).unwrap();
    place.sandbox.write(".wash/config.yaml", "oci: { verification: [] }");
    place.oci(&["pull", &reference]).assert_code(1).assert_stderr_has("must not be used");
    with_password(&place, &["sign", &reference, "--key", "mine.key"], "x").assert_success();
    let pulled = place.oci(&["-o", "json", "pull", &reference]).assert_success().json();
    assert_eq!(pulled["data"]["verified"].as_array().unwrap().len(), 1);
    place.oci(&["verify", &reference]).assert_success();
    place.oci(&["pull", &reference, "--offline"]).assert_success();
}
