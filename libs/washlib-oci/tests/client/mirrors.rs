//! Mirrors come first, and are not trusted further than the digests go.

use washlib_oci::Secret;
use washlib_oci::credentials::{CredentialSources, ExplicitCredential};
use washlib_oci::{PullOptions, RegistrySettings, Settings, Unwatched};

use crate::scripted::{Answer, Server};
use crate::{artifact, client, component, impatient, reference, serving};

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
    settings.proxies.http = Some(proxy.url());
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
