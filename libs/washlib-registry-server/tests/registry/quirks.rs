//! The misbehaving registries misbehave as they say.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use washlib_registry_server::Digest;
use washlib_registry_server::quirks::{Fault, Place, Quirk, TestRegistry, TestRegistryBuilder, TokenField, Tokens};

use crate::client::{Client, MANIFEST, with_query};

fn start(quirks: impl IntoIterator<Item = Quirk>) -> (TestRegistry, Client) {
    let registry = quirks.into_iter().fold(TestRegistry::builder(), TestRegistryBuilder::quirk).start();
    let client = Client::new(format!("http://{}", registry.host()));
    (registry, client)
}

fn raw(registry: &TestRegistry, target: &str) -> String {
    let mut stream = TcpStream::connect(registry.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    let ended = stream.read_to_end(&mut reply);
    let mut reply = String::from_utf8_lossy(&reply).into_owned();
    if ended.is_err() {
        reply.push_str("<hangs>");
    }
    reply
}

#[test]
fn without_quirks_it_is_a_registry() {
    let (registry, client) = start([]);
    let (manifest, digest) = client.push_artifact("a", "latest", b"layer");
    assert_eq!(client.get("/v2/a/manifests/latest").expect(200).text(), manifest);
    let seen = registry.requests();
    assert_eq!(seen.last().unwrap().line(), "GET /v2/a/manifests/latest");
    assert_eq!(seen.last().unwrap().status, 200);
    assert_eq!(registry.request_lines()[0], "POST /v2/a/blobs/uploads/");
    registry.forget_requests();
    assert!(registry.requests().is_empty());
    assert_eq!(registry.reference("a:latest"), format!("{}/a:latest", registry.host()));
    // Content can be put there past it all.
    let config = registry.put_blob("b", b"{}");
    let manifest = json!({ "config": { "mediaType": "x", "digest": config, "size": 2 }, "layers": [] }).to_string();
    assert_ne!(registry.put_manifest("b", "latest", MANIFEST, manifest.as_bytes()), digest);
    client.get("/v2/b/manifests/latest").expect(200);
}

#[test]
fn it_refuses_what_it_does_not_know() {
    let (_registry, client) = start([Quirk::NoReferrers, Quirk::NoDelete, Quirk::NoHead, Quirk::NoPieces]);
    let digest = Digest::sha256(b"x");
    client.get(&format!("/v2/a/referrers/{digest}")).expect(404);
    let subject = json!({ "subject": { "mediaType": MANIFEST, "digest": digest, "size": 1 } });
    let manifest = client.artifact("a", b"layer", &subject);
    let reply = client.put_manifest("a", "latest", MANIFEST, &manifest).expect(201);
    assert!(!reply.headers.contains_key("oci-subject"));
    client.delete("/v2/a/manifests/latest").expect(405);
    client.head("/v2/a/manifests/latest").expect(405);
    client.get("/v2/a/manifests/latest").expect(200);
    let location = client.begin("a");
    client.send("PATCH", &location, &[], b"x").expect(405);
}

#[test]
fn it_leaves_out_and_changes_headers() {
    let quirks = [Quirk::NoMount, Quirk::NoLocation(Place::Manifest), Quirk::NoDigestHeader, Quirk::LocationWithQuery];
    let (_registry, client) = start(quirks);
    let digest = client.push_blob("a", b"x");
    client.send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), &[], b"").expect(202);
    let reply = client.get(&format!("/v2/a/blobs/{digest}")).expect(200);
    assert!(!reply.headers.contains_key("docker-content-digest"));
    let manifest = client.artifact("a", b"layer", &json!({}));
    let reply = client.put_manifest("a", "latest", MANIFEST, &manifest).expect(201);
    assert!(!reply.headers.contains_key("location"));
    assert!(client.begin("a").ends_with("?_state=opaque%2Fstate"));
}

#[test]
fn another_host_has_the_blobs() {
    let (registry, client) = start([Quirk::BlobsElsewhere, Quirk::UploadsElsewhere]);
    let location = client.begin("a");
    assert!(location.starts_with(&format!("http://{}/v2/a/", registry.elsewhere())), "{location}");
    let digest = Digest::sha256(b"x");
    client.send("PUT", &with_query(&location, &format!("digest={digest}")), &[], b"x").expect(201);
    let reply = client.get(&format!("/v2/a/blobs/{digest}")).expect(307);
    assert_eq!(client.get(reply.header("location")).expect(200).body, b"x");
    let lines: Vec<String> = registry.requests_elsewhere().iter().map(|seen| seen.line()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], format!("GET /v2/a/blobs/{digest}"));
}

