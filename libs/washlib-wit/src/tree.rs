//! Finds a package among the files of a folder, a repository or an archive.
//!
//! A package is recognised by its `package` line, wherever it is; among several places the one nearest to the top counts,
//! and a copy among somebody's dependencies only when there is no other.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use thiserror::Error;

use crate::references::scan;
use crate::source::{Content, SourceError, TextFile};
use crate::{PackageId, PackageName};

/// How deep packages are looked for.
const MAX_DEPTH: usize = 10;

/// How many .wit files are looked at in one place, and how many bytes of them.
const MAX_FILES: usize = 10_000;
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Folders that hold what tools made.
const SKIPPED_FOLDERS: [&str; 4] = [".git", "node_modules", "target", ".wash"];

/// Why a place gives no package.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TreeError {
    /// Other packages are there, or none.
    #[error("there is no package `{package}`{}", others(found))]
    NoSuchPackage {
        /// The package asked for.
        package: String,
        /// Packages that are there.
        found: Vec<String>,
    },
    /// There are too many files to look through.
    #[error("there are more than {MAX_FILES} .wit files or {} MiB of them", MAX_BYTES / (1024 * 1024))]
    TooMuch,
    /// The path leads to nothing.
    #[error("there is nothing at `{}`", path.display())]
    Nothing {
        /// The path.
        path: PathBuf,
    },
}

fn others(found: &[String]) -> String {
    if found.is_empty() { ", nor any other".to_owned() } else { format!(", but {}", found.join(", ")) }
}

/// The files of `package` among `files`, whose paths are relative with `/` between their parts.
///
/// # Errors
///
/// When the package is not there.
pub fn select_package(files: Vec<TextFile>, package: &PackageId) -> Result<Vec<TextFile>, TreeError> {
    let mut folders: BTreeMap<String, Vec<TextFile>> = BTreeMap::new();
    let mut found = Vec::new();
    for file in files {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        // In a folder of dependencies each file is a package of its own.
        let is_single = folder == "deps" || folder.ends_with("/deps");
        let key = if is_single { file.path.clone() } else { folder };
        folders.entry(key).or_default().push(file);
    }
    let mut best: Option<(usize, Vec<TextFile>)> = None;
    for (folder, files) in folders {
        let headers = files.iter().filter_map(|file| Some(scan(&file.text).headers.into_iter().next()?.package));
        let Some(header) = headers.into_iter().next() else { continue };
        if header != *package {
            found.push(header.to_string());
            continue;
        }
        let depth = folder.split('/').filter(|part| !part.is_empty()).count();
        let is_dependency = folder.split('/').any(|part| part == "deps");
        let distance = depth + if is_dependency { 1000 } else { 0 };
        if best.as_ref().is_none_or(|(nearest, _)| distance < *nearest) {
            best = Some((distance, files));
        }
    }
    found.sort();
    found.dedup();
    best.map(|(_, files)| files).ok_or_else(|| TreeError::NoSuchPackage { package: package.to_string(), found })
}

