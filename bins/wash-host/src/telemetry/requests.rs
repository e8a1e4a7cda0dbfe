//! Requests as OpenTelemetry sees them: a span and a duration for each, by the semantic conventions for HTTP servers.
//!
//! Says who, what and how it went, never what a request or its answer holds.

use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use opentelemetry::metrics::Histogram;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};
use wash_runtime::engine::workload::ResolvedWorkload;
use wash_runtime::host::http::{ObservedRequest, RequestObserver};
use wash_runtime::host::metrics::RequestOutcome;

/// Watches requests.
pub(super) struct Requests {
    pub(super) tracer: Option<SdkTracer>,
    pub(super) durations: Option<Histogram<f64>>,
    pub(super) propagator: TraceContextPropagator,
}

struct Observed {
    span: Option<Span>,
    durations: Option<Histogram<f64>>,
    attributes: Vec<KeyValue>,
    begun: Instant,
}

impl RequestObserver for Requests {
    fn begin(&self, workload: &ResolvedWorkload, request: &Parts) -> Box<dyn ObservedRequest> {
        // What clients can make many must not become a label of a metric.
        let attributes = vec![
            KeyValue::new("http.request.method", method(&request.method)),
            KeyValue::new("wash.workload.namespace", workload.namespace().to_owned()),
            KeyValue::new("wash.workload.name", workload.name().to_owned()),
        ];
        let span = self.tracer.as_ref().map(|tracer| {
            let parent = self.propagator.extract_with_context(&Context::new(), &Headers(&request.headers));
            let span = SpanBuilder::from_name(method(&request.method)).with_kind(SpanKind::Server);
            tracer.build_with_context(span.with_attributes(span_attributes(&attributes, workload, request)), &parent)
        });
        Box::new(Observed { span, durations: self.durations.clone(), attributes, begun: Instant::now() })
    }
}

fn span_attributes(shared: &[KeyValue], workload: &ResolvedWorkload, request: &Parts) -> Vec<KeyValue> {
    let mut attributes = shared.to_vec();
    attributes.push(KeyValue::new("wash.workload.id", workload.id().to_owned()));
    attributes.push(KeyValue::new("url.path", request.uri.path().to_owned()));
    if let Some(scheme) = request.uri.scheme_str() {
        attributes.push(KeyValue::new("url.scheme", scheme.to_owned()));
    }
    if let Some(host) = request.uri.host() {
        attributes.push(KeyValue::new("server.address", host.to_owned()));
    }
    let version = if request.version == Version::HTTP_2 { "2" } else { "1.1" };
    attributes.push(KeyValue::new("network.protocol.version", version));
    attributes
}

/// Methods that the conventions know; any other is `_OTHER`.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

impl ObservedRequest for Observed {
    /// The guest's own requests belong to the span of the request that it answers.
    fn propagate(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(span) = &self.span {
            let context = Context::new().with_remote_span_context(span.span_context().clone());
            TraceContextPropagator::new().inject_context(&context, &mut InjectedHeaders(&mut headers));
        }
        headers
    }

    fn end(mut self: Box<Self>, outcome: RequestOutcome, status: StatusCode) {
        let status_code = KeyValue::new("http.response.status_code", i64::from(status.as_u16()));
        let error = match outcome {
            RequestOutcome::Success | RequestOutcome::ClientError => None,
            outcome => Some(KeyValue::new("error.type", outcome.as_str())),
        };
        if let Some(span) = &mut self.span {
            span.set_attribute(status_code.clone());
            if let Some(error) = &error {
                span.set_attribute(error.clone());
                span.set_status(Status::error(""));
            }
            span.end();
        }
        if let Some(durations) = &self.durations {
            self.attributes.push(status_code);
            self.attributes.extend(error);
            durations.record(self.begun.elapsed().as_secs_f64(), &self.attributes);
        }
    }
}

/// Where the trace is named to which a guest's own request belongs.
struct InjectedHeaders<'a>(&'a mut HeaderMap);

impl Injector for InjectedHeaders<'_> {
    fn set(&mut self, key: &str, value: String) {
        // A trace without state has an empty one.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Where the trace that a request belongs to is named.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
