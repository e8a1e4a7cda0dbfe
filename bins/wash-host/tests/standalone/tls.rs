//! HTTPS, with and without certificates of clients.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use washlib_test::Sandbox;

use crate::guests;
use crate::server::{PATIENCE, Server};

/// An authority, and what it has issued: a certificate for `localhost` and one for a client.
struct Authority {
    certificate: String,
    server: (String, String),
    client: (String, String),
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        Self { certificate, server: issue("localhost"), client: issue("client") }
    }

    fn get(&self, address: SocketAddr, client: Option<&(String, String)>) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match client {
            Some((certificate, key)) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => config.with_no_client_auth(),
        };
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(connection, stream);
        write!(stream, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        match stream.read_to_string(&mut text) {
            Err(err) if text.is_empty() => Err(err),
            _ => Ok(text),
        }
    }
}

fn serve(authority: &Authority, more: &[&str]) -> (Sandbox, Server) {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::hello(), "hello.wasm");
    sandbox.write("tls.crt", &authority.server.0);
    sandbox.write("tls.key", &authority.server.1);
    sandbox.write("ca.crt", &authority.certificate);
    let arguments = ["hello.wasm", "--tls-cert-path", "tls.crt", "--tls-key-path", "tls.key"];
    let mut server = Server::launch(&sandbox, &[&arguments[..], more].concat());
    let ready = server.wait_for("ready");
    assert!(ready["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{ready}");
    (sandbox, server)
}

#[test]
fn connections_are_encrypted() {
    let authority = Authority::new();
    let (_sandbox, server) = serve(&authority, &[]);
    let answer = authority.get(server.address.unwrap(), None).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Hello from wasmCloud!"), "{answer}");
    server.stop();
}

#[test]
fn a_client_needs_a_certificate_where_an_authority_is_named() {
    let authority = Authority::new();
    let (_sandbox, server) = serve(&authority, &["--tls-ca-path", "ca.crt"]);
    let address = server.address.unwrap();
    let answer = authority.get(address, Some(&authority.client)).unwrap();
    assert!(answer.contains("Hello from wasmCloud!"), "{answer}");
    authority.get(address, None).unwrap_err();
    authority.get(address, Some(&Authority::new().client)).unwrap_err();
    server.stop();
}
