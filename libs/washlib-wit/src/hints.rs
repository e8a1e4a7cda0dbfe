//! What is likely to help with an error, for every tool that works with WIT packages.

use crate::{LockError, ProjectError, SourceError, SyncError};

impl ProjectError {
    /// Something to do that is likely to help.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoWitDir { .. } => "`--wit-dir <DIR>` or `wit.wit_dir` name another folder",
            Self::Lock(LockError::NewerVersion { .. }) => {
                "use the program that wrote it, or restore the file from version control"
            }
            Self::Lock(LockError::Malformed { .. }) => {
                "restore the file from version control, or remove it: `wash wit fetch` writes a new one"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether what a person wrote is at fault, rather than the machine.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Lock(LockError::Read(_)))
    }
}

impl SyncError {
    /// Something to do that is likely to help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(err) => err.hint(),
            Self::Source(err) => err.hint(),
            Self::Workspace { .. } => {
                Some("run the command in one of its members: `wash -C <member> wit …`".to_owned())
            }
            Self::WrongPackage { asked, found, .. } => {
                // The commonest case: a reference without the version that the package has.
                let version = found.strip_prefix(asked.as_str())?.strip_prefix('@')?;
                Some(format!("write the version in the sources: `{asked}/<interface>@{version}`"))
            }
            Self::LockMismatch { package, .. } => {
                let name = package.split('@').next().unwrap_or(package);
                Some(format!("if the new content is what you want: `wash wit update {name}`"))
            }
            Self::LockWouldChange { .. } => Some("`wash wit fetch` without `--locked` brings it up to date".to_owned()),
            _ => None,
        }
    }

    /// Whether what a person wrote is at fault, rather than the machine or a registry.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Project(err) => err.is_usage(),
            Self::Source(err) => matches!(err, SourceError::NoRegistry { .. } | SourceError::Configuration(_)),
            other => matches!(other, Self::Invalid { .. } | Self::Workspace { .. }),
        }
    }

    /// Whether someone asked to stop.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Source(SourceError::Interrupted))
    }
}

impl SourceError {
    /// Something to do that is likely to help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRegistry { namespace } => Some(format!(
                "name a registry in `wit.registries` of .wash/config.yaml, or a place in `wit.sources`: \
                 `{namespace}: <path or URL>`"
            )),
            Self::Offline { .. } => Some("run `wash wit fetch` once with the network".to_owned()),
            Self::NoSuchPackage { nearest, .. } if !nearest.is_empty() => {
                Some(format!("similar names: {}", nearest.join(", ")))
            }
            Self::NoSuchVersion { available, .. } if !available.is_empty() => {
                let versions: Vec<String> = available.iter().take(8).map(ToString::to_string).collect();
                let more = if available.len() > versions.len() { ", …" } else { "" };
                Some(format!("there is {}{more}", versions.join(", ")))
            }
            Self::Unauthorized { login: Some(origin), .. } => Some(format!("change {origin}: it was refused")),
            Self::Unauthorized { registry, .. } => Some(format!("log in: `wash oci login {registry}`")),
            Self::Unreachable { .. } => {
                Some("`wash wit fetch --offline` uses what is on this machine already".to_owned())
            }
            Self::AlreadyPublished { .. } => Some("raise the version in the `package` line".to_owned()),
            _ => None,
        }
    }
}
