//! Answers that are not as they should be.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LINK, LOCATION, RANGE, RETRY_AFTER};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;

use super::faults::{Fault, Place};
use super::{Faulty, Quirk};
use crate::api::CONTENT_DIGEST;
use crate::api::body::{BrokenBody, BrokenEnd, ReplyBody};
use crate::api::refusal::{Code, Refusal};
use crate::name::Digest;
use crate::server::handler::{Answer, Cut};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// Where the other host is: `http://localhost:1234`.
pub(super) type Elsewhere<'a> = &'a str;

/// A fault that needs no proper answer to begin with; `None` for those that spoil one.
pub(super) async fn instead(fault: &Fault, head: &Parts, elsewhere: Elsewhere<'_>) -> Option<Result<Answer, Cut>> {
    let response = match fault {
        Fault::Status(status) => refusal(*status).into_response(),
        Fault::Page(status) => {
            let mut response = Response::new(ReplyBody::from("<html><h1>It did not work</h1></html>".to_owned()));
            *response.status_mut() = status_code(*status);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            response
        }
        Fault::TooManyRequests { retry_after } => {
            let mut response = refusal(429).into_response();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*retry_after));
            response
        }
        Fault::Cut => return Some(Err(Cut)),
        Fault::Hang => std::future::pending().await,
        Fault::RedirectElsewhere => redirect(&format!("{elsewhere}{}", target(head))),
        Fault::RedirectLoop => redirect(target(head)),
        Fault::Huge(bytes) => {
            let beginning = Bytes::from(vec![b' '; usize::try_from(*bytes).unwrap_or(usize::MAX)]);
            Response::new(ReplyBody::Broken(BrokenBody::new(beginning, BrokenEnd::Break)))
        }
        _ => return None,
    };
    Some(Ok(Answer::new(response)))
}

/// Spoils a proper answer.
pub(super) async fn spoil(fault: &Fault, answer: Answer) -> Result<Answer, Cut> {
    let (mut parts, body) = answer.response.into_parts();
    let content = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let length = content.len() as u64;
    let half = content.slice(..content.len() / 2);
    let broken = |beginning: Bytes, end| ReplyBody::Broken(BrokenBody::new(beginning, end));
    let mut announced = length;
    let body = match fault {
        Fault::HalfBody => broken(half, BrokenEnd::Break),
        Fault::HangInBody => broken(half, BrokenEnd::Hang),
        Fault::Garbage => {
            let garbage = Bytes::from_static(b"\x00\xff garbage {");
            announced = garbage.len() as u64;
            ReplyBody::Text(Some(garbage))
        }
        Fault::FlippedByte => {
            let mut flipped = content.to_vec();
            if let Some(last) = flipped.last_mut() {
                *last ^= 1;
            }
            ReplyBody::Text(Some(flipped.into()))
        }
        Fault::LongerLength(more) => {
            announced = length + more;
            broken(content, BrokenEnd::Break)
        }
        Fault::ShorterLength(less) => {
            announced = length.saturating_sub(*less);
            ReplyBody::Text(Some(content.slice(..usize::try_from(announced).unwrap_or(usize::MAX))))
        }
        Fault::WrongDigestHeader => {
            let wrong = Digest::sha256(b"something else").to_string();
            parts.headers.insert(CONTENT_DIGEST, HeaderValue::from_str(&wrong).expect("digests are ASCII"));
            ReplyBody::Text(Some(content))
        }
        _ => ReplyBody::Text(Some(content)),
    };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(announced));
    Ok(Answer::new(Response::from_parts(parts, body)))
}

/// Refuses what the registry does not know.
pub(super) fn refuse(quirks: &[Quirk], head: &Parts, place: Option<Place>) -> Option<Refusal> {
    let is = |method: Method| head.method == method;
    quirks.iter().find_map(|quirk| match quirk {
        Quirk::NoReferrers if place == Some(Place::Referrers) => Some(Refusal::not_found("404 page not found")),
        Quirk::NoDelete if is(Method::DELETE) => Some(Refusal::method("GET, HEAD")),
        Quirk::NoHead if is(Method::HEAD) && place == Some(Place::Manifest) => Some(Refusal::method("GET")),
        Quirk::NoPieces if is(Method::PATCH) => Some(Refusal::method("PUT")),
        _ => None,
    })
}

