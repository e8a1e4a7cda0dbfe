//! The whole way (push, pull, copy, sign, verify, list) against registries with one habit each.

use std::time::Duration;

use washlib_oci::Secret;
use washlib_oci::credentials::{CredentialSources, ExplicitCredential};
use washlib_oci::{
    Endpoint, Network, PrivateKey, PullOptions, Reference, Referrers, Settings, SignatureFormat, Unwatched,
};
use washlib_registry_server::quirks::{Fault, Place, Quirk, TestRegistry, TokenField, Tokens};

use crate::{artifact, client, component, impatient};

fn settings() -> Settings {
    let credentials = CredentialSources {
        explicit: Some(ExplicitCredential {
            registry: None,
            user: "ada".into(),
            password: Secret::new("opensesame"),
            origin: "the test".into(),
        }),
        ..CredentialSources::default()
    };
    Settings { credentials, ..impatient() }
}

/// Everything that a user does, one after another.
async fn whole_way(registry: &TestRegistry) {
    let client = client(settings());
    let wanted: Reference = registry.reference("acme/hello:v1").parse().unwrap();
    let repository = wanted.repository();
    let artifact = artifact(100_000);
    let pushed = client.push(repository, &["v1".into(), "v2".into()], &artifact, &Unwatched).await.unwrap();
    assert_eq!(pushed.digest, artifact.manifest.digest);
    let again = client.push(repository, &["v1".into()], &artifact, &Unwatched).await.unwrap();
    assert_eq!(again.digest, pushed.digest);

    let pulled = client.pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!((pulled.read().unwrap(), &pulled.digest), (component(100_000), &pushed.digest));
    let subject = client.resolve(&wanted, &Unwatched).await.unwrap();
    assert_eq!(subject.digest, pushed.digest);

    let key = PrivateKey::generate().unwrap();
    client.sign(repository, &subject, &key, SignatureFormat::Bundle, &Unwatched).await.unwrap();
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let listed = client.referrers(repository, &subject.digest, Some(bundle), &Unwatched).await.unwrap();
    assert_eq!(listed.len(), 1);

    let other: Reference = registry.reference("other/hello:v1").parse().unwrap();
    let (from, to) = (Endpoint::Registry(repository.clone()), Endpoint::Registry(other.repository().clone()));
    let copied = client.copy(&from, Some("v1"), &to, &["v1".into()], Referrers::Copy, &Unwatched).await.unwrap();
    assert_eq!((copied.digest, copied.referrers), (pushed.digest.clone(), 1));
    let keys = [key.public()];
    client.verify(other.repository(), &pushed.digest, &keys, Network::Online, &Unwatched).await.unwrap();
}

async fn with(quirk: impl Into<Quirk>) {
    let registry = TestRegistry::builder().quirk(quirk).start();
    whole_way(&registry).await;
}

#[tokio::test]
async fn none() {
    whole_way(&TestRegistry::start()).await;
}

#[tokio::test]
async fn no_referrers() {
    with(Quirk::NoReferrers).await;
}

#[tokio::test]
async fn unfiltered_referrers() {
    with(Quirk::UnfilteredReferrers).await;
}

#[tokio::test]
async fn no_mount() {
    with(Quirk::NoMount).await;
}

#[tokio::test]
async fn no_location_of_a_manifest() {
    with(Quirk::NoLocation(Place::Manifest)).await;
}

#[tokio::test]
async fn a_location_with_a_query() {
    with(Quirk::LocationWithQuery).await;
}

#[tokio::test]
async fn no_digest_header() {
    with(Quirk::NoDigestHeader).await;
}

#[tokio::test]
async fn no_head() {
    with(Quirk::NoHead).await;
}

#[tokio::test]
async fn no_ranges() {
    with(Quirk::NoRanges).await;
}

#[tokio::test]
async fn uploads_and_blobs_elsewhere_without_credentials() {
    let user = || Quirk::Basic { user: "ada".into(), password: "opensesame".into() };
    for quirk in [Quirk::UploadsElsewhere, Quirk::BlobsElsewhere] {
        let registry = TestRegistry::builder().quirk(user()).quirk(quirk).start();
        whole_way(&registry).await;
        let elsewhere = registry.requests_elsewhere();
        assert!(!elsewhere.is_empty());
        assert!(elsewhere.iter().all(|request| request.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn tokens_of_every_kind() {
    for field in [TokenField::Both, TokenField::Token, TokenField::AccessToken] {
        with(Quirk::Tokens(Tokens::for_user("ada", "opensesame").with_field(field))).await;
    }
    with(Quirk::Tokens(Tokens::for_user("ada", "opensesame").with_lifetime(Duration::from_millis(50)))).await;
}

#[tokio::test]
async fn pages_and_null() {
    let registry = TestRegistry::builder().quirk(Quirk::PageSize(2)).start();
    let client = client(settings());
    let repository = registry.reference("hello").parse::<Reference>().unwrap().repository().clone();
    let tags: Vec<String> = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
    client.push(&repository, &tags, &artifact(1), &Unwatched).await.unwrap();
    assert_eq!(client.tags(&repository, &Unwatched).await.unwrap(), tags);
    registry.set_quirks([Quirk::PageSize(2), Quirk::EndlessPages]);
    assert!(client.tags(&repository, &Unwatched).await.unwrap().len() >= 2);
    registry.set_quirks([Quirk::NullTags]);
    assert!(client.tags(&repository, &Unwatched).await.unwrap().is_empty());
}

#[tokio::test]
async fn passing_faults_are_passed_over() {
    let faults = [
        (Place::Manifest, Fault::TooManyRequests { retry_after: 1 }),
        (Place::BeginUpload, Fault::Page(503)),
        (Place::UploadPiece, Fault::Cut),
        (Place::Blob, Fault::Status(502)),
        (Place::UploadPiece, Fault::Status(500)),
    ];
    for (place, fault) in faults {
        with(Quirk::fault(place, fault).times(1)).await;
    }
    // These only a download can meet.
    for fault in [Fault::HalfBody, Fault::HangInBody] {
        let registry = TestRegistry::start();
        let wanted: Reference = registry.reference("hello:v1").parse().unwrap();
        let client = client(settings());
        client.push(wanted.repository(), &["v1".into()], &artifact(100_000), &Unwatched).await.unwrap();
        registry.set_quirks([Quirk::from(Quirk::fault(Place::Blob, fault).method("GET").times(1))]);
        let pulled = client.pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
        assert_eq!(pulled.read().unwrap(), component(100_000));
    }
}

#[tokio::test]
async fn an_endless_manifest_is_cut_off() {
    let registry = TestRegistry::builder().quirk(Quirk::fault(Place::Manifest, Fault::Huge(64 << 20))).start();
    let wanted: Reference = registry.reference("hello:v1").parse().unwrap();
    let err = client(settings()).manifest(&wanted, &Unwatched).await.unwrap_err();
    assert!(matches!(err, washlib_oci::RegistryError::TooLarge { .. }), "{err:?}");
}
