//! One build from beginning to end: run, find the result, judge it, wrap it if need be.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use washlib_component::Adapter;

use crate::artifact::{self, Expected};
use crate::process::Process;
use crate::request::BuildRequest;
use crate::toolchain::{self, Step, Toolchain};
use crate::{BuildError, CancelToken, Reporter};

/// What a child process finds the component's path in, as the configuration spells it.
const COMPONENT_PATH_VARIABLE: &str = "WASH_COMPONENT_PATH";

/// A component that a build left.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Built {
    /// Where it is, absolute.
    pub component_path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The last command line that ran.
    pub command: String,
    /// The toolchain that was recognised; `None` when the configuration has a command.
    pub toolchain: Option<Toolchain>,
    /// How a core module was wrapped; `None` when the toolchain itself left a component.
    pub wrapped: Option<Adapter>,
    /// From the start of the first program to the component.
    pub elapsed: Duration,
}

/// Builds a project.
///
/// # Errors
///
/// See [`BuildError`]; after any of them the project is as the toolchain left it.
pub fn build(request: &BuildRequest, cancel: &CancelToken, reporter: &dyn Reporter) -> Result<Built, BuildError> {
    match build_to_the_end(request, cancel, reporter) {
        // What fails after a cancellation does so because of it.
        Err(_) if cancel.is_cancelled() => Err(BuildError::Cancelled),
        result => result,
    }
}

/// Finds the component that an earlier build of the project left, without building or judging it.
///
/// # Errors
///
/// [`BuildError::NotBuilt`] where there is none, [`BuildError::SeveralBuilt`] where it could be one of several, and
/// [`BuildError::OutsideProject`].
pub fn find_component(request: &BuildRequest, cancel: &CancelToken) -> Result<PathBuf, BuildError> {
    Expected::new(request)?.existing(request, cancel)
}

fn build_to_the_end(
    request: &BuildRequest,
    cancel: &CancelToken,
    reporter: &dyn Reporter,
) -> Result<Built, BuildError> {
    let started = Instant::now();
    let expected = Expected::new(request)?;
    let outcome = match &request.command {
        Some(command) => run_shell(request, command, cancel, reporter)?,
        None => run_toolchain(request, cancel, reporter)?,
    };
    let named = if request.component_path.is_none() { outcome.artifacts } else { Vec::new() };
    let path = match <[PathBuf; 1]>::try_from(named) {
        // The toolchain has named its own result, so that it cannot be stale.
        Ok([path]) => path,
        Err(none) if none.is_empty() => expected.locate(request, &outcome.command, cancel)?,
        Err(candidates) => return Err(BuildError::Ambiguous { command: outcome.command, candidates }),
    };
    let (size, wrapped) = finish(&path)?;
    if let Some(adapter) = wrapped {
        reporter.wrapped(adapter);
    }
    Ok(Built {
        component_path: path,
        size,
        command: outcome.command,
        toolchain: outcome.toolchain,
        wrapped,
        elapsed: started.elapsed(),
    })
}

/// What running the programs gave.
struct Outcome {
    command: String,
    toolchain: Option<Toolchain>,
    /// The components that the toolchain itself has named.
    artifacts: Vec<PathBuf>,
}

fn run_shell(
    request: &BuildRequest,
    line: &str,
    cancel: &CancelToken,
    reporter: &dyn Reporter,
) -> Result<Outcome, BuildError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    prepare(&mut command, request);
    reporter.running(line);
    let status = Process::new(command, line.to_owned()).run(cancel, reporter)?;
    check(request, line, status)?;
    Ok(Outcome { command: line.to_owned(), toolchain: None, artifacts: Vec::new() })
}

fn run_toolchain(request: &BuildRequest, cancel: &CancelToken, reporter: &dyn Reporter) -> Result<Outcome, BuildError> {
    let Some(toolchain) = request.toolchain else {
        return Err(BuildError::NoToolchain { root: request.root.clone() });
    };
    let mut outcome = Outcome { command: String::new(), toolchain: Some(toolchain), artifacts: Vec::new() };
    for step in toolchain.steps(request, cancel)? {
        outcome.command = crate::process::display(step.program(), step.arguments());
        let mut command = Command::new(step.program());
        command.args(step.arguments());
        prepare(&mut command, request);
        reporter.running(&outcome.command);
        let process = Process::new(command, outcome.command.clone());
        let status = match &step {
            Step::Plain { .. } => process.run(cancel, reporter)?,
            Step::Cargo { package, .. } => process.run_reading(cancel, reporter, |stdout| {
                let artifacts = toolchain::cargo::read_artifacts(io::BufReader::new(stdout), package)?;
                outcome.artifacts.extend(artifacts);
                Ok(())
            })?,
        };
        check(request, &outcome.command, status)?;
    }
    Ok(outcome)
}

fn prepare(command: &mut Command, request: &BuildRequest) {
    command.current_dir(&request.root).envs(&request.environment);
    command.env(COMPONENT_PATH_VARIABLE, request.configured_path());
}

fn check(request: &BuildRequest, command: &str, status: ExitStatus) -> Result<(), BuildError> {
    if status.success() {
        return Ok(());
    }
    let missing_target = toolchain::cargo::missing_target(&request.root, command, &request.environment);
    Err(BuildError::Failed { command: command.to_owned(), status, missing_target })
}

/// Reads the result, checks it, and replaces a core module by its component.
fn finish(path: &Path) -> Result<(u64, Option<Adapter>), BuildError> {
    let not_a_component = |source| BuildError::NotAComponent { path: path.to_path_buf(), source };
    let length = fs_err::metadata(path).map_err(BuildError::Io)?.len();
    washlib_component::check_length(length).map_err(|err| not_a_component(err.into()))?;
    let bytes = fs_err::read(path).map_err(BuildError::Io)?;
    let encoded = washlib_component::encode(&bytes).map_err(not_a_component)?;
    if encoded.wrapped.is_some() {
        artifact::replace(path, &encoded.bytes).map_err(BuildError::Io)?;
    }
    Ok((encoded.bytes.len() as u64, encoded.wrapped))
}
