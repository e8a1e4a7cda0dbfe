//! Encrypted connections: who gets in, with which protocol, and what a new certificate changes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wash_runtime::host::http::{DevRouter, HttpServer, TlsConfig, TlsError};

use crate::support::{Answer, Connection, Http2, TestHost, get, within_patience};

/// Who issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate and its key, both in the PEM format.
struct Identity {
    certificate: String,
    key: String,
}

/// How a certificate is special.
enum Flaw {
    None,
    Expired,
    NotYetValid,
    /// It is meant for servers, where a client shows it.
    WrongPurpose,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn server(&self) -> Identity {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, Flaw::None)
    }

    fn client(&self, flaw: Flaw) -> Identity {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, flaw)
    }

    fn issue(&self, purpose: ExtendedKeyUsagePurpose, flaw: Flaw) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["test.example".to_string()]).unwrap();
        params.extended_key_usages = vec![purpose];
        match flaw {
            Flaw::None => {}
            Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Flaw::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
            Flaw::WrongPurpose => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// The files of a server.
struct Files {
    dir: TempDir,
}

impl Files {
    fn of(identity: &Identity) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        files.write("tls.crt", &identity.certificate);
        files.write("tls.key", &identity.key);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn config(&self) -> TlsConfig {
        TlsConfig::new(self.path("tls.crt"), self.path("tls.key")).with_reload_interval(Duration::from_millis(20))
    }
}

async fn host(config: TlsConfig) -> TestHost {
    TestHost::serving_probe(|server| server.with_tls(config).unwrap()).await
}

/// A client that trusts an authority.
struct Client<'a> {
    authority: &'a Authority,
    identity: Option<&'a Identity>,
    version: &'static SupportedProtocolVersion,
    protocols: &'a [&'a str],
}

impl<'a> Client<'a> {
    fn of(authority: &'a Authority) -> Self {
        Self { authority, identity: None, version: &TLS13, protocols: &[] }
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        connect(address, Arc::new(self.config())).await
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    /// What the guest answers, or why it was never asked.
    async fn get(&self, address: SocketAddr, path: &str) -> Result<Answer, String> {
        let stream = self.connect(address).await.map_err(|err| format!("handshake: {err}"))?;
        let mut connection = Connection::over(stream).await;
        // In TLS 1.3 a client learns only now that it was not let in.
        let response = connection.send(get(path)).await.map_err(|err| format!("request: {err:?}"))?;
        Answer::of(response).await.map_err(|err| format!("response: {err:?}"))
    }
}

async fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("test.example").unwrap();
    within_patience(TlsConnector::from(config).connect(name, stream)).await
}

