//! `wash oci login` and `logout`.

use std::path::PathBuf;

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::credentials::{self, CredentialSources, ExplicitCredential, Stored};
use washlib_registry::{Cancellation, Client, Repository, Secret, configuration, run_blocking};

use crate::cli::{Login, Logout};
use crate::command_error;
use crate::session::{self, Session};

#[derive(Debug, Serialize)]
struct LoginData {
    registry: String,
    user: String,
    /// The helper that keeps the credentials.
    helper: Option<String>,
    /// Or the file.
    file: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct LogoutData {
    registry: String,
    /// Whether there were any credentials.
    known: bool,
}

/// The body of `login`.
pub(crate) fn login(args: &Login, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let registry = registry(&args.name)?;
    let file = login_file()?;
    let environment = session::environment();
    let from_environment = environment.get("WASH_REG_USER").and_then(|user| user.to_str()).map(str::to_owned);
    let user = match args.registry.user.clone().or(from_environment) {
        Some(user) => user,
        None => ui.ask("User").map_err(CommandError::from)?.ok_or_else(command_error::no_user)?,
    };
    let password = Secret::new(args.registry.password(ui)?);
    let mut settings = session::settings(global, ui)?;
    session::without_login(&args.registry).apply(&mut settings, &[registry.registry()]);
    // What is checked is what was given, and nothing that is known already.
    settings.credentials = CredentialSources {
        explicit: Some(ExplicitCredential {
            registry: Some(registry.registry().to_owned()),
            user: user.clone(),
            password: password.clone(),
            origin: "the command line".to_owned(),
        }),
        ..CredentialSources::default()
    };
    let session = Session::with(settings, ui)?;
    let path = environment.get("PATH");
    let stored = session.run(async {
        session.client.check_access(&registry, &session.progress).await.map_err(command_error::login)?;
        let timeout = CredentialSources::DEFAULT_HELPER_TIMEOUT;
        let stored = credentials::store(&file, &registry, &user, &password, path, timeout).await;
        stored.map_err(command_error::store)
    })?;
    let name = registry.registry().to_owned();
    let (helper, file) = match stored {
        Stored::Helper(helper) => {
            ui.status("Logged in", &format!("to {name} as {user}; docker-credential-{helper} keeps the password"));
            (Some(helper), None)
        }
        Stored::File(file) => {
            ui.status("Logged in", &format!("to {name} as {user}"));
            ui.warn(&format!("the password stands in {}, readable by you alone, but not encrypted", file.display()));
            (None, Some(file))
        }
    };
    ui.result("", "Login succeeded", LoginData { registry: name, user, helper, file })
}

/// The body of `logout`.
pub(crate) fn logout(args: &Logout, ui: &Ui) -> Result<(), CommandError> {
    let registry = registry(&args.name)?;
    let file = login_file()?;
    let environment = session::environment();
    let path = environment.get("PATH");
    let erased = run_blocking(
        credentials::erase(&file, &registry, path, CredentialSources::DEFAULT_HELPER_TIMEOUT),
        &Cancellation::default(),
    );
    let known = erased.map_err(CommandError::failure)?.unwrap_or(Ok(false)).map_err(command_error::store)?;
    let name = registry.registry().to_owned();
    if known {
        ui.status("Logged out", &format!("of {name}"));
    } else {
        ui.warn(&format!("no credentials for {name} were known"));
    }
    ui.result("", "Logout succeeded", LogoutData { registry: name, known })
}

fn registry(name: &str) -> Result<Repository, CommandError> {
    // People paste addresses.
    let host = name.split_once("://").map_or(name, |(_, rest)| rest).trim_end_matches('/');
    Client::registry(host).map_err(|err| command_error::reference(err, name))
}

fn login_file() -> Result<PathBuf, CommandError> {
    configuration::login_file(&session::environment()).ok_or_else(command_error::no_home)
}
