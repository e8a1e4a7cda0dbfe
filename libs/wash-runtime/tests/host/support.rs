//! A host with a server on a free port, clients for it, and the components it runs.
//!
//! It asserts nothing about the host but that it starts.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use wash_runtime::host::guest_output::{GuestOutput, GuestStream, OutputSource};
use wash_runtime::host::http::{DevRouter, DynamicRouter, HttpServer, Router};
use wash_runtime::host::{Host, HostApi, HostBuilder};
use wash_runtime::types::{
    Component, EmptyDirVolume, LocalResources, Service, Volume, VolumeMount, VolumeType, Workload,
    WorkloadStartRequest, WorkloadStatus, WorkloadStatusRequest, WorkloadStopRequest, WorkloadStopResponse,
};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

static PROBE: LazyLock<Bytes> = LazyLock::new(|| component_of("tests/guests/probe"));
static FETCHER: LazyLock<Bytes> = LazyLock::new(|| component_of("tests/guests/fetcher"));
static HELLO: LazyLock<Bytes> = LazyLock::new(|| component_of("../../templates/http-hello-world"));

/// The component whose paths are ways to behave.
pub(crate) fn probe() -> Bytes {
    PROBE.clone()
}

/// The component that sends requests as it is told.
pub(crate) fn fetcher() -> Bytes {
    FETCHER.clone()
}

/// The component that the template builds.
pub(crate) fn hello() -> Bytes {
    HELLO.clone()
}

static PARTS: LazyLock<BTreeMap<String, Bytes>> = LazyLock::new(|| {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/parts");
    let examples = washlib_test::guest::build_examples(&project);
    examples.into_iter().map(|(name, path)| (name, std::fs::read(path).unwrap().into())).collect()
});

/// A component or a service that is made to be one of several.
pub(crate) fn part(name: &str) -> Bytes {
    PARTS.get(name).expect("a part should be an example of tests/guests/parts").clone()
}

/// A component from its text format.
pub(crate) fn from_text(text: &str) -> Bytes {
    wat::parse_str(text).expect("the component should be well-formed").into()
}

/// A component of a workload, named like the part it is.
pub(crate) fn part_component(name: &str, local_resources: LocalResources) -> Component {
    Component { name: name.to_string(), bytes: part(name), local_resources, ..Component::default() }
}

/// A workload of several parts.
pub(crate) fn workload_of(id: &str, components: Vec<Component>) -> WorkloadStartRequest {
    let mut request = request(id, Bytes::new(), LocalResources::default());
    request.workload.components = components;
    request
}

/// A workload that is a service and nothing else.
pub(crate) fn service(
    id: &str,
    bytes: Bytes,
    local_resources: LocalResources,
    max_restarts: u64,
) -> WorkloadStartRequest {
    let mut request = workload_of(id, Vec::new());
    request.workload.host_interfaces.clear();
    request.workload.service = Some(Service { bytes, local_resources, max_restarts, digest: None });
    request
}

pub(crate) fn component_of(project: &str) -> Bytes {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join(project);
    let project = project.canonicalize().expect("the project should exist");
    std::fs::read(washlib_test::guest::build(&project)).expect("the component should be readable").into()
}

pub(crate) struct TestHost {
    pub(crate) host: Arc<Host>,
    pub(crate) address: SocketAddr,
    pub(crate) router: DevRouter,
    pub(crate) output: Output,
}

impl TestHost {
    pub(crate) async fn start() -> Self {
        // A stop that hangs fails the test instead of being cut short by the host.
        Self::with_drain_timeout(2 * PATIENCE).await
    }

    pub(crate) async fn with_drain_timeout(timeout: Duration) -> Self {
        Self::build(HostBuilder::new().with_drain_timeout(timeout)).await
    }

