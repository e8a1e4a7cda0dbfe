//! The loop: something has changed, so it is built, and what is new is put into service.
//!
//! It decides what happens next. How something is built, served, watched or told is others' business.

mod building;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use wash_runtime::standalone::Names;
use washlib_cli::CommandError;

use crate::artifacts::ArtifactError;
use crate::cli::Dev;
use crate::command_error;
use crate::components::{ComponentChange, Components};
use crate::configuration::Configuration;
use crate::images::Images;
use crate::interrupts::Interrupts;
use crate::keys::Keys;
use crate::neighbour::Presence;
use crate::report::{ComponentWorld, Report, Staleness};
use crate::served::{Served, Swap};
use crate::settings::{HostSettings, Plan, Role, Settings};
use crate::sources::ProjectSources;
use crate::watch::WatchMode;

/// What to do next.
enum Turn {
    /// Build, because of these files if there are any.
    Build(Vec<PathBuf>),
    /// Put other components into service, which somebody else has made.
    Components(Result<Vec<Bytes>, ArtifactError>),
    /// Look whether values that the configuration names have changed.
    Values,
}

/// How a turn ended.
enum Outcome {
    /// The newest version is in service.
    Serving,
    /// Nothing was to be done.
    Nothing,
    /// What was served before is served still.
    Failed(CommandError, Fault),
    /// These files have changed while it was being built.
    Outdated(Vec<PathBuf>),
    /// Somebody ends the program.
    Interrupted,
}

/// Whether another edit can mend a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// Something in the project: the next change may mend it.
    Project,
    /// Something on the machine, such as a missing toolchain: no change of the project will mend it.
    Machine,
}

/// Those whom the loop tells what happens, and who tell the loop.
pub(crate) struct Parties<'a> {
    pub(crate) report: Report,
    pub(crate) interrupts: &'a Interrupts,
    pub(crate) staleness: Staleness,
    pub(crate) presence: Presence,
    pub(crate) keys: Keys,
}

/// A development server in operation.
pub(crate) struct Development<'a> {
    args: &'a Dev,
    configuration: Configuration<'a>,
    served: Served,
    parties: Parties<'a>,
    started: Instant,
    /// What is to be served, as the configuration said last.
    plan: Option<Plan>,
    /// What the host was started with.
    host: Option<HostSettings>,
    images: Images,
    /// Whether values could not be read when they were last looked at.
    values_failed: bool,
}

/// What is watched.
struct Watched {
    sources: ProjectSources,
    components: Components,
}

impl<'a> Development<'a> {
    pub(crate) fn new(
        args: &'a Dev,
        configuration: Configuration<'a>,
        served: Served,
        parties: Parties<'a>,
        started: Instant,
    ) -> Self {
        Self {
            args,
            configuration,
            served,
            parties,
            started,
            plan: None,
            host: None,
            images: Images::default(),
            values_failed: false,
        }
    }

    pub(crate) fn report(&self) -> &Report {
        &self.parties.report
    }

