//! From a request's path to what it is about.
//!
//! Methods are not looked at: which of them a place knows is the business of whoever answers.

use percent_encoding::percent_decode_str;

use super::refusal::{Code, Refusal};
use crate::name::{Digest, Reference, Repository};
use crate::store::UploadId;

/// A place below `/v2/`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Repository),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Repository, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Repository, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Repository, UploadId),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Repository, Digest),
}

impl Route {
    /// Understands a path. A repository's name may contain what separates it from the rest, so the path is read from
    /// its end.
    pub(crate) fn parse(path: &str) -> Result<Self, Refusal> {
        let nowhere = || Refusal::not_found("there is nothing at this path");
        let below = path.strip_prefix("/v2").ok_or_else(nowhere)?;
        if below.is_empty() || below == "/" {
            return Ok(Self::Base);
        }
        let below = below.strip_prefix('/').ok_or_else(nowhere)?;
        let parts: Result<Vec<String>, Refusal> = below.split('/').map(decoded).collect();
        let parts = parts?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["_catalog"] => Ok(Self::Catalog),
            [name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [name @ .., "manifests", reference] => {
                Ok(Self::Manifest(repository(name)?, manifest_reference(reference)?))
            }
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [name @ .., "blobs", "uploads", id] => {
                let name = repository(name)?;
                let id = UploadId::parse(id)
                    .ok_or_else(|| Refusal::new(Code::BlobUploadUnknown, "there is no such upload"))?;
                Ok(Self::Upload(name, id))
            }
            [name @ .., "blobs", digest] => Ok(Self::Blob(repository(name)?, parsed_digest(digest)?)),
            [name @ .., "referrers", digest] => Ok(Self::Referrers(repository(name)?, parsed_digest(digest)?)),
            _ => Err(nowhere()),
        }
    }

    /// The repository that it is about.
    #[cfg(feature = "quirks")]
    pub(crate) fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

/// Some clients write the colon of a digest as `%3A`.
fn decoded(part: &str) -> Result<String, Refusal> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(String::from).map_err(|_| Refusal::new(Code::NameInvalid, "the path is not UTF-8"))
}

fn repository(parts: &[&str]) -> Result<Repository, Refusal> {
    // An encoded slash would join what the path separates.
    let name = if parts.iter().any(|part| part.contains('/')) { String::from("/") } else { parts.join("/") };
    Ok(Repository::parse(&name)?)
}

fn manifest_reference(text: &str) -> Result<Reference, Refusal> {
    Ok(Reference::parse(text)?)
}

fn parsed_digest(text: &str) -> Result<Digest, Refusal> {
    Ok(Digest::parse(text)?)
}

/// The values of a request's query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number of items, which has an upper limit.
    pub(crate) fn limit(&self, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.get("n") else { return Ok(most) };
        let number: Option<u64> = text.parse().ok();
        let number =
            number.ok_or_else(|| Refusal::new(Code::PaginationNumberInvalid, "`n` is not a number of items"))?;
        Ok(usize::try_from(number).unwrap_or(most).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Repository {
        Repository::parse(text).unwrap()
    }

    #[test]
    fn names_may_contain_the_words_of_the_api() {
        let digest = Digest::sha256(b"");
        let id = "3f9f8e0c-8d6c-4b8e-9a57-0d2a5a3f1c11";
        let upload = UploadId::parse(id).unwrap();
        for (path, expected) in [
            ("/v2".to_owned(), Route::Base),
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            ("/v2/a/b/tags/list".to_owned(), Route::Tags(name("a/b"))),
            ("/v2/tags/list/tags/list".to_owned(), Route::Tags(name("tags/list"))),
            ("/v2/a/manifests/latest".to_owned(), Route::Manifest(name("a"), Reference::parse("latest").unwrap())),
            (format!("/v2/a/blobs/{digest}"), Route::Blob(name("a"), digest.clone())),
            (format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3A")), Route::Blob(name("a"), digest.clone())),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads(name("a"))),
            ("/v2/blobs/uploads/blobs/uploads".to_owned(), Route::Uploads(name("blobs/uploads"))),
            (format!("/v2/a/blobs/uploads/{id}"), Route::Upload(name("a"), upload)),
            (format!("/v2/a/referrers/{digest}"), Route::Referrers(name("a"), digest.clone())),
        ] {
            assert_eq!(Route::parse(&path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn nothing_escapes() {
        for path in [
            "/",
            "/v3/",
            "/v2x/",
            "/v2//tags/list",
            "/v2/../tags/list",
            "/v2/a/../../b/tags/list",
            "/v2/%2e%2e/tags/list",
            "/v2/a%2Fb/tags/list",
            "/v2/a/manifests/..",
            "/v2/a/manifests/%2e%2e%2fx",
            "/v2/a/manifests/",
            "/v2/a/blobs/sha256:..%2f..%2fx",
            "/v2/a/blobs/uploads/..",
            "/v2/a/blobs/uploads/3F9F8E0C-8D6C-4B8E-9A57-0D2A5A3F1C11",
            "/v2/a/blobs/uploads/3f9f8e0c8d6c4b8e9a570d2a5a3f1c11",
            "/v2/a/blobs/%ff",
            "/v2/a/manifests/a%00b",
            "/v2/_catalog/x",
        ] {
            assert!(Route::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(Query::parse(None).limit(7).unwrap(), 7);
        assert_eq!(Query::parse(Some("n=0")).limit(7).unwrap(), 0);
        assert_eq!(Query::parse(Some("n=99999999999999999")).limit(7).unwrap(), 7);
        for bad in ["n=-1", "n=a", "n="] {
            assert!(Query::parse(Some(bad)).limit(7).is_err(), "{bad}");
        }
    }
}
