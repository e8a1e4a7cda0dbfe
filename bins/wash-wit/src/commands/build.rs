//! `wash wit build`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use washlib_cli::CommandError;
use washlib_wit::{BuiltPackage, Manifest, PlanOptions};

use crate::cli::Build;
use crate::command_error;
use crate::session::Session;

/// What `-o json` returns; the fields of the public wash.
#[derive(Debug, Serialize)]
struct BuildData {
    package: String,
    version: Option<String>,
    /// Absolute.
    output: PathBuf,
    /// Bytes.
    size: usize,
    digest: String,
}

pub(crate) fn run(session: &Session<'_>, args: &Build) -> Result<(), CommandError> {
    let built = built_package(session)?;
    let default = PathBuf::from(format!("{}.wasm", built.package.folder_name()));
    let output = session.project.root().join(args.output_file.as_deref().unwrap_or(&default));
    write(&output, &built.bytes)?;
    let shown = output.strip_prefix(session.project.root()).unwrap_or(&output).display().to_string();
    session.ui.status("Built", &format!("{} ({} bytes)", built.package, built.bytes.len()));
    let data = BuildData {
        package: built.package.name.to_string(),
        version: built.package.version.map(|version| version.to_string()),
        size: built.bytes.len(),
        digest: washlib_wit::Digest::of(&built.bytes).to_string(),
        output,
    };
    session.ui.result(&shown, "Successfully built the WIT package", data)
}

/// Brings dependencies up to date, then builds.
pub(crate) fn built_package(session: &Session<'_>) -> Result<BuiltPackage, CommandError> {
    let _guard = session.guard()?;
    let plan = session.plan(session.read_sources()?, PlanOptions::default())?;
    session.apply(&plan)?;
    let manifest = Manifest::read(&session.project.manifest_path());
    let manifest = manifest.map_err(|err| command_error::project(err.into()))?;
    washlib_wit::build(&session.project, &manifest.metadata).map_err(command_error::build)
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed = |err: std::io::Error| CommandError::failure(format!("cannot write `{}`: {err}", path.display()));
    let folder = path.parent().unwrap_or(Path::new("."));
    let builder = tempfile::Builder::new().prefix(".wash-").permissions(permissions()).tempfile_in(folder);
    let mut file = builder.map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map(drop).map_err(|err| failed(err.error))
}

fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o666)
}
