//! What the project's sources are at one moment, so that a change is told from a mere event.
//!
//! A watcher says that something may have happened; only content that differs is a reason to build. Which files count is
//! for [`crate::rules`] to say.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::rules::SourceRules;

/// The coarsest modification times that file systems keep.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// The project's sources: which files there are, and what is in each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    files: BTreeMap<PathBuf, File>,
}

#[derive(Clone, Debug)]
struct File {
    metadata: (Option<SystemTime>, u64, u64),
    /// Where it leads, if it is a symbolic link. Its content is that it leads there.
    target: Option<PathBuf>,
    /// Whether the content was read so long after it was written that another write would show in the metadata.
    settled: bool,
    content: u64,
}

impl Snapshot {
    /// Reads the sources; files that are as in `previous` by time, size and inode are not read again, unless they were
    /// so fresh that the time says nothing.
    pub(crate) fn take(rules: &SourceRules, previous: &Self) -> Self {
        let mut files = BTreeMap::new();
        for path in rules.files() {
            if let Some(file) = File::read(&path, previous.files.get(&path)) {
                files.insert(path, file);
            }
        }
        Self { files }
    }

    /// The same under other rules: files that those before knew are as they were, others are as they are now.
    pub(crate) fn with_places_of(&self, rules: &SourceRules, before: &SourceRules) -> Self {
        let mut now = Self::take(rules, self);
        now.files.retain(|path, _| !before.may_be_source(path));
        now.files.extend(
            self.files
                .iter()
                .filter(|(path, _)| rules.may_be_source(path))
                .map(|(path, file)| (path.clone(), file.clone())),
        );
        now
    }

    /// The symbolic links among the sources, and where they lead.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.files.iter().filter_map(|(link, file)| Some((link.as_path(), file.target.as_deref()?)))
    }

    /// The files that were added, removed or have other content since `earlier`, in order.
    pub(crate) fn changes_since(&self, earlier: &Self) -> Vec<PathBuf> {
        let content = |files: &BTreeMap<PathBuf, File>, path| files.get(path).map(|file| file.content);
        let mut changed: Vec<_> = self
            .files
            .keys()
            .chain(earlier.files.keys())
            .filter(|path| content(&self.files, *path) != content(&earlier.files, *path))
            .cloned()
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }
}

impl File {
    /// `None` for a file that is gone by now, or that cannot be read.
    fn read(path: &Path, previous: Option<&Self>) -> Option<Self> {
        let metadata = fs_err::symlink_metadata(path).ok()?;
        let is_link = metadata.is_symlink();
        let metadata = (metadata.modified().ok(), metadata.len(), metadata.ino());
        if is_link {
            return Self::read_link(path, metadata);
        }
        if let Some(previous) = previous.filter(|previous| previous.settled && previous.metadata == metadata) {
            return Some(previous.clone());
        }
        let age = metadata.0.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        let settled = age.is_some_and(|age| age > CLOCK_GRAIN);
        let mut file = fs_err::File::open(path).ok()?;
        let mut hasher = DefaultHasher::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                length => hasher.write(&buffer[..length]),
            }
        }
        Some(Self { metadata, target: None, settled, content: hasher.finish() })
    }

    /// `None` for a link to what is neither a file nor a folder, or is not there.
    fn read_link(path: &Path, metadata: (Option<SystemTime>, u64, u64)) -> Option<Self> {
        let target = path.canonicalize().ok()?;
        if !target.is_file() && !target.is_dir() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(target.as_os_str().as_encoded_bytes());
        Some(Self { metadata, target: Some(target), settled: false, content: hasher.finish() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Watching;

    #[test]
    fn only_content_of_sources_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["src", "target", "build", ".wash"] {
            fs_err::create_dir(root.join(name)).unwrap();
        }
        fs_err::write(root.join(".gitignore"), "*.log\n").unwrap();
        fs_err::write(root.join("src/lib.rs"), "one").unwrap();
        let mut rules = SourceRules::new(root, &Watching::default());
        rules.add_output(&root.join("build/hello.wasm"));
        rules.add_output(&root.join("out.wasm"));
        let first = Snapshot::take(&rules, &Snapshot::default());

        for ignored in ["target/x.rs", "build/gen.js", "trace.log", "out.wasm"] {
            fs_err::write(root.join(ignored), "noise").unwrap();
        }
        fs_err::write(root.join("src/lib.rs"), "one").unwrap();
        let second = Snapshot::take(&rules, &first);
        assert!(second.changes_since(&first).is_empty(), "{:?}", second.changes_since(&first));

        fs_err::write(root.join("src/lib.rs"), "two").unwrap();
        fs_err::write(root.join(".wash/config.yaml"), "version: 1").unwrap();
        let third = Snapshot::take(&rules, &second);
        assert_eq!(third.changes_since(&second), [root.join(".wash/config.yaml"), root.join("src/lib.rs")]);

        fs_err::remove_file(root.join("src/lib.rs")).unwrap();
        assert_eq!(Snapshot::take(&rules, &third).changes_since(&third), [root.join("src/lib.rs")]);
    }

    #[test]
    fn a_second_write_at_the_same_instant_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.rs");
        let now = SystemTime::now();
        let write = |content: &str| {
            fs_err::write(&path, content).unwrap();
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(now).unwrap();
        };
        let rules = SourceRules::new(folder.path(), &Watching::default());
        write("one");
        let first = Snapshot::take(&rules, &Snapshot::default());
        write("two");
        assert_eq!(Snapshot::take(&rules, &first).changes_since(&first), [path]);
    }
}
