//! Every error that a library gives `wash build`, with the hint that helps and the exit code.

use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};
use washlib_registry::wit::{FetchError, WitConfigurationError};

pub(crate) fn discover(err: DiscoverError) -> CommandError {
    match err {
        DiscoverError::NotFound { .. } => CommandError::usage(err)
            .hint("`wash new http-hello-world` creates a project; `wash -C <dir> build` builds one elsewhere"),
        other => CommandError::failure(other),
    }
}

pub(crate) fn config(err: ConfigError) -> CommandError {
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn build(err: BuildError) -> CommandError {
    let hint = err.hint();
    match err {
        BuildError::Cancelled => CommandError::interrupted(),
        err @ (BuildError::NoToolchain { .. } | BuildError::OutsideProject { .. }) => {
            CommandError::usage(err).hint_if_some(hint)
        }
        err => CommandError::failure(err).hint_if_some(hint),
    }
}

pub(crate) fn wit_configuration(err: WitConfigurationError) -> CommandError {
    CommandError::usage(err)
}

/// Whatever keeps dependencies from being fetched keeps the build from starting, so that it cannot use the wrong ones.
pub(crate) fn fetch(err: FetchError) -> CommandError {
    if err.is_interrupted() {
        return CommandError::interrupted();
    }
    let hint = err.hint();
    let error = if err.is_usage() { CommandError::usage(err) } else { CommandError::failure(err) };
    error.hint_if_some(hint).hint("`wash build --skip-fetch` builds with what is in `wit/deps`")
}
