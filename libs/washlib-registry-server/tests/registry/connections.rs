//! Connections: who may open them, how they end, what is told of them.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use washlib_registry_server::{
    BindError, Builder, Credentials, Exposure, Observer, RegistryServer, RequestRecord, Store, TlsFiles,
};

use crate::client::Client;
use crate::running::Running;

#[test]
fn a_hundred_pulls_at_once() {
    let registry = Running::start();
    let content: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    let digest = registry.client().push_blob("a", &content);
    let target = format!("/v2/a/blobs/{digest}");
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert!(registry.client().get(&target).expect(200).body == content));
        }
    });
}

#[test]
fn pushes_at_once_lose_nothing() {
    let registry = Running::start();
    thread::scope(|scope| {
        for number in 0..20 {
            let client = registry.client();
            scope.spawn(move || {
                for round in 0..3 {
                    // The same blobs and different tags.
                    client.push_artifact("a", &format!("t{number}-{round}"), &[round]);
                }
            });
        }
    });
    assert_eq!(registry.client().get("/v2/a/tags/list").json()["tags"].as_array().unwrap().len(), 60);
}

fn bind_error(address: &'static str, configure: impl FnOnce(Builder) -> Builder) -> Option<BindError> {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let builder = configure(RegistryServer::builder(Store::open(folder.path()).unwrap()));
    runtime.block_on(builder.bind(address.parse().unwrap())).err()
}

#[test]
fn others_are_let_in_only_on_request_and_with_credentials() {
    let network = |builder: Builder| builder.with_exposure(Exposure::Network);
    let user = Credentials::new().with_user("user", "secret");
    assert!(matches!(bind_error("0.0.0.0:0", |builder| builder), Some(BindError::NotLoopback(_))));
    assert!(matches!(bind_error("[::]:0", |builder| builder), Some(BindError::NotLoopback(_))));
    assert!(matches!(bind_error("0.0.0.0:0", network), Some(BindError::NoCredentials(_))));
    let nobody = |builder: Builder| network(builder).with_credentials(Credentials::new());
    assert!(matches!(bind_error("0.0.0.0:0", nobody), Some(BindError::NoCredentials(_))));
    let only_user = user.clone();
    let error = bind_error("0.0.0.0:0", |builder| builder.with_credentials(only_user));
    assert!(matches!(error, Some(BindError::NotLoopback(_))));
    assert!(bind_error("0.0.0.0:0", |builder| network(builder).with_credentials(user)).is_none());
    assert!(bind_error("127.0.0.2:0", |builder| builder).is_none());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: &'static str = taken.local_addr().unwrap().to_string().leak();
    assert!(matches!(bind_error(address, |builder| builder), Some(BindError::Listen { .. })));
}

#[test]
fn requests_in_flight_are_finished() {
    let mut registry = Running::start();
    let client = registry.client();
    let location = client.begin("a");
    let address = registry.address();
    let mut stream = TcpStream::connect(address).unwrap();
    let digest = washlib_registry_server::Digest::sha256(b"hello");
    use std::io::{Read as _, Write as _};
    write!(
        stream,
        "PUT {location}?digest={digest} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
    )
    .unwrap();
    let mut reply = [0; 25];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"HTTP/1.1 100 Continue\r\n\r\n", "the request is being dealt with");
    let (stopped, is_stopped) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            registry.stop();
            stopped.send(()).unwrap();
        });
        // Nobody is let in any more.
        while TcpStream::connect(address).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(is_stopped.try_recv().is_err(), "it waits for the request");
        stream.write_all(b"hello").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 201"), "{reply}");
        is_stopped.recv_timeout(Duration::from_secs(5)).unwrap();
    });
}

#[test]
fn idle_connections_do_not_keep_it_from_stopping() {
    let mut registry = Running::start();
    let _idle = TcpStream::connect(registry.address()).unwrap();
    registry.client().get("/v2/").expect(200);
    let begun = Instant::now();
    registry.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn request(&self, record: &RequestRecord<'_>) {
        let RequestRecord { method, path, status, sent, is_complete, .. } = record;
        self.0.lock().unwrap().push(format!("{method} {path} {status} {sent} {is_complete}"));
    }

    fn trouble(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

#[test]
fn the_observer_hears_of_each_request() {
    let heard = Arc::new(Heard::default());
    let observer = Arc::clone(&heard);
    let mut registry = Running::configured(|builder| builder.with_observer(observer));
    let digest = registry.client().push_blob("a", b"hello");
    registry.client().get(&format!("/v2/a/blobs/{digest}")).expect(200);
    registry.client().head(&format!("/v2/a/blobs/{digest}?x=1")).expect(200);
    registry.client().get("/v2/a/manifests/x").expect(404);
    registry.stop();
    let mut heard = heard.0.lock().unwrap().clone();
    // The end of a response is told after the client has it.
    heard.sort();
    assert_eq!(heard[0], format!("GET /v2/a/blobs/{digest} 200 5 true"));
    assert!(heard[1].starts_with("GET /v2/a/manifests/x 404 "), "{heard:?}");
    assert_eq!(heard[2], format!("HEAD /v2/a/blobs/{digest}?x=1 200 0 true"));
    assert_eq!(heard[3], "POST /v2/a/blobs/uploads/ 202 0 true");
    assert!(heard[4].starts_with("PUT /v2/a/blobs/uploads/"), "{heard:?}");
}

#[test]
fn connections_can_be_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, certified.cert.pem()).unwrap();
    std::fs::write(&files.key, certified.signing_key.serialize_pem()).unwrap();
    let heard = Arc::new(Heard::default());
    let observer = Arc::clone(&heard);
    let used = files.clone();
    let mut registry = Running::configured(move |builder| builder.with_tls(used).with_observer(observer));
    let output = washlib_test::Output::of(
        std::process::Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--cacert"])
            .arg(&files.certificate)
            .arg(format!("https://localhost:{}/v2/", registry.address().port())),
    );
    assert_eq!(output.assert_success().stdout, "{}");
    // Somebody who speaks plainly.
    let mut stream = TcpStream::connect(registry.address()).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    _ = std::io::Read::read_to_end(&mut stream, &mut reply);
    assert!(!reply.starts_with(b"HTTP/"), "{reply:?}");
    registry.stop();
    assert!(heard.0.lock().unwrap().iter().any(|line| line.starts_with("no TLS with 127.0.0.1")));

    let mixed = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
    let error = bind_error("127.0.0.1:0", |builder| builder.with_tls(mixed)).unwrap();
    assert!(error.to_string().ends_with("key.pem cannot be used for TLS"), "{error}");
    let missing = TlsFiles { certificate: folder.path().join("none.pem"), key: files.key };
    assert!(matches!(bind_error("127.0.0.1:0", |builder| builder.with_tls(missing)), Some(BindError::Tls(_))));
}

#[test]
fn a_connection_serves_many_requests() {
    let registry = Running::start();
    let client: Client = registry.client();
    let digest = client.push_blob("a", b"hello");
    for _ in 0..200 {
        assert_eq!(client.get(&format!("/v2/a/blobs/{digest}")).expect(200).body, b"hello");
    }
}
