//! Whether bytes are a valid WebAssembly binary, by wasmparser's judgement.
//!
//! Accepts every proposal that wasmparser knows: which of them a host runs is the host's to say.

use wasmparser::{Validator, WasmFeatures};

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
}

/// Validates a whole binary: a component with everything nested in it, or a core module.
///
/// # Errors
///
/// The first rule that is broken, and where.
pub fn validate(bytes: &[u8]) -> Result<(), InvalidError> {
    match Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) {
        Ok(_) => Ok(()),
        Err(err) => {
            let offset = err.offset();
            // wasmparser has no public kind for this; the text is checked by a test below.
            if err.message().contains("unexpected end") {
                Err(InvalidError::Truncated { offset: bytes.len() })
            } else {
                Err(InvalidError::Malformed { offset, reason: err.message().to_owned() })
            }
        }
    }
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
            }
        }
        assert!(truncated > component.len() / 2, "{truncated} of {}", component.len());
    }
}