#[tokio::test]
async fn the_protocol_is_negotiated_and_the_guest_learns_the_scheme() {
    let authority = Authority::new();
    let files = Files::of(&authority.server());
    let host = host(files.config()).await;
    for version in [&TLS12, &TLS13] {
        for protocols in [&[][..], &["http/1.1"]] {
            let client = Client { version, protocols, ..Client::of(&authority) };
            let answer = client.get(host.address, "/uri?a=b").await;
            assert_eq!(answer, Ok(Answer::ok("https://test.example/uri?a=b")), "{version:?} {protocols:?}");
        }
        for protocols in [&["h2"][..], &["http/1.1", "h2"]] {
            let client = Client { version, protocols, ..Client::of(&authority) };
            let stream = client.connect(host.address).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
            // The scheme is the connection's, whatever the client says.
            assert_eq!(Http2::over(stream).await.get("/uri").await, Answer::ok("https://test.example/uri"));
        }
    }
    let foreign = Authority::new();
    let refused = Client::of(&foreign).connect(host.address).await.unwrap_err();
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn a_client_that_does_not_encrypt_gets_no_answer() {
    let authority = Authority::new();
    let files = Files::of(&authority.server());
    let config = files.config().with_handshake_timeout(Duration::from_millis(200));
    let host = host(config).await;
    assert!(host.connect().await.send(get("/print")).await.is_err());
    // One that says nothing is not waited for.
    let mut silent = TcpStream::connect(host.address).await.unwrap();
    assert_eq!(within_patience(silent.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(Client::of(&authority).get(host.address, "/print").await, Ok(Answer::ok("printed")));
}

#[tokio::test]
async fn only_clients_with_a_valid_certificate_get_in() {
    let (servers, clients, foreign) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::of(&servers.server());
    files.write("ca.crt", &clients.certificate);
    let mut host = host(files.config().with_client_ca(files.path("ca.crt"))).await;
    let valid = clients.client(Flaw::None);
    let flawed = [
        ("foreign", foreign.client(Flaw::None)),
        ("the server's authority", servers.client(Flaw::None)),
        ("expired", clients.client(Flaw::Expired)),
        ("not yet valid", clients.client(Flaw::NotYetValid)),
        ("wrong purpose", clients.client(Flaw::WrongPurpose)),
    ];
    for version in [&TLS12, &TLS13] {
        for protocols in [&[][..], &["http/1.1"], &["h2"]] {
            let client = Client { version, protocols, ..Client::of(&servers) };
            let refused = client.get(host.address, "/print").await.unwrap_err();
            // In the older version the refusal is part of the handshake.
            assert_eq!(refused.starts_with("handshake"), version.version == TLS12.version, "{refused}");
            for (name, identity) in &flawed {
                let client = Client { identity: Some(identity), ..client };
                let refused = client.get(host.address, "/print").await.unwrap_err();
                assert_eq!(refused.starts_with("handshake"), version.version == TLS12.version, "{name}: {refused}");
            }
        }
        let client = Client { version, identity: Some(&valid), ..Client::of(&servers) };
        assert_eq!(client.get(host.address, "/uri").await, Ok(Answer::ok("https://test.example/uri")));
        let client = Client { protocols: &["h2"], ..client };
        let stream = client.connect(host.address).await.unwrap();
        assert_eq!(Http2::over(stream).await.get("/version").await.status, 200);
    }
    // Only this request reaches the guest that prints.
    let client = Client { identity: Some(&valid), ..Client::of(&servers) };
    assert_eq!(client.get(host.address, "/print").await, Ok(Answer::ok("printed")));
    assert_eq!(host.output.next().await.2, "to standard output\n");
    host.end("probe").await;
    assert!(!host.output.so_far().contains("to standard output"));
}

#[tokio::test]
async fn a_certificate_is_asked_for_on_every_connection() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let files = Files::of(&servers.server());
    files.write("ca.crt", &clients.certificate);
    let identity = clients.client(Flaw::None);
    let open = host(files.config()).await;
    let closed = host(files.config().with_client_ca(files.path("ca.crt"))).await;
    for version in [&TLS12, &TLS13] {
        for (host, again) in [(&open, HandshakeKind::Resumed), (&closed, HandshakeKind::Full)] {
            let client = Client { version, identity: Some(&identity), ..Client::of(&servers) };
            let config = Arc::new(client.config());
            for expected in [HandshakeKind::Full, again] {
                let stream = connect(host.address, Arc::clone(&config)).await.unwrap();
                assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected), "{version:?}");
                // What the server gives for the next time comes with its response.
                let mut connection = Connection::over(stream).await;
                assert_eq!(connection.get("/version").await.status, 200);
            }
        }
    }
}

