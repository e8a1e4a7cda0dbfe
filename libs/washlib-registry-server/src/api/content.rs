//! Blobs and manifests as responses: conditions, ranges, headers.
//!
//! RFC 9110, sections 13 and 14. A content never changes, so its digest is its tag.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::body::{FileBody, ReplyBody};
use super::refusal::{Code, Refusal};
use super::{Asked, CONTENT_DIGEST, header};
use crate::store::Content;

/// Where a manifest may be cached: what a tag names has to be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lasting {
    /// Asked for by digest.
    Always,
    /// Asked for by tag.
    UntilItMoves,
}

/// Which part of a content was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Whole,
    Bytes { first: u64, last: u64 },
    None,
}

pub(super) fn respond(asked: &Asked<'_>, content: Content, lasting: Lasting) -> Result<Response<ReplyBody>, Refusal> {
    let digest = content.digest.to_string();
    let tag = format!("\"{digest}\"");
    let mut response = Response::new(ReplyBody::Empty);
    let headers = response.headers_mut();
    headers.insert(CONTENT_DIGEST, header(&digest)?);
    headers.insert(ETAG, header(&tag)?);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(match lasting {
            Lasting::Always => "max-age=31536000, immutable",
            Lasting::UntilItMoves => "no-cache",
        }),
    );
    if let Some(condition) = asked.headers.get(IF_MATCH)
        && !names(condition, &tag)
    {
        return Err(Refusal::new(Code::Unsupported, "the content has another digest")
            .with_status(StatusCode::PRECONDITION_FAILED));
    }
    if asked.headers.get(IF_NONE_MATCH).is_some_and(|condition| names(condition, &tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let media_type = content.media_type.as_deref().unwrap_or("application/octet-stream");
    headers.insert(CONTENT_TYPE, header(media_type)?);
    let (first, length) = match part(asked.headers, &tag, content.size) {
        Part::Whole => (0, content.size),
        Part::Bytes { first, last } => {
            headers.insert(CONTENT_RANGE, header(format!("bytes {first}-{last}/{}", content.size))?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            (first, last - first + 1)
        }
        Part::None => {
            return Err(Refusal::new(Code::SizeInvalid, format!("the content has {} bytes", content.size))
                .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
                .with_header(CONTENT_RANGE, header(format!("bytes */{}", content.size))?));
        }
    };
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if asked.method != Method::HEAD {
        *response.body_mut() = ReplyBody::File(FileBody::new(content.file, first, length));
    }
    Ok(response)
}

/// Whether a list of tags has this one.
fn names(condition: &HeaderValue, tag: &str) -> bool {
    let Ok(text) = condition.to_str() else { return false };
    text.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one == tag)
}

/// Understands `Range`. What is not understood is ignored, and so are several ranges at once, as the RFC allows.
fn part(headers: &HeaderMap, tag: &str, size: u64) -> Part {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else { return Part::Whole };
    if headers.get(IF_RANGE).is_some_and(|condition| condition.as_bytes() != tag.as_bytes()) {
        return Part::Whole;
    }
    let Some((unit, range)) = range.split_once('=') else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Part::Whole;
    }
    match (number(first), number(last)) {
        (Number::Some(first), _) if first >= size => Part::None,
        (Number::Some(first), Number::Some(last)) if last >= first => Part::Bytes { first, last: last.min(size - 1) },
        (Number::Some(first), Number::Absent) => Part::Bytes { first, last: size - 1 },
        (Number::Absent, Number::Some(0)) => Part::None,
        (Number::Absent, Number::Some(_)) if size == 0 => Part::None,
        (Number::Absent, Number::Some(length)) => Part::Bytes { first: size.saturating_sub(length), last: size - 1 },
        _ => Part::Whole,
    }
}

enum Number {
    Absent,
    Some(u64),
    Wrong,
}

fn number(text: &str) -> Number {
    match text.trim() {
        "" => Number::Absent,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            // More than there can be is as good as the most there can be.
            Number::Some(digits.parse().unwrap_or(u64::MAX))
        }
        _ => Number::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, size: u64) -> Part {
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_str(range).unwrap())]);
        part(&headers, "\"tag\"", size)
    }

    #[test]
    fn ranges() {
        for (range, size, expected) in [
            ("bytes=0-0", 10, Part::Bytes { first: 0, last: 0 }),
            ("bytes=2-", 10, Part::Bytes { first: 2, last: 9 }),
            ("bytes=2-99", 10, Part::Bytes { first: 2, last: 9 }),
            ("bytes=0-99999999999999999999999", 10, Part::Bytes { first: 0, last: 9 }),
            ("bytes=-3", 10, Part::Bytes { first: 7, last: 9 }),
            ("bytes=-99", 10, Part::Bytes { first: 0, last: 9 }),
            ("BYTES = 1-2", 10, Part::Bytes { first: 1, last: 2 }),
            ("bytes=10-", 10, Part::None),
            ("bytes=99999999999999999999999-", 10, Part::None),
            ("bytes=-0", 10, Part::None),
            ("bytes=0-", 0, Part::None),
            ("bytes=-1", 0, Part::None),
            ("bytes=3-2", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=a-b", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("bytes=--1", 10, Part::Whole),
            ("lines=0-1", 10, Part::Whole),
            ("", 10, Part::Whole),
        ] {
            assert_eq!(of(range, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn a_range_of_another_content_is_none() {
        let value = |text: &'static str| HeaderValue::from_static(text);
        let mut headers = HeaderMap::from_iter([(RANGE, value("bytes=1-")), (IF_RANGE, value("\"other\""))]);
        assert_eq!(part(&headers, "\"tag\"", 10), Part::Whole);
        headers.insert(IF_RANGE, value("\"tag\""));
        assert_eq!(part(&headers, "\"tag\"", 10), Part::Bytes { first: 1, last: 9 });
        assert!(names(&value("\"a\", W/\"tag\""), "\"tag\"") && names(&value("*"), "\"tag\""));
        assert!(!names(&value("tag"), "\"tag\""));
    }
}
