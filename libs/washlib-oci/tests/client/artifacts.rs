//! What was pulled, from every kind of artifact that a registry may hold.

use washlib_oci::manifest::{Annotations, Index, Manifest, Platform, annotation, media_type};
use washlib_oci::{
    ContentKind, Descriptor, Digest, Expect, LayerChoice, Layout, PullError, PullOptions, Source, Unwatched,
};

use crate::scripted::{Answer, Server};
use crate::{artifact, client, component, impatient, reference, serving};

/// Serves a manifest of these layers, and the layers.
fn server_of(config_type: &'static str, layers: Vec<(&'static str, Vec<u8>)>) -> Server {
    let descriptors = layers.iter().map(|(kind, bytes)| Descriptor::of(kind, bytes)).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: Descriptor::of(config_type, b"{}"),
        layers: descriptors,
        subject: None,
        annotations: Annotations::new(),
    };
    let bytes = serde_json::to_vec(&manifest).unwrap();
    Server::start(move |asked| {
        if asked.path.starts_with("/v2/hello/manifests/") {
            return Answer::new(200).header("content-type", media_type::MANIFEST).body(&bytes);
        }
        let blob = layers.iter().find(|(_, bytes)| asked.path.ends_with(&Digest::of(bytes).to_string()));
        blob.map_or_else(|| Answer::new(404), |(_, bytes)| Answer::new(200).body(bytes))
    })
}

#[tokio::test]
async fn a_component_comes_with_all_that_is_known_about_it() {
    let artifact = artifact(1000);
    let (digest, layer) = (artifact.manifest.digest.clone(), artifact.layer_descriptor.clone());
    let server = Server::start(serving(artifact));
    let client = client(impatient());
    let pulled =
        client.pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!(pulled.read().unwrap(), component(1000));
    assert_eq!((&pulled.digest, &pulled.layer, &pulled.content_digest), (&digest, &layer, &layer.digest));
    assert_eq!((pulled.layout, pulled.kind, pulled.source), (Layout::Wasm, ContentKind::Component, Source::Registry));
    // No configuration: nobody needs it to run.
    let manifest = "GET /v2/hello/manifests/v1".to_owned();
    assert_eq!(server.lines(), [manifest, format!("GET /v2/hello/blobs/{}", layer.digest)]);
}

#[tokio::test]
async fn an_index_leads_to_the_platform_of_webassembly() {
    let artifact = artifact(10);
    let mut wasm = artifact.manifest.descriptor();
    wasm.platform = Some(artifact.platform());
    let linux = Some(Platform { architecture: "amd64".into(), os: "linux".into() });
    let other = Descriptor { platform: linux, ..Descriptor::of(media_type::MANIFEST, b"other") };
    let index = serde_json::to_vec(&Index { manifests: vec![other, wasm], ..Index::empty() }).unwrap();
    let (digest, serve) = (Digest::of(&index), serving(artifact));
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/v2/hello/manifests/multi" => Answer::new(200).header("content-type", media_type::INDEX).body(&index),
        _ => serve(asked),
    });
    let pulled = client(impatient())
        .pull_component(&reference(&server, "hello:multi"), &PullOptions::default(), &Unwatched)
        .await;
    // The digest is the index's: that is what the tag means and what people sign.
    assert_eq!(pulled.unwrap().digest, digest);
}

#[tokio::test]
async fn a_module_in_a_container_image_is_unpacked() {
    let module = wat::parse_str("(module)").unwrap();
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(module.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "plugin.wasm", module.as_slice()).unwrap();
    let layer = builder.into_inner().unwrap().finish().unwrap();
    let server =
        server_of(media_type::IMAGE_CONFIG, vec![("application/vnd.oci.image.layer.v1.tar+gzip", layer.clone())]);
    let client = client(impatient());
    let reference = reference(&server, "hello:v1");
    let pulled = client.pull_component(&reference, &PullOptions::default(), &Unwatched).await.unwrap();
    assert_eq!((pulled.layout, pulled.kind), (Layout::ImageWithModule, ContentKind::CoreModule));
    assert_eq!(pulled.read().unwrap(), module);
    assert_eq!(pulled.content_digest, Digest::of(&module));
    let raw = PullOptions { expect: Expect::Anything, ..PullOptions::default() };
    assert_eq!(client.pull_component(&reference, &raw, &Unwatched).await.unwrap().read().unwrap(), layer);
}

