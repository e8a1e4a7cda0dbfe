//! Outgoing HTTP requests of guests: which of them leave the host, and how.
//!
//! It follows no redirect: a guest that does so sends a new request, which is judged anew. Connections are shared among
//! the components of one workload, never among workloads.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, Result as HttpResult, WasiBody, WasiHttpHooks};

use self::body::{Lease, RequestBody, RequestProgress, ResponseBody};
use self::connect::{Connector, SystemResolver};
use self::connection::{Connection, SendError};
use self::pool::{Pool, PoolLimits};
use self::target::Target;
use super::Engine;
use super::allowed_hosts::{AllowedHosts, Verdict};

mod body;
mod connect;
mod connection;
mod failure;
mod pool;
pub(super) mod roots;
mod target;
#[cfg(test)]
mod tests;

pub use roots::{RootCertificateError, TrustRoots};

/// Requests of one workload that are under way at once, until their responses have been read.
const MAX_REQUESTS: usize = 128;

/// How long the body of a refused request is read.
const REFUSED_BODY_PATIENCE: Duration = Duration::from_secs(1);

/// How long a request waits until it is one of them.
const PLACE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection may take where the guest sets no limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may be silent where the guest sets no limit. Deadlines of the guest itself are shorter.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a connection that has answered may take to be ready again.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether guests' HTTP requests may go to the machine that the host runs on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LoopbackEgress {
    /// They may: it is where developers run what a guest talks to.
    #[default]
    Allowed,
    /// They may not, unless `allowed_hosts` names the address.
    Refused,
}

/// How many requests the components of one workload may send at once. What is `None` stays as it is by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OutgoingLimits {
    /// Requests that are under way, until their responses have been read: by default 128. A request takes a connection of
    /// its own, unless the server speaks HTTP/2. Connections that wait for a request do not count.
    pub max_requests: Option<usize>,
    /// How long a request waits until it is one of them, before it fails: by default 5 seconds.
    pub wait: Option<Duration>,
}

/// What a host's guests may do outside, and the end of it.
#[derive(Debug)]
pub(crate) struct Egress {
    loopback: LoopbackEgress,
    max_requests: usize,
    /// How long a request waits until it is one of them.
    place_patience: Duration,
    closing: watch::Sender<bool>,
}

impl Egress {
    pub(crate) fn new(loopback: LoopbackEgress) -> Self {
        let closing = watch::Sender::new(false);
        Self { loopback, max_requests: MAX_REQUESTS, place_patience: PLACE_PATIENCE, closing }
    }

    pub(crate) fn with_limits(mut self, limits: OutgoingLimits) -> Self {
        self.max_requests = limits.max_requests.unwrap_or(self.max_requests).min(Semaphore::MAX_PERMITS);
        self.place_patience = limits.wait.unwrap_or(self.place_patience);
        self
    }

    /// Closes connections that wait for requests, and keeps none any more.
    pub(crate) fn close_idle(&self) {
        self.closing.send_replace(true);
    }
}

/// One workload's way out.
pub(crate) struct OutgoingHttp {
    connector: Connector,
    pool: Arc<Pool>,
    places: Arc<Semaphore>,
    place_patience: Duration,
}

/// How long a guest waits.
struct Timeouts {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

/// A response as it comes, and the connection it comes on.
struct Answer {
    response: Response<Incoming>,
    connection: Connection,
}

/// Reads away the body of a request that does not leave. A guest that is still writing it would otherwise hear of a closed
/// stream, perhaps before it hears why.
fn refuse_body(request: Request<WasiBody>) {
    tokio::spawn(timeout(REFUSED_BODY_PATIENCE, request.into_body().collect()));
}

impl OutgoingHttp {
    pub(crate) fn new(engine: &Engine, egress: &Egress) -> Self {
        let resolver = Box::new(SystemResolver::default());
        let connector = Connector::new(Arc::clone(engine.trust()), egress.loopback, resolver);
        let slow = engine.compute().runtime_id();
        Self::with(connector, Pool::new(PoolLimits::default(), slow, egress.closing.subscribe()), egress)
    }

    fn with(connector: Connector, pool: Arc<Pool>, egress: &Egress) -> Self {
        let places = Arc::new(Semaphore::new(egress.max_requests));
        Self { connector, pool, places, place_patience: egress.place_patience }
    }

    /// Sends a request, if it may leave, and waits for the head of its response.
    async fn send(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        allowed_hosts: &AllowedHosts,
    ) -> HttpResult<Response<WasiBody>> {
        let target = Target::of(&request)?;
        let origin = &target.origin;
        let verdict = allowed_hosts.allows(origin.scheme, &origin.host, origin.port);
        if verdict == Verdict::Refused {
            refuse_body(request);
            return Err(Error::HttpRequestDenied);
        }
        // Before the pool is asked: what one component may reach by name of its address, another may not.
        if !self.connector.permits_literal(&target, verdict) {
            refuse_body(request);
            return Err(Error::DestinationIpProhibited);
        }
        let place = self.place().await?;
        let timeouts = Timeouts::of(options);
        let (parts, body) = request.into_parts();
        let (body, progress) = RequestBody::new(body);
        let request = Request::from_parts(parts, body);
        let Answer { response, connection } = self.exchange(request, &progress, &target, &timeouts).await?;
        progress.answered();
        let lease = Lease { connection, origin: target.origin, pool: Arc::clone(&self.pool), request: progress };
        Ok(response.map(|incoming| ResponseBody::new(incoming, lease, place, timeouts.between_bytes).boxed_unsync()))
    }

