//! Collects the entries of a template into a plan and enforces what holds for every kind of source: safe paths, links
//! that stay inside, and limits.
//!
//! Knows nothing about where entries come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use washlib_git::Objects;

use crate::path_rules::{PathVerdict, find_collision, judge_path, stays_inside};
use crate::plan::{Contents, Entry, EntryKind, Plan, PlanError, SkipReason, Skipped};

/// How many files and folders a template may have.
pub(crate) const MAX_ENTRIES: usize = 10_000;

/// How many bytes the files of a template may hold together.
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A plan in the making.
#[derive(Debug, Default)]
pub(crate) struct PlanBuilder {
    entries: Vec<Entry>,
    skipped: Vec<Skipped>,
    visited: usize,
    bytes: u64,
}

impl PlanBuilder {
    /// Counts an entry and judges its path: `false` for one that is left out.
    pub(crate) fn visit(&mut self, path: &Path) -> Result<bool, PlanError> {
        self.visited += 1;
        if self.visited > MAX_ENTRIES {
            return Err(PlanError::TooManyEntries { limit: MAX_ENTRIES });
        }
        match judge_path(path) {
            PathVerdict::Usable => Ok(true),
            PathVerdict::Unsafe => Err(PlanError::UnsafePath { path: path.to_owned() }),
            PathVerdict::GitData => {
                self.skip(path, SkipReason::GitData);
                Ok(false)
            }
        }
    }

    /// Leaves an entry out.
    pub(crate) fn skip(&mut self, path: &Path, reason: SkipReason) {
        self.skipped.push(Skipped { path: path.to_owned(), reason });
    }

    /// Adds a folder.
    pub(crate) fn folder(&mut self, path: &Path) {
        self.entries.push(Entry { path: path.to_owned(), kind: EntryKind::Folder });
    }

    /// Adds a file of `size` bytes.
    pub(crate) fn file(
        &mut self,
        path: &Path,
        executable: bool,
        size: u64,
        contents: Contents,
    ) -> Result<(), PlanError> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MAX_BYTES {
            return Err(PlanError::TooLarge { limit: MAX_BYTES });
        }
        self.entries.push(Entry { path: path.to_owned(), kind: EntryKind::File { executable, contents } });
        Ok(())
    }

    /// Adds a symbolic link; whether it stays inside is known only when all links are.
    pub(crate) fn symlink(&mut self, path: &Path, target: PathBuf) {
        self.entries.push(Entry { path: path.to_owned(), kind: EntryKind::Symlink { target } });
    }

    /// The plan, or why there can be none.
    pub(crate) fn finish(mut self, objects: Option<Objects>) -> Result<Plan, PlanError> {
        self.drop_links_that_leave();
        if !self.entries.iter().any(|entry| !matches!(entry.kind, EntryKind::Folder)) {
            return Err(PlanError::Empty);
        }
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        let paths = self.entries.iter().map(|entry| (entry.path.as_path(), matches!(entry.kind, EntryKind::Folder)));
        if let Some((first, second)) = find_collision(paths) {
            return Err(PlanError::Collision { first, second });
        }
        Ok(Plan { entries: self.entries, skipped: self.skipped, objects })
    }

    fn drop_links_that_leave(&mut self) {
        let links: BTreeMap<PathBuf, PathBuf> = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.kind {
                EntryKind::Symlink { target } => Some((entry.path.clone(), target.clone())),
                _ => None,
            })
            .collect();
        let skipped = &mut self.skipped;
        self.entries.retain(|entry| match links.get(&entry.path) {
            Some(target) if !stays_inside(&entry.path, &links) => {
                let reason = SkipReason::OutsideLink { target: target.clone() };
                skipped.push(Skipped { path: entry.path.clone(), reason });
                false
            }
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(builder: &mut PlanBuilder, path: &str, size: u64) -> Result<(), PlanError> {
        builder.file(Path::new(path), false, size, Contents::Memory(Vec::new()))
    }

    #[test]
    fn more_than_the_limits_is_refused() {
        let mut builder = PlanBuilder::default();
        for index in 0..MAX_ENTRIES {
            builder.visit(Path::new(&index.to_string())).unwrap();
        }
        assert!(matches!(builder.visit(Path::new("one-more")), Err(PlanError::TooManyEntries { .. })));
        file(&mut builder, "a", MAX_BYTES).unwrap();
        assert!(matches!(file(&mut builder, "b", 1), Err(PlanError::TooLarge { .. })));
        assert!(matches!(file(&mut builder, "c", u64::MAX), Err(PlanError::TooLarge { .. })));
    }

    #[test]
    fn git_data_is_left_out_and_reported() {
        let mut builder = PlanBuilder::default();
        assert!(builder.visit(Path::new("a")).unwrap());
        file(&mut builder, "a", 1).unwrap();
        assert!(!builder.visit(Path::new(".git/hooks/pre-commit")).unwrap());
        builder.symlink(Path::new("out"), "../x".into());
        let plan = builder.finish(None).unwrap();
        let skipped: Vec<String> = plan.skipped().iter().map(ToString::to_string).collect();
        assert_eq!(
            skipped,
            [
                "`.git/hooks/pre-commit` is left out: a repository's own data is never copied",
                "`out` is left out: it links to `../x`, outside the template",
            ]
        );
        assert_eq!(plan.entries().len(), 1);
    }

    #[test]
    fn colliding_names_are_refused() {
        let mut builder = PlanBuilder::default();
        file(&mut builder, "README", 1).unwrap();
        file(&mut builder, "readme", 1).unwrap();
        assert!(matches!(builder.finish(None), Err(PlanError::Collision { .. })));
    }

    #[test]
    fn a_template_without_files_is_refused() {
        let mut builder = PlanBuilder::default();
        builder.folder(Path::new("a"));
        assert!(matches!(builder.finish(None), Err(PlanError::Empty)));
    }
}
