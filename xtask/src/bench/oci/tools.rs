//! One run of each program, timed from its start to its end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::field;
use super::registry::Registry;
use crate::process::read;

/// How long a program ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed(pub(super) Duration);

pub(super) struct Wash {
    pub(super) program: PathBuf,
    /// Without anybody's settings.
    pub(super) home: PathBuf,
}

pub(super) struct Curl;

impl Wash {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("HOME", &self.home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME");
        command
    }

    pub(super) fn push(&self, reference: &str, file: &Path) -> Result<Timed> {
        time(self.command(&["push", reference]).arg(file))
    }

    /// The digests of the artifact and of its content.
    pub(super) fn push_json(&self, reference: &str, file: &Path) -> Result<(String, String)> {
        let document = read(self.command(&["-o", "json", "push", reference]).arg(file))?;
        Ok((field(&document, "digest")?, field(&document, "content_digest")?))
    }

    pub(super) fn layout(&self, file: &Path, folder: &Path) -> Result<()> {
        time(self.command(&["push", "localhost/bench:v1"]).arg(file).arg("--layout").arg(folder)).map(drop)
    }

    pub(super) fn pull(&self, reference: &str, file: &Path, cache: &Path) -> Result<Timed> {
        time(self.command(&["pull", reference]).arg(file).env("WASH_OCI_CACHE_DIR", cache))
    }
}

impl Curl {
    /// One PUT into a session that is open already.
    pub(super) fn push(&self, registry: &Registry, file: &Path) -> Result<Timed> {
        let url = format!("http://{}/v2/bench/curl/blobs/uploads/", registry.address());
        let head = read(Command::new("curl").args(["-sS", "-X", "POST", "-D", "-", "-o", "/dev/null", &url]))?;
        let is_location = |line: &&str| line.to_ascii_lowercase().starts_with("location:");
        let location = head.lines().find(is_location).and_then(|line| line.split_once(':')).context("no location")?;
        let digest = read(Command::new("sha256sum").arg(file))?;
        let digest = digest.split(' ').next().unwrap_or_default();
        let target = format!("{}&digest=sha256:{digest}", location.1.trim());
        time(
            Command::new("curl")
                .args(["-sS", "--fail", "-H", "Content-Type: application/octet-stream", "-T"])
                .arg(file)
                .arg(target),
        )
    }

    pub(super) fn pull(&self, registry: &Registry, repository: &str, digest: &str, output: &Path) -> Result<Timed> {
        let url = format!("http://{}/v2/{repository}/blobs/{digest}", registry.address());
        time(Command::new("curl").args(["-sS", "--fail", "-o"]).arg(output).arg(url))
    }
}

pub(super) fn skopeo_push(layout: &Path, reference: &str) -> Result<Timed> {
    let (from, to) = (format!("oci:{}", layout.display()), format!("docker://{reference}"));
    time(Command::new("skopeo").args(["--insecure-policy", "copy", "--dest-tls-verify=false", &from, &to]))
}

pub(super) fn skopeo_pull(reference: &str, folder: &Path) -> Result<Timed> {
    let (from, to) = (format!("docker://{reference}"), format!("dir:{}", folder.display()));
    time(Command::new("skopeo").args(["--insecure-policy", "copy", "--src-tls-verify=false", &from, &to]))
}

pub(super) fn wkg_push(wkg: &Path, file: &Path, reference: &str, registry: &str) -> Result<Timed> {
    time(Command::new(wkg).args(["oci", "push", "--insecure", registry, reference]).arg(file))
}

pub(super) fn wkg_pull(wkg: &Path, reference: &str, output: &Path, registry: &str) -> Result<Timed> {
    time(Command::new(wkg).args(["oci", "pull", "--insecure", registry, reference, "-o"]).arg(output))
}

/// Runs a program to its end; one that fails fails the bench.
fn time(command: &mut Command) -> Result<Timed> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let elapsed = started.elapsed();
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Timed(elapsed))
}

/// A component of about this length, of bytes that no two seeds share and no compression shortens.
pub(super) fn component(length: usize, seed: u64) -> Vec<u8> {
    const NAME: &[u8] = b"noise";
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.push(0);
    let mut size = length + 1 + NAME.len();
    while size >= 0x80 {
        bytes.push(0x80 | (size & 0x7f) as u8);
        size >>= 7;
    }
    bytes.push(size as u8);
    bytes.push(NAME.len() as u8);
    bytes.extend_from_slice(NAME);
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let end = bytes.len() + length;
    while bytes.len() < end {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let left = (end - bytes.len()).min(8);
        bytes.extend_from_slice(&state.to_le_bytes()[..left]);
    }
    bytes
}
