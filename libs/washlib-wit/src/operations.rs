//! The edits that commands make to a project's sources, and what they need to know for them.
//!
//! An edit changes the sources in memory; a plan of the result decides whether it can stand.

use std::collections::BTreeSet;

use semver::Version;
use wit_parser::UnresolvedPackageGroup;

use crate::edit::{self, AddAs, EditError};
use crate::lock::Lock;
use crate::project::{WitSources, parse};
use crate::references::ReferenceKind;
use crate::render::decode;
use crate::source::Content;
use crate::{ItemPath, PackageId, PackageName};

/// What an interface or world is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ItemKind {
    /// An interface: it can be imported and exported.
    Interface,
    /// A world: it can be included.
    World,
}

/// An interface or world of a package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

/// The interfaces and worlds of a package, in the order of its text. Content that is no package has none.
pub fn items(content: &Content) -> Vec<Item> {
    let interface = |name: &String| Item { name: name.clone(), kind: ItemKind::Interface };
    let world = |name: &String| Item { name: name.clone(), kind: ItemKind::World };
    match content {
        Content::Binary(bytes) => {
            let Ok((resolve, main)) = decode(bytes) else { return Vec::new() };
            let package = &resolve.packages[main];
            package.interfaces.keys().map(interface).chain(package.worlds.keys().map(world)).collect()
        }
        Content::Text(files) => {
            let group = parse(files.iter().map(|file| (file.path.as_str(), file.text.as_str())));
            let Ok(UnresolvedPackageGroup { main, .. }) = group else { return Vec::new() };
            // Interfaces of other packages are there as well, without their contents.
            let foreign: BTreeSet<&String> = main.foreign_deps.values().flat_map(|items| items.keys()).collect();
            let interfaces = main.interfaces.iter().filter_map(|(_, interface)| interface.name.as_ref());
            let own = interfaces.filter(|name| !foreign.contains(name));
            own.map(interface).chain(main.worlds.iter().map(|(_, item)| world(&item.name))).collect()
        }
    }
}

/// What differs between two locks, one line for each package.
pub fn lock_changes(old: &Lock, new: &Lock) -> Vec<String> {
    let mut changes = Vec::new();
    let mut gone: Vec<_> = old.packages.iter().filter(|locked| !new.packages.contains(locked)).collect();
    for locked in new.packages.iter().filter(|locked| !old.packages.contains(locked)) {
        let was = |same_version: bool| {
            let fits = |version: &Version| !same_version || *version == locked.version;
            gone.iter().position(|other| other.name == locked.name && fits(&other.version))
        };
        let was = was(true).or_else(|| was(false)).map(|place| &gone.remove(place).version);
        changes.push(match was {
            Some(was) if *was != locked.version => format!("{} {was} -> {}", locked.name, locked.version),
            Some(_) => format!("{} {} with another content or registry", locked.name, locked.version),
            None => format!("{} {} is new", locked.name, locked.version),
        });
    }
    for locked in gone {
        changes.push(format!("{} {} is no longer used", locked.name, locked.version));
    }
    for locked in new.locked_sources() {
        if !old.sources.contains(locked) {
            changes.push(format!("{} from {}", locked.package, locked.source));
        }
    }
    for locked in old.locked_sources() {
        if !new.locked_sources().any(|other| other.package == locked.package) {
            changes.push(format!("{} from {} is no longer used", locked.package, locked.source));
        }
    }
    changes
}

impl WitSources {
    /// The names of the worlds, each with whether its file is `world.wit`, the customary place of the main one.
    fn worlds(&self) -> Vec<(String, bool)> {
        let named = self.scans().into_iter().flat_map(|(file, scan)| {
            let is_customary = file.path.ends_with("world.wit");
            scan.worlds.into_iter().map(move |world| (world.name, is_customary))
        });
        named.collect()
    }

