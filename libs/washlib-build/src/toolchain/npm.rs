//! JavaScript and TypeScript projects: the package manager that the lock file names, and the `build` script.

use std::path::Path;

use super::Step;
use crate::BuildError;

/// What Yarn installs in place of `node_modules` (Yarn's manual, "Plug'n'Play").
const PLUG_AND_PLAY: &str = ".pnp.cjs";

pub(super) fn steps(root: &Path) -> Result<Vec<Step>, BuildError> {
    let manifest = root.join("package.json");
    let unbuildable = |problem: String, advice: &str| BuildError::Unbuildable {
        problem,
        file: manifest.clone(),
        advice: Some(advice.to_owned()),
    };
    let text = fs_err::read_to_string(&manifest).map_err(BuildError::Io)?;
    let package: serde_json::Value = serde_json::from_str(&text)
        .map_err(|err| unbuildable(format!("package.json is no JSON: {err}"), "correct the file"))?;
    if package["scripts"]["build"].as_str().is_none() {
        let advice = "add a `build` script, or set `build.command` in .wash/config.yaml";
        return Err(unbuildable("package.json has no `build` script".to_owned(), advice));
    }
    let manager = package_manager(root);
    let depends = ["dependencies", "devDependencies"]
        .iter()
        .any(|key| package[key].as_object().is_some_and(|packages| !packages.is_empty()));
    // Installing runs other people's scripts and contacts a registry: a person decides when.
    let installed =
        root.ancestors().any(|folder| folder.join("node_modules").is_dir() || folder.join(PLUG_AND_PLAY).is_file());
    if depends && !installed {
        let advice = format!("run `{manager} install`");
        return Err(unbuildable("the project's packages are not installed".to_owned(), &advice));
    }
    Ok(vec![Step::plain(manager, ["run", "build"])])
}

/// The package manager whose lock file is nearest: in the project, or above it in the same repository, where a workspace
/// keeps it.
fn package_manager(root: &Path) -> &'static str {
    const LOCK_FILES: [(&str, &str); 5] = [
        ("package-lock.json", "npm"),
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
    ];
    for folder in root.ancestors() {
        if let Some((_, manager)) = LOCK_FILES.iter().find(|(file, _)| folder.join(file).is_file()) {
            return manager;
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    "npm"
}
