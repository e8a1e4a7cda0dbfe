//! What went wrong with a request, in the terms of `wasi:http`.
//!
//! Those terms are few; what they leave out is recorded for the operator, at the level of debugging.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use rustix::io::Errno;
use wasmtime_wasi_http::Error;

/// The server's name has no address.
pub(super) fn unknown_name() -> Error {
    Error::DnsError { rcode: Some("address not available".to_string()), info_code: None }
}

/// No connection could be made.
pub(super) fn of_connecting(err: &io::Error) -> Error {
    tracing::debug!("cannot connect for a guest: {err}");
    if [Errno::MFILE, Errno::NFILE].iter().any(|errno| Some(errno.raw_os_error()) == err.raw_os_error()) {
        return Error::ConnectionLimitReached;
    }
    match err.kind() {
        ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        ErrorKind::TimedOut => Error::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            Error::DestinationIpUnroutable
        }
        ErrorKind::PermissionDenied => Error::DestinationIpProhibited,
        _ => Error::ConnectionTerminated,
    }
}

/// TLS could not be set up.
pub(super) fn of_tls(err: &io::Error) -> Error {
    tracing::debug!("cannot set up TLS for a guest: {err}");
    of_tls_in(err).unwrap_or(Error::ConnectionTerminated)
}

/// The connection failed before there was a response.
pub(super) fn of_exchange(err: &hyper::Error) -> Error {
    record(err);
    if err.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(None);
    }
    if err.is_incomplete_message() || err.is_canceled() || err.is_closed() {
        return Error::ConnectionTerminated;
    }
    of_io_in(err).unwrap_or(Error::HttpProtocolError)
}

/// The connection failed in the middle of a response's body.
pub(super) fn of_body(err: &hyper::Error) -> Error {
    record(err);
    if err.is_incomplete_message() || io_in(err).is_some_and(|err| err.kind() == ErrorKind::UnexpectedEof) {
        return Error::HttpResponseIncomplete;
    }
    of_io_in(err).unwrap_or(Error::HttpProtocolError)
}

fn record(err: &hyper::Error) {
    let cause = err.source().map(ToString::to_string).unwrap_or_default();
    tracing::debug!("a guest's request failed: {err}: {cause}");
}

fn of_io_in(err: &hyper::Error) -> Option<Error> {
    let err = io_in(err)?;
    of_tls_in(err).or(Some(Error::ConnectionTerminated))
}

/// The failure of reading or writing that is behind an error.
fn io_in(err: &hyper::Error) -> Option<&io::Error> {
    std::iter::successors(err.source(), |err| (**err).source()).find_map(|err| err.downcast_ref())
}

fn of_tls_in(err: &io::Error) -> Option<Error> {
    let err = err.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match err {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::InvalidCertRevocationList(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType => Error::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    })
}
