//! `wash wit remove`.

use washlib_cli::CommandError;
use washlib_wit::{ItemPath, PlanOptions};

use crate::cli::Remove;
use crate::command_error;
use crate::report::SyncData;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, args: &Remove) -> Result<(), CommandError> {
    let path: ItemPath = args.package.parse().map_err(command_error::name)?;
    let _guard = session.guard()?;
    let mut sources = session.read_sources()?;
    sources.remove(&path).map_err(command_error::edit)?;
    let plan = session.plan(sources, PlanOptions::default())?;
    let data = SyncData::of(session, &plan);
    session.apply(&plan)?;
    data.show(session);
    session.ui.result("", &format!("Removed {path}"), data)
}
