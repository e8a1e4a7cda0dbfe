//! Requests to real servers on loopback, with name servers and limits of the tests' own.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::connect::{Connector, Resolver};
use super::connection::{Connection, Version};
use super::pool::{Pool, PoolLimits};
use super::target::Target;
use super::{AllowedHosts, Egress, LoopbackEgress, OutgoingHttp, RequestBody, roots};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn within_patience<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it should not take so long")
}

/// Gives these answers, one after the other, and then none at all.
struct Scripted(Mutex<VecDeque<io::Result<Vec<IpAddr>>>>);

#[async_trait]
impl Resolver for Scripted {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let answer = self.0.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

fn answers(answers: &[&[&str]]) -> Scripted {
    let parse = |texts: &&[&str]| Ok(texts.iter().map(|text| text.parse().unwrap()).collect());
    Scripted(Mutex::new(answers.iter().map(parse).collect()))
}

fn egress(loopback: LoopbackEgress, max_requests: usize) -> Egress {
    Egress { max_requests, ..Egress::new(loopback) }
}

fn outgoing(resolver: Scripted, egress: &Egress, limits: PoolLimits) -> OutgoingHttp {
    let trust = roots::client_config(roots::TrustRoots::default(), Vec::new()).unwrap();
    let connector = Connector::new(trust, egress.loopback, Box::new(resolver));
    OutgoingHttp::with(connector, Pool::new(limits, None, egress.closing.subscribe()), egress)
}

fn with_names(resolver: Scripted) -> OutgoingHttp {
    outgoing(resolver, &Egress::new(LoopbackEgress::Allowed), PoolLimits::default())
}

fn allowed(entries: &[&str]) -> AllowedHosts {
    AllowedHosts::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn get(url: &str) -> Request<WasiBody> {
    Request::get(url).body(Empty::new().map_err(|never| match never {}).boxed_unsync()).unwrap()
}

async fn send(outgoing: &OutgoingHttp, url: &str, allowed_hosts: &AllowedHosts) -> Result<Response<WasiBody>, Error> {
    within_patience(outgoing.send(get(url), None, allowed_hosts)).await
}

async fn fetch(outgoing: &OutgoingHttp, url: &str) -> Result<String, Error> {
    let response = send(outgoing, url, &allowed(&[])).await?;
    let body = within_patience(response.into_body().collect()).await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Answers every request with `text`, and keeps connections until the client closes them.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    ended: Arc<Semaphore>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (count, end) = (Arc::clone(&accepted), Arc::clone(&ended));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let end = Arc::clone(&end);
                tokio::spawn(async move {
                    answer(stream).await;
                    end.add_permits(1);
                });
            }
        });
        Self { address, accepted, ended }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until another connection has ended.
    async fn ended(&self) {
        within_patience(self.ended.acquire()).await.unwrap().forget();
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/", self.address.port())
    }
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext").await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn only_an_address_that_was_judged_is_connected_to() {
    let server = Server::start().await;
    // The name changes its mind as soon as it has been asked.
    let outgoing = with_names(answers(&[&["127.0.0.1"], &["169.254.169.254"], &["169.254.169.254", "127.0.0.1"]]));
    let url = server.url("rebinding.example");
    let response = send(&outgoing, &url, &allowed(&[])).await.unwrap();
    // Unread, the response keeps its connection, so that the next request needs one of its own.
    assert!(matches!(fetch(&outgoing, &url).await, Err(Error::DestinationIpProhibited)));
    // Of several addresses only those that may be reached are tried.
    assert_eq!(fetch(&outgoing, &url).await.unwrap(), "text");
    assert_eq!(server.accepted(), 2);
    drop(response);
}

#[tokio::test]
async fn a_name_leads_to_no_special_address_whatever_is_allowed() {
    let outgoing = with_names(answers(&[&["0.0.0.0"]]));
    let hosts = allowed(&["name.example", "0.0.0.0"]);
    let refused = send(&outgoing, "http://name.example/", &hosts).await;
    assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{refused:?}");
}

#[tokio::test]
async fn what_one_component_may_reach_another_may_not() {
    let server = Server::start().await;
    let outgoing = with_names(answers(&[]));
    // On Linux this address is the machine's own.
    let url = server.url("0.0.0.0");
    let permitted = send(&outgoing, &url, &allowed(&["0.0.0.0"])).await;
    if let Ok(response) = permitted {
        within_patience(response.into_body().collect()).await.unwrap();
    }
    // A connection is waiting now, but not for everyone.
    let refused = send(&outgoing, &url, &allowed(&["*"])).await;
    assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{refused:?}");
}

