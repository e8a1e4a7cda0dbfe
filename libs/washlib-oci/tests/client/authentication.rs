//! Passwords and tokens: who is told, how long they are used, and what is said when they are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use washlib_oci::Secret;
use washlib_oci::credentials::{CredentialSources, ExplicitCredential};
use washlib_oci::{PullOptions, RegistryError, Settings, Unwatched};

use crate::scripted::{Answer, Asked, Server};
use crate::{artifact, chain, client, impatient, reference, serving};

/// `ada:opensesame` in base64.
const BASIC: &str = "Basic YWRhOm9wZW5zZXNhbWU=";

fn with_password(settings: Settings) -> Settings {
    let credentials = CredentialSources {
        explicit: Some(ExplicitCredential {
            registry: None,
            user: "ada".into(),
            password: Secret::new("opensesame"),
            origin: "the test".into(),
        }),
        ..CredentialSources::default()
    };
    Settings { credentials, ..settings }
}

/// A registry that takes one token, from a token server of its own.
fn with_tokens(
    token_of: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    accepted: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> (Server, Server) {
    let tokens = Server::start(token_of);
    let realm = format!("{}/token", tokens.url());
    let serve = serving(artifact(10));
    let registry = Server::start(move |asked| {
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if token.is_some_and(&accepted) {
            return serve(asked);
        }
        let challenge = format!(r#"Bearer realm="{realm}",service="reg",scope="repository:hello:pull""#);
        Answer::new(401).header("www-authenticate", challenge)
    });
    (registry, tokens)
}

#[tokio::test]
async fn a_password_is_sent_only_after_it_is_asked_for() {
    let serve = serving(artifact(10));
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(BASIC) => serve(asked),
        _ => Answer::new(401).header("www-authenticate", r#"Basic realm="test""#),
    });
    let client = client(with_password(impatient()));
    client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    let sent: Vec<bool> = server.asked().iter().map(|asked| asked.header("authorization").is_some()).collect();
    assert_eq!(sent, [false, true, true]);
}

#[tokio::test]
async fn an_opaque_token_is_got_once_for_a_scope() {
    let token = "b3BhcXVl/+=._~";
    let (registry, tokens) =
        with_tokens(move |_| Answer::new(200).body(format!(r#"{{"token":"{token}"}}"#)), move |given| given == token);
    let client = client(with_password(impatient()));
    client.pull_component(&reference(&registry, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    let asked = tokens.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/token?service=reg&scope=repository%3Ahello%3Apull&account=ada");
    assert_eq!(asked[0].header("authorization"), Some(BASIC));
    // The password is for the token server; the registry sees tokens.
    assert!(registry.asked().iter().all(|asked| asked.header("authorization") != Some(BASIC)));
}

#[tokio::test]
async fn a_token_that_expired_is_renewed() {
    let issued = Arc::new(AtomicU32::new(0));
    let (issuing, valid) = (Arc::clone(&issued), Arc::clone(&issued));
    let used = AtomicU32::new(0);
    let (registry, tokens) = with_tokens(
        move |_| {
            let number = issuing.fetch_add(1, Ordering::SeqCst) + 1;
            Answer::new(200).body(format!(r#"{{"access_token":"t{number}","expires_in":3600}}"#))
        },
        // Each token is good for one request, whatever its server says.
        move |given| {
            let current = valid.load(Ordering::SeqCst);
            given == format!("t{current}") && used.swap(current, Ordering::SeqCst) < current
        },
    );
    let client = client(impatient());
    client.pull_component(&reference(&registry, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!(tokens.asked().len(), 2);
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let (registry, tokens) = with_tokens(|_| Answer::new(200).body(r#"{"access_token":"t"}"#), |given| given == "t");
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(r#"{{"auths":{{"{}":{{"identitytoken":"refresh me"}}}}}}"#, registry.address());
    std::fs::write(file.path(), text).unwrap();
    let credentials = CredentialSources { files: vec![file.path().to_owned()], ..CredentialSources::default() };
    let client = client(Settings { credentials, ..impatient() });
    client.pull_component(&reference(&registry, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    let asked = &tokens.asked()[0];
    assert_eq!(asked.line(), "POST /token");
    let form = String::from_utf8(asked.body.clone()).unwrap();
    let expected =
        "grant_type=refresh_token&client_id=wash&service=reg&scope=repository%3Ahello%3Apull&refresh_token=refresh+me";
    assert_eq!(form, expected);
}

#[tokio::test]
async fn a_refusal_says_what_was_tried_and_is_never_called_not_found() {
    let server = Server::start(|_| Answer::new(401).header("www-authenticate", "Basic"));
    let wanted = reference(&server, "hello:v1");
    let client_with = client(with_password(impatient()));
    let err = client_with.manifest(&wanted, &Unwatched).await.unwrap_err();
    assert!(matches!(err, RegistryError::Denied { .. }), "{err:?}");
    assert!(err.to_string().contains("asked as user `ada` from the test"), "{err}");
    assert!(!format!("{err:?} {}", chain(&err)).contains("opensesame"));

    let err = client(impatient()).manifest(&wanted, &Unwatched).await.unwrap_err();
    assert!(err.to_string().contains("no credentials were found"), "{err}");
    assert_eq!(err.hint().unwrap(), format!("log in with `wash oci login {}`", server.address()));
}

#[tokio::test]
async fn a_token_server_that_refuses_is_named_too() {
    let (registry, _tokens) =
        with_tokens(|_| Answer::new(401).body(r#"{"details":"incorrect username or password"}"#), |_| true);
    let err = client(with_password(impatient())).manifest(&reference(&registry, "hello:v1"), &Unwatched).await;
    let err = err.unwrap_err();
    assert!(matches!(err, RegistryError::Denied { .. }), "{err:?}");
    assert!(err.to_string().contains("incorrect username or password"), "{err}");
}

#[tokio::test]
async fn a_redirect_to_another_host_gets_no_credentials() {
    let artifact = artifact(10);
    let content = artifact.layer.clone();
    let elsewhere = Server::start(move |_| Answer::new(200).body(&content));
    let target = format!("{}/somewhere?signature=x", elsewhere.url());
    let serve = serving(artifact);
    let registry = Server::start(move |asked| match asked.header("authorization") {
        Some(BASIC) if asked.path.contains("/blobs/") => Answer::new(307).header("location", target.clone()),
        Some(BASIC) => serve(asked),
        _ => Answer::new(401).header("www-authenticate", "Basic"),
    });
    let client = client(with_password(impatient()));
    client.pull_component(&reference(&registry, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    let asked = elsewhere.asked();
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, None));
}

#[tokio::test]
async fn another_host_that_asks_for_a_password_gets_none() {
    let elsewhere = Server::start(|_| Answer::new(401).header("www-authenticate", "Basic"));
    let target = elsewhere.url();
    let registry = Server::start(move |asked| match asked.header("authorization") {
        Some(BASIC) => Answer::new(302).header("location", target.clone()),
        _ => Answer::new(401).header("www-authenticate", "Basic"),
    });
    let err = client(with_password(impatient())).manifest(&reference(&registry, "hello:v1"), &Unwatched).await;
    assert!(matches!(err, Err(RegistryError::Status { status: 401, .. })), "{err:?}");
    assert!(elsewhere.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

/// A helper's program in a folder of its own.
fn helper(script: &str) -> (tempfile::TempDir, CredentialSources) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("docker-credential-test");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let file = folder.path().join("config.json");
    std::fs::write(&file, r#"{"credsStore":"test"}"#).unwrap();
    let sources = CredentialSources {
        files: vec![file],
        // With what the script itself calls.
        helper_path: Some(format!("{}:/bin:/usr/bin", folder.path().display()).into()),
        helper_timeout: std::time::Duration::from_millis(500),
        ..CredentialSources::default()
    };
    (folder, sources)
}

async fn denied_by_helper(script: &str) -> String {
    let (_folder, credentials) = helper(script);
    let server = Server::start(|_| Answer::new(401).header("www-authenticate", "Basic"));
    let client = client(Settings { credentials, ..impatient() });
    client.manifest(&reference(&server, "hello:v1"), &Unwatched).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_helper_is_asked_with_the_registrys_name() {
    let (_folder, credentials) =
        helper(r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"ada\",\"Secret\":\"opensesame\"}""#);
    let serve = serving(artifact(10));
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(BASIC) => serve(asked),
        _ => Answer::new(401).header("www-authenticate", "Basic"),
    });
    let client = client(Settings { credentials, ..impatient() });
    client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended_with_all_that_it_started() {
    let marker = tempfile::NamedTempFile::new().unwrap();
    let script = format!("(sleep 2; echo late > {}) & sleep 60", marker.path().display());
    let started = std::time::Instant::now();
    let text = denied_by_helper(&script).await;
    assert!(text.contains("docker-credential-test did not answer within 500ms"), "{text}");
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(std::fs::read_to_string(marker.path()).unwrap(), "", "its child should have ended too");
}

#[tokio::test]
async fn a_helper_that_prints_garbage_or_fails_is_told_apart() {
    let text = denied_by_helper("echo not json").await;
    assert!(text.contains("printed something that is no answer"), "{text}");
    let text = denied_by_helper("printf 'locked \\033[31mkeyring' >&2; exit 1").await;
    assert!(text.contains("failed: exit status: 1, \"locked  [31mkeyring\""), "{text}");
    let text = denied_by_helper("echo credentials not found in native keychain; exit 1").await;
    assert!(text.contains("knows no credentials"), "{text}");
    let text = denied_by_helper("yes | head -c 3000000").await;
    assert!(text.contains("the credential helper docker-credential-test"), "{text}");
}

#[tokio::test]
async fn a_helper_that_fails_after_it_told_its_secret_does_not_give_it_away() {
    let json = r#"echo '{"ServerURL":"x","Username":"ada","Secret":"opensesame"}'"#;
    let text = denied_by_helper(&format!("{json}; echo 'got opensesame' >&2; echo 'a broken pipe' >&2; exit 3")).await;
    assert!(!text.contains("opensesame"), "{text}");
    assert!(text.contains("failed: exit status: 3, \"a broken pipe\""), "{text}");
    let text = denied_by_helper("echo opensesame; exit 1").await;
    assert!(!text.contains("opensesame") && text.contains("failed: exit status: 1"), "{text}");
    // Somebody else may keep its stderr open.
    let text = denied_by_helper("sleep 20 > /dev/null & echo why >&2; exit 1").await;
    assert!(text.contains("failed: exit status: 1, \"why\""), "{text}");
}

/// Counts what is tried again.
#[derive(Default)]
struct Retries(std::sync::Mutex<Vec<String>>);

impl washlib_oci::Progress for Retries {
    fn retrying(&self, reason: &str, _pause: std::time::Duration) {
        self.0.lock().unwrap().push(reason.to_owned());
    }
}

#[tokio::test]
async fn a_token_server_that_hangs_is_named_after_one_set_of_attempts() {
    // Connections come about, and nobody takes them.
    let tokens = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = tokens.local_addr().unwrap().to_string();
    let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
    let registry = Server::start(move |_| Answer::new(401).header("www-authenticate", challenge.clone()));
    let retries = Retries::default();
    let err = client(impatient()).manifest(&reference(&registry, "hello:v1"), &retries).await.unwrap_err();
    assert!(matches!(&err, RegistryError::TokenServer { host: named, .. } if *named == host), "{err:?}");
    assert!(chain(&err).contains("did not answer within 300ms"), "{}", chain(&err));
    assert_eq!(err.hint(), None);
    let told = retries.0.into_inner().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|reason| reason.contains(&host)), "{told:?}");
    assert_eq!(registry.asked().len(), 1);
}
