//! `wash wit vendor`: the locked releases as files, in the layout of a local registry.

use std::path::PathBuf;

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::PlanOptions;

use crate::cli::Vendor;
use crate::command_error;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct VendorData {
    /// Absolute.
    folder: PathBuf,
    packages: Vec<String>,
}

pub(crate) fn run(session: &Session<'_>, args: &Vendor) -> Result<(), CommandError> {
    let _guard = session.guard()?;
    let plan = session.plan(session.read_sources()?, PlanOptions::default())?;
    session.apply(&plan)?;
    let folder = session.project.root().join(&args.folder);
    let packages = washlib_wit::vendor(&session.context(), &plan, &folder).map_err(command_error::sync)?;
    session.ui.status("Vendored", &format!("{} packages in {}", packages.len(), args.folder.display()));
    let mut namespaces: Vec<&str> = packages.iter().filter_map(|package| package.split(':').next()).collect();
    namespaces.dedup();
    if !namespaces.is_empty() {
        let sources: Vec<String> =
            namespaces.iter().map(|namespace| format!("{namespace}: {}", args.folder.display())).collect();
        session.ui.hint(&format!(
            "to use them, write in `.wash/config.yaml` under `wit.sources`: `{}`",
            sources.join("`, `")
        ));
    }
    let shown = args.folder.display().to_string();
    session.ui.result(&shown, "Copied the locked packages", VendorData { folder, packages })
}
