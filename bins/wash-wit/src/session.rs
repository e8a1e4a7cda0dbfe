//! What every command starts with: the project, its configuration, where packages come from, and the interrupt.
//!
//! Opening a session reads files; it contacts nobody and changes nothing.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_config::{Config, Sourced};
use washlib_registry::wit::{Sources, SourcesSettings, WitConfiguration};
use washlib_wit::{
    Cache, Comparison, Context, Guard, LockPolicy, PackageName, Plan, PlanOptions, SourceOverride, SyncError, Unlocked,
    WitProject, WitSources,
};

use crate::cli::DependencyArgs;
use crate::command_error;
use crate::progress::UiWatcher;
use crate::project;

pub(crate) struct Session<'a> {
    pub(crate) ui: &'a Ui,
    pub(crate) project: WitProject,
    /// The folder of the sources as a person knows it.
    pub(crate) wit_dir: String,
    pub(crate) sources: Sources,
    pub(crate) cache: Cache,
    overrides: Vec<SourceOverride>,
    policy: LockPolicy,
    interrupted: Arc<AtomicBool>,
}

impl<'a> Session<'a> {
    pub(crate) fn open(global: &GlobalArgs, args: &DependencyArgs, ui: &'a Ui) -> Result<Self, CommandError> {
        let start_dir = global.start_dir().map_err(CommandError::usage)?;
        let project = project::find(&start_dir).map_err(command_error::discover)?;
        let mut flags = Config::default();
        if let Some(wit_dir) = &args.wit_dir {
            flags.wit.wit_dir = Some(Sourced::from_flag("--wit-dir", wit_dir.clone()));
        }
        let environment = env::vars_os().collect();
        let sources =
            washlib_config::Sources { user_config: global.user_config.as_deref(), environment: &environment, flags };
        let loaded = washlib_config::load(&project, sources).map_err(command_error::config)?;
        loaded.warnings.iter().for_each(|warning| ui.warn(&warning.to_string()));
        let configuration = WitConfiguration::new(&loaded.config, project.root(), &environment);
        let configuration = configuration.map_err(command_error::configuration)?;

        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        washlib_cli::on_interrupt(move |_| flag.store(true, Ordering::Relaxed)).map_err(CommandError::failure)?;

        let wit_dir = loaded.config.wit.wit_dir_or_default().into_value().to_owned();
        let project = WitProject::new(project.root(), &wit_dir);
        let shown = project.wit_dir().strip_prefix(project.root()).unwrap_or(project.wit_dir()).display().to_string();
        let offline = args.offline || args.frozen;
        let settings = SourcesSettings {
            registries: configuration.registries,
            oci: configuration.oci,
            offline,
            cache: configuration.cache.clone(),
            interrupted: Arc::clone(&interrupted),
            watcher: Arc::new(UiWatcher::new(ui)),
        };
        Ok(Self {
            ui,
            project,
            wit_dir: shown,
            sources: Sources::new(settings),
            cache: configuration.cache,
            overrides: configuration.overrides,
            policy: if args.locked || args.frozen { LockPolicy::Keep } else { LockPolicy::Update },
            interrupted,
        })
    }

    /// Waits until no other process changes the project.
    pub(crate) fn guard(&self) -> Result<Guard, CommandError> {
        let waiting = || self.ui.status("Waiting", "for another process that works on this project's WIT");
        Guard::acquire(&self.project, &self.interrupted, waiting).map_err(command_error::guard)
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            project: &self.project,
            overrides: &self.overrides,
            source: &self.sources,
            cache: &self.cache,
            interrupted: &self.interrupted,
        }
    }

    /// A path of the project as somebody finds it who stands where the command was given.
    pub(crate) fn shown_here(&self, path: &str) -> String {
        let path = self.project.root().join(path);
        let here = env::current_dir().and_then(|here| here.canonicalize());
        let below = here.as_deref().ok().and_then(|here| path.strip_prefix(here).ok());
        below.unwrap_or(&path).display().to_string()
    }

    /// The project's sources as they are on disk.
    pub(crate) fn read_sources(&self) -> Result<WitSources, CommandError> {
        self.project.sources().map_err(command_error::project)
    }

    /// What is to be done for these sources.
    pub(crate) fn plan(&self, sources: WitSources, options: PlanOptions) -> Result<Plan, CommandError> {
        self.try_plan(sources, options).map_err(command_error::sync)
    }

    /// The same, for whoever has an answer to an error.
    pub(crate) fn try_plan(&self, sources: WitSources, options: PlanOptions) -> Result<Plan, SyncError> {
        let options = PlanOptions { lock: self.policy, ..options };
        washlib_wit::plan(&self.context(), sources, &options)
    }

    /// What is to be done for the project as it is, whatever was said about changes of the lock.
    pub(crate) fn plan_as_is(&self, comparison: Comparison, unlocked: Unlocked) -> Result<Plan, CommandError> {
        let options = PlanOptions { comparison, unlocked, ..PlanOptions::default() };
        let sources = self.read_sources()?;
        washlib_wit::plan(&self.context(), sources, &options).map_err(command_error::sync)
    }

    /// Whether `wit.sources` says where a package comes from.
    pub(crate) fn is_overridden(&self, name: &PackageName) -> bool {
        self.overrides.iter().any(|replacement| replacement.speaks_of(name))
    }

    /// Prints why the answer of a command is no, and returns what it then ends with. A person reads the reasons on stdout
    /// and what they mean on stderr.
    pub(crate) fn answer_no<T: Serialize>(&self, text: &str, message: &str, hint: &str, data: T) -> CommandError {
        if self.ui.is_json() {
            self.ui.hint(hint);
            return self.ui.answer_no(text, message, data);
        }
        match self.ui.text(text) {
            Ok(()) => CommandError::failure(message.to_owned()).hint(hint),
            Err(err) => err,
        }
    }

    /// Does it.
    pub(crate) fn apply(&self, plan: &Plan) -> Result<(), CommandError> {
        washlib_wit::apply(&self.context(), plan).map_err(command_error::sync)
    }
}
