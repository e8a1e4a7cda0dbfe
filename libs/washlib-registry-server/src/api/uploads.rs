//! Blobs that are being sent: in one request, in two, or in pieces.
//!
//! Pieces go to the disk as they come. While one is written, the next is received.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use super::body::ReplyBody;
use super::refusal::{Code, Refusal};
use super::{Api, Asked, CONTENT_DIGEST, header};
use crate::name::{Digest, Repository};
use crate::store::{StoreError, Upload, UploadId};

/// How much is gathered before it is written. Each upload holds this twice.
const GATHERED: usize = 128 * 1024;

/// How long, and how often, to wait for an earlier request of the same upload: its client has gone, which shows soon.
const RESUME_PAUSE: Duration = Duration::from_millis(20);
const RESUME_ATTEMPTS: usize = 250;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Api {
    /// `POST`: mounts a blob, takes one in a single request, or begins an upload.
    pub(super) async fn begin_upload(
        &self,
        asked: &Asked<'_>,
        name: Repository,
        body: &mut Incoming,
    ) -> Result<Response<ReplyBody>, Refusal> {
        if asked.method != Method::POST {
            return Err(Refusal::method("POST"));
        }
        if let Some(digest) = asked.query.get("mount") {
            let digest = Digest::parse(digest)?;
            if self.mount(asked, &name, &digest).await? {
                return created(&name, &digest);
            }
        } else if let Some(digest) = asked.query.get("digest") {
            let digest = Digest::parse(digest)?;
            let id = self.blocking(|store| store.uploads().begin()).await?;
            let received = self.receive(id, asked, body).await;
            // What is sent in one request is sent again as a whole: nobody knows the upload's name.
            let Ok(upload) = received else { return Err(self.abandoned(id, received).await) };
            return self.finish(name, upload, digest).await;
        }
        let id = self.blocking(|store| store.uploads().begin()).await?;
        self.progress(StatusCode::ACCEPTED, &name, id, 0)
    }

    async fn mount(&self, asked: &Asked<'_>, name: &Repository, digest: &Digest) -> Result<bool, Refusal> {
        let from = asked.query.get("from").map(Repository::parse).transpose()?;
        let (name, digest) = (name.clone(), digest.clone());
        let work = move |store: &crate::store::Store| match from {
            _ if store.has_blob(&name, &digest) => Ok(true),
            Some(from) => store.mount(&from, &name, &digest),
            None => Ok(false),
        };
        self.changing(work).await
    }

    /// What can be done with an upload.
    pub(super) async fn upload(
        &self,
        asked: &Asked<'_>,
        name: Repository,
        id: UploadId,
        body: &mut Incoming,
    ) -> Result<Response<ReplyBody>, Refusal> {
        match *asked.method {
            Method::GET | Method::HEAD => {
                let received = self.blocking(move |store| store.uploads().received(id)).await?;
                self.progress(StatusCode::NO_CONTENT, &name, id, received)
            }
            Method::DELETE => {
                self.blocking(move |store| store.uploads().cancel(id)).await?;
                let mut response = Response::new(ReplyBody::Empty);
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            Method::PATCH => {
                let upload = self.receive(id, asked, body).await.map_err(|err| with_place(err, &name, id))?;
                let received = upload.received();
                self.store.uploads().pause(upload);
                self.progress(StatusCode::ACCEPTED, &name, id, received)
            }
            Method::PUT => {
                let digest = asked.query.get("digest");
                let digest = digest.ok_or_else(|| Refusal::new(Code::DigestInvalid, "the query has no `digest`"))?;
                let digest = Digest::parse(digest)?;
                let upload = self.receive(id, asked, body).await.map_err(|err| with_place(err, &name, id))?;
                self.finish(name, upload, digest).await
            }
            _ => Err(Refusal::method("GET, HEAD, PATCH, PUT, DELETE")),
        }
    }

    async fn finish(
        &self,
        name: Repository,
        mut upload: Upload,
        digest: Digest,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let (repository, expected) = (name.clone(), digest.clone());
        self.changing(move |store| store.finish(&repository, &mut upload, &expected)).await?;
        created(&name, &digest)
    }

    /// Takes a request's body into an upload.
    async fn receive(&self, id: UploadId, asked: &Asked<'_>, body: &mut Incoming) -> Result<Upload, Refusal> {
        let upload = self.resume(id).await?;
        let range = asked.headers.get(CONTENT_RANGE);
        let range = match range.map(|value| value.to_str().ok().and_then(parse_range)) {
            None => None,
            Some(Some(range)) => Some(range),
            Some(None) => {
                self.store.uploads().pause(upload);
                return Err(Refusal::new(Code::BlobUploadInvalid, "Content-Range is not `first-last`"));
            }
        };
        let received = upload.received();
        if range.is_some_and(|(first, _)| first != received) {
            self.store.uploads().pause(upload);
            return Err(StoreError::OutOfOrder { received }.into());
        }
        let upload = self.append(upload, body).await?;
        if let Some((first, last)) = range
            && upload.received() != last + 1
        {
            let got = upload.received() - first;
            self.store.uploads().pause(upload);
            let message = format!("Content-Range announces {} bytes, and {got} came", last + 1 - first);
            return Err(Refusal::new(Code::SizeInvalid, message));
        }
        Ok(upload)
    }

    async fn resume(&self, id: UploadId) -> Result<Upload, Refusal> {
        for _ in 0..RESUME_ATTEMPTS {
            let resumed = self.blocking(move |store| match store.uploads().resume(id) {
                Err(StoreError::Busy(_)) => Ok(None),
                resumed => resumed.map(Some),
            });
            match resumed.await? {
                Some(upload) => return Ok(upload),
                None => tokio::time::sleep(RESUME_PAUSE).await,
            }
        }
        Err(StoreError::Busy("this upload").into())
    }

    async fn append(&self, upload: Upload, body: &mut Incoming) -> Result<Upload, Refusal> {
        let mut writing = Writing::Idle(upload);
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        let ended = loop {
            match next_piece(body, self.body_timeout).await {
                Ok(Some(piece)) => {
                    bytes += piece.len();
                    gathered.push(piece);
                    if bytes >= GATHERED {
                        writing = Writing::begin(writing.wait().await?, std::mem::take(&mut gathered));
                        bytes = 0;
                    }
                }
                Ok(None) => break Ok(()),
                Err(err) => break Err(err),
            }
        };
        let upload = Writing::begin(writing.wait().await?, gathered).wait().await?;
        match ended {
            Ok(()) => Ok(upload),
            Err(err) => {
                // The client may come back and go on where this ended.
                self.store.uploads().pause(upload);
                Err(err)
            }
        }
    }

    async fn abandoned(&self, id: UploadId, received: Result<Upload, Refusal>) -> Refusal {
        // Were it left, it would be forgotten a day later.
        _ = self.blocking(move |store| store.uploads().cancel(id)).await;
        match received {
            Err(err) => err,
            Ok(_) => Refusal::new(Code::BlobUploadInvalid, "the upload was ended"),
        }
    }

    fn progress(
        &self,
        status: StatusCode,
        name: &Repository,
        id: UploadId,
        received: u64,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let mut response = Response::new(ReplyBody::Empty);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(LOCATION, header(place(name, id))?);
        // There is no way to write that nothing has come; every registry writes this.
        headers.insert(RANGE, header(format!("0-{}", received.saturating_sub(1)))?);
        headers.insert(UPLOAD_ID, header(id.to_string())?);
        Ok(response)
    }
}

fn place(name: &Repository, id: UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// After a refusal the upload goes on; where and how it stands is told with it.
fn with_place(refusal: Refusal, name: &Repository, id: UploadId) -> Refusal {
    match header(place(name, id)) {
        Ok(location) if refusal.code != Code::BlobUploadUnknown => refusal.with_header(LOCATION, location),
        _ => refusal,
    }
}

fn created(name: &Repository, digest: &Digest) -> Result<Response<ReplyBody>, Refusal> {
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(LOCATION, header(format!("/v2/{name}/blobs/{digest}"))?);
    response.headers_mut().insert(CONTENT_DIGEST, header(digest.to_string())?);
    Ok(response)
}

/// An upload, or the work on it.
enum Writing {
    Idle(Upload),
    Busy(JoinHandle<Result<Upload, StoreError>>),
}

impl Writing {
    fn begin(mut upload: Upload, pieces: Vec<Bytes>) -> Self {
        if pieces.is_empty() {
            return Self::Idle(upload);
        }
        Self::Busy(tokio::task::spawn_blocking(move || match upload.append(&pieces) {
            Ok(()) => Ok(upload),
            Err(err) if is_full(&err) => {
                // Nobody could finish it, and others need the space.
                upload.abandon()?;
                Err(err.into())
            }
            Err(err) => Err(err.into()),
        }))
    }

    async fn wait(self) -> Result<Upload, Refusal> {
        match self {
            Self::Idle(upload) => Ok(upload),
            Self::Busy(work) => Ok(work.await.map_err(|err| StoreError::Io(std::io::Error::other(err)))??),
        }
    }
}

fn is_full(err: &std::io::Error) -> bool {
    matches!(err.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// The next bytes of a request's body, if they come in time.
pub(super) async fn next_piece(body: &mut Incoming, timeout: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = tokio::time::timeout(timeout, body.frame()).await.map_err(|_| {
            Refusal::new(Code::BlobUploadInvalid, "the request's body paused for too long")
                .with_status(StatusCode::REQUEST_TIMEOUT)
        })?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers mean nothing here.
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
            Some(Err(_)) => return Err(Refusal::new(Code::BlobUploadInvalid, "the request's body broke off")),
        }
    }
}

/// `first-last`, as the distribution specification writes it, or `bytes first-last/*` as HTTP does.
fn parse_range(text: &str) -> Option<(u64, u64)> {
    let text = text.trim();
    let text = text.strip_prefix("bytes ").or_else(|| text.strip_prefix("bytes=")).unwrap_or(text);
    let text = text.split('/').next().unwrap_or_default();
    let (first, last) = text.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < u64::MAX).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_pieces() {
        assert_eq!(parse_range("0-9"), Some((0, 9)));
        assert_eq!(parse_range("bytes 10-19/*"), Some((10, 19)));
        let max = u64::MAX.to_string();
        for bad in ["", "-", "0-", "-9", "9-0", "a-b", "0-99999999999999999999", "+0-9", "0--9", &format!("0-{max}")] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
