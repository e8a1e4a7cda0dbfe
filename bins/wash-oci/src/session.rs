//! What every command begins with: settings of configuration, environment and flags, a client, and a way to be
//! interrupted.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use washlib_cli::{CommandError, GlobalArgs, Progress as Bar, RegistryArgs, Ui};
use washlib_config::{Config, Environment, Project, Sources};
use washlib_registry::configuration::Flags;
use washlib_registry::{Cancellation, Client, Digest, Progress, Secret, Settings, configuration, run_blocking};

use crate::command_error;

/// A client, and what goes with it.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) progress: Watched,
    cancellation: Cancellation,
}

impl Session {
    /// Prepares to speak to the registries that a command names; explicit credentials are for the first one.
    pub(crate) fn begin(
        global: &GlobalArgs,
        args: &RegistryArgs,
        registries: &[&str],
        ui: &Ui,
    ) -> Result<Self, CommandError> {
        let mut settings = settings(global, ui)?;
        flags(args, ui)?.apply(&mut settings, registries);
        Self::with(settings, ui)
    }

    /// The same with settings that are complete.
    pub(crate) fn with(settings: Settings, ui: &Ui) -> Result<Self, CommandError> {
        let client = Client::new(settings).map_err(CommandError::failure)?;
        let cancellation = Cancellation::default();
        let cancel = cancellation.clone();
        washlib_cli::on_interrupt(move |_| cancel.cancel()).map_err(CommandError::failure)?;
        Ok(Self { client, progress: Watched::new(ui), cancellation })
    }

    /// Runs work of the client to its end, or until somebody interrupts it.
    pub(crate) fn run<F, T>(&self, work: F) -> Result<T, CommandError>
    where
        F: Future<Output = Result<T, CommandError>> + Send,
        T: Send,
    {
        let result = run_blocking(work, &self.cancellation).map_err(CommandError::failure)?;
        // The bar goes before anything is printed.
        self.progress.end();
        result.unwrap_or_else(|| Err(CommandError::interrupted()))
    }
}

/// The settings of the configuration around the current folder, and of the environment.
pub(crate) fn settings(global: &GlobalArgs, ui: &Ui) -> Result<Settings, CommandError> {
    let here = Path::new(".");
    // Without a project there is still the user's configuration.
    let project = Project::discover(here).or_else(|_| Project::open(here)).map_err(command_error::discover)?;
    let environment = environment();
    let sources =
        Sources { user_config: global.user_config.as_deref(), environment: &environment, flags: Config::default() };
    let loaded = washlib_config::load(&project, sources).map_err(command_error::config)?;
    for warning in &loaded.warnings {
        ui.warn(&warning.to_string());
    }
    let place = configuration::Place { root: project.root(), environment: &environment };
    configuration::settings(&loaded.config.oci, place).map_err(command_error::settings)
}

/// This process's environment.
pub(crate) fn environment() -> Environment {
    std::env::vars_os().collect()
}

/// What the command line says about registries.
fn flags(args: &RegistryArgs, ui: &Ui) -> Result<Flags, CommandError> {
    let login = args.login(ui)?.map(|(user, password)| (user, Secret::new(password)));
    Ok(Flags { login, ..without_login(args) })
}

/// The same without the password, which somebody else has read.
pub(crate) fn without_login(args: &RegistryArgs) -> Flags {
    Flags { plain_http: args.insecure, certificate_authorities: args.ca_path.clone(), login: None }
}

/// Draws what the client reports.
pub(crate) struct Watched {
    ui: Ui,
    bar: Mutex<Option<Bar>>,
    message: Mutex<String>,
}

impl Watched {
    fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), bar: Mutex::default(), message: Mutex::default() }
    }

    /// Takes the bar away.
    fn end(&self) {
        if let Ok(mut bar) = self.bar.lock() {
            bar.take();
        }
    }

    /// Moves the bar, which says what the client has said, or else `doing`.
    fn bytes(&self, doing: &str, done: u64, total: u64) {
        if let Ok(mut bar) = self.bar.lock() {
            let message = || {
                let said = self.message.lock().map(|message| message.clone()).unwrap_or_default();
                if said.is_empty() { doing.to_owned() } else { said }
            };
            bar.get_or_insert_with(|| self.ui.progress(&message())).set_bytes(done, Some(total));
        }
    }
}

impl Progress for Watched {
    fn message(&self, text: &str) {
        if let Ok(mut message) = self.message.lock() {
            text.clone_into(&mut message);
        }
    }

    fn received(&self, _: &Digest, done: u64, total: u64) {
        self.bytes("receiving", done, total);
    }

    fn sent(&self, done: u64, total: u64) {
        self.bytes("sending", done, total);
    }

    fn retrying(&self, reason: &str, pause: Duration) {
        self.end();
        let pause = humantime::format_duration(Duration::from_millis(pause.as_millis().try_into().unwrap_or(u64::MAX)));
        self.ui.warn(&format!("{reason}; trying again in {pause}"));
    }
}
