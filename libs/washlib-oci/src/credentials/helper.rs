//! Credential helpers: programs named `docker-credential-<name>` that know a secret.
//!
//! Speaks their protocol: the registry on stdin, JSON on stdout. They get a time limit and no terminal.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::Credential;

/// No secret is as long as this.
const MAX_OUTPUT: u64 = 1 << 20;
/// What of a helper's complaints is read.
const MAX_COMPLAINT: u64 = 4096;
/// How long the rest of a complaint is waited for after the helper has ended.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// What all helpers say of a registry that they do not know.
const NOT_FOUND: &str = "credentials not found";
/// What the protocol has helpers say on stdout when they fail.
const KNOWN_REASONS: [&str; 3] =
    ["credentials not found in native keychain", "no credentials server URL", "no credentials username"];

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
        /// How it ended, and what it said about it.
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
    let output = match call.run("get", server.as_bytes(), "").await {
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
    call.run("store", &input, password.expose()).await.map(drop)
}

/// Tells a helper to forget a registry; whether it knew it.
pub(super) async fn erase(
    helper: &str,
    server: &str,
    path: Option<&OsStr>,
    timeout: Duration,
) -> Result<bool, HelperError> {
    match Call::new(helper, path, timeout)?.run("erase", server.as_bytes(), "").await {
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

    /// Runs it. What it complains about is part of the error, but for lines with `secret`.
    async fn run(&self, action: &str, input: &[u8], secret: &str) -> Result<Vec<u8>, HelperError> {
        let failed = |source| HelperError::Run { program: self.program(), source };
        let mut child = Command::new(&self.file)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what it starts ends with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = Group(child.id());
        let talked = tokio::time::timeout(self.timeout, talk(&mut child, input)).await;
        let Said { status, output, complaint } = match talked {
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
        let reason = reason(status, &String::from_utf8_lossy(&output), &String::from_utf8_lossy(&complaint), secret);
        Err(HelperError::Failed { program: self.program(), reason })
    }
}

/// Why a helper failed. On failure the protocol puts the reason on stdout, where secrets stand otherwise; so only what
/// the protocol knows is shown of it, and nothing of it that stands on stderr too.
fn reason(status: ExitStatus, output: &str, complaint: &str, secret: &str) -> String {
    if let Some(known) = KNOWN_REASONS.iter().find(|known| output.contains(*known)) {
        return (*known).to_owned();
    }
    if output.contains(NOT_FOUND) {
        return NOT_FOUND.to_owned();
    }
    let words = output.split(|c: char| c.is_whitespace() || c == '"').filter(|word| word.len() >= 3);
    let hidden: Vec<&str> = words.chain(secret.lines().filter(|line| !line.is_empty())).collect();
    let shown = complaint.lines().filter(|line| !hidden.iter().any(|word| line.contains(word)));
    match crate::error::printable(&shown.collect::<Vec<_>>().join(" ")) {
        text if text.is_empty() => status.to_string(),
        text => format!("{status}, \"{text}\""),
    }
}

/// What a helper said until its end.
struct Said {
    status: ExitStatus,
    output: Vec<u8>,
    complaint: Vec<u8>,
}

async fn talk(child: &mut Child, input: &[u8]) -> io::Result<Said> {
    let mut stderr = child.stderr.take();
    let mut complaint = Vec::new();
    let listen = async {
        if let Some(stderr) = &mut stderr {
            // What cannot be read is not worth a failure. The rest is read too, so that nobody waits for room.
            let _ = stderr.take(MAX_COMPLAINT).read_to_end(&mut complaint).await;
            let _ = tokio::io::copy(stderr, &mut tokio::io::sink()).await;
        }
        std::future::pending::<io::Result<_>>().await
    };
    let (status, output) = tokio::select! {
        ended = converse(child, input) => ended?,
        never = listen => never?,
    };
    // Not to its end: a daemon that the helper started may keep it open.
    if let Some(stderr) = &mut stderr
        && !status.success()
    {
        let room = MAX_COMPLAINT.saturating_sub(complaint.len() as u64);
        let rest = stderr.take(room);
        tokio::pin!(rest);
        let _ = tokio::time::timeout(LAST_WORDS, rest.read_to_end(&mut complaint)).await;
    }
    Ok(Said { status, output, complaint })
}

async fn converse(child: &mut Child, input: &[u8]) -> io::Result<(ExitStatus, Vec<u8>)> {
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