    /// The world that is edited when `asked` names none: the only one, or the only one in `world.wit`.
    ///
    /// # Errors
    ///
    /// When there is no world, none of that name, or more than one.
    pub fn choose_world(&self, asked: Option<&str>, wit_dir: &str, item: &str) -> Result<String, EditError> {
        let worlds = self.worlds();
        let names = || worlds.iter().map(|(name, _)| name.clone()).collect();
        if let Some(asked) = asked {
            let exists = worlds.iter().any(|(name, _)| name == asked);
            let missing = || EditError::NoSuchWorld { world: asked.to_owned(), worlds: names() };
            return if exists { Ok(asked.to_owned()) } else { Err(missing()) };
        }
        let customary: Vec<&String> =
            worlds.iter().filter(|(_, is_customary)| *is_customary).map(|(name, _)| name).collect();
        match (worlds.as_slice(), customary.as_slice()) {
            ([], _) => Err(EditError::NoWorld { wit_dir: wit_dir.to_owned(), item: item.to_owned() }),
            ([(only, _)], _) => Ok(only.clone()),
            (_, [only]) => Ok((*only).clone()),
            _ => Err(EditError::AmbiguousWorld { worlds: names() }),
        }
    }

    /// Adds an item to a world. False when it is there already.
    pub fn add(&mut self, world: &str, add_as: AddAs, path: &ItemPath) -> bool {
        for file in &mut self.files {
            if let Some(text) = edit::add(&file.text, world, add_as, path) {
                file.text = text;
                return true;
            }
        }
        false
    }

    /// Removes every import, export and include of `path`.
    ///
    /// # Errors
    ///
    /// When there is none, or a `use` still needs the package.
    pub fn remove(&mut self, path: &ItemPath) -> Result<(), EditError> {
        let mut places = Vec::new();
        for (file, scan) in self.scans() {
            places.extend(edit::uses(&scan, &file.text, path).map(|line| format!("{}:{line}", file.shown)));
        }
        if !places.is_empty() {
            return Err(EditError::StillUsed { package: path.to_string(), places });
        }
        let mut removed = false;
        for file in &mut self.files {
            if let Some(text) = edit::remove(&file.text, path) {
                file.text = text;
                removed = true;
            }
        }
        if removed { Ok(()) } else { Err(EditError::NotFound { path: path.to_string(), known: self.known() }) }
    }

    /// The packages with versions that the sources refer to, once each.
    ///
    /// # Errors
    ///
    /// When `name` is given and the sources do not refer to it.
    pub fn versions(&self, name: Option<&PackageName>) -> Result<Vec<(PackageName, Version)>, EditError> {
        let references = self.references();
        let own: BTreeSet<PackageId> =
            self.scans().into_iter().flat_map(|(_, scan)| scan.headers).map(|header| header.package).collect();
        let foreign =
            references.into_iter().map(|reference| reference.package).filter(|package| !own.contains(package));
        let wanted = foreign.filter(|package| name.is_none_or(|name| *name == package.name));
        let versions: BTreeSet<(PackageName, Version)> =
            wanted.filter_map(|package| Some((package.name, package.version?))).collect();
        match name {
            Some(name) if versions.is_empty() => {
                Err(EditError::NotFound { path: name.to_string(), known: self.known() })
            }
            _ => Ok(versions.into_iter().collect()),
        }
    }

    /// Writes another version wherever the sources refer to `name` at `old`.
    pub fn set_version(&mut self, name: &PackageName, old: &Version, new: &Version) {
        for file in &mut self.files {
            let choose = |package: &PackageId| {
                (package.name == *name && package.version.as_ref() == Some(old)).then(|| new.clone())
            };
            if let Some(text) = edit::set_versions(&file.text, choose) {
                file.text = text;
            }
        }
    }

    /// Whether the sources import, export or include an item.
    pub fn has(&self, kind: ReferenceKind, path: &ItemPath) -> bool {
        let scans = self.scans();
        let mut references = scans.iter().flat_map(|(_, scan)| &scan.references);
        references.any(|reference| reference.kind == kind && edit::matches(reference, path))
    }

