//! Blobs from a registry into the cache: continued where they broke off, and never more than was promised.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::RANGE;

use crate::cache::Begun;
use crate::cache::{CachedBlob, Ingest};
use crate::client::Client;
use crate::error::RegistryError;
use crate::http::{Request, Response, Target, is_transient, pause};
use crate::manifest::Descriptor;
use crate::progress::Progress;
use crate::reference::Repository;

impl Client {
    /// A blob, from the cache or else from a mirror or the registry.
    ///
    /// Can be dropped at any time: what has come is continued by the next one who wants it.
    ///
    /// # Errors
    ///
    /// When it is not there, or other bytes come than the descriptor promises.
    pub async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        progress: &dyn Progress,
    ) -> Result<CachedBlob, RegistryError> {
        if let Some((blob, _)) = self.cached_blob(descriptor, None).await? {
            return Ok(blob);
        }
        let limit = self.settings.limits.blob_bytes;
        if descriptor.size > limit {
            return Err(RegistryError::TooLarge { what: format!("the blob {}", descriptor.digest), limit });
        }
        let mut ingest = match self.cache.begin(&descriptor.digest).await? {
            Begun::Ours(ingest) => ingest,
            Begun::There(blob) => return Ok(blob),
        };
        let mut continued = ingest.written() > 0;
        loop {
            if let Err(err) = self.download(repository, descriptor, &mut ingest, progress).await {
                // What broke off can be continued; what is wrong cannot.
                if matches!(err, RegistryError::Length { .. } | RegistryError::TooLarge { .. }) {
                    ingest.abandon()?;
                }
                return Err(err);
            }
            match ingest.finish()? {
                Ok(blob) => {
                    // Not the mirror that may have given it: nobody pushes there.
                    self.cache.remember_place_of_blob(repository, &descriptor.digest);
                    return Ok(blob);
                }
                // Perhaps only what another one had left was wrong.
                Err((again, _)) if continued => (ingest, continued) = (again, false),
                Err((again, found)) => {
                    again.abandon()?;
                    let what = format!("a blob of {repository}");
                    return Err(RegistryError::Digest { what, expected: descriptor.digest.clone(), found });
                }
            }
        }
    }

    /// A blob of the cache, without asking anybody, and whether its content is in `copy` now.
    pub(crate) async fn cached_blob(
        &self,
        descriptor: &Descriptor,
        copy: Option<Arc<File>>,
    ) -> Result<Option<(CachedBlob, bool)>, RegistryError> {
        if !self.cache.has(&descriptor.digest, descriptor.size) {
            return Ok(None);
        }
        let (cache, digest) = (self.cache.clone(), descriptor.digest.clone());
        on_thread(move || cache.blob_with_copy(&digest, copy.as_deref())).await
    }

    async fn download(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        ingest: &mut Ingest,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let places = self.places(repository)?;
        let (last, mirrors) = places.split_last().unwrap_or((repository, &[]));
        for mirror in mirrors {
            match self.download_from(mirror, descriptor, ingest, progress).await {
                Ok(()) => return Ok(()),
                Err(err) => tracing::debug!("the mirror {mirror} does not help: {err}"),
            }
        }
        self.download_from(last, descriptor, ingest, progress).await
    }

    async fn download_from(
        &self,
        place: &Repository,
        descriptor: &Descriptor,
        ingest: &mut Ingest,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let limits = self.settings.limits;
        let mut farthest = ingest.written();
        let mut attempt = 1;
        loop {
            let received = self.receive(place, descriptor, ingest, progress).await;
            let err = match received {
                Ok(()) => return Ok(()),
                Err(err) => err,
            };
            if ingest.written() > farthest {
                (farthest, attempt) = (ingest.written(), 1);
            }
            let broke_off = matches!(err, RegistryError::Length { found, .. } if found > 0 && found < descriptor.size);
            let wait: Option<Duration> = pause(attempt, None, limits.longest_pause);
            match wait {
                Some(wait) if attempt < limits.attempts && (broke_off || is_transient(&err)) => {
                    progress.retrying(&err.to_string(), wait);
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(err),
            }
            attempt += 1;
        }
    }

    /// One request, and as much of the blob as it gives.
    async fn receive(
        &self,
        place: &Repository,
        descriptor: &Descriptor,
        ingest: &mut Ingest,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let size = descriptor.size;
        if ingest.written() > size {
            ingest.restart()?;
        }
        if ingest.written() == size && size > 0 {
            return Ok(());
        }
        let offset = ingest.written();
        let digest = &descriptor.digest;
        let mut request = Request::new(place, Method::GET, Target::Repository(format!("blobs/{digest}")), progress)
            .about(format!("pulling a blob of {place}"), format!("blob {digest} in {place}"))
            .accepting(&[416]);
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let mut response = self.transport.send(&request).await?;
        let wrong_length = |host: &str, found| RegistryError::Length {
            what: format!("the blob {digest}"),
            host: host.to_owned(),
            expected: size,
            found,
        };
        match begins_at(&response) {
            Some(begins) if begins == offset => {}
            // From the beginning, because it knows no ranges; or from nowhere, because what we have is not of it.
            Some(0) | None => {
                ingest.restart()?;
                if response.status().as_u16() == 416 {
                    return Err(wrong_length(response.host(), offset));
                }
            }
            Some(_) => return Err(wrong_length(response.host(), offset)),
        }
        let host = response.host().to_owned();
        let announced = response.header("content-length").and_then(|text| text.parse::<u64>().ok());
        if let Some(announced) = announced
            && ingest.written() + announced != size
        {
            return Err(wrong_length(&host, ingest.written() + announced));
        }
        while let Some(chunk) = response.chunk().await? {
            if ingest.written() + chunk.len() as u64 > size {
                return Err(wrong_length(&host, ingest.written() + chunk.len() as u64));
            }
            ingest.write(&chunk)?;
            progress.received(digest, ingest.written(), size);
        }
        if ingest.written() == size { Ok(()) } else { Err(wrong_length(&host, ingest.written())) }
    }
}

/// Where the bytes of an answer begin in the blob; none when it has none of them.
fn begins_at(response: &Response) -> Option<u64> {
    match response.status().as_u16() {
        206 => {
            let range = response.header("content-range")?.strip_prefix("bytes ")?;
            range.split('-').next()?.trim().parse().ok()
        }
        416 => None,
        _ => Some(0),
    }
}

/// Runs what blocks where it holds up nothing else.
pub(crate) async fn on_thread<T, E, F>(work: F) -> Result<T, RegistryError>
where
    T: Send + 'static,
    E: Into<RegistryError> + Send + 'static,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(err) => Err(RegistryError::Io(std::io::Error::other(err))),
    }
}
