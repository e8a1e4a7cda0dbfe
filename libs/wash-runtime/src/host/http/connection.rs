//! One connection: its protocol, its requests, and its orderly end.
//!
//! It knows nothing of guests: each request goes to [`super::exchange`].

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::header::CONNECTION;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::control::{Command, Control};
use super::limits::{DEFAULT_HEADERS, Limits};
use super::request_body::{BodyLimits, Breach, Limited};
use super::response::{ResponseBody, text};
use super::response_body::Watched as WatchedBody;
use super::stream::{Protocol, Watched};
use super::streams::StreamExecutor;
use super::tls::Tls;
use super::{OwnPages, Router, exchange};

/// What every connection of a server is served with.
pub(super) struct Serving<R> {
    router: Arc<R>,
    local: SocketAddr,
    pub(super) tls: Option<Arc<Tls>>,
    /// What times of connections are counted from.
    pub(super) epoch: Instant,
    body_limits: BodyLimits,
    own_pages: Option<Arc<dyn OwnPages>>,
    http1: http1::Builder,
    http2: http2::Builder<StreamExecutor>,
}

/// What a request's handling needs to know of the connection that brought it.
pub(super) struct ConnectionInfo {
    /// The address that the server listens on.
    pub(super) local: SocketAddr,
    /// The address at the other end.
    pub(super) peer: SocketAddr,
    /// `https` where the connection is encrypted.
    pub(super) scheme: Scheme,
    /// What is answered by nobody's workload.
    pub(super) own_pages: Option<Arc<dyn OwnPages>>,
}

/// A request as it comes from a connection.
pub(super) type IncomingRequest = Request<Limited<Incoming>>;

/// One connection's share of what its requests are answered with.
struct Client<R> {
    serving: Arc<Serving<R>>,
    control: Arc<Control>,
    info: ConnectionInfo,
}

