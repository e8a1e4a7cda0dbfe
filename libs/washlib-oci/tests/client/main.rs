//! The client against servers that answer as a test wants it: quirks of real registries, and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod artifacts;
mod authentication;
mod cached;
mod downloads;
mod hostile;
mod listings;
mod mirrors;
mod mounts;
mod quirks;
mod scripted;
mod signatures;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use washlib_oci::{
    Artifact, ArtifactOptions, CacheSettings, Client, Limits, Reference, RegistryError, Settings, Unwatched,
};

use scripted::{Answer, Asked, Server};

/// A component, with something in it that makes it this long.
fn component(padding: usize) -> Vec<u8> {
    let text = format!("(component (@custom \"padding\" \"{}\"))", "x".repeat(padding));
    wat::parse_str(text).unwrap()
}

fn artifact(padding: usize) -> Artifact {
    Artifact::new(component(padding), &ArtifactOptions::default()).unwrap()
}

/// Settings that give up quickly.
fn impatient() -> Settings {
    let limits = Limits {
        connect: Duration::from_secs(5),
        idle: Duration::from_millis(300),
        attempts: 3,
        longest_pause: Duration::from_secs(2),
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

fn client(settings: Settings) -> Client {
    Client::new(settings).unwrap()
}

/// Settings with a cache that outlives its client.
fn caching(settings: Settings) -> (Settings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Some(CacheSettings::new(folder.path().join("oci")));
    (Settings { cache, ..settings }, folder)
}

fn reference(server: &Server, rest: &str) -> Reference {
    format!("{}/{rest}", server.address()).parse().unwrap()
}

/// Answers pulls of an artifact in the repository `hello`; nothing else.
fn serving(artifact: Artifact) -> impl Fn(&Asked) -> Answer + Send + Sync {
    let artifact = Arc::new(artifact);
    move |asked| pull_answer(&artifact, asked)
}

fn pull_answer(artifact: &Artifact, asked: &Asked) -> Answer {
    let path = asked.path.as_str();
    let manifest = &artifact.manifest;
    let (layer, config) = (&artifact.layer_descriptor.digest, &artifact.config_descriptor.digest);
    if path.starts_with("/v2/hello/manifests/") {
        if path.ends_with("/v1") || path.ends_with(&manifest.digest.to_string()) {
            return Answer::new(200)
                .header("content-type", manifest.media_type.clone())
                .header("docker-content-digest", manifest.digest.to_string())
                .body(&manifest.bytes);
        }
    } else if path == format!("/v2/hello/blobs/{layer}") {
        return Answer::new(200).body(&artifact.layer);
    } else if path == format!("/v2/hello/blobs/{config}") {
        return Answer::new(200).body(&artifact.config);
    }
    Answer::new(404)
}

/// The error of a client's call, with its causes.
fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut next = err.source();
    while let Some(err) = next {
        text.push_str(": ");
        text.push_str(&err.to_string());
        next = err.source();
    }
    text
}

#[tokio::test]
async fn what_is_not_there_is_said_in_one_sentence() {
    let server = Server::start(|_| Answer::new(404).body(r#"{"errors":[{"message":"manifest unknown"}]}"#));
    let err = client(impatient()).manifest(&reference(&server, "hello:v1"), &Unwatched).await.unwrap_err();
    assert!(matches!(err, RegistryError::NotFound { anonymous: true, .. }), "{err:?}");
    let expected = format!("{0} has no {0}/hello:v1 (\"manifest unknown\")", server.address());
    assert_eq!(err.to_string(), expected);
}
