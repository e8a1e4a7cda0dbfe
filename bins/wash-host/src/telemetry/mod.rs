//! OpenTelemetry: traces, metrics and logs for a collector, when `OTEL_*` variables ask for them.
//!
//! What sends has a thread of its own, so that a slow collector slows down nothing else; when nothing is asked for, there
//! is no such thread and nothing watches requests.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use wash_runtime::host::Host;
use wash_runtime::host::http::RequestObserver;
use wash_runtime::host::metrics::{HostMetrics, LATENCY_BUCKETS, WorkloadSnapshot};
use wash_runtime::plugin::wasi_logging;
use washlib_cli::RecordLayer;

use self::requests::Requests;
use self::settings::{SettingError, Settings, Transport};

mod requests;
mod settings;

/// The service's name unless a variable says otherwise.
const SERVICE_NAME: &str = "wash-host";

/// How long the last of everything may take to be sent when the host ends.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing can be sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum TelemetryError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("cannot send telemetry")]
    Exporter(#[from] ExporterBuildError),
    #[error("cannot send telemetry over HTTP")]
    Client(#[from] reqwest::Error),
    #[error("cannot start the thread that sends telemetry")]
    Thread(#[source] std::io::Error),
}

/// What sends, as long as the host runs.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
    /// Ends the thread when it is dropped.
    _sender: Sender,
}

impl Telemetry {
    /// Starts what the process's environment asks for.
    pub(crate) fn from_environment() -> Result<Option<Self>, TelemetryError> {
        match Settings::read(|name| std::env::var(name).ok())? {
            Some(settings) => Self::start(&settings).map(Some),
            None => Ok(None),
        }
    }

    fn start(settings: &Settings) -> Result<Self, TelemetryError> {
        let sender = Sender::start(settings.timeout)?;
        // gRPC connects on the runtime that it is made in.
        let _inside = sender.runtime.enter();
        let resource = resource(settings);
        let traces = match settings.traces {
            Some(transport) => {
                let builder = SpanExporter::builder();
                let exporter = match transport {
                    Transport::Grpc => builder.with_tonic().build()?,
                    Transport::HttpProtobuf => builder.with_http().with_http_client(sender.client.clone()).build()?,
                };
                let provider = SdkTracerProvider::builder().with_resource(resource.clone());
                Some(provider.with_batch_exporter(exporter).build())
            }
            None => None,
        };
        let metrics = match settings.metrics {
            Some(transport) => {
                let builder = MetricExporter::builder();
                let exporter = match transport {
                    Transport::Grpc => builder.with_tonic().build()?,
                    Transport::HttpProtobuf => builder.with_http().with_http_client(sender.client.clone()).build()?,
                };
                let provider = SdkMeterProvider::builder().with_resource(resource.clone());
                Some(provider.with_periodic_exporter(exporter).build())
            }
            None => None,
        };
        let logs = match settings.logs {
            Some(transport) => {
                let builder = LogExporter::builder();
                let exporter = match transport {
                    Transport::Grpc => builder.with_tonic().build()?,
                    Transport::HttpProtobuf => builder.with_http().with_http_client(sender.client.clone()).build()?,
                };
                Some(SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
            }
            None => None,
        };
        drop(_inside);
        Ok(Self { traces, metrics, logs, _sender: sender })
    }

    /// Where the program's log records go: those of our own crates, as the exporters' own would be about themselves.
    pub(crate) fn records(&self) -> Option<RecordLayer> {
        let targets = Targets::new()
            .with_default(LevelFilter::OFF)
            .with_target("wash_", LevelFilter::INFO)
            .with_target("washlib_", LevelFilter::INFO)
            .with_target(wasi_logging::TARGET, LevelFilter::INFO);
        Some(OpenTelemetryTracingBridge::new(self.logs.as_ref()?).with_filter(targets).boxed())
    }

    /// Who watches requests, if traces or metrics are wanted.
    pub(crate) fn observer(&self) -> Option<Arc<dyn RequestObserver>> {
        if self.traces.is_none() && self.metrics.is_none() {
            return None;
        }
        let durations = |meter: Meter| {
            meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("Time until a response began")
                .with_boundaries(LATENCY_BUCKETS.to_vec())
                .build()
        };
        Some(Arc::new(Requests {
            tracer: self.traces.as_ref().map(|traces| traces.tracer(SERVICE_NAME)),
            durations: self.metrics.as_ref().map(|metrics| durations(metrics.meter(SERVICE_NAME))),
            propagator: TraceContextPropagator::new(),
        }))
    }

    /// Sends the host's numbers from now on, the last time when this is shut down.
    pub(crate) fn observe(&self, host: &Arc<Host>) {
        let Some(metrics) = &self.metrics else { return };
        let meter = metrics.meter(SERVICE_NAME);
        gauge(
            &meter,
            host,
            "wash.requests.in_flight",
            "Requests and other calls that are being worked on",
            |metrics| per_workload(metrics, |workload| workload.in_flight),
        );
        gauge(
            &meter,
            host,
            "wash.service.restarts",
            "How often a workload's service has been started again",
            |metrics| per_workload(metrics, |workload| workload.service_restarts),
        );
        gauge(&meter, host, "wash.workloads", "Workloads that are running", |metrics| {
            vec![(metrics.workloads.len() as u64, Vec::new())]
        });
        gauge(&meter, host, "wash.instances", "Component instances that live", |metrics| {
            metrics.pool.iter().map(|pool| (pool.component_instances, Vec::new())).collect()
        });
    }

    /// Sends the last of everything. Blocks, for a few seconds at most.
    pub(crate) fn shut_down(self) {
        // An error means that there was nobody to send it to; that is not what the host ends with.
        if let Some(traces) = &self.traces {
            _ = traces.shutdown_with_timeout(FLUSH_PATIENCE);
        }
        if let Some(metrics) = &self.metrics {
            _ = metrics.shutdown_with_timeout(FLUSH_PATIENCE);
        }
        if let Some(logs) = &self.logs {
            _ = logs.shutdown_with_timeout(FLUSH_PATIENCE);
        }
    }
}

fn resource(settings: &Settings) -> Resource {
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if settings.is_named { resource.build() } else { resource.with_service_name(SERVICE_NAME).build() }
}

/// Numbers with the attributes that tell them apart.
type Numbers = Vec<(u64, Vec<KeyValue>)>;

fn per_workload(metrics: &HostMetrics, number: impl Fn(&WorkloadSnapshot) -> u64) -> Numbers {
    let attributes = |workload: &WorkloadSnapshot| {
        vec![
            KeyValue::new("wash.workload.namespace", workload.namespace.clone()),
            KeyValue::new("wash.workload.name", workload.name.clone()),
        ]
    };
    metrics.workloads.iter().map(|workload| (number(workload), attributes(workload))).collect()
}

fn gauge(
    meter: &Meter,
    host: &Arc<Host>,
    name: &'static str,
    description: &'static str,
    read: impl Fn(&HostMetrics) -> Numbers + Send + Sync + 'static,
) {
    let host = Arc::clone(host);
    let gauge = meter.u64_observable_gauge(name).with_description(description).with_callback(move |observer| {
        for (number, attributes) in read(&host.metrics()) {
            observer.observe(number, &attributes);
        }
    });
    // The meter keeps what it calls.
    _ = gauge.build();
}

/// The thread that sends, and the client that runs on it.
struct Sender {
    runtime: Handle,
    client: OnRuntime,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

impl Sender {
    fn start(timeout: Duration) -> Result<Self, TelemetryError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TelemetryError::Thread)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            // Resolves when the other end is dropped.
            _ = runtime.block_on(ended);
        };
        thread::Builder::new().name("wash-telemetry".to_owned()).spawn(run).map_err(TelemetryError::Thread)?;
        // The one crypto provider of this workspace; it may be installed already.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none()).build()?;
        let client = OnRuntime { client, runtime: handle.clone() };
        Ok(Self { runtime: handle, client, _end: end })
    }
}

/// Sends on the thread for it, because the threads that collect have no asynchronous runtime.
#[derive(Clone, Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
