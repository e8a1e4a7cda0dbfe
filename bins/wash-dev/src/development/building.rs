//! What comes before a version can be offered: images, WIT packages, and the build itself.
//!
//! Each step can be interrupted, and says whether the turn ends with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use washlib_build::{BuildError, BuildRequest, Built, CancelToken};
use washlib_cli::CommandError;

use super::{Development, Fault, Outcome, Watched};
use crate::command_error;
use crate::dependencies::WitDependencies;
use crate::neighbour::BuildTurn;
use crate::settings::Settings;

impl Development<'_> {
    /// Pulls the images that the project names; the outcome is there only if that ends the turn.
    pub(super) async fn pull(&mut self, settings: &Settings) -> Option<Outcome> {
        let Some(registries) = &settings.registries else { return None };
        let images: Vec<_> = settings.plan.images().collect();
        tokio::select! {
            pulled = self.images.pull(&images, registries, &self.parties.report) => match pulled {
                Ok(()) => None,
                Err(err) => Some(Outcome::Failed(command_error::image(err), Fault::Project)),
            },
            () = self.parties.interrupts.wait() => Some(Outcome::Interrupted),
        }
    }

    /// Fetches the WIT that the project names; the outcome is there only if that ends the turn.
    pub(super) async fn fetch(
        &self,
        wit: WitDependencies,
        watched: &mut Watched,
    ) -> Result<Option<Outcome>, CommandError> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let (lock, flag, report) = (wit.lock_path(), Arc::clone(&interrupted), self.report().clone());
        let mut fetching = tokio::task::spawn_blocking(move || wit.fetch(&flag, &report));
        let fetched = loop {
            tokio::select! {
                fetched = &mut fetching => break fetched.map_err(CommandError::failure)?,
                () = self.parties.interrupts.wait() => interrupted.store(true, Ordering::Relaxed),
            }
        };
        watched.sources.take_as_it_is(&lock);
        Ok(match fetched {
            _ if interrupted.load(Ordering::Relaxed) => Some(Outcome::Interrupted),
            Ok(()) => None,
            Err(err) if err.is_usage() => Some(Outcome::Failed(command_error::fetch(err), Fault::Project)),
            Err(err) => {
                self.report().not_fetched(&command_error::fetch(err));
                None
            }
        })
    }

    /// Runs a build to its end, or to that of all its programs when there is no more use for it.
    pub(super) async fn run_build(
        &self,
        request: BuildRequest,
        watched: &mut Watched,
    ) -> Result<Result<Built, Outcome>, CommandError> {
        let cancel = CancelToken::new();
        let (token, reporter, builds) = (cancel.clone(), self.report().clone(), self.parties.presence.builds());
        // A build is a child process and file access: it blocks.
        let mut building = tokio::task::spawn_blocking(move || {
            let _turn = BuildTurn::take(builds.as_deref(), &token);
            washlib_build::build(&request, &token, &reporter)
        });
        let (mut interrupted, mut outdated) = (false, false);
        let built = loop {
            tokio::select! {
                built = &mut building => break built.map_err(CommandError::failure)?,
                // The first one asks the build to end, the second one kills it; both wait until it has.
                () = self.parties.interrupts.wait() => interrupted = true,
                () = watched.sources.build_is_outdated(), if !outdated => outdated = true,
                () = self.parties.keys.rebuild(), if !outdated => outdated = true,
            }
            cancel.cancel();
        };
        Ok(match built {
            // An interrupt that came too late for the build to notice still counts.
            _ if interrupted => Err(Outcome::Interrupted),
            Ok(built) => Ok(built),
            Err(BuildError::Cancelled) => Err(Outcome::Outdated(watched.sources.take_interrupting())),
            Err(err) => {
                let fault = fault(&err);
                Err(Outcome::Failed(command_error::build(err), fault))
            }
        })
    }
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
