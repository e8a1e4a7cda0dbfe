//! An OCI image layout on disk: the folder in which artifacts travel without a registry.
//!
//! Written so that every file appears whole, and that two processes can add to the same folder.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use thiserror::Error;

use crate::digest::Digest;
use crate::http::Payload;
use crate::manifest::{Descriptor, Document, Index, annotation, media_type};
use crate::manifests::{MAX_MANIFEST, RawManifest};

/// The file that makes a folder a layout, and what stands in it.
const MARKER: &str = "oci-layout";
const MARKER_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";

/// Why a layout could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A file of it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder holds something else.
    #[error("{} is no OCI image layout", .0.display())]
    NotALayout(PathBuf),
    /// Its index is none.
    #[error("the index of {} cannot be read", folder.display())]
    Index {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// There is no such artifact in it.
    #[error("{} has no artifact `{name}`; it has {names}", folder.display())]
    NotFound {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        name: String,
        /// What there is.
        names: String,
    },
    /// A blob of it is missing or damaged.
    #[error("the blob {digest} in {} is {what}", folder.display())]
    Blob {
        /// The folder.
        folder: PathBuf,
        /// Which blob.
        digest: Digest,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A folder with artifacts in it.
#[derive(Clone, Debug)]
pub struct ImageLayout {
    folder: PathBuf,
}

impl ImageLayout {
    /// The layout in a folder.
    ///
    /// # Errors
    ///
    /// When the folder is none.
    pub fn open(folder: &Path) -> Result<Self, LayoutError> {
        if !folder.join(MARKER).is_file() {
            return Err(LayoutError::NotALayout(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The layout in a folder, made where there is nothing yet.
    ///
    /// # Errors
    ///
    /// When the folder holds something else, or cannot be written.
    pub fn create(folder: &Path) -> Result<Self, LayoutError> {
        let layout = Self { folder: folder.to_owned() };
        if folder.join(MARKER).is_file() {
            return Ok(layout);
        }
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(LayoutError::NotALayout(folder.to_owned()));
        }
        layout.write(&folder.join(INDEX), &serde_json::to_vec(&Index::empty()).map_err(io::Error::from)?)?;
        layout.write(&folder.join(MARKER), MARKER_TEXT.as_bytes())?;
        Ok(layout)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its index lists.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn index(&self) -> Result<Index, LayoutError> {
        let bytes = fs::read(self.folder.join(INDEX))?;
        serde_json::from_slice(&bytes).map_err(|source| LayoutError::Index { folder: self.folder.clone(), source })
    }

    /// The manifest with a name or digest; without either, the only one there is.
    ///
    /// # Errors
    ///
    /// When there is none, or it is damaged.
    pub fn manifest(&self, name: Option<&str>) -> Result<RawManifest, LayoutError> {
        let index = self.index()?;
        let name_of = |descriptor: &Descriptor| descriptor.annotations.get(annotation::REF_NAME).cloned();
        let is_wanted = |descriptor: &&Descriptor| match name {
            // Some writers put the whole reference there.
            Some(name) => {
                let known = name_of(descriptor);
                known.as_deref() == Some(name)
                    || known.is_some_and(|known| known.ends_with(&format!(":{name}")))
                    || descriptor.digest.to_string() == name
            }
            None => index.manifests.len() == 1,
        };
        let found = index.manifests.iter().find(is_wanted).cloned();
        // By digest, what an index lists can be named too.
        let by_digest = || Some(Descriptor { digest: name?.parse().ok()?, ..Descriptor::of("", b"") });
        let Some(descriptor) = found.or_else(|| by_digest().filter(|d| self.blob_path(&d.digest).is_file())) else {
            let names: Vec<String> =
                index.manifests.iter().map(|d| name_of(d).unwrap_or_else(|| d.digest.to_string())).collect();
            return Err(LayoutError::NotFound {
                folder: self.folder.clone(),
                name: name.unwrap_or_default().to_owned(),
                names: if names.is_empty() { "none".to_owned() } else { crate::error::printable(&names.join(", ")) },
            });
        };
        let bytes = self.read(&descriptor.digest, MAX_MANIFEST)?;
        Ok(match descriptor.media_type.as_str() {
            "" => RawManifest::of_unknown_type(bytes, descriptor.digest),
            media_type => RawManifest { bytes, media_type: media_type.to_owned(), digest: descriptor.digest },
        })
    }

    /// The manifests in its index that refer to the one with this digest.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, LayoutError> {
        let refers = |descriptor: &Descriptor| {
            let bytes = self.read(&descriptor.digest, MAX_MANIFEST).ok()?;
            match Document::parse(&descriptor.media_type, &bytes).ok()? {
                Document::Manifest(manifest) => manifest.subject,
                Document::Index(index) => index.subject,
            }
        };
        let is_about = |descriptor: &Descriptor| refers(descriptor).is_some_and(|about| about.digest == *subject);
        Ok(self.index()?.manifests.into_iter().filter(is_about).collect())
    }

    /// A blob's content, verified.
    ///
    /// # Errors
    ///
    /// When it is missing, damaged or longer than `limit`.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, LayoutError> {
        let wrong = |what| LayoutError::Blob { folder: self.folder.clone(), digest: digest.clone(), what };
        let path = self.blob_path(digest);
        match path.metadata() {
            Ok(metadata) if metadata.len() > limit => return Err(wrong("too large")),
            Ok(_) => {}
            Err(_) => return Err(wrong("missing")),
        }
        let bytes = fs::read(&path)?;
        if digest.matches(&bytes) { Ok(bytes) } else { Err(wrong("damaged")) }
    }

    /// Whether there is such a blob.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Adds a blob.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), LayoutError> {
        if self.has(digest) {
            return Ok(());
        }
        if !digest.matches(bytes) {
            let (folder, digest) = (self.folder.clone(), digest.clone());
            return Err(LayoutError::Blob { folder, digest, what: "damaged" });
        }
        self.write(&self.blob_path(digest), bytes)
    }

    /// Adds a manifest, and lists it under a name if there is one.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn put_manifest(&self, name: Option<&str>, manifest: &RawManifest) -> Result<(), LayoutError> {
        self.put(&manifest.digest, &manifest.bytes)?;
        // One writer of the index at a time.
        let marker = File::open(self.folder.join(MARKER))?;
        marker.lock()?;
        let mut index = self.index()?;
        let mut descriptor = manifest.descriptor();
        match name {
            Some(name) => {
                index.manifests.retain(|d| d.annotations.get(annotation::REF_NAME).is_none_or(|known| known != name));
                descriptor.annotations.insert(annotation::REF_NAME.to_owned(), name.to_owned());
            }
            None if index.manifests.iter().any(|d| d.digest == manifest.digest) => return Ok(()),
            None => {}
        }
        if let Ok(Document::Manifest(document)) = Document::parse(&manifest.media_type, &manifest.bytes) {
            descriptor.artifact_type = document.artifact_type;
        }
        index.manifests.push(descriptor);
        index.media_type = Some(media_type::INDEX.to_owned());
        self.write(&self.folder.join(INDEX), &serde_json::to_vec_pretty(&index).map_err(io::Error::from)?)
    }

    /// A blob as it would be sent.
    pub(crate) fn payload(&self, descriptor: &Descriptor) -> Result<Payload, LayoutError> {
        let path = self.blob_path(&descriptor.digest);
        let missing =
            || LayoutError::Blob { folder: self.folder.clone(), digest: descriptor.digest.clone(), what: "missing" };
        let file = File::open(&path).map_err(|_| missing())?;
        let length = file.metadata()?.len();
        Ok(Payload::File { file: Arc::new(file), path, start: 0, length })
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().to_string()).join(digest.hex())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
        let mut temporary = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(named)?;
        temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all()).map_err(named)?;
        temporary.persist(path).map_err(|err| named(err.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> RawManifest {
        let bytes = text.as_bytes().to_vec();
        RawManifest { digest: Digest::of(&bytes), media_type: media_type::MANIFEST.to_owned(), bytes }
    }

    #[test]
    fn manifests_are_found_by_name_and_digest() {
        let folder = tempfile::tempdir().unwrap();
        let layout = ImageLayout::create(&folder.path().join("layout")).unwrap();
        let (first, second) = (manifest("{}"), manifest("{ }"));
        layout.put_manifest(Some("1"), &first).unwrap();
        assert_eq!(layout.manifest(None).unwrap(), first);
        layout.put_manifest(Some("2"), &second).unwrap();
        assert_eq!(layout.manifest(Some("2")).unwrap(), second);
        assert_eq!(layout.manifest(Some(&first.digest.to_string())).unwrap(), first);
        layout.put_manifest(Some("1"), &second).unwrap();
        assert_eq!(ImageLayout::open(layout.folder()).unwrap().manifest(Some("1")).unwrap(), second);
        assert!(matches!(layout.manifest(Some("3")), Err(LayoutError::NotFound { .. })));
        assert!(matches!(layout.manifest(None), Err(LayoutError::NotFound { .. })));
    }

    #[test]
    fn other_folders_are_left_alone_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(ImageLayout::create(folder.path()), Err(LayoutError::NotALayout(_))));
        assert!(matches!(ImageLayout::open(folder.path()), Err(LayoutError::NotALayout(_))));
        let layout = ImageLayout::create(&folder.path().join("layout")).unwrap();
        let digest = Digest::of(b"hello");
        layout.put(&digest, b"hello").unwrap();
        std::fs::write(layout.blob_path(&digest), "hellp").unwrap();
        assert!(matches!(layout.read(&digest, 10), Err(LayoutError::Blob { what: "damaged", .. })));
        assert!(matches!(layout.read(&digest, 3), Err(LayoutError::Blob { what: "too large", .. })));
    }
}