    /// Finishes the requests in flight and ends.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // Whoever reads along would wait for ever for what comes next.
        self.parties.report.close();
        self.served.stop().await
    }

    /// Builds, serves and watches until an interrupt, which is the normal end.
    pub(crate) async fn run(&mut self, first: Settings, mode: WatchMode) -> Result<(), CommandError> {
        let interrupts = self.parties.interrupts;
        let Some(mut watched) = self.watch(&first, mode).await? else { return Ok(()) };
        self.host = Some(first.host.clone());
        let mut first = Some(first);
        let mut turn = Turn::Build(Vec::new());
        loop {
            let is_build = matches!(turn, Turn::Build(_));
            let outcome = match turn {
                Turn::Build(changed) => self.build(first.take(), &changed, &mut watched).await?,
                Turn::Components(read) => self.offer(read, &watched.components).await?,
                Turn::Values => self.look_at_values(&mut watched).await?,
            };
            match outcome {
                Outcome::Serving | Outcome::Nothing => {}
                Outcome::Failed(err, fault) => self.bear(err, fault)?,
                Outcome::Interrupted => return Ok(()),
                Outcome::Outdated(changed) => {
                    turn = Turn::Build(changed);
                    continue;
                }
            }
            if self.args.once {
                return Ok(());
            }
            turn = tokio::select! {
                changed = watched.sources.next_change(is_build) => Turn::Build(changed),
                change = watched.components.changed() => match change {
                    ComponentChange::Components(read) => Turn::Components(read),
                    ComponentChange::Inputs => Turn::Values,
                },
                () = self.parties.keys.rebuild() => Turn::Build(Vec::new()),
                () = interrupts.wait() => return Ok(()),
            };
        }
    }

    /// Begins to watch; `None` when it was interrupted.
    async fn watch(&self, settings: &Settings, mode: WatchMode) -> Result<Option<Watched>, CommandError> {
        let project = self.configuration.project();
        let output = settings.build.component_path.as_ref().map(|path| project.resolve(path.value()));
        let outputs: Vec<_> = output.into_iter().chain(settings.plan.files().cloned()).collect();
        let watching = ProjectSources::watch(project, &settings.watching, &outputs, mode, self.report());
        tokio::select! {
            sources = watching => Ok(Some(Watched { sources: sources?, components: Components::new(mode) })),
            () = self.parties.interrupts.wait() => Ok(None),
        }
    }

    /// Builds the project and puts the result into service.
    async fn build(
        &mut self,
        settings: Option<Settings>,
        changed: &[PathBuf],
        watched: &mut Watched,
    ) -> Result<Outcome, CommandError> {
        self.report().building(changed);
        let mut settings = match settings.map_or_else(|| self.reload(), Ok) {
            Ok(settings) => settings,
            Err(err) => return Ok(Outcome::Failed(err, Fault::Project)),
        };
        watched.sources.learn(settings.plan.files().map(PathBuf::as_path), &settings.watching);
        if changed.is_empty() {
            // Not because of a save: somebody has asked for what is newest.
            self.images.ask_again();
        }
        if let Some(outcome) = self.pull(&settings).await {
            return Ok(outcome);
        }
        if let Some(wit) = settings.wit.take().filter(|wit| wit.depend_on(changed))
            && let Some(outcome) = self.fetch(wit, watched).await?
        {
            return Ok(outcome);
        }
        let built = match self.run_build(settings.build, watched).await? {
            Ok(built) => built,
            Err(end) => {
                // What a failed build has left is told with its failure.
                watched.components.take_note();
                return Ok(end);
            }
        };
        self.report().built(&built);
        watched.components.learn(&settings.plan, &built.component_path, &self.images, &settings.inputs);
        watched.sources.learn(watched.components.paths(), &settings.watching);
        self.plan = Some(settings.plan);
        let read = watched.components.read();
        self.offer(read, &watched.components).await
    }

    /// Puts components into service, if they are others than those that are.
    async fn offer(
        &mut self,
        read: Result<Vec<Bytes>, ArtifactError>,
        components: &Components,
    ) -> Result<Outcome, CommandError> {
        let Some(plan) = &self.plan else { return Ok(Outcome::Nothing) };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(err) => return Ok(Outcome::Failed(command_error::artifact(err), Fault::Project)),
        };
        let worlds = plan.parts.iter().zip(&bytes).map(|(part, bytes)| {
            let Names { imports, exports } = Names::read(bytes);
            let role = if part.role == Role::Service { "service" } else { "component" };
            ComponentWorld { name: part.name.clone(), role, size: bytes.len(), imports, exports }
        });
        let (worlds, workload) = (worlds.collect::<Vec<_>>(), plan.workload(&bytes));
        let swapped = tokio::select! {
            swapped = self.served.swap(workload) => swapped,
            // A component may take long to compile and to start; nobody needs it any more.
            () = self.parties.interrupts.wait() => return Ok(Outcome::Interrupted),
        };
        let url = self.report().url(self.served.address());
        if swapped.is_ok() {
            // Before it is told: whoever reads that may ask at once.
            self.parties.staleness.clear();
        }
        match swapped {
            Ok(Swap::First) => {
                self.report().ready(self.served.address(), self.started.elapsed());
                if self.args.open {
                    self.parties.keys.open();
                }
            }
            Ok(Swap::Replaced(replaced)) => self.report().swapped(&url, &replaced, since_written(components)),
            Ok(Swap::Unchanged) => self.report().unchanged(&url),
            Err(err) => return Ok(Outcome::Failed(command_error::start(err, plan, &worlds), Fault::Project)),
        }
        self.report().world(worlds);
        Ok(Outcome::Serving)
    }

    /// The configuration names files whose values it takes; one of them may have changed.
    async fn look_at_values(&mut self, watched: &mut Watched) -> Result<Outcome, CommandError> {
        let settings = match self.reload() {
            Ok(settings) => settings,
            Err(err) => {
                self.values_failed = true;
                return Ok(Outcome::Failed(err, Fault::Project));
            }
        };
        if std::mem::take(&mut self.values_failed) {
            // Only a build says whether that was all that was wrong.
            return Ok(Outcome::Outdated(Vec::new()));
        }
        match &self.plan {
            Some(plan) if *plan == settings.plan => return Ok(Outcome::Nothing),
            // More than values has changed.
            Some(plan) if !plan.has_parts_of(&settings.plan) => return Ok(Outcome::Outdated(Vec::new())),
            _ => {}
        }
        self.plan = Some(settings.plan);
        let read = watched.components.read();
        self.offer(read, &watched.components).await
    }

    /// The configuration as it is now: it may be what changed.
    fn reload(&self) -> Result<Settings, CommandError> {
        let settings = self.configuration.load()?;
        let differences = self.host.as_ref().map(|host| host.differences(&settings.host)).unwrap_or_default();
        for key in differences {
            let listening = self.served.address();
            match key {
                "dev.address" => self
                    .report()
                    .warn(&format!("still listening on {listening}: a new address takes effect after a restart")),
                key => self.report().warn(&format!("{key} has changed: that takes effect after a restart")),
            }
        }
        Ok(settings)
    }

    /// Reports a failure; ends the program where waiting for a change makes no sense.
    fn bear(&self, err: CommandError, fault: Fault) -> Result<(), CommandError> {
        let serving = self.served.has_version();
        let nobody_watches = !serving && (self.args.no_watch || !self.report().is_interactive());
        if nobody_watches || self.args.once || (fault == Fault::Machine && !serving) {
            return Err(err);
        }
        self.parties.staleness.set(self.served.version());
        self.served.set_unavailable_message(&format!("there is no component yet: {err}"));
        self.report().failed(&err, serving);
        Ok(())
    }
}

/// How long ago the newest component was written.
fn since_written(components: &Components) -> Duration {
    let written = components.paths().filter_map(|path| fs_err::metadata(path).ok()?.modified().ok()).max();
    written.and_then(|written| SystemTime::now().duration_since(written).ok()).unwrap_or_default()
}
