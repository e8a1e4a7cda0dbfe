//! Blobs that are here: read and delete.

use http::{Method, Response, StatusCode};

use super::body::ReplyBody;
use super::content::{self, Lasting};
use super::refusal::Refusal;
use super::{Api, Asked};
use crate::name::{Digest, Repository};

impl Api {
    pub(super) async fn blob(
        &self,
        asked: &Asked<'_>,
        name: Repository,
        digest: Digest,
    ) -> Result<Response<ReplyBody>, Refusal> {
        match *asked.method {
            Method::GET | Method::HEAD => {
                let blob = self.blocking(move |store| store.blob(&name, &digest)).await?;
                content::respond(asked, blob, Lasting::Always)
            }
            Method::DELETE => {
                self.changing(move |store| store.delete_blob(&name, &digest)).await?;
                Ok(accepted())
            }
            _ => Err(Refusal::method("GET, HEAD, DELETE")),
        }
    }
}

pub(super) fn accepted() -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
