//! OpenTelemetry, received by a collector on loopback.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use washlib_test::Sandbox;

use crate::guests;
use crate::server::{PATIENCE, Server, request_with};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A server that takes whatever is sent to it, over HTTP/1.1 and gRPC.
struct Collector {
    address: SocketAddr,
    received: Receiver<(String, Vec<u8>)>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let sender = sender.clone();
                    let take = service_fn(move |request: Request<Incoming>| take(request, sender.clone()));
                    tokio::spawn(async move {
                        let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                        _ = server.serve_connection(TokioIo::new(stream), take).await;
                    });
                }
            });
        });
        Self { address, received }
    }

    /// All that has come until everything of these has.
    fn expect(&self, wanted: &[(&str, &[u8])]) {
        let mut missing: Vec<_> = wanted.to_vec();
        let mut came = Vec::new();
        while !missing.is_empty() {
            let Ok((path, body)) = self.received.recv_timeout(PATIENCE) else {
                let missing: Vec<_> =
                    missing.iter().map(|(path, part)| (path, String::from_utf8_lossy(part))).collect();
                panic!("{missing:?} should come after {came:?}");
            };
            missing.retain(|(wanted, part)| *wanted != path || !body.windows(part.len()).any(|window| window == *part));
            came.push(path);
        }
    }
}

type Body = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn take(
    request: Request<Incoming>,
    sender: mpsc::Sender<(String, Vec<u8>)>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let is_grpc = request.headers().get("content-type").is_some_and(|value| value == "application/grpc");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    _ = sender.send((path, body.to_vec()));
    if !is_grpc {
        return Ok(Response::new(StreamBody::new(stream::iter(Vec::new()))));
    }
    // An empty message, and that all is well.
    let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())]);
    let frames = vec![Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(trailers))];
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(StreamBody::new(stream::iter(frames))).unwrap())
}

fn trace_id() -> Vec<u8> {
    (0..TRACE.len()).step_by(2).map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap()).collect()
}

/// Serves with telemetry, sends a good request and a bad one, and ends.
fn serve(sandbox: &Sandbox) {
    guests::place(sandbox, &guests::probe(), "probe.wasm");
    let server = Server::start(sandbox, &["probe.wasm"]);
    let traceparent = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    assert_eq!(request_with(server.address.unwrap(), "GET", "host.example", "/version", &traceparent).status, 200);
    assert_eq!(server.get("/trap").status, 500);
    server.stop();
}

#[test]
fn all_signals_over_http() {
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    serve(&Sandbox::new().with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
    let trace = trace_id();
    collector.expect(&[
        ("/v1/traces", b"wash-host"),
        ("/v1/traces", &trace),
        ("/v1/traces", b"host.example"),
        ("/v1/traces", b"/trap"),
        ("/v1/traces", b"error.type"),
        ("/v1/metrics", b"http.server.request.duration"),
        ("/v1/metrics", b"wash.workloads"),
        ("/v1/logs", b"a request failed"),
    ]);
}

#[test]
fn all_signals_over_grpc_under_another_name() {
    let collector = Collector::start();
    let sandbox = Sandbox::new()
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address))
        .with_variable("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .with_variable("OTEL_SERVICE_NAME", "another-name");
    serve(&sandbox);
    let trace = trace_id();
    collector.expect(&[
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", b"another-name"),
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", &trace),
        ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", b"http.server.request.duration"),
        ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", b"a request failed"),
    ]);
}

/// A server that answers one request, and tells its head.
fn upstream() -> (SocketAddr, Receiver<String>) {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        _ = sender.send(String::from_utf8(head).unwrap());
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nup").unwrap();
    });
    (address, heads)
}

#[test]
fn a_guests_own_requests_belong_to_the_trace() {
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    for variable in [Some(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)), None] {
        let is_on = variable.is_some();
        let sandbox =
            variable.into_iter().fold(Sandbox::new(), |sandbox, (name, value)| sandbox.with_variable(name, value));
        guests::place(&sandbox, &guests::probe(), "probe.wasm");
        let server = Server::start(&sandbox, &["probe.wasm"]);
        let (upstream, heads) = upstream();
        let lines =
            format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: vendor=x\r\nx-target: http://{upstream}/\r\n");
        let answer = request_with(server.address.unwrap(), "GET", "host.example", "/fetch", &lines);
        assert_eq!((answer.status, answer.body.as_str()), (200, "up"));
        let head = heads.recv_timeout(PATIENCE).unwrap();
        let parent = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
        match parent {
            Some(parent) => {
                let parts: Vec<_> = parent.split('-').collect();
                assert_eq!((parts[1], parts[3]), (TRACE, "01"), "{head}");
                // The span of the host, not that of whoever asked it.
                assert_ne!(parts[2], PARENT);
                assert!(is_on && head.contains("tracestate: vendor=x"), "{head}");
            }
            None => assert!(!is_on, "{head}"),
        }
        server.stop();
    }
}

#[test]
fn nothing_is_sent_when_it_is_switched_off() {
    let collector = Collector::start();
    let sandbox = Sandbox::new()
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address))
        .with_variable("OTEL_SDK_DISABLED", "true");
    serve(&sandbox);
    // The server has ended, and whatever it had sent would be there.
    assert!(collector.received.try_recv().is_err());
}

#[test]
fn a_collector_that_is_not_there_stops_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    serve(&Sandbox::new().with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
}

#[test]
fn a_protocol_that_is_none_is_refused() {
    let sandbox = Sandbox::new().with_variable("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon");
    sandbox
        .run("wash-host", ["run", "any.wasm"])
        .assert_code(2)
        .assert_stderr_has("`carrier-pigeon` in OTEL_EXPORTER_OTLP_PROTOCOL is not `grpc` or `http/protobuf`");
    // A command that runs no host needs no collector.
    sandbox.run("wash-host", ["cache", "path"]).assert_success();
}
