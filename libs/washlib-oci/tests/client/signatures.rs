//! Signatures in a real registry, in both forms; Debian's has no referrers API, so the bundle is found by its tag.

use washlib_oci::{
    Client, Network, PrivateKey, PullError, PullOptions, PullPolicy, Reference, SignatureFormat, Unwatched,
    VerificationRule, VerifyError,
};
use washlib_test::{Registry, RegistryOptions};

use crate::{artifact, caching, client, component, impatient};

/// A registry with an artifact in it.
async fn with_artifact() -> (Registry, Reference, Client) {
    let registry = Registry::start(&RegistryOptions::default());
    let reference: Reference = format!("{}/acme/hello:v1", registry.address()).parse().unwrap();
    let client = client(impatient());
    client.push(reference.repository(), &["v1".into()], &artifact(1000), &Unwatched).await.unwrap();
    (registry, reference, client)
}

#[tokio::test]
async fn an_artifact_is_verified_by_the_key_that_signed_it_alone() {
    let (_registry, reference, client) = with_artifact().await;
    let subject = client.resolve(&reference, &Unwatched).await.unwrap();
    let repository = reference.repository();
    for format in [SignatureFormat::Bundle, SignatureFormat::Tag] {
        let (key, stranger) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        client.sign(repository, &subject, &key, format, &Unwatched).await.unwrap();
        let verify = async |key: &PrivateKey| {
            let fresh = crate::client(impatient());
            fresh.verify(repository, &subject.digest, &[key.public()], Network::Online, &Unwatched).await
        };
        assert_eq!(verify(&key).await.unwrap().key, key.public());
        assert!(matches!(verify(&stranger).await, Err(VerifyError::NoValidSignature { .. })), "{format:?}");
    }
}

#[tokio::test]
async fn what_is_not_signed_or_was_tampered_with_is_not_pulled() {
    let (_registry, reference, client) = with_artifact().await;
    let repository = reference.repository();
    let key = PrivateKey::generate().unwrap();
    let (mut settings, _folder) = caching(impatient());
    settings.verification = vec![VerificationRule { scope: repository.to_string(), keys: vec![key.public()] }];
    let careful = crate::client(settings.clone());
    let pull = async |client: &Client, policy, network| {
        let options = PullOptions { policy, network, ..PullOptions::default() };
        client.pull_component(&reference, &options, &Unwatched).await
    };
    let unsigned = pull(&careful, PullPolicy::Always, Network::Online).await;
    assert!(matches!(unsigned, Err(PullError::Unverified { .. })), "{unsigned:?}");

    let subject = client.resolve(&reference, &Unwatched).await.unwrap();
    client.sign(repository, &subject, &key, SignatureFormat::Bundle, &Unwatched).await.unwrap();
    let pulled = pull(&careful, PullPolicy::Always, Network::Online).await.unwrap();
    assert_eq!((pulled.verified.len(), pulled.read().unwrap()), (1, component(1000)));
    // The signature is in the cache too.
    pull(&crate::client(settings.clone()), PullPolicy::IfNotPresent, Network::Offline).await.unwrap();

    // Somebody moves the tag to another artifact.
    client.push(repository, &["v1".into()], &artifact(999), &Unwatched).await.unwrap();
    let tampered = pull(&careful, PullPolicy::Always, Network::Online).await;
    assert!(matches!(tampered, Err(PullError::Unverified { .. })), "{tampered:?}");
}

#[tokio::test]
async fn every_rule_that_covers_a_repository_counts() {
    let (_registry, reference, client) = with_artifact().await;
    let (one, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let subject = client.resolve(&reference, &Unwatched).await.unwrap();
    client.sign(reference.repository(), &subject, &one, SignatureFormat::Bundle, &Unwatched).await.unwrap();
    let registry = reference.repository().registry();
    let rule = |scope: String, key: &PrivateKey| VerificationRule { scope, keys: vec![key.public()] };
    let pull = async |rules: Vec<VerificationRule>| {
        let settings = washlib_oci::Settings { verification: rules, ..impatient() };
        crate::client(settings).pull_component(&reference, &PullOptions::default(), &Unwatched).await.is_ok()
    };
    assert!(pull(vec![rule(String::new(), &one)]).await);
    assert!(pull(vec![rule(format!("{registry}/acme"), &one), rule(format!("{registry}/other"), &other)]).await);
    // `acm` is no part of the path, so that rule is about something else.
    assert!(pull(vec![rule(format!("{registry}/acm"), &other)]).await);
    assert!(!pull(vec![rule(String::new(), &one), rule(registry.to_owned(), &other)]).await);
}
