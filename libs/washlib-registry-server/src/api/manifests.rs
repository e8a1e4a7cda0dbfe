//! Manifests: read, push, delete.

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

use super::blobs::accepted;
use super::body::ReplyBody;
use super::content::{self, Lasting};
use super::refusal::Refusal;
use super::uploads::next_piece;
use super::{Api, Asked, CONTENT_DIGEST, header};
use crate::name::{Reference, Repository};
use crate::store::{MANIFEST_LIMIT, StoreError};

/// Tells the client that the subject's referrers will list what it pushed, so that it need not keep a list itself.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Api {
    pub(super) async fn manifest(
        &self,
        asked: &Asked<'_>,
        name: Repository,
        reference: Reference,
        body: &mut Incoming,
    ) -> Result<Response<ReplyBody>, Refusal> {
        match *asked.method {
            Method::GET | Method::HEAD => {
                let lasting = match &reference {
                    Reference::Digest(_) => Lasting::Always,
                    Reference::Tag(_) => Lasting::UntilItMoves,
                };
                let manifest = self.blocking(move |store| store.manifest(&name, &reference)).await?;
                content::respond(asked, manifest, lasting)
            }
            Method::PUT => self.put_manifest(asked, name, reference, body).await,
            Method::DELETE => {
                self.changing(move |store| store.delete_manifest(&name, &reference)).await?;
                Ok(accepted())
            }
            _ => Err(Refusal::method("GET, HEAD, PUT, DELETE")),
        }
    }

    async fn put_manifest(
        &self,
        asked: &Asked<'_>,
        name: Repository,
        reference: Reference,
        body: &mut Incoming,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let content_type = asked.headers.get(CONTENT_TYPE);
        // One that is no text is not the type of a manifest, whatever else it is.
        let content_type = content_type.map(|value| value.to_str().unwrap_or("?").to_owned());
        let content = self.read_manifest(asked, body).await?;
        let repository = name.clone();
        let work = move |store: &crate::store::Store| {
            store.put_manifest(&repository, &reference, content_type.as_deref(), &content)
        };
        let pushed = self.changing(work).await?;
        let mut response = Response::new(ReplyBody::Empty);
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(LOCATION, header(format!("/v2/{name}/manifests/{}", pushed.digest))?);
        headers.insert(CONTENT_DIGEST, header(pushed.digest.to_string())?);
        if let Some(subject) = pushed.subject {
            headers.insert(SUBJECT, header(subject.to_string())?);
        }
        Ok(response)
    }

    async fn read_manifest(&self, asked: &Asked<'_>, body: &mut Incoming) -> Result<BytesMut, Refusal> {
        let too_large = || StoreError::ManifestTooLarge { limit: MANIFEST_LIMIT };
        let announced = asked.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|announced: u64| announced > MANIFEST_LIMIT as u64) {
            return Err(too_large().into());
        }
        let mut content = BytesMut::new();
        while let Some(piece) = next_piece(body, self.body_timeout).await? {
            if content.len() + piece.len() > MANIFEST_LIMIT {
                return Err(too_large().into());
            }
            content.extend_from_slice(&piece);
        }
        Ok(content)
    }
}
