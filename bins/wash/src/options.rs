//! The options that stand before the command: one table for parsing, help and suggestions.
//!
//! Knows their spelling only; [`crate::invocation`] decides what they lead to.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// What an option leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// Only the tool cares.
    Forward,
    /// The tool cares, and so does the front-end where it answers itself.
    Format,
    /// As [`Effect::Format`].
    Color,
    /// Print help instead of running a command.
    Help,
    /// Print the commands instead of running one.
    List,
    /// Print the version instead of running a command.
    Version,
}

/// One option.
#[derive(Debug)]
pub(crate) struct OptionSpec {
    pub(crate) short: Option<char>,
    pub(crate) long: Option<&'static str>,
    /// How the help calls the value; an option without one is a flag.
    pub(crate) value_name: Option<&'static str>,
    pub(crate) summary: &'static str,
    pub(crate) effect: Effect,
}

/// Options that are passed on to the tool, in the tools' own words.
pub(crate) const GLOBAL: [OptionSpec; 7] = [
    OptionSpec {
        short: Some('C'),
        long: None,
        value_name: Some("DIR"),
        summary: "Run as if started in this folder",
        effect: Effect::Forward,
    },
    OptionSpec {
        short: Some('o'),
        long: Some("output"),
        value_name: Some("FORMAT"),
        summary: "How to print the result: text or json",
        effect: Effect::Format,
    },
    OptionSpec {
        short: Some('l'),
        long: Some("log-level"),
        value_name: Some("LEVEL"),
        summary: "The least important messages to show: error, warn, info, debug or trace",
        effect: Effect::Forward,
    },
    OptionSpec {
        short: None,
        long: Some("verbose"),
        value_name: None,
        summary: "Show what happens in more detail",
        effect: Effect::Forward,
    },
    OptionSpec {
        short: None,
        long: Some("non-interactive"),
        value_name: None,
        summary: "Never ask: every question is answered with its safe default",
        effect: Effect::Forward,
    },
    OptionSpec {
        short: None,
        long: Some("user-config"),
        value_name: Some("FILE"),
        summary: "The user configuration to read",
        effect: Effect::Forward,
    },
    OptionSpec {
        short: None,
        long: Some("color"),
        value_name: Some("WHEN"),
        summary: "When to colour the output: auto, always or never",
        effect: Effect::Color,
    },
];

/// Options that the front-end answers itself.
pub(crate) const OWN: [OptionSpec; 3] = [
    OptionSpec {
        short: None,
        long: Some("list"),
        value_name: None,
        summary: "Show every command found, what it does and where it is",
        effect: Effect::List,
    },
    OptionSpec { short: Some('h'), long: Some("help"), value_name: None, summary: "Print help", effect: Effect::Help },
    OptionSpec {
        short: Some('V'),
        long: Some("version"),
        value_name: None,
        summary: "Print the version",
        effect: Effect::Version,
    },
];

/// An argument recognised as an option.
#[derive(Debug)]
pub(crate) struct Recognised {
    pub(crate) option: &'static OptionSpec,
    /// The value written in the same argument: `-ojson`, `-o=json`, `--output=json`.
    pub(crate) attached: Option<OsString>,
}

/// The option that an argument spells, if it is one of ours.
pub(crate) fn recognise(argument: &OsStr) -> Option<Recognised> {
    let bytes = argument.as_bytes();
    if let Some(long) = bytes.strip_prefix(b"--") {
        let (name, attached) = match long.iter().position(|&byte| byte == b'=') {
            Some(at) => (&long[..at], Some(&long[at + 1..])),
            None => (long, None),
        };
        let option = all().find(|option| option.long.is_some_and(|long| long.as_bytes() == name))?;
        return Some(Recognised { option, attached: attached.map(|value| OsString::from_vec(value.to_vec())) });
    }
    let (&letter, value) = bytes.strip_prefix(b"-")?.split_first()?;
    let option = all().find(|option| option.short == Some(char::from(letter)))?;
    let attached = (!value.is_empty()).then(|| value.strip_prefix(b"=").unwrap_or(value));
    Some(Recognised { option, attached: attached.map(|value| OsString::from_vec(value.to_vec())) })
}

/// Every option, in the order of the help.
pub(crate) fn all() -> impl Iterator<Item = &'static OptionSpec> {
    GLOBAL.iter().chain(&OWN)
}
