//! `wash wit fetch`.

use washlib_cli::CommandError;
use washlib_wit::{Existing, PlanOptions};

use crate::cli::Fetch;
use crate::report::SyncData;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, args: &Fetch) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let existing = if args.clean { Existing::Discard } else { Existing::Keep };
    let plan = session.plan(session.read_sources()?, PlanOptions { existing, ..PlanOptions::default() })?;
    let data = SyncData::of(session, &plan);
    if !plan.is_empty() {
        session.apply(&plan)?;
    }
    data.show(session);
    session.ui.result("", "WIT dependencies are in place", data)
}
