//! The project's sources over time: what has changed since the last build, and whether that is a reason for another.
//!
//! Builds nothing and knows no component but by its path.

use std::path::{Path, PathBuf};
use std::time::Duration;

use washlib_cli::CommandError;
use washlib_config::Project;

use crate::own_writes::{AfterBuild, OwnWrites};
use crate::report::Report;
use crate::snapshot::{Snapshot, SourceRules};
use crate::watch::Watch;

/// How long to wait for the watcher before the first build: it only has to list the project's folders.
const WATCH_PATIENCE: Duration = Duration::from_secs(2);

/// How long nothing may change before a build that seems to cause itself gets its last chance.
const QUIET: Duration = Duration::from_secs(2);

/// How long a pause ends a burst of writes. Longer than the watcher gathers events, or every burst would seem to pause.
const SETTLE: Duration = Duration::from_millis(50);

/// How long a burst may hold up a build: what writes without a pause for longer, such as a log, is no burst.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);

/// The sources of one project, as they were when they were last looked at.
pub(crate) struct ProjectSources {
    rules: SourceRules,
    watch: Watch,
    seen: Snapshot,
    own_writes: OwnWrites,
    report: Report,
}

impl ProjectSources {
    /// Begins to watch a project. `output` is where the configuration says that builds leave the component.
    pub(crate) async fn watch(project: &Project, output: Option<&Path>, report: &Report) -> Result<Self, CommandError> {
        let mut rules = SourceRules::new(project.root());
        if let Some(output) = output {
            rules.add_output(output);
        }
        let reporter = report.clone();
        let mut watch = Watch::start(rules.clone(), move |text| reporter.warn(&text)).map_err(CommandError::failure)?;
        // The first build must not begin before changes are seen, or an edit during it would be missed. A watcher that
        // takes longer is no reason not to begin.
        let _ = tokio::time::timeout(WATCH_PATIENCE, watch.ready()).await;
        let seen = Snapshot::take(&rules, &Snapshot::default());
        Ok(Self { rules, watch, seen, own_writes: OwnWrites::default(), report: report.clone() })
    }

    /// Takes note of where a build has left the component.
    pub(crate) fn add_output(&mut self, component: &Path) {
        self.rules.add_output(component);
        self.watch.set_rules(self.rules.clone());
    }

    /// Waits for a reason to build again, and returns the files that are it. `built` says whether a build has run since
    /// the last call: it may have written among the sources.
    pub(crate) async fn next_change(&mut self, built: bool) -> Vec<PathBuf> {
        let since = self.look();
        let mut when_quiet = Vec::new();
        match if built { self.own_writes.judge(since) } else { AfterBuild::Build(since) } {
            AfterBuild::Build(files) if !files.is_empty() => return self.settle(files).await,
            AfterBuild::Build(_) => {}
            AfterBuild::BuildWhenQuiet(files) => when_quiet = files,
            AfterBuild::Ignore(files) => {
                for file in files {
                    self.report.warn(&format!("every build changes {}: not building because of it", file.display()));
                }
            }
        }
        loop {
            tokio::select! {
                () = self.watch.hint() => {}
                () = tokio::time::sleep(QUIET), if !when_quiet.is_empty() => return when_quiet,
            }
            let mut changed = self.look();
            if !changed.is_empty() {
                self.own_writes.forget();
                changed.append(&mut when_quiet);
                return self.settle(changed).await;
            }
        }
    }

    /// Waits until whoever is writing has paused, and returns all that has changed: a checkout writes for a while, and each
    /// of its files is no reason for a build of its own.
    async fn settle(&mut self, mut changed: Vec<PathBuf>) -> Vec<PathBuf> {
        let patience = tokio::time::Instant::now() + SETTLE_AT_MOST;
        while tokio::time::Instant::now() < patience && tokio::time::timeout(SETTLE, self.watch.hint()).await.is_ok() {
            changed.append(&mut self.look());
        }
        changed.sort();
        changed.dedup();
        changed
    }

    /// What has changed since the last look.
    fn look(&mut self) -> Vec<PathBuf> {
        let before = std::mem::take(&mut self.seen);
        self.seen = Snapshot::take(&self.rules, &before);
        let mut changed = self.seen.changes_since(&before);
        // What the last build has shown to be an output was a source by the rules of before.
        changed.retain(|path| self.rules.may_be_source(path));
        changed
    }
}