#[test]
fn lists_come_in_pages_or_not_at_all() {
    let (registry, client) = start([Quirk::PageSize(2)]);
    for tag in ["1", "2", "3"] {
        client.push_artifact("a", tag, b"layer");
    }
    for target in ["/v2/a/tags/list", "/v2/a/tags/list?n=100"] {
        let page = client.get(target).expect(200);
        assert_eq!(page.json()["tags"], json!(["1", "2"]));
        assert!(page.header("link").contains("last=2"));
    }
    assert_eq!(client.get("/v2/a/tags/list?n=1").json()["tags"], json!(["1"]));
    registry.set_quirks([Quirk::NullTags]);
    assert_eq!(client.get("/v2/a/tags/list").json()["tags"], json!(null));
    registry.set_quirks([Quirk::EndlessPages]);
    assert_eq!(client.get("/v2/a/tags/list?n=3").header("link"), "</v2/a/tags/list?n=3>; rel=\"next\"");
}

#[test]
fn only_some_types_are_welcome() {
    let (_registry, client) = start([Quirk::ConfigTypes(vec!["application/vnd.oci.image.config.v1+json".to_owned()])]);
    let manifest = client.artifact("a", b"layer", &json!({}));
    client.put_manifest("a", "latest", MANIFEST, &manifest).expect_error(400, "MANIFEST_INVALID");
    client.get("/v2/a/manifests/latest").expect(404);
    let welcome = manifest.replace("application/vnd.oci.empty.v1+json", "application/vnd.oci.image.config.v1+json");
    client.put_manifest("a", "latest", MANIFEST, &welcome).expect(201);
}

#[test]
fn things_fail_where_and_as_often_as_they_should() {
    let limited = Quirk::fault(Place::Tags, Fault::TooManyRequests { retry_after: 7 }).times(2);
    let later = Quirk::fault(Place::Base, Fault::Status(500)).after(1);
    let blobs = Quirk::fault(Place::Blob, Fault::Page(502)).method("GET").path("/b/");
    let (_registry, client) = start([limited.into(), later.into(), blobs.into()]);
    client.push_artifact("a", "latest", b"layer");
    let digest = client.push_blob("b", b"x");
    for _ in 0..2 {
        assert_eq!(client.get("/v2/a/tags/list").expect_error(429, "TOOMANYREQUESTS").header("retry-after"), "7");
    }
    client.get("/v2/a/tags/list").expect(200);
    client.get("/v2/").expect(200);
    client.get("/v2/").expect(500);
    client.head(&format!("/v2/b/blobs/{digest}")).expect(200);
    assert_eq!(client.get(&format!("/v2/b/blobs/{digest}")).expect(502).header("content-type"), "text/html");
}

#[test]
fn bodies_are_spoilt() {
    let (registry, client) = start([]);
    let digest = client.push_blob("a", b"0123456789");
    let target = format!("/v2/a/blobs/{digest}");
    let with = |fault: Fault| {
        registry.set_quirks([Quirk::fault(Place::Blob, fault).into()]);
        raw(&registry, &target)
    };
    let half = with(Fault::HalfBody);
    assert!(half.contains("content-length: 10") && half.ends_with("\r\n\r\n01234"), "{half}");
    assert!(with(Fault::HangInBody).ends_with("\r\n\r\n01234<hangs>"));
    assert!(with(Fault::FlippedByte).ends_with("\r\n\r\n012345678\u{38}"));
    assert!(with(Fault::Garbage).contains("garbage"));
    let longer = with(Fault::LongerLength(5));
    assert!(longer.contains("content-length: 15") && longer.ends_with("0123456789"), "{longer}");
    let shorter = with(Fault::ShorterLength(3));
    assert!(shorter.contains("content-length: 7") && shorter.ends_with("0123456"), "{shorter}");
    assert!(!with(Fault::WrongDigestHeader).contains(&format!("docker-content-digest: {digest}")));
    assert!(with(Fault::Huge(100_000)).len() > 100_000);
    assert_eq!(with(Fault::Cut), "");
    assert_eq!(with(Fault::Hang), "<hangs>");
    assert!(with(Fault::RedirectElsewhere).contains(&format!("location: http://{}{target}", registry.elsewhere())));
    assert!(with(Fault::RedirectLoop).contains(&format!("location: {target}")));
}

