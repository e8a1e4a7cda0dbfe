//! wasm-pkg's local registry: a folder with a file `<namespace>/<name>/<version>.wasm` for each release.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use semver::Version;
use washlib_wit::{PackageName, SourceError};

/// The versions of a package.
pub(super) fn versions(root: &Path, registry: &str, package: &PackageName) -> Result<Vec<Version>, SourceError> {
    let folder = root.join(package.namespace()).join(package.name());
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            return Err(no_such_package(root, registry, package));
        }
        Err(source) => return Err(SourceError::Read { path: folder, source }),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.strip_suffix(".wasm")?.parse().ok()).collect())
}

/// The bytes of a release.
pub(super) fn fetch(
    root: &Path,
    registry: &str,
    package: &PackageName,
    version: &Version,
) -> Result<Vec<u8>, SourceError> {
    let path = release_path(root, package, version);
    match fs::read(&path) {
        Ok(bytes) => Ok(bytes),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            let mut available = versions(root, registry, package)?;
            available.sort_by(|a, b| b.cmp(a));
            let (registry, package, version) = (registry.to_owned(), package.to_string(), version.to_string());
            Err(SourceError::NoSuchVersion { registry, package, version, available })
        }
        Err(source) => Err(SourceError::Read { path, source }),
    }
}

/// Adds a release. One that exists stays as it is.
pub(super) fn publish(
    root: &Path,
    registry: &str,
    package: &PackageName,
    version: &Version,
    bytes: &[u8],
) -> Result<PathBuf, SourceError> {
    let path = release_path(root, package, version);
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)?;
        let permissions = std::fs::Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().prefix(".new-").permissions(permissions).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(&path).map(drop).map_err(|err| err.error)
    };
    match write() {
        Ok(()) => Ok(path),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(SourceError::AlreadyPublished {
            registry: registry.to_owned(),
            package: format!("{package}@{version}"),
        }),
        Err(source) => Err(SourceError::Read { path: path.clone(), source }),
    }
}

fn release_path(root: &Path, package: &PackageName, version: &Version) -> PathBuf {
    root.join(package.namespace()).join(package.name()).join(format!("{version}.wasm"))
}

fn no_such_package(root: &Path, registry: &str, package: &PackageName) -> SourceError {
    let mut names = Vec::new();
    for namespace in fs::read_dir(root).into_iter().flatten().flatten() {
        let namespace_name = namespace.file_name().to_string_lossy().into_owned();
        for name in fs::read_dir(namespace.path()).into_iter().flatten().flatten() {
            names.push(format!("{namespace_name}:{}", name.file_name().to_string_lossy()));
        }
    }
    let nearest = super::nearest(&package.to_string(), names);
    SourceError::NoSuchPackage { registry: registry.to_owned(), package: package.to_string(), nearest }
}
