//! Encodes a project's WIT as one package in the binary form, and reads such packages.
//!
//! Works on what a plan has made certain is there. Output is the same for the same input.

use std::collections::BTreeSet;

use semver::Version;
use thiserror::Error;
use wasm_metadata::{AddMetadata, AddMetadataField};
use wit_parser::Resolve;

use crate::manifest::Metadata;
use crate::render::decode;
use crate::{PackageId, PackageName, WitProject};

/// Why a package was not built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Sources and dependencies are not valid together.
    #[error("{message}")]
    Invalid {
        /// What is wrong, with the place if one is known.
        message: String,
    },
    /// It cannot be encoded.
    #[error("cannot encode `{package}`")]
    Encode {
        /// The package.
        package: String,
        /// In wit-component's words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value of the manifest that cannot stand in a package.
    #[error("`metadata.{key}` in the manifest cannot be used")]
    Metadata {
        /// The key.
        key: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Bytes that are no package.
    #[error("this is no WIT package: {reason}")]
    NotAPackage {
        /// Why not.
        reason: String,
    },
}

/// A package in its binary form.
#[derive(Clone, Debug)]
pub struct BuiltPackage {
    /// Its name, and its version if it has one.
    pub package: PackageId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Builds the package in the project's WIT folder from what is on disk.
///
/// # Errors
///
/// When the files are not valid together or the package cannot be encoded.
pub fn build(project: &WitProject, metadata: &Metadata) -> Result<BuiltPackage, BuildError> {
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    let (id, _) = resolve.push_dir(project.wit_dir()).map_err(|err| {
        // The full path of the folder is noise to whoever stands in the project.
        let root = format!("{}/", project.root().display());
        BuildError::Invalid { message: resolve.render_error(&err).replace(&root, "") }
    })?;
    let package = PackageId::from(&resolve.packages[id].name);
    let failed = |err: String| BuildError::Encode { package: package.to_string(), source: err.into() };
    let bytes = wit_component::encode(&resolve, id).map_err(|err| failed(format!("{err:#}")))?;
    let add = add_metadata(&package, metadata)?;
    let bytes = add.to_wasm(&bytes).map_err(|err| failed(format!("{err:#}")))?;
    Ok(BuiltPackage { package, bytes })
}

fn add_metadata(package: &PackageId, metadata: &Metadata) -> Result<AddMetadata, BuildError> {
    fn set<T, E>(key: &'static str, value: Option<&String>) -> Result<AddMetadataField<T>, BuildError>
    where
        T: std::str::FromStr<Err = E> + std::fmt::Debug + Clone,
        E: std::fmt::Display,
    {
        let Some(value) = value else { return Ok(AddMetadataField::Keep) };
        let parsed = value.parse().map_err(|err: E| BuildError::Metadata { key, source: format!("{err:#}").into() });
        parsed.map(AddMetadataField::Set)
    }
    let mut add = AddMetadata::default();
    add.name = AddMetadataField::Set(package.name.to_string());
    add.processed_by = vec![(env!("CARGO_PKG_NAME").to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    add.authors = set("authors", metadata.authors.as_ref())?;
    add.description = set("description", metadata.description.as_ref())?;
    add.licenses = set("licenses", metadata.licenses.as_ref())?;
    add.source = set("source", metadata.source.as_ref())?;
    add.homepage = set("homepage", metadata.homepage.as_ref())?;
    add.revision = set("revision", metadata.revision.as_ref())?;
    add.version = set("version", package.version.as_ref().map(Version::to_string).as_ref())?;
    Ok(add)
}

/// The name of the package that the bytes hold, and the packages that it refers to.
///
/// # Errors
///
/// When they hold none.
pub fn describe(bytes: &[u8]) -> Result<(PackageId, BTreeSet<PackageName>), BuildError> {
    let (resolve, main) = decode(bytes).map_err(|reason| BuildError::NotAPackage { reason })?;
    let others = resolve.packages.iter().filter(|(id, _)| *id != main);
    let names = others.map(|(_, package)| PackageId::from(&package.name).name).collect();
    Ok((PackageId::from(&resolve.packages[main].name), names))
}
