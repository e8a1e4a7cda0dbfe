//! Blobs that come in pieces, late, or again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use washlib_oci::{PullOptions, RegistryError, Unwatched};

use crate::scripted::{Answer, Server, Then};
use crate::{artifact, client, component, impatient, reference, serving};

#[tokio::test]
async fn a_download_that_broke_off_is_continued() {
    let artifact = artifact(100_000);
    let content = artifact.layer.clone();
    let serve = serving(artifact);
    let calls = AtomicU32::new(0);
    let server = Server::start(move |asked| {
        if !asked.path.contains("/blobs/") {
            return serve(asked);
        }
        match (calls.fetch_add(1, Ordering::SeqCst), asked.header("range")) {
            (0, None) => Answer::new(200).body(&content[..40_000]).claiming(content.len()).then(Then::Close),
            (1, Some("bytes=40000-")) => Answer::new(206)
                .header("content-range", format!("bytes 40000-{}/{}", content.len() - 1, content.len()))
                .body(&content[40_000..70_000])
                .claiming(content.len() - 40_000)
                .then(Then::Close),
            // A server that does not know ranges any more begins again.
            (2, Some("bytes=70000-")) => Answer::new(200).body(&content),
            other => panic!("{other:?}"),
        }
    });
    let client = client(impatient());
    let pulled = client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await;
    assert_eq!(pulled.unwrap().read().unwrap(), component(100_000));
}

#[tokio::test]
async fn what_another_pull_left_is_continued() {
    let artifact = artifact(100_000);
    let content = artifact.layer.clone();
    let serve = serving(artifact);
    let broken = Arc::new(AtomicU32::new(1));
    let breaks = Arc::clone(&broken);
    let server = Server::start(move |asked| {
        if !asked.path.contains("/blobs/") {
            return serve(asked);
        }
        match asked.header("range") {
            None => Answer::new(200).body(&content[..40_000]).claiming(content.len()).then(Then::Close),
            Some("bytes=40000-") if breaks.load(Ordering::SeqCst) == 0 => Answer::new(206)
                .header("content-range", format!("bytes 40000-{}/{}", content.len() - 1, content.len()))
                .body(&content[40_000..]),
            Some(_) => Answer::new(503),
        }
    });
    let (settings, _folder) = crate::caching(impatient());
    let wanted = reference(&server, "hello:v1");
    let first = client(settings.clone()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await;
    assert!(first.is_err());
    broken.store(0, Ordering::SeqCst);
    let second = client(settings).pull_component(&wanted, &PullOptions::default(), &Unwatched).await;
    assert_eq!(second.unwrap().read().unwrap(), component(100_000));
}

#[tokio::test]
async fn two_pulls_at_once_download_once() {
    let artifact = artifact(50_000);
    let serve = serving(artifact);
    let server = Server::start(move |asked| {
        if asked.path.contains("/blobs/") {
            std::thread::sleep(Duration::from_millis(100));
        }
        serve(asked)
    });
    let (settings, _folder) = crate::caching(impatient());
    // As two processes would: they share nothing but the folder.
    let (one, other) = (client(settings.clone()), client(settings));
    let wanted = reference(&server, "hello:v1");
    let options = PullOptions::default();
    let (a, b) = tokio::join!(
        one.pull_component(&wanted, &options, &Unwatched),
        other.pull_component(&wanted, &options, &Unwatched)
    );
    assert_eq!((a.unwrap().read().unwrap(), b.unwrap().read().unwrap()), (component(50_000), component(50_000)));
    let blobs = server.lines().iter().filter(|line| line.contains("/blobs/")).count();
    assert_eq!(blobs, 1);
}

#[tokio::test]
async fn a_pull_that_is_given_up_leaves_nothing_that_counts() {
    let artifact = artifact(50_000);
    let content = artifact.layer.clone();
    let serve = serving(artifact);
    let calls = AtomicU32::new(0);
    let server = Server::start(move |asked| match asked.path.contains("/blobs/") {
        true if calls.fetch_add(1, Ordering::SeqCst) == 0 => {
            Answer::new(200).body(&content[..20_000]).claiming(content.len()).then(Then::Hang)
        }
        _ => serve(asked),
    });
    let (mut settings, _folder) = crate::caching(impatient());
    settings.limits.idle = Duration::from_secs(60);
    let wanted = reference(&server, "hello:v1");
    let given_up = client(settings.clone());
    let options = PullOptions::default();
    let pull = given_up.pull_component(&wanted, &options, &Unwatched);
    assert!(tokio::time::timeout(Duration::from_millis(500), pull).await.is_err());
    assert!(given_up.cache().entries().unwrap().iter().all(|entry| entry.size < 10_000));
    let again = client(settings).pull_component(&wanted, &options, &Unwatched).await;
    assert_eq!(again.unwrap().read().unwrap(), component(50_000));
}

#[tokio::test]
async fn retry_after_is_respected() {
    let serve = serving(artifact(10));
    let calls = AtomicU32::new(0);
    let server = Server::start(move |asked| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::new(429).header("retry-after", "1"),
        1 => Answer::new(503),
        _ => serve(asked),
    });
    let started = Instant::now();
    let client = client(impatient());
    client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(1200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_told_instead_of_waited_for() {
    let server = Server::start(|_| Answer::new(429).header("retry-after", "7200"));
    let started = Instant::now();
    let err = client(impatient()).manifest(&reference(&server, "hello:v1"), &Unwatched).await.unwrap_err();
    assert!(matches!(err, RegistryError::RateLimited { retry_after: Some(_), .. }), "{err:?}");
    assert!(err.to_string().contains("in 2h"), "{err}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_is_down_is_tried_again_and_then_named() {
    let server = Server::start(|_| Answer::new(500).then(Then::Close));
    let err = client(impatient()).manifest(&reference(&server, "hello:v1"), &Unwatched).await.unwrap_err();
    assert!(matches!(err, RegistryError::Status { status: 500, .. }), "{err:?}");
    assert_eq!(server.asked().len(), 3);
}
