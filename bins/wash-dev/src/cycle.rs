//! One turn of the loop: build the sources as they are, and put the component into service.

use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use washlib_build::{BuildError, BuildRequest, Built, CancelToken};
use washlib_cli::CommandError;

use crate::command_error;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::served::{Served, Swap};
use crate::settings::Settings;

/// How a turn ended.
pub(crate) enum Outcome {
    /// A component is in service; the path is where the build left it.
    Serving(PathBuf),
    /// The build or the component is bad: what was served before is served still.
    Failed(CommandError, Fault),
    /// The configuration is bad: no build was run, and what was served before is served still.
    Misconfigured(CommandError),
}

/// Whether another edit can mend a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Something in the project: the next change may mend it.
    Project,
    /// Something on the machine, such as a missing toolchain: no change of the project will mend it.
    Machine,
}

/// Builds and swaps; `None` when it was interrupted, and then nothing that it has started is left.
pub(crate) async fn turn(
    settings: Settings,
    served: &mut Served,
    report: &Report,
    interrupts: &Interrupts,
    started: Instant,
) -> Result<Option<Outcome>, CommandError> {
    let Settings { build, resources, .. } = settings;
    let built = match run(build, report, interrupts).await? {
        Ok(built) => built,
        Err(BuildError::Cancelled) => return Ok(None),
        Err(err) => {
            let fault = fault(&err);
            return Ok(Some(Outcome::Failed(command_error::build(err), fault)));
        }
    };
    report.built(&built)?;
    tokio::select! {
        outcome = put_into_service(&built, resources, served, report, started) => outcome.map(Some),
        // A component may take long to compile and to start; nobody needs it any more.
        () = interrupts.wait() => Ok(None),
    }
}

/// Runs a build to its end, or to that of all its programs when it was interrupted.
async fn run(
    request: BuildRequest,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<Result<Built, BuildError>, CommandError> {
    let cancel = CancelToken::new();
    let (token, reporter) = (cancel.clone(), report.clone());
    // A build is a child process and file access: it blocks.
    let mut building = tokio::task::spawn_blocking(move || washlib_build::build(&request, &token, &reporter));
    loop {
        tokio::select! {
            built = &mut building => {
                let built = built.map_err(CommandError::failure)?;
                // An interrupt that came too late for the build to notice still counts.
                return Ok(if cancel.is_cancelled() { Err(BuildError::Cancelled) } else { built });
            }
            // The first one asks the build to end, the second one kills it; both wait until it has.
            () = interrupts.wait() => cancel.cancel(),
        }
    }
}

async fn put_into_service(
    built: &Built,
    resources: wash_runtime::types::LocalResources,
    served: &mut Served,
    report: &Report,
    started: Instant,
) -> Result<Outcome, CommandError> {
    let component = match read(&built.component_path) {
        Ok(bytes) => bytes,
        Err(err) => return Ok(Outcome::Failed(CommandError::failure(err), Fault::Project)),
    };
    match served.swap(component, resources).await {
        Ok(Swap::First) => report.ready(served.address(), started.elapsed())?,
        Ok(Swap::Replaced(elapsed)) => report.swapped(elapsed)?,
        Ok(Swap::Unchanged) => report.unchanged()?,
        Err(err) => return Ok(Outcome::Failed(command_error::start(err), Fault::Project)),
    }
    Ok(Outcome::Serving(built.component_path.clone()))
}

fn read(path: &Path) -> std::io::Result<Bytes> {
    fs_err::read(path).map(Bytes::from)
}

fn fault(err: &BuildError) -> Fault {
    match err {
        BuildError::ProgramNotFound { .. }
        | BuildError::Spawn { .. }
        | BuildError::NoToolchain { .. }
        | BuildError::OutsideProject { .. }
        | BuildError::Failed { missing_target: Some(_), .. } => Fault::Machine,
        BuildError::Failed { status, .. } if status.code() == Some(127) => Fault::Machine,
        _ => Fault::Project,
    }
}
