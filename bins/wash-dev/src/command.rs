//! `wash dev` itself: sets up, then turns in a loop until somebody ends it.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use washlib_cli::{CommandError, GlobalArgs, Tool, Ui};
use washlib_config::{Config, Project, Sourced, Sources};

use crate::cli::Dev;
use crate::command_error;
use crate::cycle::{self, Fault, Outcome};
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::served::Served;
use crate::settings::Settings;
use crate::sources::ProjectSources;

impl Tool for Dev {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn dev(args: Dev, ui: &Ui) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::failure)?;
    let result = runtime.block_on(serve(&args, ui, Instant::now()));
    // A thread that still waits for something must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(args: &Dev, ui: &Ui, started: Instant) -> Result<(), CommandError> {
    let start_dir = args.global.start_dir().map_err(CommandError::usage)?;
    let project = Project::discover(&start_dir).map_err(command_error::discover)?;
    let settings = load(args, &project, ui)?;
    let interrupts = Interrupts::listen()?;
    let served =
        Served::start(*settings.address.value()).await.map_err(|err| command_error::listen(err, &settings.address))?;
    let report = Report::new(ui, project.root());
    report.listening(served.address());
    let mut development = Development { args, ui, project, report, served, started };
    let result = development.run(settings, &interrupts).await;
    if result.is_ok() {
        development.report.stopping();
    }
    let stopped = tokio::select! {
        stopped = development.served.stop() => stopped,
        // Whoever asks twice does not want to wait.
        () = interrupts.wait() => {
            development.report.warn("ending without waiting for the requests in flight");
            Ok(())
        }
    };
    result.and(stopped.map_err(|err| CommandError::failure(err.into_boxed_dyn_error())))
}

fn load(args: &Dev, project: &Project, ui: &Ui) -> Result<Settings, CommandError> {
    let mut flags = Config::default();
    if let Some(address) = args.address {
        flags.dev.address = Some(Sourced::from_flag("--address", address.to_string()));
    }
    let environment = env::vars_os().collect();
    let sources = Sources { user_config: args.global.user_config.as_deref(), environment: &environment, flags };
    let loaded = washlib_config::load(project, sources).map_err(command_error::config)?;
    for warning in &loaded.warnings {
        ui.warn(&warning.to_string());
    }
    for file in &loaded.files {
        ui.detail(&format!("configuration: {}", file.path().display()));
    }
    Settings::new(project, &loaded.config).map_err(command_error::settings)
}

/// A development server in operation.
struct Development<'a> {
    args: &'a Dev,
    ui: &'a Ui,
    project: Project,
    report: Report,
    served: Served,
    started: Instant,
}

impl Development<'_> {
    /// Builds, serves and watches until an interrupt, which is the normal end.
    async fn run(&mut self, first: Settings, interrupts: &Interrupts) -> Result<(), CommandError> {
        let output = first.build.component_path.as_ref().map(|path| self.project.resolve(path.value()));
        let mut sources = tokio::select! {
            sources = ProjectSources::watch(&self.project, output.as_deref(), &self.report) => sources?,
            () = interrupts.wait() => return Ok(()),
        };
        let mut settings = Some(first);
        let mut changed = Vec::new();
        loop {
            let Some(outcome) = self.turn(settings.take(), &changed, interrupts).await? else { return Ok(()) };
            let built = !matches!(outcome, Outcome::Misconfigured(_));
            match outcome {
                Outcome::Serving(component) => sources.add_output(&component),
                Outcome::Failed(err, fault) => self.bear(err, fault)?,
                Outcome::Misconfigured(err) => self.bear(err, Fault::Project)?,
            }
            changed = tokio::select! {
                changed = sources.next_change(built) => changed,
                () = interrupts.wait() => return Ok(()),
            };
        }
    }

    /// One turn; `None` when it was interrupted.
    async fn turn(
        &mut self,
        settings: Option<Settings>,
        changed: &[PathBuf],
        interrupts: &Interrupts,
    ) -> Result<Option<Outcome>, CommandError> {
        self.report.building(changed)?;
        let settings = match settings.map_or_else(|| self.reload(), Ok) {
            Ok(settings) => settings,
            Err(err) => return Ok(Some(Outcome::Misconfigured(err))),
        };
        cycle::turn(settings, &mut self.served, &self.report, interrupts, self.started).await
    }

    /// The configuration as it is now: it may be what changed.
    fn reload(&self) -> Result<Settings, CommandError> {
        let settings = load(self.args, &self.project, self.ui)?;
        let wanted = *settings.address.value();
        let listening = self.served.address();
        if wanted.port() != 0 && wanted != listening {
            self.report.warn(&format!("still listening on {listening}: a new address takes effect after a restart"));
        }
        Ok(settings)
    }

    /// Reports a failure; ends the program where waiting for a change makes no sense.
    fn bear(&self, err: CommandError, fault: Fault) -> Result<(), CommandError> {
        let serving = self.served.has_component();
        let nobody_watches = !self.ui.is_interactive() && !serving;
        if nobody_watches || (fault == Fault::Machine && !serving) {
            return Err(err);
        }
        self.served.set_unavailable_message(&format!("there is no component yet: {err}"));
        self.report.failed(&err, serving)
    }
}
