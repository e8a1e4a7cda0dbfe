//! What a registry takes over from one of its repositories, because the client has seen it there.

use washlib_oci::credentials::{CredentialSources, ExplicitCredential};
use washlib_oci::{BlobPushed, CacheSettings, PullOptions, Reference, Repository, Secret, Settings, Unwatched};
use washlib_registry_server::quirks::{Quirk, TestRegistry, Tokens};

use crate::scripted::{Answer, Server};
use crate::{artifact, caching, client, impatient, reference};

/// Settings with a cache that outlives its client, and with a password.
fn settings() -> (Settings, tempfile::TempDir) {
    let explicit = ExplicitCredential {
        registry: None,
        user: "ada".into(),
        password: Secret::new("opensesame"),
        origin: "the test".into(),
    };
    let credentials = CredentialSources { explicit: Some(explicit), ..CredentialSources::default() };
    caching(Settings { credentials, ..impatient() })
}

fn repository(registry: &TestRegistry, path: &str) -> Repository {
    registry.reference(path).parse().unwrap()
}

/// Pushes an artifact as another process would, and tells how its content came there.
async fn push(settings: &Settings, repository: &Repository) -> BlobPushed {
    let pushed = client(settings.clone()).push(repository, &["v1".into()], &artifact(50_000), &Unwatched).await;
    pushed.unwrap().content
}

/// What was sent of blobs: the requests that have one as their body.
fn uploads(registry: &TestRegistry) -> Vec<String> {
    let is_upload = |line: &String| line.contains("/blobs/uploads/") && !line.starts_with("POST");
    registry.request_lines().into_iter().filter(is_upload).collect()
}

/// The repositories that blobs were to be taken from.
fn sources(registry: &TestRegistry) -> Vec<String> {
    let from = |query: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == "from").map(|(_, value)| value.into_owned())
    };
    registry.requests().iter().filter_map(|request| from(&request.query)).collect()
}

#[tokio::test]
async fn what_one_repository_has_is_not_sent_to_another_one() {
    for quirk in [None, Some(Quirk::Tokens(Tokens::for_user("ada", "opensesame")))] {
        let registry = TestRegistry::start();
        registry.set_quirks(quirk);
        let (settings, _folder) = settings();
        assert_eq!(push(&settings, &repository(&registry, "acme/a")).await, BlobPushed::Sent);
        assert_eq!(uploads(&registry).len(), 2);
        registry.forget_requests();
        let second = repository(&registry, "acme/b");
        assert_eq!(push(&settings, &second).await, BlobPushed::Mounted);
        assert_eq!(uploads(&registry), [""; 0]);
        // It is whole there, and from there it goes on.
        registry.set_quirks([]);
        let wanted = second.with_tag("v1").unwrap();
        client(impatient()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
        registry.forget_requests();
        assert_eq!(push(&settings, &repository(&registry, "acme/c")).await, BlobPushed::Mounted);
        assert_eq!(sources(&registry), ["acme/b", "acme/b"]);
    }
}

#[tokio::test]
async fn what_was_pulled_is_not_sent_to_another_repository() {
    let registry = TestRegistry::start();
    let (theirs, _their_folder) = settings();
    push(&theirs, &repository(&registry, "acme/a")).await;
    let (ours, _our_folder) = settings();
    let wanted: Reference = registry.reference("acme/a:v1").parse().unwrap();
    client(ours.clone()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
    registry.forget_requests();
    assert_eq!(push(&ours, &repository(&registry, "acme/b")).await, BlobPushed::Mounted);
    assert_eq!(uploads(&registry), [""; 0]);
}

#[tokio::test]
async fn what_is_there_costs_no_request_more() {
    let registry = TestRegistry::start();
    let (settings, _folder) = settings();
    let (first, second) = (repository(&registry, "acme/a"), repository(&registry, "acme/b"));
    push(&settings, &first).await;
    push(&settings, &second).await;
    registry.forget_requests();
    assert_eq!(push(&settings, &first).await, BlobPushed::Existed);
    // Whether the two blobs are there, and the manifest.
    assert_eq!(registry.requests().len(), 3);
}

#[tokio::test]
async fn a_memory_that_is_wrong_costs_no_request_more() {
    let registry = TestRegistry::start();
    let (settings, _folder) = settings();
    push(&settings, &repository(&registry, "acme/a")).await;
    registry.set_quirks([Quirk::NoMount]);
    registry.forget_requests();
    assert_eq!(push(&settings, &repository(&registry, "acme/b")).await, BlobPushed::Sent);
    // The session that was opened instead is the one that is used: two of them, two uploads.
    assert_eq!((sources(&registry).len(), uploads(&registry).len()), (2, 2));
    assert_eq!(registry.requests().len(), 7);
}

#[tokio::test]
async fn another_registry_is_told_of_no_repository() {
    let (one, other) = (TestRegistry::start(), TestRegistry::start());
    let (settings, _folder) = settings();
    push(&settings, &repository(&one, "acme/a")).await;
    assert_eq!(push(&settings, &repository(&other, "acme/b")).await, BlobPushed::Sent);
    assert_eq!(sources(&other), [""; 0]);
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_to_is_no_reason_to_fail() {
    let registry = TestRegistry::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    // Below a file no folder can be made, whoever tries.
    let cache = Some(CacheSettings::new(file.path().join("oci")));
    let settings = Settings { cache, ..impatient() };
    assert_eq!(push(&settings, &repository(&registry, "acme/a")).await, BlobPushed::Sent);
}

/// The token server gives nobody a token that shows the other repository, as those do that refuse what they cannot
/// allow in full.
#[tokio::test]
async fn a_token_server_that_refuses_the_other_repository_is_no_reason_to_fail() {
    let tokens = Server::start(|asked| {
        if asked.path.contains("repository%3Aacme%2Fa%3Apull&") && asked.path.contains("acme%2Fb") {
            return Answer::new(403);
        }
        Answer::new(200).body(r#"{"token":"t"}"#)
    });
    let realm = format!("{}/token", tokens.url());
    let server = Server::start(move |asked| {
        // As Docker's registry does it: a mount needs a token of its own.
        if asked.header("authorization") != Some("Bearer t") || asked.path.contains("mount=") {
            let challenge = format!(r#"Bearer realm="{realm}",service="reg""#);
            return Answer::new(401).header("www-authenticate", challenge);
        }
        match asked.method.as_str() {
            "HEAD" => Answer::new(404),
            "POST" => Answer::new(202).header("location", "/upload"),
            _ => Answer::new(201),
        }
    });
    let (settings, _folder) = settings();
    for path in ["acme/a", "acme/b"] {
        assert_eq!(push(&settings, reference(&server, path).repository()).await, BlobPushed::Sent, "{path}");
    }
    let asked = server.lines();
    assert!(asked.iter().any(|line| line.contains("/acme/b/blobs/uploads/?mount=")), "{asked:?}");
    let refused = tokens.lines().iter().filter(|line| line.contains("acme%2Fa") && line.contains("acme%2Fb")).count();
    assert_eq!(refused, 2, "{:?}", tokens.lines());
}
