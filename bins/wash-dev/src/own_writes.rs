//! Keeps a build that writes among the sources from causing the next build for ever.
//!
//! Nothing tells a build's own writes from a person's edits but that they come again with every build. To take an edit
//! for a write would lose it, so doubt is settled by one more build, at a moment when nobody is typing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How many builds in a row may be caused at once by what changed during the one before.
const AT_ONCE: usize = 2;

/// How many builds in a row may be caused by files that did not change during each of them.
const AT_MOST: usize = 6;

/// How often in a row the same file may end a build that is running.
const INTERRUPTS_BY_ONE: usize = 2;

/// How often in a row any file may.
const INTERRUPTS: usize = 5;

/// The builds since the last change that came between builds.
#[derive(Debug, Default)]
pub(crate) struct OwnWrites {
    /// How many of the last builds, without a gap, had sources change while they ran.
    in_a_row: usize,
    /// What changed during every one of them.
    always: BTreeSet<PathBuf>,
    /// How often in a row each file has ended a build.
    interrupts: BTreeMap<PathBuf, usize>,
    interrupted: usize,
}

/// What follows from the files that changed during a build.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum AfterBuild {
    /// These are a reason to build; none are none.
    Build(Vec<PathBuf>),
    /// These are one as soon as nothing has changed for a while.
    BuildWhenQuiet(Vec<PathBuf>),
    /// These are the build's own doing.
    Ignore(Vec<PathBuf>),
}

impl OwnWrites {
    /// Judges what changed during a build, if there was one.
    pub(crate) fn judge_if(&mut self, built: bool, changed: Vec<PathBuf>) -> AfterBuild {
        if built { self.judge(changed) } else { AfterBuild::Build(changed) }
    }

    /// Judges what changed during a build.
    fn judge(&mut self, changed: Vec<PathBuf>) -> AfterBuild {
        if changed.is_empty() {
            self.forget();
            return AfterBuild::Build(changed);
        }
        let now: BTreeSet<_> = changed.iter().cloned().collect();
        self.always = if self.in_a_row == 0 { now } else { self.always.intersection(&now).cloned().collect() };
        self.in_a_row += 1;
        if self.in_a_row <= AT_ONCE {
            return AfterBuild::Build(changed);
        }
        if self.in_a_row == AT_ONCE + 1 {
            return AfterBuild::BuildWhenQuiet(changed);
        }
        // A build that gives each time another name to what it writes.
        if self.always.is_empty() || self.in_a_row > AT_MOST {
            return AfterBuild::Ignore(changed);
        }
        let others: Vec<_> = changed.into_iter().filter(|file| !self.always.contains(file)).collect();
        if others.is_empty() {
            AfterBuild::Ignore(self.always.iter().cloned().collect())
        } else {
            AfterBuild::Build(others)
        }
    }

    /// Whether what has changed during a build is a reason to end it and to begin again. A build that itself writes the
    /// files must get to its end nevertheless.
    pub(crate) fn may_interrupt(&self, changed: &[PathBuf]) -> bool {
        let is_new = |file: &PathBuf| {
            !self.always.contains(file) && self.interrupts.get(file).is_none_or(|count| *count < INTERRUPTS_BY_ONE)
        };
        self.interrupted < INTERRUPTS && changed.iter().any(is_new)
    }

    /// Takes note of a build that was ended because of these files.
    pub(crate) fn interrupted(&mut self, changed: &[PathBuf]) {
        self.interrupted += 1;
        for file in changed {
            *self.interrupts.entry(file.clone()).or_default() += 1;
        }
    }

    /// Takes note of a change between builds, which no build can have made.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn what_changes_with_every_build_is_ignored_in_the_end() {
        let mut own_writes = OwnWrites::default();
        for _ in 0..AT_ONCE {
            assert_eq!(own_writes.judge(files(&["gen"])), AfterBuild::Build(files(&["gen"])));
        }
        assert_eq!(own_writes.judge(files(&["gen"])), AfterBuild::BuildWhenQuiet(files(&["gen"])));
        assert_eq!(own_writes.judge(files(&["gen"])), AfterBuild::Ignore(files(&["gen"])));
        // A person's edit at the same time is none of it.
        assert_eq!(own_writes.judge(files(&["gen", "lib"])), AfterBuild::Build(files(&["lib"])));
        own_writes.forget();
        assert_eq!(own_writes.judge(files(&["gen"])), AfterBuild::Build(files(&["gen"])));
    }

    #[test]
    fn a_build_without_changes_settles_the_doubt() {
        let mut own_writes = OwnWrites::default();
        for _ in 0..=AT_ONCE {
            assert_ne!(own_writes.judge(files(&["lib"])), AfterBuild::Ignore(files(&["lib"])));
        }
        assert_eq!(own_writes.judge(Vec::new()), AfterBuild::Build(Vec::new()));
        assert_eq!(own_writes.judge(files(&["lib"])), AfterBuild::Build(files(&["lib"])));
    }

    #[test]
    fn a_build_that_writes_sources_gets_to_its_end() {
        let mut own_writes = OwnWrites::default();
        for count in 0.. {
            if !own_writes.may_interrupt(&files(&["gen"])) {
                assert_eq!(count, INTERRUPTS_BY_ONE);
                break;
            }
            own_writes.interrupted(&files(&["gen"]));
        }
        // Somebody edits something else meanwhile.
        assert!(own_writes.may_interrupt(&files(&["gen", "lib"])));
        let mut number = 0;
        while own_writes.may_interrupt(&files(&[&number.to_string()])) {
            own_writes.interrupted(&files(&[&number.to_string()]));
            number += 1;
        }
        assert_eq!(number, INTERRUPTS - INTERRUPTS_BY_ONE);
        own_writes.forget();
        assert!(own_writes.may_interrupt(&files(&["gen"])));
    }

    #[test]
    fn another_name_each_time_does_not_help() {
        let mut own_writes = OwnWrites::default();
        let names: Vec<_> = (0..=AT_MOST).map(|number| number.to_string()).collect();
        for with_gen in [false, true] {
            own_writes.forget();
            let ignored = names.iter().any(|name| {
                let changed = if with_gen { files(&["gen", name]) } else { files(&[name]) };
                matches!(own_writes.judge(changed), AfterBuild::Ignore(_))
            });
            assert!(ignored);
        }
    }
}
