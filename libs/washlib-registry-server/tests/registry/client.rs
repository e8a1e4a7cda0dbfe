//! A client that takes every answer for what it is.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};
use washlib_registry_server::Digest;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    agent: Agent,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers));
        value.to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}: {}", self.headers, self.text());
        self
    }

    /// Checks an error's status, its code, and its form.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        let document = reply.json();
        assert_eq!(document["errors"][0]["code"], code, "{document}");
        assert!(document["errors"][0]["message"].is_string(), "{document}");
        assert_eq!(reply.header("content-type"), "application/json");
        reply
    }
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .new_agent();
        Self { base, agent }
    }

    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        // A location may be absolute.
        let url = if target.starts_with("http") { target.to_owned() } else { format!("{}{target}", self.base) };
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = if matches!(method, "GET" | "HEAD" | "DELETE") {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        }
        .unwrap_or_else(|err| panic!("{method} {url}: {err}"));
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Reply { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn head(&self, target: &str) -> Reply {
        self.send("HEAD", target, &[], b"")
    }

    pub(crate) fn delete(&self, target: &str) -> Reply {
        self.send("DELETE", target, &[], b"")
    }

    /// Begins an upload and returns where it goes on.
    pub(crate) fn begin(&self, name: &str) -> String {
        self.send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"").expect(202).header("location").to_owned()
    }

    /// Pushes a blob in two requests.
    pub(crate) fn push_blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::sha256(content);
        let location = self.begin(name);
        self.send("PUT", &with_query(&location, &format!("digest={digest}")), &[], content).expect(201);
        digest
    }

    /// Pushes an artifact of one layer, and returns its manifest and that's digest.
    pub(crate) fn push_artifact(&self, name: &str, tag: &str, layer: &[u8]) -> (String, Digest) {
        let manifest = self.artifact(name, layer, &serde_json::json!({}));
        let digest = Digest::sha256(manifest.as_bytes());
        self.put_manifest(name, tag, MANIFEST, &manifest).expect(201);
        (manifest, digest)
    }

    /// Pushes the blobs of an artifact, and returns its manifest with more fields.
    pub(crate) fn artifact(&self, name: &str, layer: &[u8], more: &Value) -> String {
        let config = self.push_blob(name, b"{}");
        let digest = self.push_blob(name, layer);
        let mut manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2 },
            "layers": [{ "mediaType": "application/wasm", "digest": digest, "size": layer.len() }],
        });
        let fields = manifest.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        manifest.to_string()
    }

    pub(crate) fn put_manifest(&self, name: &str, reference: &str, media_type: &str, content: &str) -> Reply {
        let target = format!("/v2/{name}/manifests/{reference}");
        self.send("PUT", &target, &[("content-type", media_type)], content.as_bytes())
    }
}

/// A location may have a query already.
pub(crate) fn with_query(location: &str, pair: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}{pair}")
}