/// Changes a request so that it asks for what the registry is willing to do.
pub(super) fn change_request(quirks: &[Quirk], head: &mut Parts, place: Option<Place>) {
    for quirk in quirks {
        match quirk {
            Quirk::NoMount if place == Some(Place::BeginUpload) => change_query(head, |name, _| name != "mount"),
            Quirk::NoRanges => {
                head.headers.remove(RANGE);
            }
            Quirk::UnfilteredReferrers if place == Some(Place::Referrers) => {
                change_query(head, |name, _| name != "artifactType");
            }
            Quirk::PageSize(size) if matches!(place, Some(Place::Tags | Place::Catalog)) => {
                let is_smaller = |value: &str| value.parse().is_ok_and(|wanted: usize| wanted <= *size);
                change_query(head, |name, value| name != "n" || is_smaller(value));
                if !head.uri.query().unwrap_or_default().contains("n=") {
                    add_to_query(head, "n", &size.to_string());
                }
            }
            _ => {}
        }
    }
}

/// Changes a proper answer into one that this registry gives.
pub(super) fn change_response(
    quirks: &[Quirk],
    head: &Parts,
    place: Option<Place>,
    response: &mut Response<ReplyBody>,
    elsewhere: Elsewhere<'_>,
) {
    for quirk in quirks {
        match quirk {
            Quirk::NoReferrers => {
                response.headers_mut().remove(SUBJECT);
            }
            Quirk::NoLocation(at) if at.includes(place) => {
                response.headers_mut().remove(LOCATION);
            }
            Quirk::UploadsElsewhere if is_upload(place, response) => {
                change_location(response, |own| format!("{elsewhere}{own}"))
            }
            Quirk::LocationWithQuery if is_upload(place, response) => change_location(response, |own| {
                let separator = if own.contains('?') { '&' } else { '?' };
                format!("{own}{separator}_state=opaque%2Fstate")
            }),
            Quirk::BlobsElsewhere
                if place == Some(Place::Blob) && head.method == Method::GET && response.status().is_success() =>
            {
                *response = redirect(&format!("{elsewhere}{}", target(head)));
            }
            Quirk::NoDigestHeader => {
                response.headers_mut().remove(CONTENT_DIGEST);
            }
            Quirk::EndlessPages if matches!(place, Some(Place::Tags | Place::Catalog)) => {
                let link = format!("<{}>; rel=\"next\"", target(head));
                response.headers_mut().insert(LINK, HeaderValue::from_str(&link).expect("a request's target is ASCII"));
            }
            Quirk::NullTags if place == Some(Place::Tags) && response.status().is_success() => {
                *response.body_mut() = ReplyBody::from("{\"name\":\"a\",\"tags\":null}".to_owned());
            }
            _ => {}
        }
    }
}

fn is_upload(place: Option<Place>, response: &Response<ReplyBody>) -> bool {
    let is_place = matches!(place, Some(Place::BeginUpload | Place::UploadPiece));
    is_place && response.status() == StatusCode::ACCEPTED
}

fn change_location(response: &mut Response<ReplyBody>, change: impl FnOnce(&str) -> String) {
    let Some(own) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()) else { return };
    let changed = HeaderValue::from_str(&change(own)).expect("a location is ASCII");
    response.headers_mut().insert(LOCATION, changed);
}

fn redirect(location: &str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(location).expect("a location is ASCII"));
    response
}

fn refusal(status: u16) -> Refusal {
    let code = match status {
        401 => Code::Unauthorized,
        403 => Code::Denied,
        404 => Code::ManifestUnknown,
        429 => Code::TooManyRequests,
        _ => Code::Unknown,
    };
    Refusal::new(code, "a fault of this test").with_status(status_code(status))
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a status of HTTP")
}

fn target(head: &Parts) -> &str {
    head.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

fn change_query(head: &mut Parts, keep: impl Fn(&str, &str) -> bool) {
    let pairs = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let kept = pairs.filter(|(name, value)| keep(name, value));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    set_query(head, &query);
}

fn add_to_query(head: &mut Parts, name: &str, value: &str) {
    let pairs = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).append_pair(name, value).finish();
    set_query(head, &query);
}

fn set_query(head: &mut Parts, query: &str) {
    let separator = if query.is_empty() { "" } else { "?" };
    let text = format!("{}{separator}{query}", head.uri.path());
    head.uri = text.parse::<Uri>().expect("a path and an encoded query");
}

/// The first fault that happens to this request.
pub(super) fn strike(quirks: &mut [Quirk], head: &Parts, place: Option<Place>) -> Option<Fault> {
    quirks.iter_mut().find_map(|quirk| match quirk {
        Quirk::Fault(faulty) => faulty.strikes(head, place).then(|| Faulty::clone(faulty).fault),
        _ => None,
    })
}
