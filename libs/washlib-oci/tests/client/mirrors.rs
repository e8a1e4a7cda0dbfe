//! Mirrors come first, and are not trusted further than the digests go.

use washlib_oci::Secret;
use washlib_oci::credentials::{CredentialSources, ExplicitCredential};
use washlib_oci::{ProxyServer, PullOptions, RegistryError, RegistrySettings, Settings, Unwatched};

use crate::scripted::{Answer, Server};
use crate::{artifact, chain, client, component, impatient, reference, serving};

fn mirrored(server: &Server, mirror: &Server, settings: Settings) -> Settings {
    let mut settings = settings;
    let special =
        RegistrySettings { mirrors: vec![format!("{}/hub", mirror.address())], ..RegistrySettings::default() };
    settings.registries.insert(server.address(), special);
    settings
}

/// Serves below `hub/`.
fn mirror_of(script: impl Fn(&crate::scripted::Asked) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        let mut asked = asked.clone();
        asked.path = asked.path.replacen("/v2/hub/", "/v2/", 1);
        script(&asked)
    })
}

#[tokio::test]
async fn a_mirror_saves_the_registry_the_work() {
    let server = Server::start(|_| Answer::new(500));
    let mirror = mirror_of(serving(artifact(1000)));
    let client = client(mirrored(&server, &mirror, impatient()));
    let pulled = client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await;
    assert_eq!(pulled.unwrap().read().unwrap(), component(1000));
    assert!(server.asked().is_empty());
    assert_eq!(mirror.lines()[0], "GET /v2/hub/hello/manifests/v1");
}

#[tokio::test]
async fn a_mirror_that_lies_or_lacks_is_passed_over() {
    let lying = mirror_of(|_| Answer::new(200).body(component(7)));
    let lacking = mirror_of(|_| Answer::new(404));
    for mirror in [lying, lacking] {
        let artifact = artifact(1000);
        let digest = artifact.manifest.digest.clone();
        let server = Server::start(serving(artifact));
        let client = client(mirrored(&server, &mirror, impatient()));
        let pinned = reference(&server, "hello").repository().with_digest(digest);
        let pulled = client.pull_component(&pinned, &PullOptions::default(), &Unwatched).await;
        assert_eq!(pulled.unwrap().read().unwrap(), component(1000));
    }
}

#[tokio::test]
async fn a_mirror_is_not_told_the_registrys_password() {
    let mirror = mirror_of(|_| Answer::new(401).header("www-authenticate", "Basic"));
    let serve = serving(artifact(10));
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(_) => serve(asked),
        None => Answer::new(401).header("www-authenticate", "Basic"),
    });
    let mut settings = mirrored(&server, &mirror, impatient());
    settings.credentials = CredentialSources {
        explicit: Some(ExplicitCredential {
            registry: Some(server.address()),
            user: "ada".into(),
            password: Secret::new("opensesame"),
            origin: "the test".into(),
        }),
        ..CredentialSources::default()
    };
    let client = client(settings);
    client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    assert!(!mirror.asked().is_empty());
    assert!(mirror.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn a_proxy_is_used_for_all_but_loopback_and_what_is_excepted() {
    let proxy = Server::start({
        let serve = serving(artifact(1000));
        move |asked| {
            let mut asked = asked.clone();
            asked.path = asked.path.replacen("http://registry.example", "", 1);
            serve(&asked)
        }
    });
    let mut settings = impatient();
    settings.proxies.http = Some(named(proxy.url()));
    settings.protocol = washlib_oci::Protocol::PlainHttp;
    let wanted = "registry.example/hello:v1".parse().unwrap();
    let proxied = client(settings.clone());
    let pulled = proxied.pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!(pulled.read().unwrap(), component(1000));
    assert_eq!(proxy.lines()[0], "GET http://registry.example/v2/hello/manifests/v1");

    let local = Server::start(serving(artifact(10)));
    let before = proxy.asked().len();
    client(settings).pull_component(&reference(&local, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!(proxy.asked().len(), before);
}

/// A proxy as a variable names it.
fn named(url: impl Into<String>) -> ProxyServer {
    ProxyServer { url: Secret::new(url), origin: "ALL_PROXY".into() }
}

/// Why nothing is pulled from elsewhere.
async fn failure(settings: Settings) -> RegistryError {
    let wanted = "registry.example/hello:v1".parse().unwrap();
    client(settings).manifest(&wanted, &Unwatched).await.unwrap_err()
}

#[tokio::test]
async fn a_proxy_that_does_not_do_its_duty_is_named_without_its_password() {
    // Whoever asks for a tunnel gets none, and who asks for a page gets it only with a password.
    let proxy = Server::start(|asked| Answer::new(if asked.method == "CONNECT" { 403 } else { 407 }));
    let mut settings = impatient();
    settings.proxies.http = Some(named(format!("http://ada:opensesame@{}", proxy.address())));
    settings.proxies.https = settings.proxies.http.clone();
    let shown = format!("the proxy http://{} (from ALL_PROXY)", proxy.address());
    let tunnel = failure(settings.clone()).await;
    assert_eq!(tunnel.to_string(), format!("{shown} gives no way to registry.example"));
    settings.protocol = washlib_oci::Protocol::PlainHttp;
    let page = failure(settings.clone()).await;
    assert!(page.to_string().starts_with(&format!("{shown} answered 407")), "{page}");
    // Nothing listens on the discard port.
    settings.proxies.http = Some(named("http://ada:opensesame@127.0.0.1:9"));
    settings.proxies.https = Some(named("127.0.0.1:9"));
    for protocol in [washlib_oci::Protocol::PlainHttp, washlib_oci::Protocol::Https] {
        settings.protocol = protocol;
        let absent = failure(settings.clone()).await;
        let expected = "cannot reach the proxy http://127.0.0.1:9 (from ALL_PROXY) on the way to registry.example";
        assert_eq!(absent.to_string(), expected);
        assert!(!chain(&absent).contains("opensesame"), "{}", chain(&absent));
    }
}

#[tokio::test]
async fn a_proxy_that_is_none_matters_only_where_it_is_used() {
    for (url, expected) in [("junk:///", "ALL_PROXY"), ("socks5://localhost:1", "`socks5`"), ("http://", "ALL_PROXY")] {
        let mut settings = impatient();
        settings.proxies.http = Some(named(url));
        settings.protocol = washlib_oci::Protocol::PlainHttp;
        let err = failure(settings.clone()).await;
        assert!(matches!(err, RegistryError::Setting(_)) && err.to_string().contains(expected), "{err:?}");
        let local = Server::start(serving(artifact(10)));
        let pulled = client(settings).manifest(&reference(&local, "hello:v1"), &Unwatched).await;
        assert!(pulled.is_ok(), "{pulled:?}");
    }
}
