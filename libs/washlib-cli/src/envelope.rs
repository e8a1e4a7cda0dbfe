//! The JSON document that one-shot commands print with `-o json`, in the shape that scripts written for the public
//! wash already parse. Fields are only ever added.

use serde::Serialize;

/// What a command did, for a program to read.
#[derive(Debug, Serialize)]
pub struct Envelope<T> {
    /// One line for people: the same text that the command prints without `-o json`.
    pub message: String,
    /// Whether the command did what it was asked to do; agrees with the exit code.
    pub success: bool,
    /// What the command returns; `null` when it failed.
    pub data: Option<T>,
    /// What led to a failure, outermost first; absent on success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Commands that would help; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl<T: Serialize> Envelope<T> {
    /// The envelope of a command that succeeded.
    pub fn success(message: impl Into<String>, data: T) -> Self {
        Self { message: message.into(), success: true, data: Some(data), causes: Vec::new(), hints: Vec::new() }
    }

    /// The envelope of a command that ran, and whose answer is no.
    pub fn no(message: impl Into<String>, data: T) -> Self {
        Self { success: false, ..Self::success(message, data) }
    }
}
