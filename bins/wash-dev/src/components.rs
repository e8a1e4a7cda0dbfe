//! The files of the project's components over time, for changes that come from somebody else than our own build.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::artifact_watch::ArtifactWatch;
use crate::artifacts::{self, ArtifactError, Artifacts};
use crate::images::Images;
use crate::settings::Plan;
use crate::watch::WatchMode;

/// How long a file that is half there, or not at all, may stay so until it counts: whoever writes it takes a while, and
/// some remove it first.
const WRITE_PATIENCE: Duration = Duration::from_millis(400);

/// Component files, as they were when they were last looked at.
pub(crate) struct Components {
    watch: ArtifactWatch,
    artifacts: Artifacts,
    /// Other files that the configuration names.
    inputs: Vec<PathBuf>,
    seen: Option<Seen>,
}

/// What was found in the files.
type Seen = Result<Vec<Bytes>, String>;

/// What has changed.
pub(crate) enum ComponentChange {
    /// The components themselves; or they cannot be read any more.
    Components(Result<Vec<Bytes>, ArtifactError>),
    /// Perhaps something that the configuration names.
    Inputs,
}

impl Components {
    pub(crate) fn new(mode: WatchMode) -> Self {
        let watch = ArtifactWatch::start(mode);
        Self { watch, artifacts: Artifacts::default(), inputs: Vec::new(), seen: None }
    }

    /// Takes note of where the components are, after a build.
    pub(crate) fn learn(&mut self, plan: &Plan, built: &Path, images: &Images, inputs: &[PathBuf]) {
        self.artifacts = Artifacts::new(plan, built, images);
        self.inputs = inputs.to_vec();
        self.arm();
    }

    /// Where the components are.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.artifacts.paths()
    }

    /// Reads the components as they are.
    pub(crate) fn read(&mut self) -> Result<Vec<Bytes>, ArtifactError> {
        let before = self.seen.take().and_then(Result::ok).unwrap_or_default();
        let read = self.artifacts.read(&before);
        self.seen = Some(seen(&read));
        read
    }

    /// Takes the files as they are, so that only what comes later is a change.
    pub(crate) fn take_note(&mut self) {
        if self.seen.is_some() {
            // Whatever is wrong with one of them is not new either.
            _ = self.read();
        }
    }

    /// Waits until a file has other content than when it was last looked at.
    pub(crate) async fn changed(&mut self) -> ComponentChange {
        if self.seen.is_none() {
            return std::future::pending().await;
        }
        loop {
            self.watch.hint().await;
            let read = self.read_when_whole().await;
            let now = seen(&read);
            if self.seen.as_ref() != Some(&now) {
                self.seen = Some(now);
                self.arm();
                return ComponentChange::Components(read);
            }
            if !self.inputs.is_empty() {
                return ComponentChange::Inputs;
            }
        }
    }

    async fn read_when_whole(&self) -> Result<Vec<Bytes>, ArtifactError> {
        let before: &[Bytes] = match &self.seen {
            Some(Ok(bytes)) => bytes,
            _ => &[],
        };
        loop {
            let read = self.artifacts.read(before);
            let is_whole = match &read {
                Ok(files) => !files.iter().any(|bytes| artifacts::is_unfinished(bytes)),
                Err(_) => false,
            };
            if is_whole || timeout(WRITE_PATIENCE, self.watch.hint()).await.is_err() {
                return read;
            }
        }
    }

    fn arm(&mut self) {
        self.watch.set(self.artifacts.paths().chain(self.inputs.iter().map(PathBuf::as_path)));
    }
}

fn seen(read: &Result<Vec<Bytes>, ArtifactError>) -> Seen {
    match read {
        Ok(bytes) => Ok(bytes.clone()),
        Err(err) => Err(err.to_string()),
    }
}
