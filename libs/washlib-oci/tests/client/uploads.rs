//! Pushes to registries with habits of their own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use washlib_oci::{BlobPushed, Endpoint, Referrers, RegistryError, RegistrySettings, Unwatched};

use crate::scripted::{Answer, Asked, Server, Then};
use crate::{artifact, client, impatient, pull_answer, reference};

fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

/// Takes everything: blobs in one piece, manifests under any name.
fn taking(asked: &Asked) -> Answer {
    match asked.method.as_str() {
        "HEAD" => Answer::new(404),
        "POST" => Answer::new(202).header("location", "/v2/hello/blobs/uploads/1?state=a%2Fb"),
        _ => Answer::new(201),
    }
}

#[tokio::test]
async fn blobs_go_before_the_manifest_and_each_once() {
    let server = Server::start(taking);
    let artifact = artifact(1000);
    let wanted = reference(&server, "hello:v1");
    let pushed = client(impatient()).push(wanted.repository(), &tags(&["v1", "latest"]), &artifact, &Unwatched).await;
    let pushed = pushed.unwrap();
    assert_eq!((pushed.digest, pushed.content), (artifact.manifest.digest.clone(), BlobPushed::Sent));
    let lines = server.lines();
    assert_eq!(lines[6..], ["PUT /v2/hello/manifests/v1", "PUT /v2/hello/manifests/latest"]);
    let layer = artifact.layer_descriptor.digest.to_string().replace(':', "%3A");
    let put = format!("PUT /v2/hello/blobs/uploads/1?state=a%2Fb&digest={layer}");
    let sent = server.asked().into_iter().find(|asked| asked.line() == put).unwrap();
    assert!(sent.header("content-length").is_some());
    assert_eq!(sent.body, artifact.layer);
}

