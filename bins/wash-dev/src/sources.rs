//! The project's sources over time: what has changed since the last build, and whether that is a reason for another.
//!
//! Builds nothing and knows no component but by its path.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use washlib_cli::CommandError;
use washlib_config::Project;

use crate::own_writes::{AfterBuild, OwnWrites};
use crate::report::Report;
use crate::rules::SourceRules;
use crate::settings::Watching;
use crate::snapshot::Snapshot;
use crate::watch::{Watch, WatchMode};

/// How long to wait for the watcher before the first build: it only has to list the project's folders.
const WATCH_PATIENCE: Duration = Duration::from_secs(2);

/// How long nothing may change before a build that seems to cause itself gets its last chance.
const QUIET: Duration = Duration::from_secs(2);

/// How long a pause ends a burst of writes. Longer than the watcher gathers events, or every burst would seem to pause.
const SETTLE: Duration = Duration::from_millis(50);

/// How long a burst may hold up a build: what writes without a pause for longer, such as a log, is no burst.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);

/// How long not to look again while a build runs, which may write a lot.
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// How many links are followed that each stand where the one before leads.
const MAX_LINKS_IN_A_ROW: usize = 16;

/// The sources of one project, as they were when they were last looked at.
pub(crate) struct ProjectSources {
    rules: SourceRules,
    watch: Watch,
    seen: Snapshot,
    own_writes: OwnWrites,
    /// What has changed since the last build has begun, or since its end.
    changed: Vec<PathBuf>,
    /// What is a reason to build as soon as nothing has changed for a while.
    when_quiet: Vec<PathBuf>,
    report: Report,
}

impl ProjectSources {
    /// Begins to watch a project. `outputs` are where builds leave components, as far as that is known.
    pub(crate) async fn watch(
        project: &Project,
        watching: &Watching,
        outputs: &[PathBuf],
        mode: WatchMode,
        report: &Report,
    ) -> Result<Self, CommandError> {
        let mut rules = SourceRules::new(project.root(), watching);
        for output in outputs {
            rules.add_output(output);
        }
        let mut seen = Snapshot::default();
        for _ in 0..MAX_LINKS_IN_A_ROW {
            seen = Snapshot::take(&rules, &seen);
            match rules.following(seen.links()) {
                Some(more) => rules = more,
                None => break,
            }
        }
        let reporter = report.clone();
        let watch = Watch::start(rules.clone(), mode, move |text| reporter.warn(&text));
        let mut watch = watch.map_err(CommandError::failure)?;
        // The first build must not begin before changes are seen, or an edit during it would be missed. A watcher that
        // takes longer is no reason not to begin.
        let _ = timeout(WATCH_PATIENCE, watch.ready()).await;
        let seen = Snapshot::take(&rules, &seen);
        let own_writes = OwnWrites::default();
        let (changed, when_quiet) = (Vec::new(), Vec::new());
        let sources = Self { rules, watch, seen, own_writes, changed, when_quiet, report: report.clone() };
        sources.tell_of_refused_links(&[]);
        Ok(sources)
    }

    /// Takes note of where builds leave components, and of what the configuration says to watch.
    pub(crate) fn learn<'p>(&mut self, outputs: impl Iterator<Item = &'p Path>, watching: &Watching) {
        let mut rules = self.rules.clone().with_watching(watching);
        for output in outputs {
            rules.add_output(output);
        }
        if rules.places() != self.rules.places() {
            // What is watched from now on has not changed because of that.
            let old = std::mem::replace(&mut self.rules, rules.clone());
            self.seen = self.seen.with_places_of(&rules, &old);
        }
        self.rules = rules;
        self.watch.set_rules(self.rules.clone());
    }

    /// Resolves when something has changed that makes the running build a waste of time. What has changed is kept.
    pub(crate) async fn build_is_outdated(&mut self) {
        loop {
            self.watch.hint().await;
            self.look();
            if self.own_writes.may_interrupt(&self.changed) {
                self.settle().await;
                return;
            }
            sleep(PAUSE_BETWEEN_LOOKS).await;
        }
    }

    /// Takes a file as it is now: it was not changed by somebody who wants a build.
    pub(crate) fn take_as_it_is(&mut self, file: &Path) {
        self.look();
        self.changed.retain(|path| path != file);
    }

    /// The files because of which a running build was ended.
    pub(crate) fn take_interrupting(&mut self) -> Vec<PathBuf> {
        let changed = self.take_changed();
        self.own_writes.interrupted(&changed);
        changed
    }

    /// Waits for a reason to build again, and returns the files that are it. `built` says whether a build has run since
    /// the last call: it may have written among the sources.
    pub(crate) async fn next_change(&mut self, built: bool) -> Vec<PathBuf> {
        self.look();
        let since = if built { self.take_changed() } else { Vec::new() };
        match self.own_writes.judge_if(built, since) {
            AfterBuild::Build(mut files) => {
                self.changed.append(&mut files);
                if !self.changed.is_empty() {
                    return self.settled().await;
                }
            }
            AfterBuild::BuildWhenQuiet(files) => self.when_quiet = files,
            AfterBuild::Ignore(files) => {
                for file in files {
                    self.report.warn(&format!("every build changes {}: not building because of it", file.display()));
                }
            }
        }
        loop {
            tokio::select! {
                () = self.watch.hint() => {}
                () = sleep(QUIET), if !self.when_quiet.is_empty() => return std::mem::take(&mut self.when_quiet),
            }
            self.look();
            if !self.changed.is_empty() {
                self.own_writes.forget();
                self.changed.append(&mut self.when_quiet);
                return self.settled().await;
            }
        }
    }

    /// What has changed by the time whoever is writing has paused.
    async fn settled(&mut self) -> Vec<PathBuf> {
        self.settle().await;
        self.take_changed()
    }

    /// Waits until whoever is writing has paused: a checkout writes for a while, and each of its files is no reason for
    /// a build of its own.
    async fn settle(&mut self) {
        let patience = Instant::now() + SETTLE_AT_MOST;
        while Instant::now() < patience && timeout(SETTLE, self.watch.hint()).await.is_ok() {
            self.look();
        }
    }

    fn take_changed(&mut self) -> Vec<PathBuf> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort();
        changed.dedup();
        changed
    }

    /// Looks for what has changed since the last look.
    fn look(&mut self) {
        let before = std::mem::take(&mut self.seen);
        self.seen = Snapshot::take(&self.rules, &before);
        let mut changed = self.seen.changes_since(&before);
        // What the last build has shown to be an output was a source by the rules of before.
        changed.retain(|path| self.rules.may_be_source(path));
        self.changed.append(&mut changed);
        self.follow_links();
    }

    /// Watches where links lead from now on, and no more where no link does.
    fn follow_links(&mut self) {
        for _ in 0..MAX_LINKS_IN_A_ROW {
            let Some(rules) = self.rules.following(self.seen.links()) else { return };
            let old = std::mem::replace(&mut self.rules, rules);
            // The change is the link itself.
            self.seen = self.seen.with_places_of(&self.rules, &old);
            self.watch.set_rules(self.rules.clone());
            self.tell_of_refused_links(old.refused_links());
        }
    }

    fn tell_of_refused_links(&self, known: &[PathBuf]) {
        for target in self.rules.refused_links().iter().filter(|target| !known.contains(target)) {
            let target = target.display();
            self.report.warn(&format!("a link leads to {target}, which holds too much to be watched"));
        }
    }
}
