//! What the project's sources are at one moment, so that a change is told from a mere event.
//!
//! A watcher says that something may have happened; only content that differs is a reason to build. Ignored files and
//! what builds write are left out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ignore::{DirEntry, WalkBuilder};

/// Folders that hold what tools write, wherever they are, and whether or not `.gitignore` names them.
const TOOL_FOLDERS: [&str; 5] = [".git", ".hg", "node_modules", "target", "__pycache__"];

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
    /// Whether the content was read so long after it was written that another write would show in the metadata.
    settled: bool,
    content: u64,
}

/// Which files are sources.
#[derive(Clone, Debug)]
pub(crate) struct SourceRules {
    root: PathBuf,
    /// Whether ignore files above the root count. Where they ignore all that is in it, the project is in a scratch folder
    /// of somebody else's, and they say nothing about its sources.
    parents: bool,
    /// Absolute paths that builds write: files, or folders with all that is in them.
    outputs: Vec<PathBuf>,
}

impl SourceRules {
    /// The rules for the project in `root`.
    pub(crate) fn new(root: &Path) -> Self {
        // The root itself comes first, ignored or not.
        let parents = walk(root).max_depth(Some(1)).build().flatten().nth(1).is_some();
        Self { root: root.to_path_buf(), parents, outputs: Vec::new() }
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Adds the place of a component: the file, and the whole folder when it is one that only builds use.
    pub(crate) fn add_output(&mut self, component: &Path) {
        let folder = component
            .parent()
            .filter(|folder| *folder != self.root && !self.root.starts_with(folder) && !folder.join("src").exists());
        let only_for_builds = folder.and_then(Path::file_name).is_some_and(|name| name == "build" || name == "dist");
        let output = if only_for_builds { folder.unwrap_or(component) } else { component };
        if !self.outputs.iter().any(|known| known == output) {
            self.outputs.push(output.to_path_buf());
        }
    }

    /// Whether a folder may hold sources.
    pub(crate) fn is_source_folder(&self, folder: &Path) -> bool {
        let name = folder.file_name().unwrap_or_default();
        let tools = folder != self.root && TOOL_FOLDERS.iter().any(|tool| name == *tool);
        !tools && !self.outputs.iter().any(|output| output == folder)
    }

    /// Whether a path is in a folder that may hold sources and is no output itself.
    pub(crate) fn may_be_source(&self, path: &Path) -> bool {
        !self.outputs.iter().any(|output| path.starts_with(output))
            && path.strip_prefix(&self.root).is_ok_and(|inside| {
                inside.components().all(|part| !TOOL_FOLDERS.iter().any(|tool| part.as_os_str() == *tool))
            })
    }
}

impl Snapshot {
    /// Reads the sources; files that are as in `previous` by time, size and inode are not read again, unless they were
    /// so fresh that the time says nothing.
    pub(crate) fn take(rules: &SourceRules, previous: &Self) -> Self {
        let filter = rules.clone();
        let keep = move |entry: &DirEntry| {
            let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            if folder { filter.is_source_folder(entry.path()) } else { filter.may_be_source(entry.path()) }
        };
        let walk = walk(&rules.root).parents(rules.parents).filter_entry(keep).build();
        let mut files = BTreeMap::new();
        for entry in walk.flatten() {
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let path = entry.into_path();
            if let Some(file) = File::read(&path, previous.files.get(&path)) {
                files.insert(path, file);
            }
        }
        Self { files }
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

/// A walk that knows what is ignored.
fn walk(root: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(root);
    walk.hidden(false).require_git(false);
    walk
}

impl File {
    /// `None` for a file that is gone by now, or that cannot be read.
    fn read(path: &Path, previous: Option<&Self>) -> Option<Self> {
        let metadata = fs_err::metadata(path).ok()?;
        let metadata = (metadata.modified().ok(), metadata.len(), metadata.ino());
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
        Some(Self { metadata, settled, content: hasher.finish() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_of_sources_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["src", "target", "build", ".wash"] {
            fs_err::create_dir(root.join(name)).unwrap();
        }
        fs_err::write(root.join(".gitignore"), "*.log\n").unwrap();
        fs_err::write(root.join("src/lib.rs"), "one").unwrap();
        let mut rules = SourceRules::new(root);
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
        let rules = SourceRules::new(folder.path());
        write("one");
        let first = Snapshot::take(&rules, &Snapshot::default());
        write("two");
        assert_eq!(Snapshot::take(&rules, &first).changes_since(&first), [path]);
    }
}