#[tokio::test]
async fn names_without_addresses_and_name_servers_without_answers_are_told_apart() {
    let resolver = answers(&[&[]]);
    resolver.0.lock().unwrap().push_front(Err(io::Error::other("no such name")));
    let outgoing = with_names(resolver);
    for _ in 0..2 {
        assert!(matches!(fetch(&outgoing, "http://name.example/").await, Err(Error::DnsError { .. })));
    }
    let options = RequestOptions { connect_timeout: Some(Duration::from_millis(10)), ..RequestOptions::default() };
    let mute = within_patience(outgoing.send(get("http://name.example/"), Some(options), &allowed(&[]))).await;
    assert!(matches!(mute, Err(Error::DnsTimeout)), "{mute:?}");
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_refuses() {
    let server = Server::start().await;
    // Nobody listens there.
    let outgoing = with_names(answers(&[&["127.0.0.99", "127.0.0.1"]]));
    if cfg!(target_os = "linux") {
        assert_eq!(fetch(&outgoing, &server.url("name.example")).await.unwrap(), "text");
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_those_before_them() {
    let server = Server::start().await;
    let mut outgoing = outgoing(answers(&[]), &egress(LoopbackEgress::Allowed, 1), PoolLimits::default());
    outgoing.place_patience = Duration::from_millis(10);
    let url = server.url("127.0.0.1");
    let first = send(&outgoing, &url, &allowed(&[])).await.unwrap();
    assert!(matches!(fetch(&outgoing, &url).await, Err(Error::ConnectionLimitReached)));
    // One whose response is read makes room, and so does one whose response is thrown away.
    outgoing.place_patience = PATIENCE;
    let hosts = allowed(&[]);
    let (waited, read) = tokio::join!(send(&outgoing, &url, &hosts), first.into_body().collect());
    assert_eq!(read.unwrap().to_bytes(), "text");
    drop(waited.unwrap());
    assert_eq!(fetch(&outgoing, &url).await.unwrap(), "text");
}

#[tokio::test]
async fn a_connection_that_nobody_asks_for_is_closed() {
    let server = Server::start().await;
    let limits = PoolLimits { idle: Duration::from_millis(50), ..PoolLimits::default() };
    let outgoing = outgoing(answers(&[]), &Egress::new(LoopbackEgress::Allowed), limits);
    for accepted in 1..=2 {
        assert_eq!(fetch(&outgoing, &server.url("127.0.0.1")).await.unwrap(), "text");
        assert_eq!(server.accepted(), accepted);
        server.ended().await;
    }
}

#[tokio::test]
async fn more_connections_than_are_kept_are_closed() {
    let servers = [Server::start().await, Server::start().await];
    let limits = PoolLimits { for_each_origin: 1, altogether: 1, ..PoolLimits::default() };
    let outgoing = outgoing(answers(&[]), &Egress::new(LoopbackEgress::Allowed), limits);
    let [one, other] = &servers;
    let url = one.url("127.0.0.1");
    let (first, second) = (send(&outgoing, &url, &allowed(&[])).await, send(&outgoing, &url, &allowed(&[])).await);
    for response in [first, second] {
        within_patience(response.unwrap().into_body().collect()).await.unwrap();
    }
    one.ended().await;
    assert_eq!(fetch(&outgoing, &other.url("127.0.0.1")).await.unwrap(), "text");
    one.ended().await;
}

#[tokio::test]
async fn a_host_that_stops_keeps_no_connection() {
    let server = Server::start().await;
    let egress = Egress::new(LoopbackEgress::Allowed);
    let outgoing = outgoing(answers(&[]), &egress, PoolLimits::default());
    assert_eq!(fetch(&outgoing, &server.url("127.0.0.1")).await.unwrap(), "text");
    egress.close_idle();
    server.ended().await;
    // Requests of those who are not yet done still go out.
    assert_eq!(fetch(&outgoing, &server.url("127.0.0.1")).await.unwrap(), "text");
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_was_not_sent_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut connection = Connection::open(stream, Version::Http1).await.unwrap();
    assert!(connection.ready().await);
    drop(listener.accept().await.unwrap());
    within_patience(async {
        while !connection.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (parts, body) = get(&url).into_parts();
    let request = Request::from_parts(parts, RequestBody::new(body).0);
    let target = Target::of(&request).unwrap();
    let failed = within_patience(connection.send(request, &target)).await.err().unwrap();
    assert!(failed.unsent.is_some() && matches!(failed.reason, Error::ConnectionTerminated), "{:?}", failed.reason);
}

/// Answers one request on each connection and closes it with the next one unread.
async fn one_answer_each() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut next = vec![0; 64 << 10];
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.read(&mut next).await;
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntext").await;
            // Something of the next request has to be there, so that it was sent.
            _ = stream.read(&mut next).await;
        }
    });
    address
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_again() {
    let url = format!("http://{}/", one_answer_each().await);
    let outgoing = with_names(answers(&[]));
    assert_eq!(fetch(&outgoing, &url).await.unwrap(), "text");
    assert_eq!(fetch(&outgoing, &url).await.unwrap(), "text");
    let mut post = get(&url);
    *post.method_mut() = Method::POST;
    let posted = within_patience(outgoing.send(post, None, &allowed(&[]))).await;
    assert!(matches!(posted, Err(Error::ConnectionTerminated)), "{posted:?}");
    // Nor is a body sent again that has been begun.
    assert_eq!(fetch(&outgoing, &url).await.unwrap(), "text");
    let body = Full::from("body").map_err(|never| match never {}).boxed_unsync();
    let put = within_patience(outgoing.send(Request::put(&url).body(body).unwrap(), None, &allowed(&[]))).await;
    assert!(matches!(put, Err(Error::ConnectionTerminated)), "{put:?}");
}
