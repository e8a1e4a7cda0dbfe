//! Cargo projects: which package is the component, and which file cargo made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Message, Metadata, MetadataCommand, Package, PackageId, TargetKind};

use super::Step;
use crate::process::Process;
use crate::{BuildError, BuildRequest, CancelToken};

/// The target that gives components without a further tool.
const TARGET: &str = "wasm32-wasip2";

pub(super) fn steps(request: &BuildRequest, cancel: &CancelToken) -> Result<Vec<Step>, BuildError> {
    let metadata = metadata(request, cancel)?;
    let package = component_package(&request.root, &metadata)?;
    let mut arguments: Vec<OsString> =
        ["build", "--target", TARGET, "--release", "--message-format=json-render-diagnostics"].map(Into::into).into();
    arguments.extend(["--package".into(), package.name.as_str().into()]);
    Ok(vec![Step::Cargo { arguments, package: package.id.clone() }])
}

/// The components' files among cargo's messages: each `.wasm` of the package's library and programs, once.
pub(crate) fn read_artifacts(messages: impl BufRead, package: &PackageId) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for message in Message::parse_stream(messages) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        if artifact.package_id != *package || !is_component_kind(&artifact.target.kind) {
            continue;
        }
        let files = artifact.filenames.into_iter().filter(|file| file.extension() == Some("wasm"));
        found.extend(files.map(PathBuf::from));
    }
    Ok(found)
}

/// Cargo's target folder for the project, when cargo can tell.
pub(crate) fn target_folder(request: &BuildRequest, cancel: &CancelToken) -> Option<PathBuf> {
    if !request.root.join("Cargo.toml").is_file() {
        return None;
    }
    metadata(request, cancel).ok().map(|metadata| metadata.target_directory.into())
}

/// After a failed build: the compilation target that its command needs and that is not installed.
pub(crate) fn missing_target(root: &Path, command: &str, environment: &BTreeMap<String, String>) -> Option<String> {
    let target =
        ["wasm32-wasip2", "wasm32-wasip1", "wasm32-unknown-unknown"].into_iter().find(|t| command.contains(t))?;
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(root)
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    let installed = Path::new(folder.trim()).is_dir();
    (output.status.success() && !installed).then(|| target.to_owned())
}

/// Runs cargo ourselves: it may take long, as when rustup installs a toolchain first, and must be stopped like a build.
fn metadata(request: &BuildRequest, cancel: &CancelToken) -> Result<Metadata, BuildError> {
    let mut command = MetadataCommand::new().cargo_path("cargo").current_dir(&request.root).no_deps().cargo_command();
    command.envs(&request.environment);
    let output = Process::new(command, "cargo metadata".to_owned()).run_capturing(cancel)?;
    let text = |bytes| String::from_utf8_lossy(bytes);
    let metadata = if output.status.success() {
        // Before the description there may be what a wrapper around cargo prints.
        text(&output.stdout)
            .lines()
            .find(|line| line.starts_with('{'))
            .ok_or(cargo_metadata::Error::NoJson)
            .and_then(MetadataCommand::parse)
    } else {
        Err(cargo_metadata::Error::CargoMetadata { stderr: text(&output.stderr).into_owned() })
    };
    metadata.map_err(|source| BuildError::CargoMetadata { root: request.root.clone(), source: Box::new(source) })
}

/// The package to build: the manifest's own, or in a virtual workspace the only one that can be a component.
fn component_package<'a>(root: &Path, metadata: &'a Metadata) -> Result<&'a Package, BuildError> {
    let manifest = root.join("Cargo.toml");
    let unbuildable = |problem: String, advice: Option<&str>| BuildError::Unbuildable {
        problem,
        file: manifest.clone(),
        advice: advice.map(str::to_owned),
    };
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let own_manifest = canonical(&manifest);
    let members = metadata.workspace_packages();
    let own = members.iter().find(|package| canonical(package.manifest_path.as_std_path()) == own_manifest);
    if let Some(package) = own {
        if is_component(package) {
            return Ok(package);
        }
        let advice = "add `crate-type = [\"cdylib\"]` under `[lib]`";
        return Err(unbuildable(
            format!("package `{}` has neither a cdylib nor a program", package.name),
            Some(advice),
        ));
    }
    let candidates: Vec<_> = members.into_iter().filter(|package| is_component(package)).collect();
    match candidates.as_slice() {
        [package] => Ok(package),
        [] => Err(unbuildable("no package of the workspace has a cdylib or a program".to_owned(), None)),
        several => {
            let names: Vec<_> = several.iter().map(|package| format!("`{}`", package.name)).collect();
            let advice = "set `build.command` and `build.component_path` in .wash/config.yaml";
            Err(unbuildable(format!("several packages could be the component: {}", names.join(", ")), Some(advice)))
        }
    }
}

fn is_component(package: &Package) -> bool {
    package.targets.iter().any(|target| is_component_kind(&target.kind))
}

fn is_component_kind(kinds: &[TargetKind]) -> bool {
    kinds.iter().any(|kind| matches!(kind, TargetKind::CDyLib | TargetKind::Bin))
}
