//! Servers that guests send requests to, which tell how they were spoken to.
//!
//! They listen on loopback, and run until the test's runtime ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::pending;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertifiedIssuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::support::within_patience;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A server with a path for each way to answer.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    /// A permit for each connection that has ended.
    ended: Arc<Semaphore>,
    /// Chunks of bodies that have arrived at `/upload`.
    pub(crate) uploaded: mpsc::UnboundedReceiver<Bytes>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    pub(crate) async fn with_tls(identity: &Identity) -> Self {
        Self::serve(Some(TlsAcceptor::from(Arc::clone(&identity.config)))).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (sender, uploaded) = mpsc::unbounded_channel();
        let (count, end) = (Arc::clone(&accepted), Arc::clone(&ended));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (tls, end, sender) = (tls.clone(), Arc::clone(&end), sender.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, sender).await,
                        Some(tls) => {
                            // A client that does not trust the server ends here.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, sender).await;
                            }
                        }
                    }
                    end.add_permits(1);
                });
            }
        });
        Self { address, accepted, ended, uploaded }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn ended(&self, connections: u32) {
        within_patience(self.ended.acquire_many(connections)).await.unwrap().forget();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve<S>(stream: S, uploaded: mpsc::UnboundedSender<Bytes>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let uploaded = uploaded.clone();
        async move { Ok::<_, Infallible>(answer(request, uploaded).await) }
    });
    // A client that goes away is none of the server's errors.
    _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, uploaded: mpsc::UnboundedSender<Bytes>) -> Response<Body> {
    match request.uri().path() {
        "/spoken" => text(&spoken(&request)),
        "/redirect" => {
            let location = request.uri().query().unwrap_or_default().to_string();
            let response = Response::builder().status(StatusCode::FOUND).header("location", location);
            response.body(Empty::new().boxed_unsync()).unwrap()
        }
        "/silent" => pending().await,
        "/endless" => {
            let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"part")))]);
            Response::new(StreamBody::new(first.chain(stream::pending())).boxed_unsync())
        }
        "/upload" => {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                _ = uploaded.send(frame.into_data().unwrap_or_default());
            }
            text("uploaded")
        }
        "/trailers" => {
            let body = request.into_body().collect().await.unwrap();
            let sum = body.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("answered"));
            // Of unknown length: HTTP/1.1 has trailers only behind chunks.
            let frames = [Frame::data(Bytes::from(format!("{sum:?}"))), Frame::trailers(trailers)];
            let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
            Response::builder().header("trailer", "x-sum").body(body.boxed_unsync()).unwrap()
        }
        path => panic!("no guest asks for {path}"),
    }
}

/// How a request was made.
fn spoken(request: &Request<Incoming>) -> String {
    let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_string());
    let authority = request.uri().authority().map(ToString::to_string);
    format!("{:?} host={} authority={}", request.version(), host.unwrap_or_default(), authority.unwrap_or_default())
}

fn text(text: &str) -> Response<Body> {
    Response::new(Full::from(text.to_string()).boxed_unsync())
}

/// A server's certificate for `localhost` and `127.0.0.1`, and the authority that vouches for it.
pub(crate) struct Identity {
    pub(crate) authority: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let names = ["localhost".to_string(), "127.0.0.1".to_string()];
        let key = KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { authority: authority.pem(), config: Arc::new(config) }
    }

    /// The same server, but one that speaks HTTP/1.1 only.
    pub(crate) fn without_http2(mut self) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self
    }
}

/// A server that answers every request with these bytes and closes the connection.
pub(crate) async fn raw(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that turns away early is none of the server's errors.
            _ = answer_raw(stream, &answer).await;
        }
    });
    address
}

async fn answer_raw(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream.write_all(answer).await?;
    stream.shutdown().await
}
