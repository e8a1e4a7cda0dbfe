//! `wash wit check`.

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{Change, lock_changes};

use crate::session::Session;

#[derive(Debug, Serialize)]
struct CheckData {
    agrees: bool,
    /// False when the packages of `wit/deps` could not be compared with what was fetched once.
    verified: bool,
    differences: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let plan = session.plan_as_is()?;
    let mut differences = Vec::new();
    for change in lock_changes(&plan.old_lock, &plan.new_lock) {
        differences.push(format!("wkg.lock: {change}"));
    }
    for change in &plan.changes {
        differences.push(match change {
            Change::Write { entry, is_new: true, .. } => format!("{}/deps/{entry}: missing", session.wit_dir),
            Change::Write { entry, .. } => format!("{}/deps/{entry}: differs from what was published", session.wit_dir),
            Change::Remove { entry } => {
                format!("{}/deps/{}: no longer used", session.wit_dir, entry.to_string_lossy())
            }
        });
    }
    let data = CheckData { agrees: differences.is_empty(), verified: plan.is_verified, differences };
    let text = data.differences.join("\n");
    if data.agrees {
        let note = if data.verified { "" } else { " (content not compared: it is not in the cache)" };
        session.ui.status("Checked", &format!("sources, lock and {}/deps agree{note}", session.wit_dir));
        return session.ui.result(&text, "Sources, lock and dependencies agree", data);
    }
    session.ui.hint("`wash wit fetch` brings them into agreement");
    Err(session.ui.answer_no(&text, "Sources, lock and dependencies do not agree", data))
}
