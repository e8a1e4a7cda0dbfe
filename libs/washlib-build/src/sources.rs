//! Looks for a source that is newer than what was built from it.
//!
//! Never decides whether to build: that is the build tool's own business. This only catches a tool that did not.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ignore::{DirEntry, WalkBuilder};

/// What a component is compiled from.
const EXTENSIONS: [&str; 18] =
    ["c", "cc", "cjs", "cpp", "cs", "go", "h", "hpp", "js", "jsx", "mjs", "mts", "py", "rs", "ts", "tsx", "wit", "zig"];
/// Folders whose files do not go into a component, or that the build itself fills.
const SKIPPED_FOLDERS: [&str; 8] = ["__tests__", "benches", "build", "dist", "node_modules", "target", "test", "tests"];

/// A source of `artifact` that changed after it, but before the build started: what the build itself writes is its own
/// result and no reason to build.
pub(crate) fn newer_than(
    root: &Path,
    artifact: &Path,
    modified: SystemTime,
    build_started: SystemTime,
) -> Option<PathBuf> {
    let newer = |path: &PathBuf| {
        let time = fs_err::metadata(path).and_then(|metadata| metadata.modified());
        time.is_ok_and(|time| time > modified && time < build_started)
    };
    match cargo_inputs(artifact) {
        Some(inputs) => inputs.into_iter().map(|input| root.join(input)).find(newer),
        None => walk(root).find(newer),
    }
}

/// The inputs that cargo recorded beside the artifact, in its `.d` file (the Cargo Book, "Build Cache", Dep-info files).
fn cargo_inputs(artifact: &Path) -> Option<Vec<PathBuf>> {
    let record = artifact.with_extension("d");
    // Reading a pipe of that name would never end.
    if !fs_err::metadata(&record).is_ok_and(|metadata| metadata.is_file()) {
        return None;
    }
    let text = fs_err::read_to_string(record).ok()?;
    Some(text.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, inputs)| split_escaped(inputs)).collect())
}

/// Splits at spaces that no backslash precedes.
fn split_escaped(inputs: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut current = String::new();
    let mut characters = inputs.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => {
                current.push(' ');
                characters.next();
            }
            ' ' => paths.push(std::mem::take(&mut current)),
            other => current.push(other),
        }
    }
    paths.push(current);
    paths.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect()
}

fn walk(root: &Path) -> impl Iterator<Item = PathBuf> {
    let keep = |entry: &DirEntry| {
        let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        !(folder && entry.depth() > 0 && SKIPPED_FOLDERS.iter().any(|skipped| entry.file_name() == *skipped))
    };
    WalkBuilder::new(root)
        .require_git(false)
        .parents(false)
        .filter_entry(keep)
        .build()
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(DirEntry::into_path)
        .filter(|path| is_source(path))
}

fn is_source(path: &Path) -> bool {
    let known = path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let test =
        stem.ends_with("_test") || stem.ends_with(".test") || stem.ends_with(".spec") || stem.starts_with("test_");
    known && !test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_dep_info_at_unescaped_spaces() {
        assert_eq!(split_escaped(r"/a/my\ file.rs /b.rs"), [Path::new("/a/my file.rs"), Path::new("/b.rs")]);
        assert!(split_escaped("").is_empty());
    }

    #[test]
    fn tests_are_no_sources() {
        assert!(is_source(Path::new("src/lib.rs")));
        assert!(is_source(Path::new("app.py")));
        for path in ["main_test.go", "a.test.ts", "a.spec.js", "test_app.py", "README.md"] {
            assert!(!is_source(Path::new(path)), "{path}");
        }
    }
}