#[tokio::test]
async fn what_is_there_is_not_sent() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "HEAD" => Answer::new(200),
        "PUT" if asked.path.contains("/manifests/") => Answer::new(201),
        _ => Answer::new(500),
    });
    let wanted = reference(&server, "hello:v1");
    let pushed = client(impatient()).push(wanted.repository(), &tags(&["v1"]), &artifact(1000), &Unwatched).await;
    assert_eq!(pushed.unwrap().content, BlobPushed::Existed);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn an_upload_may_go_to_another_host_without_credentials() {
    let storage = Server::start(|_| Answer::new(201));
    let location = format!("{}/upload", storage.url());
    let server = Server::start(move |asked| {
        if asked.header("authorization").is_none() {
            return Answer::new(401).header("www-authenticate", "Basic");
        }
        if asked.method == "POST" { Answer::new(202).header("location", location.clone()) } else { taking(asked) }
    });
    let mut settings = impatient();
    settings.credentials.explicit = Some(washlib_oci::credentials::ExplicitCredential {
        registry: None,
        user: "ada".into(),
        password: washlib_oci::Secret::new("opensesame"),
        origin: "the test".into(),
    });
    let wanted = reference(&server, "hello:v1");
    client(settings).push(wanted.repository(), &tags(&["v1"]), &artifact(10), &Unwatched).await.unwrap();
    assert_eq!(storage.asked().len(), 2);
    assert!(storage.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn no_location_is_an_error_that_says_so() {
    let server = Server::start(|asked| if asked.method == "POST" { Answer::new(202) } else { taking(asked) });
    let wanted = reference(&server, "hello:v1");
    let err = client(impatient()).push(wanted.repository(), &tags(&["v1"]), &artifact(10), &Unwatched).await;
    assert!(matches!(err, Err(RegistryError::Protocol { .. })), "{err:?}");
}

#[tokio::test]
async fn an_upload_that_breaks_begins_again_in_a_new_session() {
    let calls = AtomicU32::new(0);
    let server = Server::start(move |asked| {
        let is_upload = asked.method == "PUT" && asked.path.contains("/uploads/");
        match is_upload && calls.fetch_add(1, Ordering::SeqCst) < 2 {
            true => Answer::new(500).then(Then::Close),
            false => taking(asked),
        }
    });
    let wanted = reference(&server, "hello:v1");
    client(impatient()).push(wanted.repository(), &tags(&["v1"]), &artifact(10), &Unwatched).await.unwrap();
    let sessions = server.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(sessions, 4);
}

#[tokio::test]
async fn pieces_follow_each_other_and_a_lost_one_is_sent_again() {
    let taken = Mutex::new(0_u64);
    let failed = AtomicU32::new(0);
    let server = Server::start(move |asked| {
        let mut taken = taken.lock().unwrap();
        let here = "/v2/hello/blobs/uploads/1";
        let state = |taken: u64, status| {
            Answer::new(status).header("location", here).header("range", format!("0-{}", taken.saturating_sub(1)))
        };
        match asked.method.as_str() {
            "PATCH" => {
                let range = asked.header("content-range").unwrap();
                let begins: u64 = range.split('-').next().unwrap().parse().unwrap();
                assert_eq!(begins, *taken, "{range}");
                if begins == 400 && failed.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Answer::new(500).then(Then::Close);
                }
                *taken += asked.body.len() as u64;
                state(*taken, 202)
            }
            "GET" => state(*taken, 204),
            "PUT" if asked.path.contains("/uploads/") && asked.body.is_empty() => {
                assert!(*taken > 1000);
                *taken = 0;
                Answer::new(201)
            }
            _ => taking(asked),
        }
    });
    let mut settings = impatient();
    let special = RegistrySettings { upload_chunk: Some(400), ..RegistrySettings::default() };
    settings.registries.insert(server.address(), special);
    let wanted = reference(&server, "hello:v1");
    let artifact = artifact(1000);
    client(settings).push(wanted.repository(), &tags(&["v1"]), &artifact, &Unwatched).await.unwrap();
}

#[tokio::test]
async fn a_blob_is_taken_over_within_a_registry() {
    let artifact = artifact(1000);
    let digests = [artifact.layer_descriptor.digest.to_string(), artifact.config_descriptor.digest.to_string()];
    let server = Server::start(move |asked| match asked.method.as_str() {
        "GET" => pull_answer(&artifact, asked),
        "HEAD" => Answer::new(404),
        "POST" if asked.path.contains("mount=") => Answer::new(201),
        "PUT" if asked.path.contains("/manifests/") => Answer::new(201),
        _ => Answer::new(500),
    });
    let from = Endpoint::Registry(reference(&server, "hello").repository().clone());
    let to = Endpoint::Registry(reference(&server, "other/hello").repository().clone());
    let copied = client(impatient()).copy(&from, Some("v1"), &to, &tags(&["v1"]), Referrers::Leave, &Unwatched).await;
    let copied = copied.unwrap();
    assert_eq!((copied.sent, copied.spared), (0, 2));
    for digest in digests {
        let line = format!("POST /v2/other/hello/blobs/uploads/?mount={digest}&from=hello");
        assert!(server.lines().contains(&line), "{:?}", server.lines());
    }
}

#[tokio::test]
async fn a_registry_that_does_not_take_over_gets_the_blob_in_the_session_it_opened() {
    let artifact = artifact(1000);
    let server = Server::start(move |asked| match asked.method.as_str() {
        "GET" => pull_answer(&artifact, asked),
        _ => taking(asked),
    });
    let from = Endpoint::Registry(reference(&server, "hello").repository().clone());
    let to = Endpoint::Registry(reference(&server, "other").repository().clone());
    let copied = client(impatient()).copy(&from, Some("v1"), &to, &tags(&["v1"]), Referrers::Leave, &Unwatched).await;
    assert_eq!(copied.unwrap().sent, 2);
    let sessions = server.lines().into_iter().filter(|line| line.starts_with("POST")).collect::<Vec<_>>();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
}
