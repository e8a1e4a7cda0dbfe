//! Where symbolic links among the sources lead: places outside of them whose files are sources too.
//!
//! It reads no link and decides not which of them count; how many are followed, and how far, is bounded here.

use std::path::{Path, PathBuf};

/// How many links are followed.
const MAX_LINKS: usize = 1_000;

/// How many files and folders one link may lead to: what has more is no source, but a store or a whole disk.
pub(crate) const MAX_ENTRIES: usize = 10_000;

/// How many bytes: all of them are read.
const MAX_BYTES: u64 = 256 << 20;

/// The targets of links.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Links {
    /// Files and folders, none of them in another.
    pub(crate) followed: Vec<PathBuf>,
    /// Folders that hold too much.
    pub(crate) refused: Vec<PathBuf>,
}

impl Links {
    /// The links to these targets, as they are now. `size` counts entries and bytes in
    /// one that was not known before.
    pub(crate) fn with<'t>(
        &self,
        targets: impl Iterator<Item = &'t Path>,
        size: impl Fn(&Path) -> (usize, u64),
    ) -> Self {
        let mut targets: Vec<&Path> = targets.collect();
        targets.sort_unstable();
        targets.dedup();
        let mut links = Self { followed: Vec::new(), refused: Vec::new() };
        for target in targets {
            // What is in a folder comes right behind it.
            if links.followed.last().is_some_and(|folder| target.starts_with(folder)) {
                continue;
            }
            if links.followed.len() >= MAX_LINKS {
                break;
            }
            let is_in = |known: &[PathBuf]| known.iter().any(|known| known == target);
            let is_small = || {
                let (entries, bytes) = size(target);
                entries <= MAX_ENTRIES && bytes <= MAX_BYTES
            };
            let is_small = is_in(&self.followed) || (!is_in(&self.refused) && is_small());
            let list = if is_small { &mut links.followed } else { &mut links.refused };
            list.push(target.to_path_buf());
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn nothing_is_followed_twice_or_too_far() {
        let targets = paths(&["/b/c", "/b", "/a", "/b-c", "/large", "/large/part", "/b/c/d", "/heavy"]);
        let targets = || targets.iter().map(PathBuf::as_path);
        let size = |target: &Path| match target.to_str() {
            Some("/large") => (MAX_ENTRIES + 1, 0),
            Some("/heavy") => (1, MAX_BYTES + 1),
            _ => (MAX_ENTRIES, MAX_BYTES),
        };
        let links = Links::default().with(targets(), size);
        assert_eq!(links.followed, paths(&["/a", "/b", "/b-c", "/large/part"]));
        assert_eq!(links.refused, paths(&["/heavy", "/large"]));
        // Each is counted once.
        assert_eq!(links.with(targets(), |target| panic!("{}", target.display())), links);
        // What no link leads to any more is forgotten.
        assert_eq!(links.with(targets().take(1), size).followed, paths(&["/b/c"]));

        let many: Vec<_> = (0..=MAX_LINKS).map(|number| PathBuf::from(format!("/{number}"))).collect();
        let links = Links::default().with(many.iter().map(PathBuf::as_path), |_| (0, 0));
        assert_eq!(links.followed.len(), MAX_LINKS);
    }
}
