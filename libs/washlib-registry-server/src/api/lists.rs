//! Lists: tags, repositories, referrers, each in pages.

use http::header::{CONTENT_TYPE, HeaderName, LINK};
use http::{HeaderValue, Method, Response};
use serde_json::json;
use url::form_urlencoded::Serializer;

use super::body::ReplyBody;
use super::refusal::Refusal;
use super::{Api, Asked, header};
use crate::name::{Digest, Repository};
use crate::store::INDEX_MEDIA_TYPE;

/// The longest page. Not every client knows pages, so that it is far beyond what a repository for development has.
const LONGEST_PAGE: usize = 10_000;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Api {
    pub(super) async fn tags(&self, asked: &Asked<'_>, name: Repository) -> Result<Response<ReplyBody>, Refusal> {
        only_get(asked)?;
        let limit = asked.query.limit(LONGEST_PAGE)?;
        let last = asked.query.get("last").map(str::to_owned);
        let repository = name.clone();
        let page = self.blocking(move |store| store.tags(&repository, last.as_deref(), limit)).await?;
        let mut response = super::json(json!({ "name": name.as_str(), "tags": page.items }).to_string());
        let path = format!("/v2/{name}/tags/list");
        link(&mut response, &path, page.continued.as_deref(), &[("n", &limit.to_string())])?;
        Ok(response)
    }

    pub(super) async fn catalog(&self, asked: &Asked<'_>) -> Result<Response<ReplyBody>, Refusal> {
        only_get(asked)?;
        let limit = asked.query.limit(LONGEST_PAGE)?;
        let last = asked.query.get("last").map(str::to_owned);
        let page = self.blocking(move |store| store.repositories(last.as_deref(), limit)).await?;
        let mut response = super::json(json!({ "repositories": page.items }).to_string());
        link(&mut response, "/v2/_catalog", page.continued.as_deref(), &[("n", &limit.to_string())])?;
        Ok(response)
    }

    pub(super) async fn referrers(
        &self,
        asked: &Asked<'_>,
        name: Repository,
        subject: Digest,
    ) -> Result<Response<ReplyBody>, Refusal> {
        only_get(asked)?;
        let artifact_type = asked.query.get("artifactType").filter(|wanted| !wanted.is_empty()).map(str::to_owned);
        let last = asked.query.get("last").map(str::to_owned);
        let path = format!("/v2/{name}/referrers/{subject}");
        let wanted = artifact_type.clone();
        let work =
            move |store: &crate::store::Store| store.referrers(&name, &subject, wanted.as_deref(), last.as_deref());
        let page = self.blocking(work).await?;
        let document = json!({ "schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": page.items });
        let mut response = super::json(document.to_string());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(INDEX_MEDIA_TYPE));
        let filter: Vec<(&str, &str)> =
            artifact_type.as_deref().map(|wanted| ("artifactType", wanted)).into_iter().collect();
        if !filter.is_empty() {
            response.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
        }
        link(&mut response, &path, page.continued.as_deref(), &filter)?;
        Ok(response)
    }
}

fn only_get(asked: &Asked<'_>) -> Result<(), Refusal> {
    match *asked.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::method("GET, HEAD")),
    }
}

/// Tells where the list goes on: RFC 8288.
fn link(
    response: &mut Response<ReplyBody>,
    path: &str,
    continued: Option<&str>,
    query: &[(&str, &str)],
) -> Result<(), Refusal> {
    let Some(last) = continued else { return Ok(()) };
    let query = Serializer::new(String::new()).extend_pairs(query).append_pair("last", last).finish();
    response.headers_mut().insert(LINK, header(format!("<{path}?{query}>; rel=\"next\""))?);
    Ok(())
}