/// The package at a path on this machine: in a folder with .wit files anywhere in it, a .wit file, or a binary file.
pub(crate) fn read_path(path: &Path, package: &PackageId) -> Result<Content, SourceError> {
    let located = |err: TreeError| SourceError::Location {
        package: package.to_string(),
        location: path.display().to_string(),
        source: err.into(),
    };
    let read = |source: io::Error| SourceError::Read { path: path.to_owned(), source };
    let Ok(metadata) = fs::metadata(path) else { return Err(located(TreeError::Nothing { path: path.to_owned() })) };
    if !metadata.is_dir() {
        let bytes = crate::read::package(path).map_err(read)?;
        if bytes.starts_with(b"\0asm") {
            return Ok(Content::Binary(bytes));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let files = select_package(vec![TextFile { path: name, text }], package).map_err(located)?;
        return Ok(Content::Text(files));
    }
    let mut files = Vec::new();
    collect(path, "", 0, &mut Budget { files: 0, bytes: 0 }, &mut files).map_err(read)?.map_err(located)?;
    Ok(Content::Text(select_package(files, package).map_err(located)?))
}

/// A release in wasm-pkg's layout of a local registry: `<namespace>/<name>/<version>.wasm`.
pub(crate) fn local_release(
    root: &Path,
    name: &PackageName,
    version: &semver::Version,
) -> Result<Option<Vec<u8>>, SourceError> {
    let path = root.join(name.namespace()).join(name.name()).join(format!("{version}.wasm"));
    match crate::read::package(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(SourceError::Read { path, source }),
    }
}

struct Budget {
    files: usize,
    bytes: u64,
}

/// Reads the .wit files of a folder and those below it. Links to folders are not followed: they could lead anywhere.
fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    budget: &mut Budget,
    files: &mut Vec<TextFile>,
) -> io::Result<Result<(), TreeError>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if depth < MAX_DEPTH
                && !SKIPPED_FOLDERS.contains(&name.as_str())
                && let Err(err) = collect(&entry.path(), &path, depth + 1, budget, files)?
            {
                return Ok(Err(err));
            }
        } else if name.ends_with(".wit") && !entry.path().is_dir() {
            budget.files += 1;
            budget.bytes += fs::metadata(entry.path())?.len();
            if budget.files > MAX_FILES || budget.bytes > MAX_BYTES {
                return Ok(Err(TreeError::TooMuch));
            }
            files.push(TextFile { path, text: crate::read::lossy_text(&entry.path())? });
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_nearest_place_counts() {
        let files = vec![
            file("examples/wit/deps/http.wit", "package wasi:http@0.2.0; // copy"),
            file("proposals/http/wit/types.wit", "interface types {}"),
            file("proposals/http/wit/world.wit", "package wasi:http@0.2.0;"),
            file("proposals/io/wit/world.wit", "package wasi:io@0.2.0;"),
        ];
        let selected = select_package(files.clone(), &"wasi:http@0.2.0".parse().unwrap()).unwrap();
        let paths: Vec<&str> = selected.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["proposals/http/wit/types.wit", "proposals/http/wit/world.wit"]);
        let err = select_package(files, &"wasi:http@0.2.1".parse().unwrap()).unwrap_err();
        assert!(err.to_string().ends_with("but wasi:http@0.2.0, wasi:io@0.2.0"), "{err}");
    }

    #[test]
    fn a_copy_among_dependencies_is_better_than_none() {
        let files = vec![
            file("wit/deps/io.wit", "package wasi:io@0.2.0;"),
            file("wit/deps/cli.wit", "package wasi:cli@0.2.0;"),
        ];
        let selected = select_package(files, &"wasi:io@0.2.0".parse().unwrap()).unwrap();
        assert_eq!(selected.len(), 1);
    }

    #[test]
    fn paths_lead_to_every_kind_of_place() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        put("project/wit/a.wit", b"package a:b@1.0.0;");
        put("single.wit", b"package a:b@1.0.0;");
        put("binary", b"\0asm....");
        put("registry/a/b/1.0.0.wasm", b"\0asm....");
        let package: PackageId = "a:b@1.0.0".parse().unwrap();
        let read = |path: &str| read_path(&folder.path().join(path), &package);
        assert!(matches!(read("project"), Ok(Content::Text(files)) if files[0].path == "wit/a.wit"));
        assert!(matches!(read("project/wit"), Ok(Content::Text(files)) if files[0].path == "a.wit"));
        assert!(matches!(read("single.wit"), Ok(Content::Text(_))));
        assert!(matches!(read("binary"), Ok(Content::Binary(_))));
        let release = |path: &str| {
            local_release(&folder.path().join(path), &package.name, package.version.as_ref().unwrap()).unwrap()
        };
        assert!(release("registry").is_some());
        assert!(release("project").is_none() && release("single.wit").is_none() && release("nothing").is_none());
        assert!(matches!(read("nothing"), Err(SourceError::Location { .. })));
    }
}
