//! Whether bytes are a valid WebAssembly binary, by wasmparser's judgement.
//!
//! Accepts every proposal that wasmparser knows: which of them a host runs is the host's to say.

use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use crate::{Excess, check_bounds};

/// A WebAssembly binary that breaks its specification.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidError {
    /// It ends too early, as after a download or a write that was cut off.
    #[error("the file is cut off: it ends at byte {offset}, where more should follow")]
    Truncated {
        /// Where the reader ran out of bytes.
        offset: usize,
    },
    /// It breaks a rule.
    #[error("invalid at byte {offset:#x}: {reason}")]
    Malformed {
        /// Where the reader noticed.
        offset: usize,
        /// Which rule is broken, in wasmparser's words.
        reason: String,
    },
    /// It may be valid, but would take more stack, memory or time to find out than a file can be worth.
    #[error("beyond what is accepted, at byte {offset:#x}: {excess}")]
    Excessive {
        /// Where the bound is passed.
        offset: usize,
        /// Which bound.
        excess: Excess,
    },
}

impl InvalidError {
    /// What wasmparser says about a binary of this length.
    pub(crate) fn of(err: &BinaryReaderError, length: usize) -> Self {
        // wasmparser has no public kind for this; the text is checked by a test below.
        if err.message().contains("unexpected end") {
            Self::Truncated { offset: length }
        } else {
            Self::Malformed { offset: err.offset(), reason: err.message().to_owned() }
        }
    }
}

/// Validates a whole binary: a component with everything nested in it, or a core module. Takes no more stack, and not
/// much more memory, than a binary within the bounds of [`check_bounds`] needs.
///
/// # Errors
///
/// The first rule that is broken, and where.
pub fn validate(bytes: &[u8]) -> Result<(), InvalidError> {
    check_bounds(bytes)?;
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
    validated.map(drop).map_err(|err| InvalidError::of(&err, bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_truncation_is_an_error() {
        let component = wat::parse_str(
            "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
             (func (export \"f\") (canon lift (core func $i \"f\"))))",
        )
        .unwrap();
        validate(&component).unwrap();
        let mut truncated = 0;
        for length in 8..component.len() {
            match validate(&component[..length]) {
                Err(InvalidError::Truncated { offset }) => {
                    assert_eq!(offset, length);
                    truncated += 1;
                }
                // A cut between two sections leaves a shorter component, valid or with something missing.
                Ok(()) | Err(InvalidError::Malformed { .. }) => {}
                Err(err @ InvalidError::Excessive { .. }) => panic!("{err}"),
            }
        }
        assert!(truncated > component.len() / 2, "{truncated} of {}", component.len());
    }
}
