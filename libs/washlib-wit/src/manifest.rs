//! `wkg.toml`: overrides and metadata of a WIT package, in wkg's format.
//!
//! Only read; nothing here writes it. A workspace's manifest is understood, its members are not visited.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use semver::VersionReq;
use serde::Deserialize;
use thiserror::Error;

use crate::PackageName;

/// The name of the file, in the project's root.
pub const MANIFEST_FILE_NAME: &str = "wkg.toml";

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It cannot be read.
    #[error("cannot read the manifest")]
    Read(#[source] io::Error),
    /// It does not follow the format.
    #[error("`{}` is malformed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
}

/// The content of a manifest.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Manifest {
    /// Packages that come from elsewhere or in another version.
    pub overrides: BTreeMap<PackageName, Override>,
    /// What a package that is built says about itself.
    pub metadata: Metadata,
    /// Whether this is the root of a workspace of packages.
    pub is_workspace: bool,
}

/// What replaces a package.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// A folder or file, relative to the manifest's folder; it wins.
    pub path: Option<PathBuf>,
    /// The version to use, whatever the sources say.
    pub version: Option<VersionReq>,
}

/// What a package that is built says about itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Who wrote it.
    #[serde(alias = "author")]
    pub authors: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// An SPDX expression.
    #[serde(alias = "license")]
    pub licenses: Option<String>,
    /// A URL of its source.
    #[serde(alias = "repository")]
    pub source: Option<String>,
    /// A URL.
    pub homepage: Option<String>,
    /// The revision of its source.
    pub revision: Option<String>,
}

impl Metadata {
    /// The facts by the names that OCI's annotations give them.
    pub fn annotations(&self) -> Vec<(String, String)> {
        let named = [
            ("authors", &self.authors),
            ("description", &self.description),
            ("licenses", &self.licenses),
            ("source", &self.source),
            ("url", &self.homepage),
            ("revision", &self.revision),
        ];
        let set = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        set.map(|(name, value)| (format!("org.opencontainers.image.{name}"), value)).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    workspace: Option<toml::Table>,
    overrides: Option<BTreeMap<String, Override>>,
    metadata: Option<Metadata>,
}

impl Manifest {
    /// Reads the manifest at `path`; one that does not exist is empty.
    ///
    /// # Errors
    ///
    /// When it cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(err) => Err(ManifestError::Read(err)),
        }
    }

    /// Parses a manifest's text; `path` is for messages.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let malformed = |reason: String| ManifestError::Malformed { path: path.to_owned(), reason };
        let file: ManifestFile = toml::from_str(text).map_err(|err| malformed(err.to_string()))?;
        if file.workspace.is_some() && (file.overrides.is_some() || file.metadata.is_some()) {
            return Err(malformed("`[workspace]` stands beside neither `[overrides]` nor `[metadata]`".to_owned()));
        }
        let mut overrides = BTreeMap::new();
        for (name, replacement) in file.overrides.unwrap_or_default() {
            let name = name.parse().map_err(|err: crate::NameError| malformed(format!("overrides: {err}")))?;
            overrides.insert(name, replacement);
        }
        Ok(Self { overrides, metadata: file.metadata.unwrap_or_default(), is_workspace: file.workspace.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(Path::new("wkg.toml"), text)
    }

    #[test]
    fn every_key_is_understood() {
        let manifest = parse(
            "[overrides]\n\"a:b\" = { path = \"../b\" }\n\"a:c\" = { version = \"^1.2\" }\n\
             [metadata]\nauthor = \"x\"\nlicense = \"MIT\"\nrepository = \"https://example.org\"\ndescription = \"d\"\n",
        )
        .unwrap();
        assert_eq!(manifest.overrides[&"a:b".parse().unwrap()].path.as_deref(), Some(Path::new("../b")));
        assert!(manifest.overrides[&"a:c".parse().unwrap()].version.is_some());
        assert_eq!(manifest.metadata.authors.as_deref(), Some("x"));
        assert_eq!(manifest.metadata.source.as_deref(), Some("https://example.org"));
        assert!(parse("[workspace]\nmembers = [\"a\"]\n").unwrap().is_workspace);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("[dependencies]\n", "dependencies"),
            ("[overrides]\n\"a\" = { path = \"x\" }\n", "namespace:name"),
            ("[overrides]\n\"a:b\" = { version = \"one\" }\n", "one"),
            ("[workspace]\nmembers = []\n[metadata]\n", "workspace"),
        ] {
            let err = parse(text).unwrap_err().to_string();
            assert!(err.contains(part), "{err}");
        }
    }
}
