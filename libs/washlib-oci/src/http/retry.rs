//! What is tried again, and when.
//!
//! Decides; the waiting is done where the requests are sent.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;

use crate::error::RegistryError;

/// The pause before the second attempt, doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Whether an answer may be another one a moment later.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a failure may be none a moment later: a connection that broke or did not come about. A name that does not
/// exist or a certificate that is not trusted stays so.
pub(crate) fn is_transient(err: &RegistryError) -> bool {
    match err {
        RegistryError::TimedOut { .. } => true,
        RegistryError::Connect { source, .. }
        | RegistryError::BrokeOff { source, .. }
        | RegistryError::PlainHttp { source, .. }
        | RegistryError::ProxyUnreachable { source, .. }
        | RegistryError::ProxyFailed { source, .. } => {
            let text = format!("{source:?}").to_ascii_lowercase();
            // As rustls names them, among them what the other side says about our own certificate, and as proxies do.
            let permanent = [
                "dns error",
                "certificate",
                "unknownca",
                "invalidcontenttype",
                "corrupt message",
                "invalidmessage",
                "proxyauthrequired",
            ];
            !source.is_builder() && !permanent.iter().any(|sign| text.contains(sign))
        }
        _ => false,
    }
}

/// How long to wait after the given attempt, from 1: what the registry asks for, else longer each time and never quite
/// the same, so that many clients do not come back at once. None where the registry asks for more than `longest`.
pub(crate) fn pause(attempt: u32, retry_after: Option<Duration>, longest: Duration) -> Option<Duration> {
    match retry_after {
        Some(asked) if asked > longest => None,
        Some(asked) => Some(asked),
        None => {
            let doubled = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(10));
            let nanos =
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            let jitter = doubled.mul_f64(f64::from(nanos % 1000) / 2000.0);
            Some((doubled + jitter).min(longest))
        }
    }
}

/// The header `Retry-After`: seconds or a date.
pub(crate) fn retry_after(header: Option<&str>) -> Option<Duration> {
    let header = header?.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(header)?.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let day: u8 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year: u16 = words.next()?.parse().ok()?;
    let time = words.next()?;
    humantime::parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(Some("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(Some("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        let future = retry_after(Some("Thu, 01 Jan 2099 00:00:00 GMT")).unwrap();
        assert!(future > Duration::from_secs(86_400));
        for nonsense in ["", "soon", "-1", "Sun, 99 Foo 1994 08:49:37 GMT", "Sun, é"] {
            assert_eq!(retry_after(Some(nonsense)), None, "{nonsense}");
        }
        assert_eq!(retry_after(None), None);
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let longest = Duration::from_secs(60);
        let first = pause(1, None, longest).unwrap();
        assert!(first >= FIRST_PAUSE && first <= FIRST_PAUSE * 2);
        assert!(pause(4, None, longest).unwrap() >= FIRST_PAUSE * 8);
        assert_eq!(pause(60, None, longest), Some(longest));
        assert_eq!(pause(1, Some(Duration::from_secs(61)), longest), None);
        assert_eq!(pause(1, Some(Duration::from_secs(3)), longest), Some(Duration::from_secs(3)));
    }
}
