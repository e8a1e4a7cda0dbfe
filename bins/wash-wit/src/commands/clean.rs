//! `wash wit clean`.

use serde::Serialize;
use washlib_cli::CommandError;

use crate::command_error;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct CleanData {
    /// Files and folders of `wit/deps` that are gone.
    removed: Vec<String>,
    /// Those that were put there by hand.
    kept: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let cleaned = washlib_wit::clean(&session.context()).map_err(command_error::sync)?;
    let data = CleanData { removed: cleaned.removed, kept: cleaned.kept };
    session.ui.status("Removed", &format!("{} entries of {}/deps", data.removed.len(), session.wit_dir));
    if !data.kept.is_empty() {
        session.ui.status("Kept", &format!("what was put there by hand: {}", data.kept.join(", ")));
    }
    session.ui.result("", "Removed fetched WIT dependencies", data)
}
