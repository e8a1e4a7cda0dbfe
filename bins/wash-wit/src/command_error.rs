//! Every error that a library gives `wash wit`, with the hint that helps and the exit code.

use std::io;

use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};
use washlib_registry::wit::WitConfigurationError;
use washlib_wit::{BuildError, EditError, NameError, ProjectError, SourceError, SyncError};

pub(crate) fn discover(err: DiscoverError) -> CommandError {
    match err {
        DiscoverError::NotFound { .. } => CommandError::usage(err)
            .hint("`wash new http-hello-world` creates a project; `wash -C <dir> wit` works on one elsewhere"),
        other => CommandError::failure(other),
    }
}

pub(crate) fn config(err: ConfigError) -> CommandError {
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn configuration(err: WitConfigurationError) -> CommandError {
    let hint = match &err {
        WitConfigurationError::Variable { variable, .. } => Some(format!("set it: `export {variable}=…`")),
        WitConfigurationError::SourceKey { .. } => {
            Some("a key is `namespace`, `namespace:package` or `namespace:package@version`".to_owned())
        }
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn guard(err: io::Error) -> CommandError {
    if err.kind() == io::ErrorKind::Interrupted { CommandError::interrupted() } else { CommandError::failure(err) }
}

pub(crate) fn name(err: NameError) -> CommandError {
    CommandError::usage(err).hint("a package is written `namespace:package[/interface][@version]`")
}

pub(crate) fn version(given: &str, err: semver::Error) -> CommandError {
    CommandError::usage(format!("`{given}` is no version: {err}")).hint("a version has three numbers, such as 0.2.0")
}

pub(crate) fn project(err: ProjectError) -> CommandError {
    let hint = err.hint();
    let error = if err.is_usage() { CommandError::usage(err) } else { CommandError::failure(err) };
    error.hint_if_some(hint)
}

pub(crate) fn edit(err: EditError) -> CommandError {
    let hint = match &err {
        EditError::NoWorld { .. } => Some("write a world first: `world <name> {}`".to_owned()),
        EditError::NoSuchWorld { worlds, .. } if !worlds.is_empty() => {
            Some(format!("these exist: {}", worlds.join(", ")))
        }
        EditError::AmbiguousWorld { .. } => Some("choose one with `--world <NAME>`".to_owned()),
        EditError::NotFound { known, .. } if !known.is_empty() => Some(format!("they depend on {}", known.join(", "))),
        EditError::StillUsed { .. } => Some("remove what uses it first".to_owned()),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn sync(err: SyncError) -> CommandError {
    if err.is_interrupted() {
        return CommandError::interrupted();
    }
    let hint = err.hint();
    let error = if err.is_usage() { CommandError::usage(err) } else { CommandError::failure(err) };
    error.hint_if_some(hint)
}

pub(crate) fn source(err: SourceError) -> CommandError {
    sync(err.into())
}

pub(crate) fn build(err: BuildError) -> CommandError {
    match err {
        err @ (BuildError::Invalid { .. } | BuildError::Metadata { .. }) => CommandError::usage(err),
        err => CommandError::failure(err),
    }
}
