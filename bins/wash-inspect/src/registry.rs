//! A file from an OCI registry, verified as the configuration demands and kept in the cache that all tools share.
//!
//! A client, a thread and a runtime are made here alone: what looks at a local file starts none.

use std::cell::OnceCell;
use std::env;

use washlib_cli::{CommandError, RegistryArgs, Ui};
use washlib_registry::configuration::Flags;
use washlib_registry::{
    Cancellation, Client, Expect, LayerChoice, LayerError, PullError, PullOptions, Reference, Secret, Settings,
    Unwatched, configuration, pull_component_blocking,
};

use crate::command_error;
use crate::source::{self, Place};

/// The media type of a provider archive of wasmCloud 1.x.
const PROVIDER_LAYER: &str = "application/vnd.wasmcloud.provider.archive.layer.v1+par";

/// What the command line says about registries.
pub(crate) struct RegistryFlags {
    flags: Flags,
    /// The one that a password is for: the first that is asked.
    login: OnceCell<String>,
}

impl RegistryFlags {
    /// Reads the password, if there is a user.
    pub(crate) fn read(args: &RegistryArgs, ui: &Ui) -> Result<Self, CommandError> {
        let login = args.login(ui)?.map(|(user, password)| (user, Secret::new(password)));
        let flags = Flags { plain_http: args.insecure, certificate_authorities: args.ca_path.clone(), login };
        Ok(Self { flags, login: OnceCell::new() })
    }

    fn of(&self, registry: &str) -> Flags {
        let is_first = self.login.get_or_init(|| registry.to_owned()) == registry;
        Flags { login: self.flags.login.clone().filter(|_| is_first), ..self.flags.clone() }
    }
}

/// Pulls what a reference means, or takes it from the cache.
pub(crate) fn pull(reference: &str, place: &Place<'_>, ui: &Ui) -> Result<Vec<u8>, CommandError> {
    let reference: Reference = reference.parse().map_err(CommandError::usage)?;
    let mut settings = settings(place, ui)?;
    place.registries.of(reference.repository().registry()).apply(&mut settings, &[reference.repository().registry()]);
    let client = Client::new(settings).map_err(CommandError::failure)?;
    let cancellation = Cancellation::default();
    let cancel = cancellation.clone();
    washlib_cli::on_interrupt(move |_| cancel.cancel()).map_err(CommandError::failure)?;
    ui.status("Pulling", &reference.to_string());
    let pull = |options: &PullOptions| pull_component_blocking(&client, &reference, options, &Unwatched, &cancellation);
    let pulled = match pull(&PullOptions::default()) {
        Err(PullError::Layer { source: LayerError::Provider, .. }) => pull(&provider()),
        other => other,
    };
    let pulled = pulled.map_err(command_error::pull)?.ok_or_else(CommandError::interrupted)?;
    pulled.read().map_err(|err| command_error::cached(&reference, err))
}

/// A provider's archive is no component, and is taken as it is.
fn provider() -> PullOptions {
    PullOptions {
        layer: LayerChoice::Named(PROVIDER_LAYER.to_owned()),
        expect: Expect::Anything,
        ..PullOptions::default()
    }
}

/// The settings of the project around the start folder, or of the user alone.
fn settings(place: &Place<'_>, ui: &Ui) -> Result<Settings, CommandError> {
    let project = source::surroundings(place)?;
    let config = source::configuration(&project, place, ui)?;
    let environment = env::vars_os().collect();
    let place = configuration::Place { root: project.root(), environment: &environment };
    configuration::settings(&config.oci, place).map_err(CommandError::usage)
}
