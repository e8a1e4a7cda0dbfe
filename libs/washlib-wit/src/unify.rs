//! Makes packages agree on one version of what they share, where semantic versioning says that they can.
//!
//! A package that was published against `wasi:io@0.2.0` works with 0.2.3 as well. What the project itself names, or has
//! by hand, keeps the version that is written there.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use wit_parser::PackageName as ParsedName;

use crate::cache::RenderedPackage;
use crate::edit::set_versions;
use crate::{PackageId, PackageName};

/// The packages without versions that a newer compatible one can stand for; the rest refers to the newer one. `None`
/// when there are none. Whether the result is valid is for the caller to see.
pub(crate) fn unify(rendered: &[RenderedPackage], named: &BTreeSet<PackageId>) -> Option<Vec<RenderedPackage>> {
    let packages: Vec<PackageId> = rendered.iter().filter_map(|package| package.package.parse().ok()).collect();
    let mut newest: BTreeMap<(&PackageName, Version), &Version> = BTreeMap::new();
    for package in &packages {
        if let Some(version) = &package.version {
            let best = newest.entry((&package.name, ParsedName::version_compat_track(version))).or_insert(version);
            *best = (*best).max(version);
        }
    }
    let replacement = |package: &PackageId| -> Option<Version> {
        let version = package.version.as_ref()?;
        let newest = newest.get(&(&package.name, ParsedName::version_compat_track(version)))?;
        (*newest > version && !named.contains(package)).then(|| (*newest).clone())
    };
    if !packages.iter().any(|package| replacement(package).is_some()) {
        return None;
    }
    let is_kept = |package: &&RenderedPackage| {
        package.package.parse::<PackageId>().ok().is_none_or(|package| replacement(&package).is_none())
    };
    let unified = rendered.iter().filter(is_kept).map(|package| {
        let text = set_versions(&package.text, replacement).unwrap_or_else(|| package.text.clone());
        RenderedPackage { package: package.package.clone(), text }
    });
    Some(unified.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(package: &str, body: &str) -> RenderedPackage {
        RenderedPackage { package: package.to_owned(), text: format!("package {package};\n{body}") }
    }

    fn named(packages: &[&str]) -> BTreeSet<PackageId> {
        packages.iter().map(|package| package.parse().unwrap()).collect()
    }

    #[test]
    fn compatible_versions_become_one() {
        let packages = [
            rendered("wasi:http@0.2.0", "interface t { use wasi:io/s@0.2.0.{x}; }"),
            rendered("wasi:cli@0.2.3", "interface t { use wasi:io/s@0.2.3.{x}; }"),
            rendered("wasi:io@0.2.0", ""),
            rendered("wasi:io@0.2.3", ""),
            rendered("wasi:io@0.3.0", ""),
            rendered("wasi:draft@0.2.0-a", ""),
            rendered("wasi:draft@0.2.0-b", ""),
        ];
        let unified = unify(&packages, &named(&["wasi:http@0.2.0", "wasi:cli@0.2.3"])).unwrap();
        let names: Vec<&str> = unified.iter().map(|package| package.package.as_str()).collect();
        assert_eq!(
            names,
            [
                "wasi:http@0.2.0",
                "wasi:cli@0.2.3",
                "wasi:io@0.2.3",
                "wasi:io@0.3.0",
                "wasi:draft@0.2.0-a",
                "wasi:draft@0.2.0-b"
            ]
        );
        assert_eq!(unified[0].text, "package wasi:http@0.2.0;\ninterface t { use wasi:io/s@0.2.3.{x}; }");
    }

    #[test]
    fn what_is_named_stays_as_written() {
        let packages = [rendered("wasi:io@0.2.0", ""), rendered("wasi:io@0.2.3", "")];
        assert_eq!(unify(&packages, &named(&["wasi:io@0.2.0"])), None);
        assert!(unify(&packages, &named(&["wasi:io@0.2.3"])).is_some());
    }
}
