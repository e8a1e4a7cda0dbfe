//! What is in `wit/deps`, and whose it is: put there by a fetch, or by hand.
//!
//! A fetch leaves one folder per package, `<namespace>-<name>-<version>/package.wit`, as wkg does (or a binary file of
//! such a name). Of these, the lock owns the packages that it names and all that they refer to. Everything else was
//! vendored by hand: it is used, and never changed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use wit_component::DecodedWasm;

use crate::project::{ProjectError, wit_files};
use crate::references::scan;
use crate::source::{Content, TextFile};
use crate::{Digest, Lock, PackageId, SourceOverride, read};

/// Everything in `wit/deps`.
#[derive(Clone, Debug, Default)]
pub(crate) struct DepsDir {
    pub(crate) entries: Vec<Entry>,
}

/// What says that a package in `wit/deps` was fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owners<'a> {
    pub(crate) lock: &'a Lock,
    /// Places that packages are taken from instead of their registry.
    pub(crate) overrides: &'a [SourceOverride],
    /// Entries that may be releases although no lock says so.
    pub(crate) releases: &'a BTreeSet<OsString>,
}

/// No entries.
pub(crate) static NO_RELEASES: BTreeSet<OsString> = BTreeSet::new();

/// A file or folder in `wit/deps`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) content: EntryContent,
    /// The packages that it defines, the main one first.
    pub(crate) packages: Vec<PackageId>,
    /// The packages that it refers to.
    pub(crate) references: Vec<PackageId>,
    /// Whether it looks like what a fetch leaves.
    pub(crate) is_generated: bool,
}

/// What an entry holds.
#[derive(Clone, Debug)]
pub(crate) enum EntryContent {
    /// .wit files.
    Text(Vec<TextFile>),
    /// A package in its binary form, or in WebAssembly's text format, which is left to wit-parser.
    Binary(PathBuf),
    /// Something that no tool reads.
    Other,
}

impl DepsDir {
    /// Reads the folder; one that does not exist is empty. `show` makes paths for messages.
    pub(crate) fn read(path: &Path, show: impl Fn(&Path) -> String) -> Result<Self, ProjectError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(err) => return Err(ProjectError::Read(err)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(ProjectError::Read)?.path();
            found.push(read_entry(&path, &show).map_err(ProjectError::Read)?);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { entries: found })
    }

    /// The entries that the lock does not own, of those that define a package.
    pub(crate) fn vendored(&self, owners: &Owners<'_>) -> Vec<&Entry> {
        let owned = self.owned(owners);
        self.entries.iter().filter(|entry| !entry.packages.is_empty() && !owned.contains(&entry.name)).collect()
    }

    /// The names of the entries that the lock owns.
    pub(crate) fn owned(&self, owners: &Owners<'_>) -> BTreeSet<OsString> {
        let lock = owners.lock;
        let releases = lock.packages.iter().map(|locked| locked.name.at(Some(locked.version.clone())));
        let unversioned = lock.packages.iter().map(|locked| locked.name.at(None));
        let sources = lock.sources.iter().filter_map(|locked| locked.package.parse().ok());
        let firsts = self.entries.iter().filter_map(|entry| entry.packages.first().cloned());
        let overridden =
            firsts.filter(|package| owners.overrides.iter().any(|source| source.exactness(package).is_some()));
        let mut open: Vec<PackageId> = releases.chain(unversioned).chain(sources).chain(overridden).collect();
        let mut owned = owners.releases.clone();
        while let Some(package) = open.pop() {
            let of_package = |entry: &&Entry| entry.is_generated && entry.packages.first() == Some(&package);
            for entry in self.entries.iter().filter(of_package) {
                if owned.insert(entry.name.clone()) {
                    open.extend(entry.references.iter().cloned());
                }
            }
        }
        owned
    }

    /// The entry that a fetch would replace for this package.
    pub(crate) fn generated(&self, package: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| {
            entry.is_generated && entry.packages.first().is_some_and(|first| first.to_string() == package)
        })
    }

    /// Whether some entry defines the package.
    pub(crate) fn defines(&self, package: &PackageId) -> bool {
        self.entries.iter().any(|entry| entry.packages.contains(package))
    }
}

impl Entry {
    /// A digest of the packages, for keys of what was computed with them. Binary files stand for themselves by path,
    /// size and time, because they are seldom and large.
    pub(crate) fn digest(&self) -> Digest {
        match &self.content {
            EntryContent::Text(files) => {
                Digest::of_parts(files.iter().flat_map(|file| [file.path.as_bytes(), file.text.as_bytes()]))
            }
            EntryContent::Binary(path) => Digest::of(&read::package(path).unwrap_or_default()),
            EntryContent::Other => Digest::of(b""),
        }
    }

    /// The packages themselves.
    pub(crate) fn content(&self) -> Option<Content> {
        match &self.content {
            EntryContent::Text(files) => Some(Content::Text(files.clone())),
            EntryContent::Binary(path) => Some(Content::Binary(read::package(path).ok()?)),
            EntryContent::Other => None,
        }
    }

