//! Blobs into a registry: not sent when it has them, taken over from another of its repositories where it can.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use url::Url;

use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::{Payload, Request, Response, Scope, Target, is_transient, pause};
use crate::progress::Progress;
use crate::reference::Repository;

const OCTETS: &str = "application/octet-stream";

/// How a blob came to be in a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlobPushed {
    /// It was there.
    Existed,
    /// The registry took it over from another of its repositories.
    Mounted,
    /// It was sent.
    Sent,
}

impl Client {
    /// Whether a repository has a blob.
    ///
    /// # Errors
    ///
    /// When the registry does not say.
    pub async fn has_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        progress: &dyn Progress,
    ) -> Result<bool, RegistryError> {
        let request = Request::new(repository, Method::HEAD, Target::Repository(format!("blobs/{digest}")), progress)
            .about(format!("looking for a blob in {repository}"), format!("blob {digest}"))
            .scopes([Scope::push(repository)])
            .accepting(&[404]);
        Ok(self.transport.send(&request).await?.status().is_success())
    }

    /// Sees to it that a repository has a blob.
    pub(crate) async fn push_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        payload: &Payload,
        progress: &dyn Progress,
    ) -> Result<BlobPushed, RegistryError> {
        match self.find_blob(repository, digest, None, progress).await? {
            Ok(how) => Ok(how),
            Err(session) => {
                self.send_blob(repository, digest, payload, session, progress).await?;
                Ok(BlobPushed::Sent)
            }
        }
    }

    /// Whether a repository has a blob, or can take it over from another one of its registry: from `from`, else from
    /// where it was last seen. If not, perhaps the session that the registry opened for it.
    pub(crate) async fn find_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: Option<&Repository>,
        progress: &dyn Progress,
    ) -> Result<Result<BlobPushed, Option<Url>>, RegistryError> {
        if self.has_blob(repository, digest, progress).await? {
            self.cache.remember_place_of_blob(repository, digest);
            return Ok(Ok(BlobPushed::Existed));
        }
        let Some(from) = self.mount_source(repository, digest, from) else { return Ok(Err(None)) };
        match self.mount(repository, digest, &from, progress).await {
            Ok(Mount::Done) => {
                self.cache.remember_place_of_blob(repository, digest);
                Ok(Ok(BlobPushed::Mounted))
            }
            // The session that it opened instead is used, not left behind.
            Ok(Mount::Session(url)) => Ok(Err(Some(url))),
            // The token server may allow no look into the other repository, or the registry know none.
            Err(err) => {
                tracing::debug!("{from} does not give its blob: {err}");
                Ok(Err(None))
            }
        }
    }

    /// Another repository of the registry that may have a blob: the one that is named, else where it was last seen.
    fn mount_source(&self, repository: &Repository, digest: &Digest, named: Option<&Repository>) -> Option<Repository> {
        let registry = repository.registry();
        let is_other = |from: &Repository| from.registry() == registry && from != repository;
        let remembered = || self.cache.place_of_blob(registry, digest).filter(is_other);
        named.filter(|from| is_other(from)).cloned().or_else(remembered)
    }

    /// Sends a blob, in a session that is open already or in one of its own.
    pub(crate) async fn send_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        payload: &Payload,
        mut session: Option<Url>,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let limits = self.settings.limits;
        let mut attempt = 1;
        loop {
            let sent = self.upload(repository, digest, payload, session.take(), progress).await;
            let err = match sent {
                Ok(()) => break,
                Err(err) => err,
            };
            // A session that has gone is no reason why another one should.
            let passing = passes(&err) || err.is_not_found();
            match pause(attempt, asked_pause(&err), limits.longest_pause) {
                Some(wait) if attempt < limits.attempts && passing => {
                    progress.retrying(&err.to_string(), wait);
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(err),
            }
            // Perhaps only the answer was lost.
            if self.has_blob(repository, digest, progress).await? {
                break;
            }
            attempt += 1;
        }
        self.cache.remember_place_of_blob(repository, digest);
        Ok(())
    }

    async fn mount(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
        progress: &dyn Progress,
    ) -> Result<Mount, RegistryError> {
        let target = format!("blobs/uploads/?mount={digest}&from={}", from.path());
        let request = Request::new(repository, Method::POST, Target::Repository(target), progress)
            .about(format!("taking over a blob from {from}"), repository.to_string())
            .scopes([Scope::push(repository), Scope::pull(from)])
            // Sending the blob is the other attempt.
            .once();
        let response = self.transport.send(&request).await?;
        if response.status().as_u16() == 201 {
            return Ok(Mount::Done);
        }
        self.location(&response, repository).map(Mount::Session)
    }

    async fn upload(
        &self,
        repository: &Repository,
        digest: &Digest,
        payload: &Payload,
        session: Option<Url>,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let mut session = match session {
            Some(session) => session,
            None => self.open_session(repository, progress).await?,
        };
        let chunk = self.settings.registry(repository.registry()).upload_chunk.filter(|chunk| payload.len() > *chunk);
        let rest = match chunk {
            Some(chunk) => {
                session = self.upload_in_pieces(repository, payload, chunk.max(1), session, progress).await?;
                Payload::Empty
            }
            None => payload.clone(),
        };
        session.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = Request::new(repository, Method::PUT, Target::Url(session), progress)
            .header(CONTENT_TYPE, OCTETS)
            .about(format!("pushing a blob to {repository}"), "upload session")
            .scopes([Scope::push(repository)])
            .payload(rest)
            .once();
        self.transport.send(&request).await?;
        progress.sent(payload.len(), payload.len());
        Ok(())
    }

    async fn open_session(&self, repository: &Repository, progress: &dyn Progress) -> Result<Url, RegistryError> {
        let request = Request::new(repository, Method::POST, Target::Repository("blobs/uploads/".to_owned()), progress)
            .about(format!("pushing to {repository}"), repository.to_string())
            .scopes([Scope::push(repository)]);
        let response = self.transport.send(&request).await?;
        self.location(&response, repository)
    }

    /// Sends pieces, and returns the session's address after the last one. A piece that broke off is continued where
    /// the registry says that it ends.
    async fn upload_in_pieces(
        &self,
        repository: &Repository,
        payload: &Payload,
        chunk: u64,
        mut session: Url,
        progress: &dyn Progress,
    ) -> Result<Url, RegistryError> {
        let limits = self.settings.limits;
        let (mut offset, mut attempt) = (0, 1);
        while offset < payload.len() {
            let piece = payload.part(offset, chunk);
            let end = offset + piece.len() - 1;
            let request = Request::new(repository, Method::PATCH, Target::Url(session.clone()), progress)
                .header(CONTENT_TYPE, OCTETS)
                .header(CONTENT_RANGE, format!("{offset}-{end}"))
                .about(format!("pushing a blob to {repository}"), "upload session")
                .scopes([Scope::push(repository)])
                .payload(piece)
                .accepting(&[416])
                .once();
            match self.transport.send(&request).await {
                Ok(response) if response.status().as_u16() != 416 => {
                    session = self.location(&response, repository)?;
                    offset = received(&response).unwrap_or(end + 1);
                    progress.sent(offset, payload.len());
                    attempt = 1;
                    continue;
                }
                Err(err) if attempt >= limits.attempts || !passes(&err) => return Err(err),
                _ if attempt >= limits.attempts => {
                    return Err(RegistryError::Protocol {
                        host: repository.registry().to_owned(),
                        what: format!("pushing a blob to {repository}"),
                        reason: "it does not take the piece that it asks for".to_owned(),
                    });
                }
                _ => {}
            }
            if let Some(wait) = pause(attempt, None, limits.longest_pause) {
                tokio::time::sleep(wait).await;
            }
            attempt += 1;
            let request = Request::new(repository, Method::GET, Target::Url(session.clone()), progress)
                .about(format!("pushing a blob to {repository}"), "upload session")
                .scopes([Scope::push(repository)]);
            let response = self.transport.send(&request).await?;
            offset = received(&response).unwrap_or(0);
            if response.headers().contains_key(LOCATION) {
                session = self.location(&response, repository)?;
            }
        }
        Ok(session)
    }

    /// Where a session goes on: relative or absolute, here or on another host, but never from HTTPS to plain HTTP.
    fn location(&self, response: &Response, repository: &Repository) -> Result<Url, RegistryError> {
        let broken = |reason: &str| RegistryError::Protocol {
            host: response.host().to_owned(),
            what: format!("pushing to {repository}"),
            reason: reason.to_owned(),
        };
        let location = response.header(LOCATION.as_str()).ok_or_else(|| broken("it does not say where to push to"))?;
        let mut url =
            response.url().join(location).map_err(|_| broken("it says to push to something that is no address"))?;
        if response.url().scheme() == "https" && url.scheme() == "http" {
            // A registry that does not know about the TLS in front of it.
            let is_same_host = url.host_str() == response.url().host_str();
            if !is_same_host || url.set_scheme("https").is_err() {
                return Err(broken("it says to push by plain HTTP"));
            }
            if url.port() == Some(80) || url.port().is_none() {
                let _ = url.set_port(response.url().port());
            }
        }
        if matches!(url.scheme(), "http" | "https") {
            Ok(url)
        } else {
            Err(broken("it says to push to no web address"))
        }
    }
}

/// What a wish to take over a blob leads to.
enum Mount {
    Done,
    Session(Url),
}

/// Whether a failure may be none a moment later.
fn passes(err: &RegistryError) -> bool {
    match err {
        RegistryError::Status { status, .. } => *status >= 500,
        RegistryError::RateLimited { .. } => true,
        err => is_transient(err),
    }
}

/// How long the registry wants us to wait.
fn asked_pause(err: &RegistryError) -> Option<Duration> {
    match err {
        RegistryError::RateLimited { retry_after, .. } => *retry_after,
        _ => None,
    }
}

/// How many bytes of a session the registry has: `Range: 0-<last>`.
fn received(response: &Response) -> Option<u64> {
    let range = response.header("range")?;
    let (_, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    // Nothing and one byte look the same; a registry with nothing is asked only after a failure.
    Some(if last == 0 { 0 } else { last + 1 })
}
