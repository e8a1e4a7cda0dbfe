//! Every error that `wash oci serve` meets, with the hint that helps and the exit code.

use std::io;

use washlib_cli::CommandError;
use washlib_registry_server::{BindError, OpenError};

use super::credentials::CredentialsError;

/// Why nobody could be let in.
pub(super) fn credentials(err: CredentialsError) -> CommandError {
    let hint = match &err {
        CredentialsError::ReadableByOthers { path } => Some(format!("`chmod 600 {}` keeps others out", path.display())),
        CredentialsError::Form { .. } => Some("as in `alice:a-long-password`".to_owned()),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

/// Nobody knows where the user's data are.
pub(super) fn no_data_folder() -> CommandError {
    CommandError::usage("neither XDG_DATA_HOME nor HOME says where the registry is kept")
        .hint("name a folder, as in `wash oci serve ./registry`")
}

/// Why a folder cannot hold a registry.
pub(super) fn open(err: OpenError) -> CommandError {
    let hint = match &err {
        OpenError::IsLayout { path } => path.parent().map(|parent| {
            format!("`wash oci serve {}` serves it as a repository of its folder's name", parent.display())
        }),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

/// Why the registry cannot listen.
pub(super) fn bind(err: BindError) -> CommandError {
    match &err {
        BindError::NotLoopback(_) => CommandError::usage(err)
            .hint("`--allow-remote` with `--auth-file` lets others in; 127.0.0.1 is for this machine alone"),
        BindError::NoCredentials(_) => CommandError::usage(err)
            .hint("`--auth-file users.txt` names who is let in, a line `user:password` for each"),
        BindError::Tls(_) => CommandError::usage(err),
        BindError::Listen { source, .. } => {
            let hint = match source.kind() {
                io::ErrorKind::AddrInUse => {
                    Some("another program listens there: stop it, or take any free port with `--addr 127.0.0.1:0`")
                }
                io::ErrorKind::AddrNotAvailable => Some("this machine has no such address; 127.0.0.1 always exists"),
                io::ErrorKind::PermissionDenied => Some("ports below 1024 are reserved; choose a higher one"),
                _ => None,
            };
            CommandError::failure(err).hint_if_some(hint)
        }
        _ => CommandError::failure(err),
    }
}
