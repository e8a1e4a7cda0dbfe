//! The admin address: whether the process lives, whether it is ready, and its numbers for Prometheus.
//!
//! Nothing here changes the host, and nothing of the guests' traffic passes here.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use wash_runtime::host::Host;
use wash_runtime::host::metrics::{HostMetrics, LATENCY_BUCKETS, RequestOutcome, WorkloadSnapshot};

/// Scrapers and probes are few; more connections wait.
const MOST_CONNECTIONS: usize = 64;

/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait when the system can open no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What OpenMetrics calls itself.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the host is in its life, as `/readyz` tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not all workloads have been started.
    Starting,
    /// All workloads answer.
    Ready,
    /// Requests in flight are being finished.
    Stopping,
}

/// The admin address at work; it closes when this is dropped.
pub(crate) struct Admin {
    address: SocketAddr,
    phase: Arc<AtomicU8>,
    accept: JoinHandle<()>,
}

impl Admin {
    /// Opens the address.
    pub(crate) async fn start(address: SocketAddr, host: Arc<Host>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let phase = Arc::new(AtomicU8::new(Phase::Starting as u8));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(HostCollector { host }));
        let service = Arc::new(Service { phase: Arc::clone(&phase), registry });
        let accept = tokio::spawn(accept(listener, service));
        Ok(Self { address, phase, accept })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where the host is in its life.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

struct Service {
    phase: Arc<AtomicU8>,
    registry: Registry,
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // Nobody closes the semaphore.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(err) => {
                tracing::warn!("the admin address cannot accept connections at the moment: {err}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = service.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            // Whatever a client does wrong concerns that client alone.
            _ = server.serve_connection(TokioIo::new(stream), answer).await;
            drop(place);
        });
    }
}

impl Service {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => plain(StatusCode::OK, "alive\n"),
            "/readyz" => match self.phase.load(Ordering::Relaxed) {
                phase if phase == Phase::Ready as u8 => plain(StatusCode::OK, "ready\n"),
                phase if phase == Phase::Starting as u8 => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
                _ => plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            },
            "/metrics" => self.metrics(),
            _ => plain(StatusCode::NOT_FOUND, "there is /livez, /readyz and /metrics\n"),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut text = String::new();
        if text::encode(&mut text, &self.registry).is_err() {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n");
        }
        respond(StatusCode::OK, OPEN_METRICS, text)
    }
}

fn plain(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Writes down what a host has counted, anew for each scrape.
struct HostCollector {
    host: Arc<Host>,
}

impl fmt::Debug for HostCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCollector").finish_non_exhaustive()
    }
}

impl Collector for HostCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = self.host.metrics();
        metrics.workloads.sort_by(|one, other| one.workload_id.cmp(&other.workload_id));
        write_metrics(encoder, &metrics)
    }
}

/// The labels that tell a workload from others: as many as there are workloads, whatever clients send.
fn labels(workload: &WorkloadSnapshot) -> [(&'static str, &str); 2] {
    [("namespace", workload.namespace.as_str()), ("workload", workload.name.as_str())]
}

fn write_metrics(mut encoder: DescriptorEncoder<'_>, metrics: &HostMetrics) -> fmt::Result {
    let workloads = &metrics.workloads;
    write_requests(&mut encoder, workloads)?;
    write_durations(&mut encoder, workloads)?;
    let help = "Requests and other calls that are being worked on";
    let mut family = encoder.encode_descriptor("wash_requests_in_flight", help, None, MetricType::Gauge)?;
    for workload in workloads {
        family.encode_family(&labels(workload))?.encode_gauge(&gauge(workload.in_flight))?;
    }
    let help = "How often a workload's service has been started again";
    let mut family = encoder.encode_descriptor("wash_service_restarts", help, None, MetricType::Counter)?;
    for workload in workloads {
        let labels = labels(workload);
        let mut metric = family.encode_family(&labels)?;
        metric.encode_counter::<[(&str, &str); 0], _, u64>(&workload.service_restarts, None)?;
    }
    let gauges = [
        ("wash_workloads", "Workloads that are running", Some(workloads.len() as u64)),
        ("wash_instances", "Component instances that live", metrics.pool.map(|pool| pool.component_instances)),
        ("wash_instances_max", "Component instances that may live", metrics.pool.map(|pool| pool.max_instances.into())),
        ("wash_memories", "Linear memories in use", metrics.pool.map(|pool| pool.memories as u64)),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&gauge(value))?;
        }
    }
    Ok(())
}

fn write_requests(encoder: &mut DescriptorEncoder<'_>, workloads: &[WorkloadSnapshot]) -> fmt::Result {
    let help = "Requests that have been answered";
    let mut family = encoder.encode_descriptor("wash_requests", help, None, MetricType::Counter)?;
    for workload in workloads {
        for outcome in RequestOutcome::ALL {
            let count = workload.requests.by_outcome(outcome);
            // What has never happened is left out, but for what everyone waits for.
            if count == 0 && outcome != RequestOutcome::Success {
                continue;
            }
            let [namespace, name] = labels(workload);
            let labels = [namespace, name, ("outcome", outcome.as_str())];
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<[(&str, &str); 0], _, u64>(&count, None)?;
        }
    }
    Ok(())
}

fn write_durations(encoder: &mut DescriptorEncoder<'_>, workloads: &[WorkloadSnapshot]) -> fmt::Result {
    let help = "Time until a response began";
    let name = "wash_request_duration_seconds";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for workload in workloads {
        let counts = &workload.requests;
        let ends = LATENCY_BUCKETS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = ends.zip(counts.buckets().iter().copied()).collect();
        let labels = labels(workload);
        let mut metric = family.encode_family(&labels)?;
        let sum = counts.total_duration().as_secs_f64();
        metric.encode_histogram::<[(&str, &str); 0]>(sum, counts.count(), &buckets, None)?;
    }
    Ok(())
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
