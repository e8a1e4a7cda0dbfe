//! `wash wit clean`.

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::LOCK_FILE_NAME;

use crate::command_error;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct CleanData {
    /// Files and folders of `wit/deps` that are gone.
    removed: Vec<String>,
    /// Those that the lock does not own.
    kept: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let cleaned = washlib_wit::clean(&session.context()).map_err(command_error::sync)?;
    let data = CleanData { removed: cleaned.removed, kept: cleaned.kept };
    let deps = session.shown_here(&format!("{}/deps", session.wit_dir));
    session.ui.status("Removed", &format!("{} entries of {deps}", data.removed.len()));
    if !data.kept.is_empty() {
        session.ui.status("Kept", &format!("{}: {}", not_owned(data.kept.len()), data.kept.join(", ")));
    }
    session.ui.result("", "Removed fetched WIT dependencies", data)
}

/// Why so many entries of `wit/deps` are left alone.
pub(super) fn not_owned(count: usize) -> String {
    format!("{count} {} that {LOCK_FILE_NAME} does not own", if count == 1 { "entry" } else { "entries" })
}
