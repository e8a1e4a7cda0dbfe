//! What the cache saves, and what the policies mean.

use washlib_oci::{Network, PullError, PullOptions, PullPolicy, Source, Unfinished, Unwatched};

use crate::scripted::{Answer, Server};
use crate::{artifact, client, component, impatient, reference, serving};

fn options(policy: PullPolicy, network: Network) -> PullOptions {
    PullOptions { policy, network, ..PullOptions::default() }
}

#[tokio::test]
async fn a_digest_in_the_cache_needs_no_network_whatever_the_policy() {
    let artifact = artifact(10);
    let digest = artifact.manifest.digest.clone();
    let server = Server::start(serving(artifact));
    let (settings, _folder) = crate::caching(impatient());
    let tag = reference(&server, "hello:v1");
    client(settings.clone()).pull_component(&tag, &PullOptions::default(), &Unwatched).await.unwrap();
    let before = server.asked().len();
    let pinned = tag.repository().with_digest(digest);
    for policy in [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never] {
        for network in [Network::Online, Network::Offline] {
            let pulled = client(settings.clone()).pull_component(&pinned, &options(policy, network), &Unwatched).await;
            assert_eq!(pulled.unwrap().source, Source::Cache, "{policy:?} {network:?}");
        }
    }
    assert_eq!(server.asked().len(), before);
}

#[tokio::test]
async fn policies_mean_what_they_say() {
    let server = Server::start(serving(artifact(10)));
    let (settings, _folder) = crate::caching(impatient());
    let wanted = reference(&server, "hello:v1");
    let pull = async |policy, network| {
        let before = server.asked().len();
        let pulled = client(settings.clone()).pull_component(&wanted, &options(policy, network), &Unwatched).await;
        (pulled, server.asked().len() - before)
    };
    for (policy, network) in [(PullPolicy::Never, Network::Online), (PullPolicy::IfNotPresent, Network::Offline)] {
        let (pulled, asked) = pull(policy, network).await;
        assert!(matches!(pulled, Err(PullError::NotCached { .. })), "{pulled:?}");
        assert_eq!(asked, 0);
    }
    assert_eq!(pull(PullPolicy::IfNotPresent, Network::Online).await.1, 2);
    assert_eq!(pull(PullPolicy::IfNotPresent, Network::Online).await.1, 0);
    assert_eq!(pull(PullPolicy::Never, Network::Online).await.1, 0);
    assert_eq!(pull(PullPolicy::IfNotPresent, Network::Offline).await.1, 0);
    // The tag is looked up, and what it means is there.
    assert_eq!(pull(PullPolicy::Always, Network::Online).await.1, 1);
    let (pulled, asked) = pull(PullPolicy::Always, Network::Offline).await;
    assert!(matches!(pulled, Err(PullError::AlwaysOffline { .. })), "{pulled:?}");
    assert_eq!(asked, 0);
}

#[tokio::test]
async fn a_moved_tag_is_noticed_by_always_alone() {
    let (first, second) = (artifact(10), artifact(20));
    let (old, new) = (first.manifest.digest.clone(), second.manifest.digest.clone());
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (serve_first, serve_second, has_moved) = (serving(first), serving(second), moved.clone());
    let server = Server::start(move |asked| {
        let is_second = has_moved.load(std::sync::atomic::Ordering::SeqCst);
        if is_second { serve_second(asked) } else { serve_first(asked) }
    });
    let (settings, _folder) = crate::caching(impatient());
    let wanted = reference(&server, "hello:v1");
    let pull = async |policy| {
        let client = client(settings.clone());
        client.pull_component(&wanted, &options(policy, Network::Online), &Unwatched).await.unwrap().digest
    };
    assert_eq!(pull(PullPolicy::IfNotPresent).await, old);
    moved.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(pull(PullPolicy::IfNotPresent).await, old);
    assert_eq!(pull(PullPolicy::Always).await, new);
    assert_eq!(pull(PullPolicy::IfNotPresent).await, new);
}

