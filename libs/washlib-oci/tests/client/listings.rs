//! Lists of tags and of what refers to an artifact, as registries give them.

use washlib_oci::manifest::{Index, Manifest, media_type};
use washlib_oci::{Descriptor, Digest, Unwatched};

use crate::scripted::{Answer, Server};
use crate::{artifact, client, impatient, reference};

#[tokio::test]
async fn every_page_of_tags_is_read() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v2/hello/tags/list?n=1000" => Answer::new(200)
            .header("link", r#"</v2/hello/tags/list?n=2&last=b>; rel="next""#)
            .body(r#"{"name":"hello","tags":["a","b"]}"#),
        "/v2/hello/tags/list?n=2&last=b" => Answer::new(200)
            // To the same page again, as a careless registry does.
            .header("link", r#"</v2/hello/tags/list?n=2&last=b>; rel="next""#)
            .body(r#"{"name":"hello","tags":["b","c"]}"#),
        _ => Answer::new(404),
    });
    let tags = client(impatient()).tags(reference(&server, "hello").repository(), &Unwatched).await.unwrap();
    assert_eq!(tags, ["a", "b", "c"]);
}

#[tokio::test]
async fn no_tags_may_be_null() {
    let server = Server::start(|_| Answer::new(200).body(r#"{"name":"hello","tags":null}"#));
    let tags = client(impatient()).tags(reference(&server, "hello").repository(), &Unwatched).await.unwrap();
    assert!(tags.is_empty());
}

#[tokio::test]
async fn a_next_page_on_another_host_is_not_followed() {
    let elsewhere = Server::start(|_| Answer::new(200).body(r#"{"tags":["evil"]}"#));
    let link = format!(r#"<{}/v2/hello/tags/list>; rel="next""#, elsewhere.url());
    let server = Server::start(move |_| Answer::new(200).header("link", link.clone()).body(r#"{"tags":["a"]}"#));
    let tags = client(impatient()).tags(reference(&server, "hello").repository(), &Unwatched).await.unwrap();
    assert_eq!((tags, elsewhere.asked().len()), (vec!["a".to_owned()], 0));
}

fn referrer() -> Descriptor {
    Descriptor { artifact_type: Some("application/spdx+json".into()), ..Descriptor::of(media_type::MANIFEST, b"sbom") }
}

fn index_of(manifests: Vec<Descriptor>) -> Vec<u8> {
    serde_json::to_vec(&Index { manifests, ..Index::empty() }).unwrap()
}

#[tokio::test]
async fn referrers_come_from_the_api_filtered_or_not() {
    let other = Descriptor { artifact_type: Some("a/b".into()), ..Descriptor::of(media_type::MANIFEST, b"other") };
    let body = index_of(vec![other, referrer()]);
    let server = Server::start(move |_| Answer::new(200).header("content-type", media_type::INDEX).body(&body));
    let repository = reference(&server, "hello").repository().clone();
    let subject = Digest::of(b"subject");
    let client = client(impatient());
    let found = client.referrers(&repository, &subject, Some("application/spdx+json"), &Unwatched).await.unwrap();
    assert_eq!(found, [referrer()]);
    assert_eq!(server.lines(), [format!("GET /v2/hello/referrers/{subject}?artifactType=application%2Fspdx%2Bjson")]);
    assert_eq!(client.referrers(&repository, &subject, None, &Unwatched).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_the_api_there_is_a_tag() {
    let subject = Digest::of(b"subject");
    let tag = format!("/v2/hello/manifests/{}", subject.as_tag());
    let body = index_of(vec![referrer()]);
    // Some registries answer any path with a page of their website.
    for without in [Answer::new(404), Answer::new(200).header("content-type", "text/html").body("<html>")] {
        let (tag, body) = (tag.clone(), body.clone());
        let server = Server::start(move |asked| {
            if asked.path == tag {
                return Answer::new(200).header("content-type", media_type::INDEX).body(&body);
            }
            without.clone()
        });
        let repository = reference(&server, "hello").repository().clone();
        let found = client(impatient()).referrers(&repository, &subject, None, &Unwatched).await.unwrap();
        assert_eq!(found, [referrer()]);
    }
}

#[tokio::test]
async fn the_artifact_itself_under_that_tag_is_no_list() {
    let artifact = artifact(10);
    let subject = artifact.manifest.digest.clone();
    let bytes = artifact.manifest.bytes;
    let _: Manifest = serde_json::from_slice(&bytes).unwrap();
    let server = Server::start(move |asked| match asked.path.contains("/manifests/") {
        true => Answer::new(200).header("content-type", media_type::MANIFEST).body(&bytes),
        false => Answer::new(404),
    });
    let repository = reference(&server, "hello").repository().clone();
    assert!(client(impatient()).referrers(&repository, &subject, None, &Unwatched).await.unwrap().is_empty());
}
