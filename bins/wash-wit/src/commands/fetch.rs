//! `wash wit fetch`.

use washlib_cli::CommandError;
use washlib_wit::{Existing, PlanOptions, Unlocked};

use crate::cli::Fetch;
use crate::report::SyncData;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, args: &Fetch) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let existing = if args.clean { Existing::Discard } else { Existing::Keep };
    let plan = session
        .plan(session.read_sources()?, PlanOptions { existing, unlocked: Unlocked::Lock, ..PlanOptions::default() })?;
    let data = SyncData::of(session, &plan);
    session.apply(&plan)?;
    data.show(session);
    if !plan.is_verified() && !session.project.lock_path().exists() {
        session
            .ui
            .warn("nothing is locked: there is no wkg.lock, and no registry could be asked what it has published");
    }
    if args.clean && !plan.vendored.is_empty() {
        let kept = super::clean::not_owned(plan.vendored.len());
        session.ui.status("Kept", &format!("{kept}: {}", plan.vendored.join(", ")));
    }
    session.ui.result("", "WIT dependencies are in place", data)
}