#[tokio::test]
async fn what_is_no_webassembly_is_refused_and_can_be_had_raw() {
    let server = server_of("application/vnd.any.config", vec![(media_type::WASM, b"hello".to_vec())]);
    let client = client(impatient());
    let reference = reference(&server, "hello:v1");
    let err = client.pull_component(&reference, &PullOptions::default(), &Unwatched).await.unwrap_err();
    assert!(matches!(err, PullError::Content { .. }), "{err:?}");
    assert!(crate::chain(&err).contains("it begins with 68656c6c6f"), "{}", crate::chain(&err));
    let raw = PullOptions { expect: Expect::Anything, ..PullOptions::default() };
    assert_eq!(client.pull_component(&reference, &raw, &Unwatched).await.unwrap().read().unwrap(), b"hello");
}

#[tokio::test]
async fn an_artifact_of_something_else_is_said_to_be_that() {
    let text = || ("text/plain", b"hello".to_vec());
    for (layers, said) in [
        (vec![text()], "its only layer is of type text/plain"),
        (vec![text(), text(), ("text/html", b"<p>".to_vec())], "its 3 layers are of types text/html, text/plain"),
    ] {
        let server = server_of("application/vnd.any.config", layers);
        let wanted = reference(&server, "hello:v1");
        let err = client(impatient()).pull_component(&wanted, &PullOptions::default(), &Unwatched).await.unwrap_err();
        let expected = format!("{wanted} cannot be used: the artifact is no WebAssembly: {said}");
        assert_eq!(crate::chain(&err), expected);
    }
}

#[tokio::test]
async fn of_several_layers_one_is_chosen_by_name_alone() {
    let (first, second) = (component(1), component(2));
    let server =
        server_of(media_type::WASM_CONFIG, vec![(media_type::WASM, first), (media_type::WASM, second.clone())]);
    let client = client(impatient());
    let reference = reference(&server, "hello:v1");
    let err = client.pull_component(&reference, &PullOptions::default(), &Unwatched).await.unwrap_err();
    assert!(matches!(err, PullError::Layer { .. }), "{err:?}");
    let options = PullOptions { layer: LayerChoice::Named("1".into()), ..PullOptions::default() };
    assert_eq!(client.pull_component(&reference, &options, &Unwatched).await.unwrap().read().unwrap(), second);
}

#[tokio::test]
async fn a_manifest_without_a_media_type_is_known_by_its_shape() {
    let artifact = artifact(10);
    let serve = serving(artifact);
    let server = Server::start(move |asked| {
        let mut answer = serve(asked);
        answer.headers.retain(|(name, _)| name != "content-type");
        answer
    });
    let pulled =
        client(impatient()).pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await;
    assert_eq!(pulled.unwrap().layout, Layout::Wasm);
}

#[tokio::test]
async fn a_title_is_a_note_and_never_a_path() {
    let mut layer = Descriptor::of(media_type::WASM, &component(1));
    layer.annotations.insert(annotation::TITLE.into(), "../../../../tmp/escaped.wasm".into());
    let manifest = Manifest {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: Descriptor::of(media_type::WASM_CONFIG, b"{}"),
        layers: vec![layer],
        subject: None,
        annotations: Annotations::from([(annotation::TITLE.into(), "/etc/passwd\0\u{1b}[2J".into())]),
    };
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let server = Server::start(move |asked| match asked.path.contains("/manifests/") {
        true => Answer::new(200).header("content-type", media_type::MANIFEST).body(&bytes),
        false => Answer::new(200).body(component(1)),
    });
    let pulled =
        client(impatient()).pull_component(&reference(&server, "hello:v1"), &PullOptions::default(), &Unwatched).await;
    let pulled = pulled.unwrap();
    assert!(pulled.path().ends_with(format!("blobs/sha256/{}", pulled.content_digest.hex())), "{:?}", pulled.path());
}
