//! A workload on its way to the host: whole, or with the places that its components are read from later.
//!
//! It starts nothing.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use wash_runtime::host::lazy::ComponentSource;
use wash_runtime::oci::Images;
use wash_runtime::oci::client::{PullPolicy, Reference};
use wash_runtime::types::WorkloadStartRequest;

/// The first eight bytes of a component; a core module has another version.
const COMPONENT_PREAMBLE: &[u8; 8] = b"\0asm\x0d\0\x01\0";

/// When components are read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Reading {
    /// Before the host starts.
    #[default]
    AtStart,
    /// When a request wants the workload.
    OnDemand,
}

/// A workload on its way to the host.
#[derive(Debug)]
pub(crate) struct Startable {
    pub(crate) request: WorkloadStartRequest,
    /// Where its components are read from, where the request does not hold them.
    pub(crate) origins: Option<ComponentOrigins>,
}

/// Where the components of a workload are read from, by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct ComponentOrigins(Vec<(Box<str>, ComponentOrigin)>);

/// Where a component is read from when it is wanted. Workloads with the same file share its path.
#[derive(Clone, Debug)]
pub(crate) enum ComponentOrigin {
    File(Arc<Path>),
    Registry(Arc<PullOnDemand>),
}

/// An image that a registry, or the cache of images, gives when it is wanted.
#[derive(Debug)]
pub(crate) struct PullOnDemand {
    pub(crate) images: Images,
    pub(crate) reference: Reference,
    pub(crate) policy: PullPolicy,
}

impl Startable {
    pub(crate) fn id(&self) -> &str {
        &self.request.workload_id
    }
}

impl ComponentOrigins {
    pub(crate) fn add(&mut self, component: &str, origin: ComponentOrigin) {
        self.0.push((component.into(), origin));
    }
}

impl ComponentSource for ComponentOrigins {
    fn read(&self, component: &str) -> io::Result<Bytes> {
        match self.0.iter().find(|(name, _)| **name == *component) {
            Some((_, ComponentOrigin::File(path))) => fs_err::read(path).map(Bytes::from),
            Some((_, ComponentOrigin::Registry(image))) => {
                let pulled = image.images.pull_blocking(&image.reference, image.policy);
                pulled.map(|image| image.bytes).map_err(io::Error::other)
            }
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("nothing says where `{component}` is"))),
        }
    }
}

/// Checks that a file is there, can be read, and begins like a component; the rest is judged when it is loaded.
pub(crate) fn check_file(path: &Path) -> io::Result<()> {
    let mut start = Vec::new();
    let file = fs_err::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a file", path.display())));
    }
    file.take(COMPONENT_PREAMBLE.len() as u64).read_to_end(&mut start)?;
    if start == COMPONENT_PREAMBLE {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a WebAssembly component", path.display())))
}

/// The documents in a folder, in the order of their names; none if no file in it is YAML.
pub(crate) fn documents_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut documents, mut has_yaml) = (Vec::new(), false);
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let is_yaml = extension.as_ref().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if (is_yaml || extension.is_some_and(|extension| extension == "json")) && path.is_file() {
            has_yaml |= is_yaml;
            documents.push(path);
        }
    }
    documents.sort_unstable();
    Ok(if has_yaml { documents } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn files_are_checked_by_how_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8]| {
            let path = folder.path().join("x.wasm");
            fs_err::write(&path, bytes).unwrap();
            check_file(&path).map_err(|err| err.to_string())
        };
        check(b"\0asm\x0d\0\x01\0 and so on").unwrap();
        for bytes in [b"\0asm\x01\0\0\0".as_slice(), b"", b"\0asm", b"text, long enough"] {
            assert!(check(bytes).unwrap_err().ends_with("x.wasm is not a WebAssembly component"));
        }
        assert!(check_file(folder.path()).is_err());
        assert!(check_file(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn a_folder_of_documents_has_yaml() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs_err::write(folder.path().join(name), "").unwrap();
        write("tsconfig.json");
        assert!(documents_in(folder.path()).unwrap().is_empty());
        write("b.yml");
        write("a.YAML");
        write("notes.txt");
        fs_err::create_dir(folder.path().join("c.yaml")).unwrap();
        let found = documents_in(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.YAML", "b.yml", "tsconfig.json"]);
    }
}