/// What the host's log says, in all tests of this process.
static LOG: LazyLock<watch::Sender<String>> = LazyLock::new(|| {
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    watch::Sender::new(String::new())
});

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The log itself is made while it is first used, and says nothing then.
        LOG.send_modify(|log| log.push_str(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn logged(text: &str) {
    within_patience(LOG.subscribe().wait_for(|log| log.contains(text))).await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections() {
    LazyLock::force(&LOG);
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::of(&old.server());
    let host = host(files.config()).await;
    let stream = Client::of(&old).connect(host.address).await.unwrap();
    let mut connection = Connection::over(stream).await;
    assert_eq!(connection.get("/version").await.status, 200);

    let identity = new.server();
    // For a moment certificate and key are no pair.
    files.write("tls.crt", &identity.certificate);
    logged("cannot use the certificate").await;
    assert_eq!(Client::of(&old).get(host.address, "/version").await.unwrap().status, 200);
    files.write("tls.key", &identity.key);
    logged("new connections use the new certificate").await;
    assert_eq!(Client::of(&new).get(host.address, "/version").await.unwrap().status, 200);
    assert!(Client::of(&old).connect(host.address).await.is_err());
    // Nobody who was connected notices.
    assert_eq!(connection.get("/version").await.status, 200);

    files.write("tls.crt", "nonsense");
    logged(&format!("{} contains no certificate", files.path("tls.crt").display())).await;
    std::fs::remove_file(files.path("tls.key")).unwrap();
    logged(&format!("cannot read {}", files.path("tls.key").display())).await;
    assert_eq!(Client::of(&new).get(host.address, "/version").await.unwrap().status, 200);
}

#[cfg(unix)]
#[tokio::test]
async fn a_certificate_behind_a_link_that_is_turned_is_new() {
    use std::os::unix::fs::symlink;

    let (old, new) = (Authority::new(), Authority::new());
    let files = Files { dir: tempfile::tempdir().unwrap() };
    // As mounted secrets do it: the files are links into a folder that is a link itself.
    for (version, authority) in [("v1", &old), ("v2", &new)] {
        std::fs::create_dir(files.path(version)).unwrap();
        let identity = authority.server();
        files.write(&format!("{version}/tls.crt"), &identity.certificate);
        files.write(&format!("{version}/tls.key"), &identity.key);
    }
    symlink("v1", files.path("data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("data").join(name), files.path(name)).unwrap();
    }
    let host = host(files.config()).await;
    assert_eq!(Client::of(&old).get(host.address, "/version").await.unwrap().status, 200);
    symlink("v2", files.path("next")).unwrap();
    std::fs::rename(files.path("next"), files.path("data")).unwrap();
    within_patience(async { while Client::of(&new).get(host.address, "/version").await.is_err() {} }).await;
}

#[tokio::test]
async fn a_new_authority_of_clients_shuts_out_those_of_the_old_one() {
    let (servers, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::of(&servers.server());
    files.write("ca.crt", &old.certificate);
    let host = host(files.config().with_client_ca(files.path("ca.crt"))).await;
    let (old, new) = (old.client(Flaw::None), (new.client(Flaw::None), new.certificate));
    let client = |identity| Client { identity: Some(identity), ..Client::of(&servers) };
    assert!(client(&old).get(host.address, "/version").await.is_ok());
    files.write("ca.crt", &new.1);
    within_patience(async { while client(&new.0).get(host.address, "/version").await.is_err() {} }).await;
    assert!(client(&old).get(host.address, "/version").await.is_err());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let (one, other) = (authority.server(), authority.server());
    let files = Files::of(&one);
    files.write("other.key", &other.key);
    files.write("empty", "");
    files.write("broken", "-----BEGIN CERTIFICATE-----\n");
    let (certificate, key) = (files.path("tls.crt"), files.path("tls.key"));
    let good = || TlsConfig::new(&certificate, &key);
    type Check = fn(&TlsError) -> bool;
    let cases: [(TlsConfig, &str, Check); 7] = [
        (TlsConfig::new(files.path("none"), &key), "none", |err| matches!(err, TlsError::Read { .. })),
        (TlsConfig::new(files.path("empty"), &key), "empty", |err| matches!(err, TlsError::NoCertificate { .. })),
        (TlsConfig::new(files.path("broken"), &key), "broken", |err| matches!(err, TlsError::Pem { .. })),
        (TlsConfig::new(&certificate, files.path("empty")), "empty", |err| matches!(err, TlsError::NoKey { .. })),
        (TlsConfig::new(&certificate, files.path("other.key")), "other.key", |err| {
            matches!(err, TlsError::Certificate { .. })
        }),
        (good().with_client_ca(files.path("none")), "none", |err| matches!(err, TlsError::Read { .. })),
        (good().with_client_ca(files.path("empty")), "empty", |err| matches!(err, TlsError::NoCertificate { .. })),
    ];
    for (config, name, check) in cases {
        let server = HttpServer::new(DevRouter::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let err = server.with_tls(config).unwrap_err();
        assert!(check(&err), "{err:?}");
        assert!(err.to_string().contains(&files.path(name).display().to_string()), "{err}");
    }
}