    /// The files that differ from those on disk, as a person knows them.
    pub fn changed_files(&self) -> Vec<String> {
        self.changed().map(|file| file.shown.clone()).collect()
    }

    fn known(&self) -> Vec<String> {
        let mut known: Vec<String> =
            self.files.iter().flat_map(|file| edit::packages(&file.text)).map(|name| name.to_string()).collect();
        known.sort();
        known.dedup();
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::SourceFile;

    fn sources(files: &[(&str, &str)]) -> WitSources {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: path.into(),
            shown: (*path).to_owned(),
            original: (*text).to_owned(),
            text: (*text).to_owned(),
        };
        WitSources { files: files.iter().map(file).collect() }
    }

    #[test]
    fn the_customary_world_is_chosen() {
        let two = sources(&[("other.wit", "world a {}"), ("world.wit", "world b {}")]);
        assert_eq!(two.choose_world(None, "wit", "x").unwrap(), "b");
        assert_eq!(two.choose_world(Some("a"), "wit", "x").unwrap(), "a");
        assert!(matches!(two.choose_world(Some("c"), "wit", "x"), Err(EditError::NoSuchWorld { .. })));
        let many = sources(&[("world.wit", "world a {} world b {}")]);
        assert!(matches!(many.choose_world(None, "wit", "x"), Err(EditError::AmbiguousWorld { .. })));
        let none = sources(&[("types.wit", "interface a {}")]);
        assert!(matches!(none.choose_world(None, "wit", "x"), Err(EditError::NoWorld { .. })));
    }

    #[test]
    fn what_is_used_cannot_be_removed() {
        let mut used = sources(&[
            ("a.wit", "interface i {\n  use wasi:http/types@0.2.0.{request};\n}\n"),
            ("world.wit", "world w { import wasi:http/types@0.2.0; }"),
        ]);
        let err = used.remove(&"wasi:http".parse().unwrap()).unwrap_err();
        assert!(matches!(&err, EditError::StillUsed { places, .. } if *places == ["a.wit:2"]), "{err:?}");
        let err = used.remove(&"wasi:io".parse().unwrap()).unwrap_err();
        assert!(matches!(&err, EditError::NotFound { known, .. } if *known == ["wasi:http"]), "{err:?}");
    }

    #[test]
    fn every_change_of_a_lock_has_a_line() {
        let locked = |version: &str, content: &str| crate::LockedPackage {
            name: "wasi:io".parse().unwrap(),
            registry: None,
            version: version.parse().unwrap(),
            requirement: format!("={version}"),
            digest: crate::Digest::of(content.as_bytes()),
        };
        let lock = |versions: &[(&str, &str)]| Lock {
            packages: versions.iter().map(|(version, content)| locked(version, content)).collect(),
            sources: Vec::new(),
        };
        let both = lock(&[("0.2.0", "a"), ("0.2.3", "b")]);
        for (new, expected) in [
            (lock(&[("0.2.3", "b")]), "wasi:io 0.2.0 is no longer used"),
            (lock(&[("0.2.0", "a"), ("0.2.3", "c")]), "wasi:io 0.2.3 with another content or registry"),
            (lock(&[("0.2.0", "a"), ("0.2.4", "b")]), "wasi:io 0.2.3 -> 0.2.4"),
            (lock(&[("0.2.0", "a"), ("0.2.3", "b"), ("0.3.0", "d")]), "wasi:io 0.3.0 is new"),
        ] {
            assert_eq!(lock_changes(&both, &new), [expected]);
        }
        assert_eq!(lock_changes(&both, &both), Vec::<String>::new());
    }

    #[test]
    fn versions_of_the_own_package_do_not_count() {
        let sources = sources(&[(
            "world.wit",
            "package a:b@1.0.0;\nworld w { import a:b/c@1.0.0; import x:y/z@0.1.0; import u:v/w; }",
        )]);
        assert_eq!(sources.versions(None).unwrap(), [("x:y".parse().unwrap(), Version::new(0, 1, 0))]);
        assert!(sources.versions(Some(&"u:v".parse().unwrap())).is_err());
    }
}
