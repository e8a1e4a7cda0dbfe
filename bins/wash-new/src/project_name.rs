//! Which names a project's folder can have.
//!
//! Stricter than the file system: a name must survive shells, tools and other systems.

use thiserror::Error;

/// The longest name, in bytes: what every file system can hold, with room for the suffixes of tools.
const MAX_BYTES: usize = 100;

/// Why a name cannot be a project's.
#[derive(Debug, Eq, Error, PartialEq)]
pub(crate) enum ProjectNameError {
    /// It has no characters.
    #[error("the name of a project cannot be empty")]
    Empty,
    /// It has too many.
    #[error("the name of a project can have at most {MAX_BYTES} bytes")]
    TooLong,
    /// It is a path.
    #[error("`{0}` cannot be the name of a project: it contains a path separator")]
    Separator(String),
    /// It is special to the file system or hidden, or an option to tools.
    #[error("`{0}` cannot be the name of a project: it begins with `{1}`")]
    Beginning(String, char),
    /// It contains what cannot be seen.
    #[error("the name of a project cannot contain control characters")]
    Control,
}

/// Checks `name` as the name of a project and its folder.
pub(crate) fn check(name: &str) -> Result<(), ProjectNameError> {
    if name.is_empty() {
        return Err(ProjectNameError::Empty);
    }
    if name.chars().any(char::is_control) {
        return Err(ProjectNameError::Control);
    }
    if name.len() > MAX_BYTES {
        return Err(ProjectNameError::TooLong);
    }
    if name.contains(['/', '\\']) {
        return Err(ProjectNameError::Separator(name.to_owned()));
    }
    match name.chars().next() {
        Some(first @ ('-' | '.')) => Err(ProjectNameError::Beginning(name.to_owned(), first)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["hello", "hello-world", "Hello World", "übung", "a.b", &"a".repeat(100)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_are_more_than_a_name_are_refused() {
        let long = "a".repeat(101);
        for name in ["", ".", "..", "../x", "/etc", "a/b", "a\\b", "-rf", ".hidden", "a\nb", "a\0", "\u{1b}[31m", &long]
        {
            assert!(check(name).is_err(), "{name:?}");
        }
    }
}
