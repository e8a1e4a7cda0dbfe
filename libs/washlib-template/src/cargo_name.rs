//! Whether a project's name can be the name of a cargo package, and a similar name that can.
//!
//! Follows cargo's rules for `cargo new`, restricted to ASCII; touches no files.

use thiserror::Error;

/// Names that the Rust compiler or cargo keeps for itself, in snake spelling.
const RESERVED: [&str; 60] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "build",
    "deps",
    "incremental",
];

/// Why a name cannot be a cargo package's.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CargoNameError {
    /// A character that cargo does not accept, or not at this place.
    #[error(
        "`{name}` cannot be the name of a Rust package: only letters, digits, `-` and `_`, beginning with a letter"
    )]
    Character {
        /// The name asked for.
        name: String,
        /// A name like it that works.
        suggestion: String,
    },
    /// A word of the language or a crate of the compiler's.
    #[error("`{name}` cannot be the name of a Rust package: Rust keeps that name for itself")]
    Reserved {
        /// The name asked for.
        name: String,
        /// A name like it that works.
        suggestion: String,
    },
    /// A package that the template depends on.
    #[error("`{name}` cannot be the name of this package: a crate that the template depends on is called that")]
    Dependency {
        /// The name asked for.
        name: String,
        /// A name like it that works.
        suggestion: String,
    },
}

impl CargoNameError {
    /// A name that works instead.
    pub fn suggestion(&self) -> &str {
        match self {
            Self::Character { suggestion, .. }
            | Self::Reserved { suggestion, .. }
            | Self::Dependency { suggestion, .. } => suggestion,
        }
    }
}

/// Checks `name` as the name of a package whose lock file is `lock`.
pub(crate) fn check(name: &str, lock: &str) -> Result<(), CargoNameError> {
    let owned = || name.to_owned();
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(accepted) {
        return Err(CargoNameError::Character { name: owned(), suggestion: suggest(name) });
    }
    if RESERVED.contains(&name.replace('-', "_").as_str()) {
        return Err(CargoNameError::Reserved { name: owned(), suggestion: suggest(name) });
    }
    let snake = name.replace('-', "_");
    let mut locked = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    if locked.any(|package| package.replace('-', "_") == snake) {
        return Err(CargoNameError::Dependency { name: owned(), suggestion: format!("{name}-app") });
    }
    Ok(())
}

fn suggest(name: &str) -> String {
    let replaced: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let mut words: Vec<&str> = replaced.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        words.push("app");
    }
    let joined = words.join("-");
    if !joined.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return format!("app-{joined}");
    }
    if RESERVED.contains(&joined.replace('-', "_").as_str()) { format!("{joined}-app") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["hello", "hello-world", "hello_world", "h2", "Hello"] {
            assert_eq!(check(name, ""), Ok(()), "{name}");
        }
    }

    #[test]
    fn others_are_refused_with_a_name_that_works() {
        for (name, suggestion) in [
            ("2fast", "app-2fast"),
            ("my app", "my-app"),
            ("grüße", "gr-e"),
            ("self", "self-app"),
            ("proc-macro", "proc-macro-app"),
            ("a.b", "a-b"),
            ("über", "ber"),
            ("!", "app"),
        ] {
            let err = check(name, "").unwrap_err();
            assert_eq!(err.suggestion(), suggestion, "{name}");
            assert_eq!(check(suggestion, ""), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_dependency_of_the_template_is_refused() {
        let lock = "[[package]]\nname = \"wstd-macro\"\nversion = \"0.6.8\"\n";
        assert_eq!(check("wstd_macro", lock).unwrap_err().suggestion(), "wstd_macro-app");
    }
}