    /// The one text of an entry that a fetch left.
    pub(crate) fn generated_text(&self) -> Option<&str> {
        match &self.content {
            EntryContent::Text(files) if self.is_generated => files.first().map(|file| file.text.as_str()),
            _ => None,
        }
    }
}

fn read_entry(path: &Path, show: &impl Fn(&Path) -> String) -> io::Result<Entry> {
    let name = path.file_name().unwrap_or_default().to_owned();
    let other = |name| Entry {
        name,
        content: EntryContent::Other,
        packages: Vec::new(),
        references: Vec::new(),
        is_generated: false,
    };
    let is_folder = fs::metadata(path)?.is_dir();
    let extension = path.extension().and_then(|extension| extension.to_str());
    let files = match extension {
        _ if is_folder => wit_files(path)?,
        Some("wit") => vec![path.to_owned()],
        Some("wasm" | "wat") => return binary_entry(name, path),
        _ => return Ok(other(name)),
    };
    if files.is_empty() {
        return Ok(other(name));
    }
    let is_one_package_file =
        is_folder && files.len() == 1 && files[0].ends_with("package.wit") && has_one_entry(path)?;
    let mut texts = Vec::new();
    let (mut packages, mut references) = (Vec::new(), Vec::new());
    for file in files {
        let text = read::text(&file)?;
        let scan = scan(&text);
        packages.extend(scan.headers.into_iter().map(|header| header.package));
        references.extend(scan.references.into_iter().map(|reference| reference.package));
        texts.push(TextFile { path: show(&file), text });
    }
    packages.dedup();
    references.sort();
    references.dedup();
    references.retain(|package| !packages.contains(package));
    let is_generated = is_one_package_file
        && packages.len() == 1
        && packages.first().is_some_and(|package| name == *package.folder_name());
    Ok(Entry { name, content: EntryContent::Text(texts), packages, references, is_generated })
}

/// A binary package says only when decoded what it is; one that cannot be decoded is left for wit-parser to complain.
fn binary_entry(name: OsString, path: &Path) -> io::Result<Entry> {
    let bytes = read::package(path)?;
    let mut packages = Vec::new();
    if let Ok(DecodedWasm::WitPackage(resolve, main)) = wit_component::decode(&bytes) {
        packages.push(PackageId::from(&resolve.packages[main].name));
        let others = resolve.packages.iter().filter(|(id, _)| *id != main);
        packages.extend(others.map(|(_, package)| PackageId::from(&package.name)));
    }
    let is_generated =
        packages.first().is_some_and(|package| name.to_str() == Some(&format!("{}.wasm", package.folder_name())));
    Ok(Entry { name, content: EntryContent::Binary(path.to_owned()), packages, references: Vec::new(), is_generated })
}

fn has_one_entry(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.take(2).count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LockedPackage;

    fn deps(files: &[(&str, &str)]) -> DepsDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        DepsDir::read(folder.path(), |path| path.display().to_string()).unwrap()
    }

    fn lock(package: &str) -> Lock {
        let id: PackageId = package.parse().unwrap();
        let version = id.version.unwrap();
        let requirement = crate::lock::requirement(Some(&version));
        let entry = LockedPackage { name: id.name, registry: None, version, requirement, digest: Digest::of(b"") };
        Lock { packages: vec![entry], sources: Vec::new() }
    }

    #[test]
    fn the_lock_owns_what_its_packages_refer_to() {
        let deps = deps(&[
            ("wasi-http-0.2.0/package.wit", "package wasi:http@0.2.0;\ninterface t { use wasi:io/s@0.2.0.{x}; }"),
            ("wasi-io-0.2.0/package.wit", "package wasi:io@0.2.0;\ninterface s { type x = u8; }"),
            ("wasi-cli-0.2.0/package.wit", "package wasi:cli@0.2.0;"),
            ("clocks/types.wit", "package wasi:clocks@0.2.0;"),
            ("acme.wit", "package acme:a;"),
            ("README.md", "not WIT"),
        ]);
        let names = |entries: Vec<&Entry>| -> Vec<String> {
            entries.into_iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect()
        };
        let owned: Vec<OsString> = deps
            .owned(&Owners { lock: &lock("wasi:http@0.2.0"), overrides: &[], releases: &NO_RELEASES })
            .into_iter()
            .collect();
        assert_eq!(owned, ["wasi-http-0.2.0", "wasi-io-0.2.0"]);
        assert_eq!(
            names(deps.vendored(&Owners { lock: &lock("wasi:http@0.2.0"), overrides: &[], releases: &NO_RELEASES })),
            ["acme.wit", "clocks", "wasi-cli-0.2.0"]
        );
        assert_eq!(deps.vendored(&Owners { lock: &Lock::default(), overrides: &[], releases: &NO_RELEASES }).len(), 5);
    }

    #[test]
    fn folders_with_more_than_one_file_were_made_by_hand() {
        let deps = deps(&[
            ("wasi-io-0.2.0/package.wit", "package wasi:io@0.2.0;"),
            ("wasi-io-0.2.0/LICENSE", "mine"),
            ("other/package.wit", "package wasi:cli@0.2.0;"),
        ]);
        assert!(deps.entries.iter().all(|entry| !entry.is_generated));
    }
}
