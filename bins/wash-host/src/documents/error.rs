//! Why workload documents cannot be used, with the file, the line and the field.
//!
//! Values stand in an error only where they cannot be secrets.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use wash_runtime::oci::client::ReferenceError;

use super::reader::Origin;

/// Why a document cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum DocumentError {
    #[error("cannot read the documents")]
    Read(#[source] io::Error),
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} is not valid UTF-8", path.display())]
    NotUtf8 { path: PathBuf },
    #[error("{origin}:{column}: {reason}")]
    Syntax { origin: Origin, column: u32, reason: String },
    #[error("{origin}: unknown field `{field}`")]
    UnknownField { origin: Origin, field: String, nearest: Option<String>, known: Vec<&'static str> },
    #[error("{origin}: field `{field}` stands twice, first in line {first_line}")]
    DuplicateField { origin: Origin, field: String, first_line: u32 },
    #[error("{origin}: field `{field}` must be {expected}, not {found}")]
    WrongType { origin: Origin, field: String, expected: String, found: String },
    #[error("{origin}: field `{field}` is missing")]
    MissingField { origin: Origin, field: String },
    #[error("{origin}: `{value}` in `{field}` is not {expected}")]
    InvalidValue { origin: Origin, field: String, value: String, expected: String, nearest: Option<String> },
    #[error("{origin}: `{field}` {reason}")]
    Invalid { origin: Origin, field: String, reason: String },
    #[error("{origin}: there is no kind `{kind}` in {api_version}")]
    UnknownKind { origin: Origin, kind: String, api_version: String, nearest: Option<String> },
    #[error("{origin}: {kind} `{name}` stands a second time, first in {first}")]
    Duplicate { origin: Origin, kind: &'static str, name: String, first: Origin },
    #[error("{origin}: there is no {kind} `{name}` among the documents")]
    NotFound { origin: Origin, kind: &'static str, name: String, known: Vec<String> },
    #[error("{origin}: key `{key}` of {kind} `{name}` is not text")]
    NotText { origin: Origin, kind: &'static str, name: String, key: String },
    #[error("{origin}: `{field}` is neither a file nor a reference in a registry")]
    Reference { origin: Origin, field: String, source: ReferenceError },
    #[error("{origin}: cannot read the component in `{field}`")]
    Image { origin: Origin, field: String, source: io::Error },
    #[error("{origin}: `{field}` asks for {}, which no --allow-host-path covers", path.display())]
    HostPath { origin: Origin, field: String, path: PathBuf },
    #[error("{origin}: `{field}` asks for a directory that cannot be used")]
    HostPathUnusable { origin: Origin, field: String, source: io::Error },
    #[error("no document asks for a workload to run")]
    NoWorkload { files: Vec<PathBuf> },
}

impl DocumentError {
    /// What is likely to help.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownField { nearest: Some(nearest), .. }
            | Self::InvalidValue { nearest: Some(nearest), .. }
            | Self::UnknownKind { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownField { known, .. } => format!("known fields here: {}", known.join(", ")),
            Self::UnknownKind { .. } => {
                "a standalone host runs Workload, WorkloadReplicaSet and WorkloadDeployment".to_owned()
            }
            Self::WrongType { expected, .. } if expected == "text" => "put the value in quotes".to_owned(),
            Self::NotFound { known, .. } if !known.is_empty() => format!("there is: {}", known.join(", ")),
            Self::NotFound { kind, name, .. } => {
                format!("add a document of kind {kind} with the name `{name}` to the file")
            }
            Self::Reference { .. } => {
                "write `image: ghcr.io/me/hello:1.0.0`, or `image: file:./component.wasm` for a file".to_owned()
            }
            Self::HostPath { path, .. } => format!("`--allow-host-path {}` allows it", path.display()),
            Self::NoWorkload { .. } => "add a document of kind Workload or WorkloadDeployment".to_owned(),
            _ => return None,
        })
    }
}