impl<R: Router> Serving<R> {
    pub(super) fn new(
        router: Arc<R>,
        local: SocketAddr,
        tls: Option<Arc<Tls>>,
        own_pages: Option<Arc<dyn OwnPages>>,
        limits: &Limits,
    ) -> Self {
        Self {
            router,
            local,
            tls,
            epoch: Instant::now(),
            body_limits: BodyLimits { bytes: limits.body_bytes, timeout: limits.body_timeout },
            own_pages,
            http1: http1_builder(limits),
            http2: http2_builder(limits),
        }
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The worker looks after the time that heads take: a timer for each request would cost more.
    builder.header_read_timeout(None).max_header_size(limits.header_bytes);
    if limits.headers != DEFAULT_HEADERS {
        builder.max_headers(limits.headers);
    }
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<StreamExecutor> {
    let mut builder = http2::Builder::new(StreamExecutor { write_timeout: limits.write_timeout });
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.concurrent_streams)
        .keep_alive_interval(limits.keep_alive_interval);
    builder
}

/// Serves a connection until the client closes it or its [`Control`] ends it. The stream must not block.
pub(super) async fn serve<R: Router>(stream: std::net::TcpStream, serving: Arc<Serving<R>>, control: &Arc<Control>) {
    if let Err(err) = try_serve(stream, serving, control).await {
        tracing::debug!("a connection ended early: {err}");
    }
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the stream failed: {0}")]
    Stream(#[from] io::Error),
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("the protocol failed: {0}")]
    Protocol(#[from] hyper::Error),
    #[error("it was told to end")]
    Ended,
}

async fn try_serve<R: Router>(
    stream: std::net::TcpStream,
    serving: Arc<Serving<R>>,
    control: &Arc<Control>,
) -> Result<(), Failure> {
    let stream = TcpStream::from_std(stream)?;
    let peer = stream.peer_addr()?;
    match serving.tls.clone() {
        None => {
            let mut stream = Watched::new(stream, Arc::clone(control));
            let protocol = unless_ended(control, stream.detect()).await??;
            speak(protocol, stream, (Scheme::HTTP, peer), serving, control).await
        }
        Some(tls) => {
            let (stream, protocol) = unless_ended(control, tls.accept(stream)).await?.map_err(Failure::Handshake)?;
            let stream = Watched::new(stream, Arc::clone(control));
            speak(protocol, stream, (Scheme::HTTPS, peer), serving, control).await
        }
    }
}

/// Waits for what comes before the first request, unless the connection is to end.
async fn unless_ended<F: Future>(control: &Control, future: F) -> Result<F::Output, Failure> {
    let mut future = pin!(future);
    poll_fn(|cx| match control.poll_command(cx.waker()) {
        Command::Serve => future.as_mut().poll(cx).map(Ok),
        Command::Drain | Command::Close => Poll::Ready(Err(Failure::Ended)),
    })
    .await
}

async fn speak<R: Router, S>(
    protocol: Protocol,
    stream: Watched<S>,
    (scheme, peer): (Scheme, SocketAddr),
    serving: Arc<Serving<R>>,
    control: &Arc<Control>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let info = ConnectionInfo { local: serving.local, peer, scheme, own_pages: serving.own_pages.clone() };
    let client = Arc::new(Client { serving: Arc::clone(&serving), control: Arc::clone(control), info });
    let service = service_fn(move |request| {
        let client = Arc::clone(&client);
        async move { Ok::<_, Infallible>(answer(&client, request).await) }
    });
    match protocol {
        Protocol::Http1 => {
            control.expect_heads();
            let connection = serving.http1.serve_connection(TokioIo::new(stream), service);
            drive(connection, control, http1::Connection::graceful_shutdown).await
        }
        Protocol::Http2 => {
            let connection = serving.http2.serve_connection(TokioIo::new(stream), service);
            drive(connection, control, http2::Connection::graceful_shutdown).await
        }
    }
}

/// Runs a connection until it ends or is told to.
async fn drive<C>(connection: C, control: &Control, drain: impl Fn(Pin<&mut C>)) -> Result<(), Failure>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut is_draining = false;
    poll_fn(|cx| {
        match control.poll_command(cx.waker()) {
            Command::Serve => {}
            Command::Drain if is_draining => {}
            Command::Drain => {
                is_draining = true;
                drain(connection.as_mut());
            }
            Command::Close => return Poll::Ready(Err(Failure::Ended)),
        }
        connection.as_mut().poll(cx).map_err(Failure::Protocol)
    })
    .await
}

/// Answers a request, whose body and whose response's body are watched from here on.
async fn answer<R: Router>(client: &Client<R>, request: Request<Incoming>) -> Response<WatchedBody> {
    let mut in_flight = client.control.begin();
    let version = request.version();
    let (parts, body) = request.into_parts();
    let (body, watch) = Limited::new(body, client.serving.body_limits);
    in_flight.watch(watch.clone());
    let promised_breach = body.promised_breach();
    let response = if promised_breach.is_some() {
        drop(body);
        None
    } else {
        let request: IncomingRequest = Request::from_parts(parts, body);
        Some(exchange::answer(client.serving.router.as_ref(), &client.info, request).await)
    };
    let breach = promised_breach.or_else(|| watch.and_then(|watch| watch.breach()));
    let response = match (response, breach) {
        (Some(response), None) if response.status().is_informational() => {
            let message = format!("the component ended its response with the status {}", response.status());
            text(StatusCode::INTERNAL_SERVER_ERROR, &message)
        }
        (Some(response), None) => response,
        (_, breach) => refusal(breach, &client.serving.body_limits, version),
    };
    WatchedBody::join(response, in_flight)
}

/// What a client is told whose request's body broke a limit. Nobody reads the rest of that body.
fn refusal(breach: Option<Breach>, limits: &BodyLimits, version: Version) -> Response<ResponseBody> {
    let (status, message) = match breach {
        Some(Breach::TimedOut) => (StatusCode::REQUEST_TIMEOUT, "the request's body paused for too long".to_string()),
        Some(Breach::TooLarge) | None => {
            let limit = limits.bytes.unwrap_or(u64::MAX);
            (StatusCode::PAYLOAD_TOO_LARGE, format!("the request's body is larger than {limit} bytes"))
        }
    };
    let mut response = text(status, &message);
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
