//! Bounds on what is only looked at: how deep it nests, and of how many parts and sections it consists.
//!
//! What goes to a validator or a decoder keeps the bounds of [`crate::check_bounds`] instead.

use crate::MAX_NESTING;

/// How many sections a file may hold, those of all its parts together.
pub(crate) const MAX_SECTIONS: usize = 200_000;
/// How many modules and components a file may hold.
pub(crate) const MAX_OUTLINED_PARTS: usize = 10_000;
/// How often a WIT text, or all of a package together, may say `use`. Each may make a chain of interfaces one longer, and
/// a step of it takes the better part of a kilobyte of stack; all of WASI 0.2 has less than 200.
pub(crate) const MAX_USES: usize = 2_000;

/// A file that goes beyond what is read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// It is nested too deep.
    #[error("nested more than {MAX_NESTING} deep at byte {offset:#x}")]
    TooDeep {
        /// Where the level begins that is too deep.
        offset: usize,
    },
    /// It has too many parts.
    #[error("more than {MAX_OUTLINED_PARTS} modules and components")]
    TooManyParts {
        /// Where the part begins that is one too many.
        offset: usize,
    },
    /// It has too many sections.
    #[error("more than {MAX_SECTIONS} sections")]
    TooManySections {
        /// Where the section begins that is one too many.
        offset: usize,
    },
    /// A WIT text refers to other interfaces too often.
    #[error("`use` stands more than {MAX_USES} times in the WIT")]
    TooManyUses {
        /// Where it stands once too often.
        offset: usize,
    },
}

impl LimitError {
    /// The byte at which reading stopped.
    pub fn offset(&self) -> usize {
        match self {
            Self::TooDeep { offset }
            | Self::TooManyParts { offset }
            | Self::TooManySections { offset }
            | Self::TooManyUses { offset } => *offset,
        }
    }
}
