//! A registry with a certificate of its own.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use washlib_test::{Output, RegistryOptions};

use crate::Place;

/// Self-signed, as `openssl x509 -req` makes them without a file of extensions.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUZSW+2NtxWlF41JEeRVSoaSbLWjkwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyNjA3MTMzOFoYDzIxMjYxMTAyMDcxMzM4WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATpFYdgEWV+g3bi
Gyc8eEybBqz/X+nOJEeTsrslo8aob+wkqXEySATTUsIpmxTWBDjyIpn8z+/hetaz
dq7Xexd6MAoGCCqGSM49BAMCA0gAMEUCICfRV7TX4ZxoP3D0LPj0nCsyPn+R6LKi
NEOLHaSzhCulAiEAyuqtDCVJuDc6ADIAXAQBTcshICdYg4HPwZehAvm6/rU=
-----END CERTIFICATE-----
";

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn certificate(issuer: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// A registry with a certificate, and the authority's certificate in PEM.
fn place() -> (Place, String) {
    let issuer = authority();
    let options = RegistryOptions { tls: Some(certificate(&issuer)), ..RegistryOptions::default() };
    (Place::with(&options), issuer.pem())
}

#[test]
fn a_registry_may_want_a_certificate_of_its_clients() {
    let (issuer, clients) = (authority(), authority());
    let options = RegistryOptions {
        tls: Some(certificate(&issuer)),
        client_authority: Some(clients.pem()),
        ..RegistryOptions::default()
    };
    let place = Place::with(&options);
    place.component("hello.wasm", 10);
    place.sandbox.write("ca.pem", issuer.pem());
    let (chain, key) = certificate(&clients);
    place.sandbox.write("client.pem", format!("{chain}{key}"));
    let config = |more: &str| {
        let registry = place.registry.address();
        let text = format!("oci: {{ registries: {{ \"{registry}\": {{ ca_paths: [ca.pem]{more} }} }} }}");
        place.sandbox.write(".wash/config.yaml", text);
    };
    let reference = place.reference("hello:v1");
    config("");
    place.oci(&["push", &reference, "hello.wasm"]).assert_code(1).assert_stderr_has("cannot reach");
    config(", client_cert_path: client.pem");
    place.oci(&["push", &reference, "hello.wasm"]).assert_success();
}

#[test]
fn an_authority_is_trusted_when_it_is_named() {
    let (place, authority) = place();
    place.component("hello.wasm", 10);
    let reference = place.reference("hello:v1");
    // It is on loopback, so it is asked in plain HTTP first, and says what it wants.
    let untrusted = place.oci(&["push", &reference, "hello.wasm"]).assert_code(1);
    assert!(untrusted.stderr.contains("--ca-path"), "{}", untrusted.stderr);
    // Nothing is gained by another attempt, and none is told.
    assert!(!untrusted.stderr.contains("trying again"), "{}", untrusted.stderr);
    let path = place.sandbox.write("ca.pem", &authority);
    place.oci(&["push", &reference, "hello.wasm", "--ca-path", "ca.pem"]).assert_success();
    let mut by_variable = place.sandbox.command("wash-oci");
    by_variable.args(["pull", &reference]).env("WASH_OCI_CA_PATHS", path);
    Output::of(&mut by_variable).assert_success();
    let config = format!("oci: {{ registries: {{ \"{}\": {{ ca_paths: [../ca.pem] }} }} }}", place.registry.address());
    place.sandbox.write("project/.wash/config.yaml", config);
    place.oci(&["-C", "project", "pull", &reference]).assert_success();
    place.sandbox.write("nonsense.pem", "nonsense");
    place.oci(&["pull", &reference, "--ca-path", "nonsense.pem"]).assert_code(1).assert_stderr_has("nonsense.pem");
}

#[test]
fn plain_http_is_said_to_be_wanted_where_it_is() {
    let place = Place::new();
    let config = format!("oci: {{ registries: {{ \"{}\": {{ plain_http: false }} }} }}", place.registry.address());
    place.sandbox.write(".wash/config.yaml", config);
    place.component("hello.wasm", 10);
    let reference = place.reference("hello:v1");
    place.oci(&["push", &reference, "hello.wasm"]).assert_code(1).assert_stderr_has("`--insecure` allows that");
    place.oci(&["push", &reference, "hello.wasm", "--insecure"]).assert_success();
    let mut allowed = place.sandbox.command("wash-oci");
    allowed.args(["pull", &reference]).env("WASMCLOUD_OCI_ALLOWED_INSECURE", place.registry.address());
    Output::of(&mut allowed).assert_success();
}

#[test]
fn a_certificate_of_our_own_that_cannot_be_used_is_named() {
    let (place, authority_pem) = place();
    place.component("hello.wasm", 10);
    place.sandbox.write("ca.pem", authority_pem);
    let (chain, key) = certificate(&authority());
    let (_, other_key) = certificate(&authority());
    for (name, text) in [("old.pem", VERSION_1), ("new.pem", &*chain), ("key.pem", &*key), ("other.pem", &*other_key)] {
        place.sandbox.write(name, text);
    }
    let refused = |certificate: &str, key: &str| {
        let registry = place.registry.address();
        let files = format!("ca_paths: [ca.pem], client_cert_path: {certificate}, client_key_path: {key}");
        place.sandbox.write(".wash/config.yaml", format!("oci: {{ registries: {{ \"{registry}\": {{ {files} }} }} }}"));
        place.oci(&["push", &place.reference("hello:v1"), "hello.wasm"]).assert_code(1)
    };
    let old = refused("old.pem", "key.pem").assert_stderr_has("old.pem cannot be used: as our own certificate");
    assert!(old.stderr.contains("version 3 of X.509") && !old.stderr.contains("peer"), "{}", old.stderr);
    let other = refused("new.pem", "other.pem").assert_stderr_has("other.pem cannot be used: its key is not that of");
    assert!(other.stderr.contains("new.pem"), "{}", other.stderr);
}

#[test]
fn a_registry_with_tls_that_is_asked_without_it_says_so() {
    let (place, _) = place();
    place.component("hello.wasm", 10);
    let reference = &*place.reference("hello:v1");
    for arguments in [["push", reference, "hello.wasm"].as_slice(), &["pull", reference]] {
        let refused = place.oci(&[arguments, &["--insecure"]].concat()).assert_code(1);
        let refused = refused.assert_stderr_has("speaks TLS, and was asked in plain HTTP");
        refused.assert_stderr_has("hint: leave out `--insecure`");
    }
}
