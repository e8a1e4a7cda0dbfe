//! Every error that a library gives `wash build`, with the hint that helps and the exit code.

use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_config::{ConfigError, DiscoverError};

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
