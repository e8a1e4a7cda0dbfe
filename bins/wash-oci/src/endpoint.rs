//! What the words of a command line name: artifacts in registries and in image layouts.

use std::path::PathBuf;

use thiserror::Error;
use washlib_cli::CommandError;
use washlib_registry::{Endpoint, ImageLayout, Reference, Repository};

use crate::command_error;

/// What a copy is made from or to.
#[derive(Clone, Debug)]
pub(crate) enum Named {
    Registry(Reference),
    Layout { folder: PathBuf, name: Option<String> },
}

/// A word that names a layout without its folder.
#[derive(Debug, Error)]
#[error("`{0}` names no folder")]
pub(crate) struct NoFolder(String);

impl Named {
    /// `layout:DIR[:NAME]`, as skopeo's `oci:DIR[:NAME]`, or a reference.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        let layout =
            text.strip_prefix("layout:").or_else(|| text.strip_prefix("oci:").filter(|rest| !rest.starts_with("//")));
        let Some(rest) = layout else { return reference(text).map(Self::Registry) };
        // A digest has a colon of its own.
        let (folder, name) =
            match rest.find(":sha256:").or_else(|| rest.rfind(':').filter(|at| !rest[*at..].contains('/'))) {
                Some(at) => (&rest[..at], Some(rest[at + 1..].to_owned())),
                None => (rest, None),
            };
        if folder.is_empty() {
            return Err(CommandError::usage(NoFolder(text.to_owned())).hint("write `layout:DIR` or `layout:DIR:TAG`"));
        }
        Ok(Self::Layout { folder: folder.into(), name: name.filter(|name| !name.is_empty()) })
    }

    pub(crate) fn registry(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => Some(reference.repository().registry()),
            Self::Layout { .. } => None,
        }
    }

    /// The tag or name, if one is written.
    pub(crate) fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag(),
            Self::Layout { name, .. } => name.as_deref(),
        }
    }

    /// To copy from.
    pub(crate) fn source(&self) -> Result<(Endpoint, Option<String>), CommandError> {
        match self {
            Self::Registry(reference) => {
                Ok((Endpoint::Registry(reference.repository().clone()), Some(reference.identifier())))
            }
            Self::Layout { folder, name } => {
                Ok((Endpoint::Layout(ImageLayout::open(folder).map_err(command_error::layout)?), name.clone()))
            }
        }
    }

    /// To copy to.
    pub(crate) fn target(&self) -> Result<Endpoint, CommandError> {
        match self {
            Self::Registry(reference) => Ok(Endpoint::Registry(reference.repository().clone())),
            Self::Layout { folder, .. } => {
                Ok(Endpoint::Layout(ImageLayout::create(folder).map_err(command_error::layout)?))
            }
        }
    }
}

/// A reference of the command line.
pub(crate) fn reference(text: &str) -> Result<Reference, CommandError> {
    text.parse().map_err(|err| command_error::reference(err, text))
}

/// A repository of the command line.
pub(crate) fn repository(text: &str) -> Result<Repository, CommandError> {
    text.parse().map_err(|err| command_error::reference(err, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_and_references_are_told_apart() {
        let layout = |text: &str| match Named::parse(text) {
            Ok(Named::Layout { folder, name }) => Some((folder.display().to_string(), name)),
            _ => None,
        };
        assert_eq!(layout("layout:dir"), Some(("dir".into(), None)));
        assert_eq!(layout("layout:/a/b:1.0"), Some(("/a/b".into(), Some("1.0".into()))));
        assert_eq!(layout("oci:a:b"), Some(("a".into(), Some("b".into()))));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(layout(&format!("layout:a:{digest}")), Some(("a".into(), Some(digest))));
        assert_eq!(layout("oci://ghcr.io/a/b"), None);
        assert!(Named::parse("layout:").is_err() && Named::parse("oci://ghcr.io/a/b").is_ok());
    }
}
