//! Credential helpers: programs named `docker-credential-<name>` that know a secret.
//!
//! Speaks their protocol: the registry on stdin, JSON on stdout. They get a time limit and no terminal.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::Credential;

/// No secret is as long as this.
const MAX_OUTPUT: u64 = 1 << 20;
/// What all helpers say of a registry that they do not know.
const NOT_FOUND: &str = "credentials not found";

/// Why a helper gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HelperError {
    /// Its name is no name.
    #[error("`{0}` is no name of a credential helper")]
    Name(String),
    /// There is no such program.
    #[error("the credential helper {0} is not in PATH")]
    Missing(String),
    /// It could not be started or spoken to.
    #[error("the credential helper {program} cannot be run")]
    Run {
        /// The program.
        program: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// It took too long and was ended.
    #[error("the credential helper {program} did not answer within {}", humantime::format_duration(*.after))]
    TimedOut {
        /// The program.
        program: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It said no.
    #[error("the credential helper {program} failed: {reason}")]
    Failed {
        /// The program.
        program: String,
        /// In its own words.
        reason: String,
    },
    /// It said something else than it should.
    #[error("the credential helper {program} printed something that is no answer")]
    Garbage {
        /// The program.
        program: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(rename = "ServerURL")]
    server_url: &'a str,
    #[serde(rename = "Username")]
    username: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

/// Asks a helper for the credentials of a registry; none where it knows none.
pub(super) async fn get(
    helper: &str,
    server: &str,
    path: Option<&OsStr>,
    timeout: Duration,
) -> Result<Option<Credential>, HelperError> {
    let call = Call::new(helper, path, timeout)?;
    let output = match call.run("get", server.as_bytes()).await {
        Err(HelperError::Failed { reason, .. }) if reason.contains(NOT_FOUND) => return Ok(None),
        output => output?,
    };
    let garbage = || HelperError::Garbage { program: call.program() };
    let answer: Answer = serde_json::from_slice(&output).map_err(|_| garbage())?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    let secret = Secret::new(answer.secret);
    Ok(Some(match answer.username.as_str() {
        "<token>" => Credential::IdentityToken(secret),
        _ => Credential::Password { user: answer.username, password: secret },
    }))
}

/// Tells a helper to keep a secret.
pub(super) async fn put(
    helper: &str,
    server: &str,
    user: &str,
    password: &Secret,
    path: Option<&OsStr>,
    timeout: Duration,
) -> Result<(), HelperError> {
    let call = Call::new(helper, path, timeout)?;
    let stored = Stored { server_url: server, username: user, secret: password.expose() };
    let input = serde_json::to_vec(&stored).map_err(|_| HelperError::Garbage { program: call.program() })?;
    call.run("store", &input).await.map(drop)
}

/// Tells a helper to forget a registry; whether it knew it.
pub(super) async fn erase(
    helper: &str,
    server: &str,
    path: Option<&OsStr>,
    timeout: Duration,
) -> Result<bool, HelperError> {
    match Call::new(helper, path, timeout)?.run("erase", server.as_bytes()).await {
        Ok(_) => Ok(true),
        Err(HelperError::Failed { reason, .. }) if reason.contains(NOT_FOUND) => Ok(false),
        Err(err) => Err(err),
    }
}

struct Call {
    name: String,
    file: PathBuf,
    timeout: Duration,
}

impl Call {
    fn new(helper: &str, path: Option<&OsStr>, timeout: Duration) -> Result<Self, HelperError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if helper.is_empty() || !helper.chars().all(plain) {
            return Err(HelperError::Name(helper.escape_debug().to_string()));
        }
        let name = format!("docker-credential-{helper}");
        let mut folders = path.map(std::env::split_paths).into_iter().flatten();
        // Never the current folder: a helper of a stranger's project must not run.
        let file = folders.find_map(|folder| {
            let file = folder.join(&name);
            (folder.is_absolute() && file.is_file()).then_some(file)
        });
        match file {
            Some(file) => Ok(Self { name, file, timeout }),
            None => Err(HelperError::Missing(name)),
        }
    }

    fn program(&self) -> String {
        self.name.clone()
    }

    async fn run(&self, action: &str, input: &[u8]) -> Result<Vec<u8>, HelperError> {
        let failed = |source| HelperError::Run { program: self.program(), source };
        let mut child = Command::new(&self.file)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that what it starts ends with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = Group(child.id());
        let talked = tokio::time::timeout(self.timeout, talk(&mut child, input)).await;
        let (status, output) = match talked {
            Ok(result) => result.map_err(failed)?,
            Err(_) => {
                group.kill();
                return Err(HelperError::TimedOut { program: self.program(), after: self.timeout });
            }
        };
        group.defuse();
        if status.success() {
            return Ok(output);
        }
        // On failure the protocol puts the reason on stdout.
        let reason = match std::str::from_utf8(&output).map(crate::error::printable) {
            Ok(text) if !text.is_empty() => text,
            _ => status.to_string(),
        };
        Err(HelperError::Failed { program: self.program(), reason })
    }
}

async fn talk(child: &mut Child, input: &[u8]) -> io::Result<(std::process::ExitStatus, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input).await {
            // A helper may answer without having read everything.
            Err(err) if err.kind() != io::ErrorKind::BrokenPipe => return Err(err),
            _ => {}
        }
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok((child.wait().await?, output))
}

/// The process group of a helper; it is killed when the wait for it is given up.
struct Group(Option<u32>);

impl Group {
    fn kill(&self) {
        let pid = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }

    fn defuse(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
