//! The configuration as it is at a moment: its layers, and what the command line puts on top.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use washlib_cli::{CommandError, Ui};
use washlib_config::{Config, Environment, Project, Sourced, Sources};

use crate::cli::Dev;
use crate::command_error;
use crate::settings::Settings;

/// Reads the configuration of one project again and again.
pub(crate) struct Configuration<'a> {
    args: &'a Dev,
    ui: &'a Ui,
    project: Project,
    environment: Environment,
}

impl<'a> Configuration<'a> {
    pub(crate) fn new(args: &'a Dev, ui: &'a Ui, project: Project, environment: Environment) -> Self {
        Self { args, ui, project, environment }
    }

    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    /// The configuration now.
    pub(crate) fn load(&self) -> Result<Settings, CommandError> {
        let mut flags = Config::default();
        if let Some(address) = self.args.address {
            flags.dev.address = Some(Sourced::from_flag("--address", address.to_string()));
        }
        let user_config = self.args.global.user_config.as_deref();
        let sources = Sources { user_config, environment: &self.environment, flags };
        // A configuration file may have come or gone.
        let project = Project::open(self.project.root()).map_err(command_error::discover)?;
        let loaded = washlib_config::load(&project, sources).map_err(command_error::config)?;
        for warning in &loaded.warnings {
            self.ui.warn(&warning.to_string());
        }
        for file in &loaded.files {
            self.ui.detail(&format!("configuration: {}", file.path().display()));
        }
        let settings = Settings::new(&project, &loaded.config, &self.environment);
        let mut settings = settings.map_err(command_error::settings)?;
        for warning in &settings.warnings {
            self.ui.warn(&warning.to_string());
        }
        if let Some(port) = self.args.port {
            let address = SocketAddr::new(settings.host.address.value().ip(), port);
            settings.host.address = Sourced::from_flag("--port", address);
        }
        if self.ui.colors_stderr() {
            settings.build.environment = colored(settings.build.environment);
        }
        Ok(settings)
    }
}

/// What tells compilers to colour their messages although they are not printed to a terminal directly. What the
/// configuration says comes first.
fn colored(environment: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let colors = [("CARGO_TERM_COLOR", "always"), ("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1")];
    let mut all: BTreeMap<_, _> = colors.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    all.extend(environment);
    all
}