#[tokio::test]
async fn a_damaged_entry_is_fetched_again() {
    let server = Server::start(serving(artifact(1000)));
    let (settings, _folder) = crate::caching(impatient());
    let wanted = reference(&server, "hello:v1");
    let pulled = client(settings.clone()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
    let mut bytes = std::fs::read(pulled.path()).unwrap();
    bytes[500] ^= 1;
    std::fs::write(pulled.path(), bytes).unwrap();
    let again = client(settings).pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!((again.source, again.read().unwrap()), (Source::Registry, component(1000)));
}

#[tokio::test]
async fn content_outlives_its_removal() {
    let server = Server::start(serving(artifact(1000)));
    let (settings, _folder) = crate::caching(impatient());
    let client = client(settings);
    let wanted = reference(&server, "hello:v1");
    let pulled = client.pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
    assert!(client.cache().clean().unwrap().blobs >= 2);
    assert!(!pulled.path().exists());
    assert_eq!(pulled.read().unwrap(), component(1000));
}

#[tokio::test]
async fn the_cache_stays_within_its_limit() {
    let (mut settings, _folder) = crate::caching(impatient());
    settings.cache.as_mut().unwrap().max_bytes = 60_000;
    for padding in [20_000, 20_001, 20_002, 20_003, 20_004] {
        let server = Server::start(serving(artifact(padding)));
        let client = client(settings.clone());
        let wanted = reference(&server, "hello:v1");
        let pulled = client.pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
        assert_eq!(pulled.read().unwrap(), component(padding));
        let total: u64 = client.cache().entries().unwrap().iter().map(|entry| entry.size).sum();
        assert!(total <= 60_000, "{total}");
    }
}

#[tokio::test]
async fn what_interrupted_pulls_left_counts_for_the_limit() {
    let broken = artifact(40_000);
    let half = broken.layer[..30_000].to_vec();
    let serve = serving(broken.clone());
    let server = Server::start(move |asked| match asked.path.contains("/blobs/") {
        true if asked.header("range").is_none() => {
            Answer::new(200).body(&half).claiming(broken.layer.len()).then(crate::scripted::Then::Close)
        }
        true => Answer::new(404),
        false => serve(asked),
    });
    let (mut settings, _folder) = crate::caching(impatient());
    settings.cache.as_mut().unwrap().max_bytes = 60_000;
    let unfinished = || client(settings.clone()).cache().unfinished().unwrap();
    let wanted = reference(&server, "hello:v1");
    let interrupted = client(settings.clone()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await;
    assert!(interrupted.is_err());
    assert_eq!(unfinished(), Unfinished { downloads: 1, bytes: 30_000 });
    for (padding, left) in [(20_000, 30_000), (20_001, 0)] {
        let server = Server::start(serving(artifact(padding)));
        let wanted = reference(&server, "hello:v1");
        client(settings.clone()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
        assert_eq!(unfinished().bytes, left);
    }
    // Only what was oldest had to go.
    let kept = client(settings.clone()).cache().entries().unwrap();
    assert_eq!(kept.iter().filter(|entry| entry.size > 20_000).count(), 2);
}

#[test]
fn a_tool_without_a_runtime_pulls_and_can_be_interrupted() {
    let server = Server::start(serving(artifact(10)));
    let hanging = Server::start(|_| Answer::new(200).claiming(10).then(crate::scripted::Then::Hang));
    let client = client(washlib_oci::Settings::default());
    let cancellation = washlib_oci::Cancellation::default();
    let pull = |server: &Server| {
        let wanted = reference(server, "hello:v1");
        washlib_oci::pull_component_blocking(&client, &wanted, &PullOptions::default(), &Unwatched, &cancellation)
    };
    assert!(pull(&server).unwrap().is_some());
    let cancel = cancellation.clone();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        cancel.cancel();
    });
    assert!(pull(&hanging).unwrap().is_none());
}