#[test]
fn passwords_are_needed() {
    let (_registry, client) = start([Quirk::Basic { user: "user".to_owned(), password: "secret".to_owned() }]);
    client.get("/v2/").expect_error(401, "UNAUTHORIZED");
    client.send("GET", "/v2/", &[("authorization", "Basic dXNlcjpzZWNyZXQ=")], b"").expect(200);
}

fn token(client: &Client, target: &str, headers: &[(&str, &str)]) -> String {
    let document = client.send("GET", target, headers, b"").expect(200).json();
    document["token"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_are_needed() {
    let rules = Tokens::for_user("user", "secret").with_anonymous_pull().with_refresh_token("identity");
    let (registry, client) = start([rules.into()]);
    let digest = registry.put_blob("a", b"x");
    let target = format!("/v2/a/blobs/{digest}");
    let reply = client.get(&target).expect_error(401, "UNAUTHORIZED");
    let realm = format!("http://{}/token", registry.host());
    let challenge = format!("Bearer realm=\"{realm}\",service=\"test-registry\",scope=\"repository:a:pull\"");
    assert_eq!(reply.header("www-authenticate"), challenge);

    let with = |token: &str, method: &str, target: &str| {
        client.send(method, target, &[("authorization", &format!("Bearer {token}"))], b"")
    };
    let anonymous = token(&client, "/token?service=test-registry&scope=repository:a:pull,push", &[]);
    with(&anonymous, "GET", &target).expect(200);
    let refused = with(&anonymous, "POST", "/v2/a/blobs/uploads/").expect(401);
    assert!(refused.header("www-authenticate").ends_with(",error=\"insufficient_scope\""));
    with(&anonymous, "GET", &target.replace("/a/", "/b/")).expect(401);

    client.send("GET", "/token", &[("authorization", "Basic dXNlcjp3cm9uZw==")], b"").expect(401);
    let user = [("authorization", "Basic dXNlcjpzZWNyZXQ=")];
    let full = token(&client, "/token?scope=repository:a:pull,push&scope=repository:b:pull,push", &user);
    with(&full, "POST", "/v2/a/blobs/uploads/").expect(202);
    with(&full, "POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a")).expect(201);
    let only_c = token(&client, "/token?scope=repository:c:pull,push", &user);
    with(&only_c, "POST", &format!("/v2/c/blobs/uploads/?mount={digest}&from=a")).expect(202);

    let form = |form: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        client.send("POST", "/token", &headers, form.as_bytes())
    };
    let scope = "&scope=repository:a:pull%2Cpush&client_id=test&service=test-registry";
    let oauth = form(&format!("grant_type=refresh_token&refresh_token=identity{scope}")).expect(200).json();
    with(oauth["access_token"].as_str().unwrap(), "POST", "/v2/a/blobs/uploads/").expect(202);
    form(&format!("grant_type=password&username=user&password=secret{scope}")).expect(200);
    form(&format!("grant_type=refresh_token&refresh_token=wrong{scope}")).expect(401);
    form("grant_type=refresh_token&refresh_token=identity").expect(400);

    registry.revoke_tokens();
    let refused = with(&full, "GET", &target).expect(401);
    assert!(refused.header("www-authenticate").ends_with(",error=\"invalid_token\""));
}

#[test]
fn tokens_end() {
    let rules = Tokens::for_user("user", "secret").with_anonymous_pull();
    let rules = rules.with_lifetime(Duration::from_millis(50)).with_field(TokenField::Token);
    let (_registry, client) = start([rules.into()]);
    let document = client.get("/token?scope=repository:a:pull").expect(200).json();
    assert_eq!(document["expires_in"], 0);
    assert!(document.get("access_token").is_none());
    std::thread::sleep(Duration::from_millis(60));
    let header = format!("Bearer {}", document["token"].as_str().unwrap());
    let reply = client.send("GET", "/v2/a/tags/list", &[("authorization", &header)], b"").expect(401);
    assert!(reply.header("www-authenticate").contains("invalid_token"));
}

#[test]
fn connections_can_be_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = folder.path().join("cert.pem");
    let key = folder.path().join("key.pem");
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let files = washlib_registry_server::TlsFiles { certificate: certificate.clone(), key };
    let registry = TestRegistry::builder().tls(files).start();
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--fail", "--cacert"]).arg(certificate).arg(format!("https://{}/v2/", registry.host()));
    assert_eq!(washlib_test::Output::of(&mut curl).assert_success().stdout, "{}");
}
