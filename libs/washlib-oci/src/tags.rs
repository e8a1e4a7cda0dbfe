//! The tags of a repository: all pages of them, and in the order of their versions.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use reqwest::Method;
use semver::Version;
use serde::Deserialize;
use url::Url;

use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::http::{Request, Response, Target};
use crate::progress::Progress;
use crate::reference::Repository;

/// The largest page that is read.
const MAX_PAGE: u64 = 16 << 20;
/// How many tags are asked for at once.
const PAGE: u32 = 1000;
/// More pages than this are a registry that goes round in circles.
const MAX_PAGES: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    /// Some registries write `null` for none.
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of a repository, in the registry's order.
    ///
    /// # Errors
    ///
    /// When there is no such repository, or what the registry says is no list of tags.
    pub async fn tags(&self, repository: &Repository, progress: &dyn Progress) -> Result<Vec<String>, RegistryError> {
        let mut target = Target::Repository(format!("tags/list?n={PAGE}"));
        let mut seen = BTreeSet::new();
        let mut tags = Vec::new();
        for _ in 0..MAX_PAGES {
            let request = Request::new(repository, Method::GET, target, progress)
                .about(format!("listing the tags of {repository}"), repository.to_string());
            let mut response = self.transport.send(&request).await?;
            let next = next_page(&response);
            let body = response.bytes(MAX_PAGE).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|err| RegistryError::Protocol {
                host: repository.registry().to_owned(),
                what: format!("listing the tags of {repository}"),
                reason: format!("its answer is no list of tags: {err}"),
            })?;
            let before = seen.len();
            for tag in page.tags.unwrap_or_default() {
                if seen.insert(tag.clone()) {
                    tags.push(tag);
                }
            }
            match next {
                // A page without a new tag would be followed by itself.
                Some(next) if seen.len() > before => target = Target::Url(next),
                _ => break,
            }
        }
        Ok(tags)
    }
}

/// Where the next page is: the header `Link` with `rel="next"`, on the same host.
pub(crate) fn next_page(response: &Response) -> Option<Url> {
    let link = response.header("link")?;
    let next = link.split(',').find(|link| link.contains("rel=next") || link.contains("rel=\"next\""))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    let url = response.url().join(address).ok()?;
    (url.origin() == response.url().origin()).then_some(url)
}

/// Puts tags in the order of their versions, the newest first; what is no version follows by name.
pub fn sort_tags(tags: &mut [String]) {
    tags.sort_by(|a, b| match (version(a), version(b)) {
        (Some(first), Some(second)) => second.cmp(&first).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    });
}

/// A tag as a version: with or without a `v`, and with parts left out.
fn version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let (numbers, rest) = match text.find(['-', '+']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let parts = numbers.split('.').count();
    if parts > 2 || numbers.is_empty() {
        return None;
    }
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(3 - parts))).ok()
}

/// Whether a tag only stands for a digest: signatures and lists of referrers are kept under such tags.
pub fn is_digest_tag(tag: &str) -> bool {
    let name = tag.split_once('.').map_or(tag, |(name, _)| name);
    name.split_once('-').is_some_and(|(algorithm, hex)| format!("{algorithm}:{hex}").parse::<Digest>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_first_and_newest_first() {
        let mut tags: Vec<String> =
            ["latest", "0.9.0", "v1.10.0", "1.2.0", "1.2.0-rc.1", "2", "canary", "1.11", "1.2.3.4"]
                .map(String::from)
                .to_vec();
        sort_tags(&mut tags);
        let expected = ["2", "1.11", "v1.10.0", "1.2.0", "1.2.0-rc.1", "0.9.0", "1.2.3.4", "canary", "latest"];
        assert_eq!(tags, expected);
    }

    #[test]
    fn tags_of_digests_are_recognised() {
        let hex = "a".repeat(64);
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.att")] {
            assert!(is_digest_tag(&tag), "{tag}");
        }
        for tag in ["latest", "sha256-abc", "sha256", "1.2.3", ""] {
            assert!(!is_digest_tag(tag), "{tag}");
        }
    }
}
