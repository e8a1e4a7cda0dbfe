//! Registries that lie, flood or fall silent. Each is an error, and leaves nothing behind.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use washlib_oci::{Protocol, PullError, PullOptions, RegistryError, Settings, Unwatched};

use crate::scripted::{Answer, Asked, Server, Then};
use crate::{artifact, chain, client, impatient, reference, serving};

/// Pulls `hello:v1` from a server and returns why that fails; checks that no content got into the cache.
async fn failure(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static, settings: Settings) -> RegistryError {
    let server = Server::start(script);
    let (settings, _folder) = crate::caching(settings);
    let client = client(settings);
    let pulled = client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await;
    let err = match pulled {
        Err(PullError::Registry { source, .. }) => *source,
        other => panic!("{other:?}"),
    };
    let kept = client.cache().entries().unwrap();
    assert!(kept.iter().all(|entry| entry.size < 10_000), "only the manifest may be there: {kept:?}");
    err
}

/// The answer for the blob, and what else is served as it should be.
fn with_blob(change: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> impl Fn(&Asked) -> Answer + Send + Sync {
    let serve = serving(artifact(50_000));
    move |asked: &Asked| if asked.path.contains("/blobs/") { change(serve(asked)) } else { serve(asked) }
}

#[tokio::test]
async fn other_bytes_than_the_digest_says() {
    let err = failure(
        with_blob(|mut answer| {
            answer.body[1000] ^= 1;
            answer
        }),
        impatient(),
    );
    assert!(matches!(err.await, RegistryError::Digest { .. }));
}

#[tokio::test]
async fn a_manifest_other_than_its_digest() {
    let serve = serving(artifact(10));
    let script = move |asked: &Asked| {
        let mut answer = serve(asked);
        answer.body.push(b' ');
        answer
    };
    assert!(matches!(failure(script, impatient()).await, RegistryError::Digest { .. }));
}

#[tokio::test]
async fn more_bytes_than_promised() {
    let long = with_blob(|answer| {
        let mut body = answer.body.clone();
        body.extend_from_slice(&[0; 100]);
        Answer::new(200).body(body)
    });
    assert!(matches!(failure(long, impatient()).await, RegistryError::Length { .. }));
}

#[tokio::test]
async fn fewer_bytes_than_promised() {
    let short = with_blob(|answer| Answer::new(200).body(&answer.body[..100]));
    assert!(matches!(failure(short, impatient()).await, RegistryError::Length { .. }));
}

#[tokio::test]
async fn a_length_that_is_not_kept() {
    // It promises everything, sends a part, and closes; again and again.
    let broken = with_blob(|answer| {
        let length = answer.body.len();
        Answer::new(200).body(&answer.body[..100]).claiming(length).then(Then::Close)
    });
    let err = failure(broken, impatient()).await;
    assert!(matches!(err, RegistryError::BrokeOff { done: 100, .. }), "{err:?}");
    assert!(chain(&err).contains("broke off after 100 of "), "{}", chain(&err));
}

#[tokio::test]
async fn a_manifest_over_four_mebibytes() {
    let huge = |_: &Asked| Answer::new(200).body(vec![b' '; (4 << 20) + 1]);
    assert!(matches!(failure(huge, impatient()).await, RegistryError::TooLarge { .. }));
    let claimed = |_: &Asked| Answer::new(200).body("{").claiming(1 << 40).then(Then::Close);
    assert!(matches!(failure(claimed, impatient()).await, RegistryError::TooLarge { .. }));
}

#[tokio::test]
async fn a_blob_over_the_limit_is_not_begun() {
    let mut settings = impatient();
    settings.limits.blob_bytes = 1000;
    let err = failure(serving(artifact(50_000)), settings).await;
    assert!(matches!(err, RegistryError::TooLarge { limit: 1000, .. }), "{err:?}");
}

#[tokio::test]
async fn a_registry_that_hangs() {
    let started = Instant::now();
    let err = failure(|_| Answer::new(200).claiming(10).then(Then::Hang), impatient()).await;
    assert!(matches!(err, RegistryError::TimedOut { .. }), "{err:?}");
    assert!(chain(&err).contains("did not answer within 300ms"), "{err}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_blob_that_stops_coming() {
    let stuck = with_blob(|answer| {
        let length = answer.body.len();
        Answer::new(200).body(&answer.body[..100]).claiming(length).then(Then::Hang)
    });
    assert!(matches!(failure(stuck, impatient()).await, RegistryError::TimedOut { .. }));
}

#[tokio::test]
async fn redirects_in_a_circle() {
    let circle = |asked: &Asked| Answer::new(302).header("location", asked.path.clone());
    assert!(matches!(failure(circle, impatient()).await, RegistryError::Protocol { .. }));
    let nowhere = |_: &Asked| Answer::new(302).header("location", "file:///etc/passwd");
    assert!(matches!(failure(nowhere, impatient()).await, RegistryError::Protocol { .. }));
}

#[tokio::test]
async fn a_page_of_html_instead_of_a_manifest() {
    let page = |_: &Asked| Answer::new(200).header("content-type", "text/html").body("<html>Please log in</html>");
    let err = failure(page, impatient()).await;
    assert!(matches!(err, RegistryError::Document { .. }), "{err:?}");
    assert!(chain(&err).contains("`text/html`"), "{}", chain(&err));
}

#[tokio::test]
async fn a_message_that_would_paint_the_terminal() {
    let painting = |_: &Asked| Answer::new(400).body("{\"errors\":[{\"message\":\"a\\u001b[2Jb\\nerror: c\"}]}");
    let err = failure(painting, impatient()).await;
    assert!(!err.to_string().contains(['\u{1b}', '\n']), "{err}");
}

#[tokio::test]
async fn a_token_server_in_plain_sight() {
    let leaky = |_: &Asked| Answer::new(401).header("www-authenticate", r#"Bearer realm="ftp://elsewhere/token""#);
    assert!(matches!(failure(leaky, impatient()).await, RegistryError::Protocol { .. }));
}

/// Asks, in plain HTTP because somebody said so, a server that answers every request with these bytes and closes.
async fn asked_in_plain_http(answer: &'static [u8]) -> RegistryError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = format!("{}/hello:v1", listener.local_addr().unwrap()).parse().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // Unread, the request would make the end a reset.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(answer));
        }
    });
    let settings = Settings { protocol: Protocol::PlainHttp, ..impatient() };
    client(settings).manifest(&wanted, &Unwatched).await.unwrap_err()
}

#[tokio::test]
async fn a_registry_that_expects_tls_and_is_asked_without_it() {
    // As OpenSSL says that it does not understand.
    let alerting = asked_in_plain_http(b"\x15\x03\x01\x00\x02\x02\x16").await;
    assert!(matches!(alerting, RegistryError::SpeaksTls { .. }), "{alerting:?}");
    let told = asked_in_plain_http(
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 49\r\n\r\nThe plain HTTP request was sent to HTTPS port\r\n\r\n",
    );
    let told = told.await;
    assert!(matches!(told, RegistryError::SpeaksTls { .. }), "{told:?}");
    let silent = asked_in_plain_http(b"").await;
    assert!(matches!(silent, RegistryError::PlainHttp { .. }), "{silent:?}");
    for err in [alerting, told, silent] {
        assert!(err.hint().unwrap().contains("leave out `--insecure`"), "{err:?}");
    }
}
