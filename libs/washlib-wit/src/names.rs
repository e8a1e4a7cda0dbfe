//! Names of packages and of what is in them, as WIT and a command line write them.
//!
//! Only spells and parses; whether a package exists is for others to find out.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use thiserror::Error;

/// Text that names no package.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// Not `namespace:name`.
    #[error("`{given}` is no package name: one is spelled `namespace:name`")]
    Shape {
        /// What was given.
        given: String,
    },
    /// A part that WIT does not accept.
    #[error("`{part}` in `{given}` is no WIT identifier: words of lower-case letters and digits, joined by `-`")]
    Identifier {
        /// What was given.
        given: String,
        /// The part.
        part: String,
    },
    /// A version that is not semantic.
    #[error("`{version}` in `{given}` is no semantic version such as 0.2.0")]
    Version {
        /// What was given.
        given: String,
        /// The part after `@`.
        version: String,
    },
}

/// A package's name without a version: `wasi:http`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PackageName {
    namespace: String,
    name: String,
}

impl PackageName {
    /// Of two identifiers that WIT accepts; [`FromStr`] checks them.
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The part before the colon.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The part after the colon.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This package at a version.
    #[must_use]
    pub fn at(&self, version: Option<Version>) -> PackageId {
        PackageId { name: self.clone(), version }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.name)
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let (namespace, name) = given.split_once(':').ok_or_else(|| NameError::Shape { given: given.to_owned() })?;
        for part in [namespace, name] {
            check_identifier(given, part)?;
        }
        Ok(Self::new(namespace, name))
    }
}

fn check_identifier(given: &str, part: &str) -> Result<(), NameError> {
    match wit_parser::validate_id(part) {
        Ok(()) => Ok(()),
        Err(_) => Err(NameError::Identifier { given: given.to_owned(), part: part.to_owned() }),
    }
}

/// A package with its version, if it has one: `wasi:http@0.2.0`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PackageId {
    /// Its name.
    pub name: PackageName,
    /// Its version; WIT allows packages without.
    pub version: Option<Version>,
}

impl PackageId {
    /// The folder or file name, without extension, that the package gets in `wit/deps`: the one that wkg chooses.
    pub fn folder_name(&self) -> String {
        self.to_string().replace([':', '@'], "-")
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl From<&wit_parser::PackageName> for PackageId {
    fn from(name: &wit_parser::PackageName) -> Self {
        PackageName::new(&name.namespace, &name.name).at(name.version.clone())
    }
}

impl FromStr for PackageId {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let path: ItemPath = given.parse()?;
        match path.item {
            None => Ok(path.package),
            Some(_) => Err(NameError::Shape { given: given.to_owned() }),
        }
    }
}

/// A package, or an interface or world in it: `wasi:http/types@0.2.0`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ItemPath {
    /// The package.
    pub package: PackageId,
    /// The interface or world.
    pub item: Option<String>,
}

impl fmt::Display for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.package.name.fmt(f)?;
        if let Some(item) = &self.item {
            write!(f, "/{item}")?;
        }
        self.package.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl FromStr for ItemPath {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let (path, version) = match given.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (given, None),
        };
        let (package, item) = match path.split_once('/') {
            Some((package, item)) => (package, Some(item)),
            None => (path, None),
        };
        let name: PackageName = package.parse().map_err(|err| match err {
            NameError::Shape { .. } => NameError::Shape { given: given.to_owned() },
            other => other,
        })?;
        item.map_or(Ok(()), |item| check_identifier(given, item))?;
        let parse = |version: &str| {
            let wrong = || NameError::Version { given: given.to_owned(), version: version.to_owned() };
            version.parse().map_err(|_| wrong())
        };
        let version = version.map(parse).transpose()?;
        Ok(Self { package: name.at(version), item: item.map(ToOwned::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_they_are_parsed() {
        for text in ["wasi:http", "wasi:http@0.2.0", "wasi:http/types@0.2.0-draft.1+b", "a1:b-2/%use"] {
            match text.parse::<ItemPath>() {
                Ok(path) => assert_eq!(path.to_string(), text),
                Err(err) => assert!(text.contains('%'), "{err}"),
            }
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in
            ["", "wasi", ":http", "wasi:", "Wasi:http", "wasi:http@", "wasi:http@1", "wasi:http/@1.0.0", "a:b:c"]
        {
            assert!(text.parse::<ItemPath>().is_err(), "{text}");
        }
        assert!("wasi:http/types".parse::<PackageId>().is_err());
    }

    #[test]
    fn folders_have_the_names_that_wkg_gives_them() {
        let id: PackageId = "wasi:http@0.2.0-draft+x".parse().unwrap();
        assert_eq!(id.folder_name(), "wasi-http-0.2.0-draft+x");
    }
}
