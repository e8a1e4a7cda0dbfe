//! Every error that a library gives `wash new`, with the hint that helps and the exit code.

use std::io;

use washlib_cli::CommandError;
use washlib_template::{PlanError, RepositoryError, SourceError, WriteError};

use crate::project_name::ProjectNameError;

const LIST: &str = "`wash new --list` lists the built-in templates";

pub(crate) fn no_source() -> CommandError {
    CommandError::usage("no template was named").hint(LIST).hint("`wash new --help` shows what else can be a template")
}

pub(crate) fn start_dir(err: io::Error) -> CommandError {
    CommandError::usage(err)
}

pub(crate) fn interrupts(err: io::Error) -> CommandError {
    CommandError::failure(err)
}

pub(crate) fn no_default_name() -> CommandError {
    CommandError::usage("the source does not tell how to call the project").hint("add `--name <NAME>`")
}

pub(crate) fn name(err: ProjectNameError) -> CommandError {
    CommandError::usage(err).hint("choose another name with `--name <NAME>`")
}

pub(crate) fn source(err: SourceError) -> CommandError {
    let hint = match &err {
        SourceError::Scheme { .. } => Some("use an https, http, ssh, git or file URL".to_owned()),
        SourceError::LeadingDash { .. } => Some("for a folder, write `./` before its name".to_owned()),
        SourceError::NoReferences { .. } => Some("leave out `--git-ref`".to_owned()),
        SourceError::Unknown { nearest: Some(name), .. } => Some(format!("did you mean `wash new {name}`?")),
        SourceError::Unknown { given, .. } if given.contains('/') => {
            Some("for a repository, give its whole URL: `wash new https://<host>/<path>`".to_owned())
        }
        _ => None,
    };
    let list = matches!(&err, SourceError::Empty | SourceError::Unknown { .. } | SourceError::NoSuchFolder { .. });
    CommandError::usage(err).hint_if_some(hint).hint_if_some(list.then_some(LIST))
}

pub(crate) fn plan(err: PlanError) -> CommandError {
    match err {
        PlanError::Interrupted => CommandError::interrupted(),
        PlanError::BadSubfolder { .. } => {
            CommandError::usage(err).hint("`--subfolder` takes a relative path without `..`")
        }
        PlanError::Name(err) => {
            let hint = format!("`--name {}` would work", err.suggestion());
            CommandError::usage(err).hint(hint)
        }
        PlanError::Repository(err) => repository(err),
        err => CommandError::failure(err),
    }
}

fn repository(err: RepositoryError) -> CommandError {
    let hint = match &err {
        RepositoryError::Interrupted => return CommandError::interrupted(),
        RepositoryError::NoSuchReference { existing, .. } if !existing.is_empty() => {
            Some(format!("these exist: {}", existing.join(", ")))
        }
        RepositoryError::AccessDenied { url } if url.starts_with("http") => {
            Some("check the URL; a private repository can be reached over ssh: `wash new git@<host>:<path>`".to_owned())
        }
        RepositoryError::AccessDenied { .. } => Some("check the URL and your ssh keys".to_owned()),
        RepositoryError::NotFound { .. } => Some("check the URL".to_owned()),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn write(err: WriteError) -> CommandError {
    let hint = match &err {
        WriteError::Interrupted => return CommandError::interrupted(),
        WriteError::AlreadyExists { .. } => Some("choose another name with `--name <NAME>`"),
        WriteError::Parent { .. } => Some("choose another folder with `-C <DIR>`"),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

/// The set-up command could not be started, or said that it failed: `how`.
pub(crate) fn setup_command(how: &str, project: &str, command: &str) -> CommandError {
    CommandError::failure(format!("the template's command {how}: `{command}`"))
        .hint(format!("the project is complete but for that: see `{project}`"))
}