    pub(crate) async fn build(builder: HostBuilder) -> Self {
        let router = DevRouter::default();
        let server = HttpServer::new(router.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self::assemble(builder, server, router).await
    }

    /// A host whose workloads are found by the host that requests name.
    pub(crate) async fn routing() -> Self {
        let server = HttpServer::new(DynamicRouter::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self::assemble(HostBuilder::new(), server, DevRouter::default()).await
    }

    pub(crate) async fn assemble<R: Router>(builder: HostBuilder, server: HttpServer<R>, router: DevRouter) -> Self {
        let address = server.addr();
        let (sender, output) = mpsc::unbounded_channel();
        let host = builder
            .with_friendly_name("test")
            .with_http_handler(Arc::new(server))
            .with_guest_output(Arc::new(Collected(sender)))
            .build()
            .unwrap();
        Self { host: host.start().await.unwrap(), address, router, output: Output(output) }
    }

    /// A host with the probe and a server with other settings.
    pub(crate) async fn serving_probe(configure: impl FnOnce(HttpServer<DevRouter>) -> HttpServer<DevRouter>) -> Self {
        let router = DevRouter::default();
        let server = HttpServer::new(router.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        // A stop that hangs fails the test instead of being cut short by the host.
        let builder = HostBuilder::new().with_drain_timeout(2 * PATIENCE);
        let host = Self::assemble(builder, configure(server), router).await;
        host.run("probe", probe(), LocalResources::default()).await;
        host
    }

    /// A host that runs the probe under the id `probe`.
    pub(crate) async fn running_probe() -> Self {
        let host = Self::start().await;
        host.run("probe", probe(), LocalResources::default()).await;
        host
    }

    pub(crate) async fn run(&self, id: &str, bytes: Bytes, local_resources: LocalResources) {
        self.try_run(id, bytes, local_resources).await.unwrap();
    }

    pub(crate) async fn try_run(&self, id: &str, bytes: Bytes, local_resources: LocalResources) -> anyhow::Result<()> {
        let response = self.host.workload_start(request(id, bytes, local_resources)).await?;
        assert_eq!(response.workload_status.workload_id, id);
        Ok(())
    }

    pub(crate) async fn deploy(&self, request: WorkloadStartRequest) {
        self.host.workload_start(request).await.unwrap();
    }

    pub(crate) async fn status(&self, id: &str) -> WorkloadStatus {
        let status = self.host.workload_status(WorkloadStatusRequest { workload_id: id.to_string() });
        status.await.unwrap().workload_status
    }

    pub(crate) async fn end(&self, id: &str) -> WorkloadStopResponse {
        let stop = self.host.workload_stop(WorkloadStopRequest { workload_id: id.to_string() });
        within_patience(stop).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Gets a path on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }
}

pub(crate) fn request(id: &str, bytes: Bytes, local_resources: LocalResources) -> WorkloadStartRequest {
    let component = Component { name: "component".to_string(), bytes, local_resources, ..Component::default() };
    WorkloadStartRequest {
        workload_id: id.to_string(),
        workload: Workload {
            namespace: "test".to_string(),
            name: "workload".to_string(),
            components: vec![component],
            host_interfaces: vec!["wasi:http/incoming-handler".parse().unwrap()],
            ..Workload::default()
        },
    }
}

pub(crate) fn environment(variables: &[(&str, &str)]) -> LocalResources {
    let environment: HashMap<_, _> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    LocalResources { environment, ..LocalResources::default() }
}

/// A directory that goes with its workload.
pub(crate) fn empty_dir(name: &str) -> Volume {
    Volume { name: name.to_string(), volume_type: VolumeType::EmptyDir(EmptyDirVolume {}) }
}

pub(crate) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_string(), mount_path: path.to_string(), read_only: false }
}

/// What a component gets that mounts this.
pub(crate) fn mounting(mount: VolumeMount) -> LocalResources {
    LocalResources { volume_mounts: vec![mount], ..LocalResources::default() }
}

struct Collected(mpsc::UnboundedSender<(OutputSource, GuestStream, String)>);

impl GuestOutput for Collected {
    fn write(&self, source: &OutputSource, stream: GuestStream, bytes: &[u8]) {
        // A test that has seen enough drops the receiver.
        _ = self.0.send((source.clone(), stream, String::from_utf8_lossy(bytes).into_owned()));
    }
}

/// What guests have written.
pub(crate) struct Output(mpsc::UnboundedReceiver<(OutputSource, GuestStream, String)>);

impl Output {
    pub(crate) async fn next(&mut self) -> (OutputSource, GuestStream, String) {
        within_patience(self.0.recv()).await.expect("the host should be there")
    }

