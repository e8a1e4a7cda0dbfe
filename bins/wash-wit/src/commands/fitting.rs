//! Which of several updates fit the sources: one that does not must not keep the others back.
//!
//! Decides; changes nothing.

use std::fmt;

use semver::Version;
use washlib_cli::CommandError;
use washlib_wit::{PackageName, Plan, PlanOptions, SyncError, WitSources};

use crate::command_error;
use crate::session::Session;

/// Another version for a package that the sources name.
pub(super) struct Update {
    pub(super) name: PackageName,
    pub(super) from: Version,
    pub(super) to: Version,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.name, self.from, self.to)
    }
}

/// What became of updates.
pub(super) struct Fitting {
    /// Those that the plan makes.
    pub(super) updates: Vec<Update>,
    /// Those with which the sources would not be valid, and why.
    pub(super) misfits: Vec<(Update, SyncError)>,
    /// Nothing where none of several fits, or the only one does not.
    pub(super) plan: Option<Plan>,
}

/// Plans all of `updates`, or as many as fit. For the packages of `forget` the lock does not count, unless they stay as
/// they are because they do not fit.
pub(super) fn fitting(
    session: &Session<'_>,
    sources: &WitSources,
    updates: Vec<Update>,
    forget: &[PackageName],
) -> Result<Fitting, CommandError> {
    let plan = |updates: &[Update], misfits: &[(Update, SyncError)]| {
        let mut sources = sources.clone();
        updates.iter().for_each(|update| sources.set_version(&update.name, &update.from, &update.to));
        let stays = |name: &PackageName| misfits.iter().any(|(update, _)| update.name == *name);
        let forget = forget.iter().filter(|name| !stays(name)).cloned().collect();
        session.try_plan(sources, PlanOptions { forget, ..PlanOptions::default() })
    };
    match plan(&updates, &[]) {
        Ok(plan) => return Ok(Fitting { updates, misfits: Vec::new(), plan: Some(plan) }),
        Err(err) if updates.is_empty() || !is_misfit(&err) => return Err(command_error::sync(err)),
        Err(_) => {}
    }
    let mut result = Fitting { updates: Vec::new(), misfits: Vec::new(), plan: None };
    for update in updates {
        result.updates.push(update);
        match plan(&result.updates, &result.misfits) {
            Ok(plan) => result.plan = Some(plan),
            Err(err) if is_misfit(&err) => {
                result.misfits.extend(result.updates.pop().map(|update| (update, err)));
            }
            Err(err) => return Err(command_error::sync(err)),
        }
    }
    // The last plan may have been made before the last misfit was found.
    if result.plan.is_some() {
        result.plan = Some(plan(&result.updates, &result.misfits).map_err(command_error::sync)?);
    }
    Ok(result)
}

fn is_misfit(err: &SyncError) -> bool {
    matches!(err, SyncError::Invalid { .. } | SyncError::Conflict { .. })
}
