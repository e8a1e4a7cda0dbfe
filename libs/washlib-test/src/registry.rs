//! Debian's `docker-registry`, started for a test on a port of its own and ended with it.
//!
//! `cargo xtask setup` installs it. It panics where something is wrong, as a test would.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Where Debian puts it.
const PROGRAM: &str = "docker-registry";

/// How a registry is set up.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Whether it wants [`Registry::USER`] and [`Registry::PASSWORD`].
    pub password: bool,
    /// A certificate and its key, in PEM, to speak HTTPS with.
    pub tls: Option<(String, String)>,
    /// The certificate, in PEM, of the authority that clients' certificates must be from.
    pub client_authority: Option<String>,
}

/// A registry that serves an empty folder.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Registry {
    /// Who may use a registry that wants a password.
    pub const USER: &'static str = "ada";
    /// That user's password.
    pub const PASSWORD: &'static str = "opensesame";
    /// Both, as `htpasswd` writes them: with bcrypt at its least cost.
    const HTPASSWD: &'static str = "ada:$2b$04$I5ddnC9KGDtBpkhdfXLpjOJbH/h0IggTlV.0RWQf2Y.Ao1XZVKtty\n";

    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn start(options: &RegistryOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("wash-registry-").tempdir().expect("a temporary folder");
        let path = folder.path();
        let config = path.join("config.yml");
        fs::write(&config, configuration(path, options)).expect("the registry's configuration");
        let mut process = Command::new(PROGRAM)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|err| panic!("{PROGRAM}: {err}; `cargo xtask setup` installs it"));
        let mut log = BufReader::new(process.stderr.take().expect("its log")).lines();
        let address = loop {
            let line = log.next().expect("the registry should begin to listen").expect("its log");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let address = rest.split(['"', ',', ' ']).next().unwrap_or_default();
                break address.to_owned();
            }
        };
        // A full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, address, folder }
    }

    /// Where it listens, as `127.0.0.1:port`: the name of the registry in references.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it keeps a blob.
    pub fn blob_path(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(folder: &Path, options: &RegistryOptions) -> String {
    let mut config = format!(
        "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: true }} }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n  \
         delete: {{ enabled: true }}\nhttp:\n  addr: 127.0.0.1:0\n",
        folder.join("data").display()
    );
    if let Some((certificate, key)) = &options.tls {
        let (certificate_path, key_path) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&certificate_path, certificate).expect("the certificate");
        fs::write(&key_path, key).expect("the key");
        let (certificate, key) = (certificate_path.display(), key_path.display());
        let mut tls = format!("certificate: {certificate}, key: {key}");
        if let Some(authority) = &options.client_authority {
            let path = folder.join("clients.pem");
            fs::write(&path, authority).expect("the clients' authority");
            let _ = write!(tls, ", clientcas: [{}]", path.display());
        }
        let _ = writeln!(config, "  tls: {{ {tls} }}");
    }
    if options.password {
        let path = folder.join("htpasswd");
        fs::write(&path, Registry::HTPASSWD).expect("the passwords");
        let _ = writeln!(config, "auth:\n  htpasswd: {{ realm: test, path: {} }}", path.display());
    }
    config
}
