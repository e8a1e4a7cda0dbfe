//! `wash wit check`.

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{Change, Comparison, Plan, Unlocked, lock_changes};

use crate::session::Session;

#[derive(Debug, Serialize)]
struct CheckData {
    /// False also when that could not be found out.
    agrees: bool,
    /// False when the packages of `wit/deps` could not be compared with what was published.
    verified: bool,
    differences: Vec<String>,
    /// Packages whose content is not on this machine, so that nothing was compared.
    not_compared: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let plan = session.plan_as_is(Comparison::Fetched, Unlocked::Lock)?;
    let differences = differences(session, &plan);
    let data = CheckData {
        agrees: differences.is_empty() && plan.is_verified(),
        verified: plan.is_verified(),
        differences,
        not_compared: plan.not_compared.iter().map(ToString::to_string).collect(),
    };
    let text = data.differences.join("\n");
    if data.agrees {
        let deps = session.shown_here(&format!("{}/deps", session.wit_dir));
        session.ui.status("Checked", &format!("sources, lock and {deps} agree"));
        return session.ui.result(&text, "Sources, lock and dependencies agree", data);
    }
    let (message, hint) = if data.differences.is_empty() {
        let packages = data.not_compared.join(", ");
        let message = format!("not compared, because their content is not on this machine: {packages}");
        (message, "without `--offline` and `--frozen`, `wash wit check` fetches them to compare")
    } else {
        let message = format!("sources, lock and {}/deps do not agree", session.wit_dir);
        (message, "`wash wit fetch` brings them into agreement")
    };
    Err(session.answer_no(&text, &message, hint, data))
}

fn differences(session: &Session<'_>, plan: &Plan) -> Vec<String> {
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
    differences
}