    /// Waits for a guest to write this, and returns what the same chunk holds besides.
    pub(crate) async fn find(&mut self, part: &str) -> String {
        loop {
            let (_, _, text) = self.next().await;
            if text.contains(part) {
                return text;
            }
        }
    }

    /// Lets what guests write from now on be lost.
    pub(crate) fn close(&mut self) {
        self.0.close();
    }

    /// What has been written until now, and nobody has looked at yet.
    pub(crate) fn so_far(&mut self) -> String {
        std::iter::from_fn(|| self.0.try_recv().ok()).map(|(_, _, text)| text).collect()
    }

    /// Waits until so many guests have said that they are at it.
    pub(crate) async fn entered(&mut self, guests: usize) {
        let mut entered = 0;
        while entered < guests {
            let (_, _, text) = self.next().await;
            entered += text.matches("entered").count();
        }
    }
}

/// An HTTP/1.1 connection that is kept alive.
pub(crate) struct Connection {
    sender: http1::SendRequest<AnyBody>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Sends a request without waiting for the body of its response.
    pub(crate) async fn send<B>(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        within_patience(async {
            self.sender.ready().await?;
            self.sender.send_request(request.map(BodyExt::boxed_unsync)).await
        })
        .await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let response = self.send(get(path)).await.unwrap();
        Answer::of(response).await.unwrap()
    }
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "test.example").body(Empty::new()).unwrap()
}

/// A body that is sent chunk by chunk, until the sender is dropped.
pub(crate) fn chunked_echo() -> (mpsc::UnboundedSender<&'static str>, Request<Chunks>) {
    chunked("/echo")
}

pub(crate) fn chunked(path: &str) -> (mpsc::UnboundedSender<&'static str>, Request<Chunks>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let request = Request::post(path).header("host", "test.example").body(Chunks(receiver)).unwrap();
    (sender, request)
}

pub(crate) struct Chunks(mpsc::UnboundedReceiver<&'static str>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| Some(Ok(Frame::data(Bytes::from(chunk?)))))
    }
}

/// Gets a path over HTTP/2 with prior knowledge.
pub(crate) async fn get_http2(address: SocketAddr, path: &str) -> Answer {
    Http2::open(address).await.get(path).await
}

/// Any body of a request.
pub(crate) type AnyBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// An HTTP/2 connection. Clones send their requests on the same one.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: http2::SendRequest<AnyBody>,
}

impl Http2 {
    /// With prior knowledge.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Sends a request without waiting for the body of its response.
    pub(crate) async fn send<B>(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        within_patience(async {
            self.sender.ready().await?;
            self.sender.send_request(request.map(BodyExt::boxed_unsync)).await
        })
        .await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(format!("http://test.example{path}")).body(Empty::<Bytes>::new()).unwrap();
        Answer::of(self.send(request).await.unwrap()).await.unwrap()
    }
}

/// What the server sends on a connection of its own to these bytes, until it closes.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    within_patience(stream.read_to_end(&mut response)).await.unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// What the server sends until these bytes come.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    while !received.ends_with(end.as_bytes()) {
        received.push(within_patience(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(received).unwrap()
}

/// A whole response.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: Response<Incoming>) -> hyper::Result<Self> {
        let status = response.status().as_u16();
        let body = within_patience(response.into_body().collect()).await?.to_bytes();
        Ok(Self { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    pub(crate) fn ok(body: &str) -> Self {
        Self { status: 200, body: body.to_string() }
    }
}

pub(crate) async fn within_patience<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it should not take so long")
}

/// The next chunk of a body, as text.
pub(crate) async fn next_chunk(body: &mut Incoming) -> String {
    let frame = within_patience(body.frame()).await.expect("the body should go on").unwrap();
    String::from_utf8(frame.into_data().expect("data").to_vec()).unwrap()
}