    async fn place(&self) -> HttpResult<OwnedSemaphorePermit> {
        match timeout(self.place_patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Error::ConnectionLimitReached),
        }
    }

    /// Sends on a connection that is there, or else on a new one.
    async fn exchange(
        &self,
        request: Request<RequestBody>,
        progress: &RequestProgress,
        target: &Target,
        timeouts: &Timeouts,
    ) -> HttpResult<Answer> {
        let request = match self.idle(target, timeouts.connect.min(READY_TIMEOUT)).await {
            None => request,
            Some(connection) => {
                let head = repeatable(&request);
                match send(connection, request, target, timeouts).await {
                    Ok(answer) => return Ok(answer),
                    // The server may have closed it at the same moment. It cannot do so twice: a new connection has
                    // never been idle.
                    Err(err) => again(err, head, progress)?,
                }
            }
        };
        let connection = self.connector.connect(target, timeouts.connect).await?;
        if let Some(shared) = connection.share() {
            self.pool.put(target.origin.clone(), shared);
        }
        send(connection, request, target, timeouts).await.map_err(|err| err.reason)
    }

    /// A connection that waits for a request.
    async fn idle(&self, target: &Target, patience: Duration) -> Option<Connection> {
        while let Some(mut connection) = self.pool.take(&target.origin) {
            // Behind the I/O driver: if the server has closed the connection, its task knows before the request is sent.
            tokio::task::yield_now().await;
            if timeout(patience, connection.ready()).await.unwrap_or(false) {
                return Some(connection);
            }
        }
        None
    }
}

impl std::fmt::Debug for OutgoingHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutgoingHttp").field("places", &self.places.available_permits()).finish_non_exhaustive()
    }
}

/// A request's head, if it does not matter how often the server sees it.
fn repeatable<B>(request: &Request<B>) -> Option<Request<()>> {
    if !request.method().is_idempotent() {
        return None;
    }
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.headers_mut().clone_from(request.headers());
    Some(head)
}

/// The request once more, if that is safe: nothing of it has been sent, or RFC 9110, section 9.2.2 allows it.
fn again(failed: SendError, head: Option<Request<()>>, progress: &RequestProgress) -> HttpResult<Request<RequestBody>> {
    match (failed.unsent, failed.reason) {
        (Some(request), _) => Ok(*request),
        (None, Error::ConnectionTerminated) => {
            let body = progress.again();
            head.zip(body).map(|(head, body)| head.map(|()| body)).ok_or(Error::ConnectionTerminated)
        }
        (None, reason) => Err(reason),
    }
}

async fn send(
    mut connection: Connection,
    request: Request<RequestBody>,
    target: &Target,
    timeouts: &Timeouts,
) -> Result<Answer, SendError> {
    match timeout(timeouts.first_byte, connection.send(request, target)).await {
        Ok(sent) => sent.map(|response| Answer { response, connection }),
        Err(_) => Err(SendError { reason: Error::ConnectionReadTimeout, unsent: None }),
    }
}

impl Timeouts {
    fn of(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        Self {
            connect: options.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            first_byte: options.first_byte_timeout.unwrap_or(SILENCE_TIMEOUT),
            between_bytes: options.between_bytes_timeout.unwrap_or(SILENCE_TIMEOUT),
        }
    }
}

/// One component's way out: its workload's, to the hosts that the component may reach.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) workload: Arc<OutgoingHttp>,
    pub(crate) allowed_hosts: AllowedHosts,
}

/// Sends the requests of a component's instance.
pub(super) struct OutgoingHooks {
    outgoing: Arc<Outgoing>,
    /// Headers that name the trace to which the requests belong.
    trace: Option<Arc<HeaderMap>>,
}

impl OutgoingHooks {
    pub(super) fn new(outgoing: Arc<Outgoing>) -> Self {
        Self { outgoing, trace: None }
    }

    /// Makes the requests that follow a part of this trace.
    pub(super) fn follow(&mut self, trace: Option<&Arc<HeaderMap>>) {
        if self.trace.is_some() || trace.is_some() {
            self.trace = trace.cloned();
        }
    }
}

/// Names the trace, unless the guest has named one itself.
fn join_trace(headers: &mut HeaderMap, trace: &HeaderMap) {
    if trace.keys().any(|name| headers.contains_key(name)) {
        return;
    }
    for (name, value) in trace {
        headers.append(name, value.clone());
    }
}

type SentRequest = HttpResult<(Response<WasiBody>, Box<dyn Future<Output = HttpResult<()>> + Send>)>;

impl WasiHttpHooks for OutgoingHooks {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_result: Box<dyn Future<Output = HttpResult<()>> + Send>,
    ) -> Box<dyn Future<Output = SentRequest> + Send> {
        if let Some(trace) = &self.trace {
            join_trace(request.headers_mut(), trace);
        }
        let outgoing = Arc::clone(&self.outgoing);
        Box::new(async move {
            let response = outgoing.workload.send(request, options, &outgoing.allowed_hosts).await?;
            // The connection is driven by tasks of its own.
            let driver: Box<dyn Future<Output = HttpResult<()>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, driver))
        })
    }
}
