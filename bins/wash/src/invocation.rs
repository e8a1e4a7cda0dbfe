//! Turns the arguments of `wash` into what to do.
//!
//! Pure: looks at no file and no environment, and never into the arguments of a tool.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::options::{self, Effect, OptionSpec};

/// The commands that the front-end answers itself.
pub(crate) const BUILT_IN: [&str; 3] = ["completion", "drain", "help"];

/// What the command line asks for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Invocation {
    /// The global options as written, for the tool.
    pub(crate) forwarded: Vec<OsString>,
    pub(crate) format: Format,
    pub(crate) color: Color,
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Print the front-end's own help.
    Help,
    /// Print the help of `wash completion`.
    HelpOnCompletion,
    /// Print the help of `wash drain`.
    HelpOnDrain,
    /// Run the tool with these words and `--help`.
    HelpOn {
        command: OsString,
        /// Commands of the tool itself, as in `wash help oci push`.
        words: Vec<OsString>,
    },
    /// Print a completion script.
    Completion {
        shell: OsString,
    },
    /// Clean a cache, or all.
    Drain {
        cache: OsString,
    },
    List,
    Version,
    Run {
        command: OsString,
        arguments: Vec<OsString>,
    },
}

/// The shape of what the front-end itself prints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// When the front-end colours its errors.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// A command line that says nothing sensible.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum UsageError {
    UnknownOption(OsString),
    MissingValue { written: OsString, value_name: &'static str },
    UnexpectedValue { written: OsString },
    InvalidValue { option: &'static str, value: OsString, possible: &'static [&'static str] },
    UnexpectedArgument(OsString),
    MissingShell,
    MissingCache,
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
///
/// When an option before the command is unknown or lacks its value, or a built-in command gets arguments it has no use
/// for. Values of global options are checked only where the front-end itself needs them: they are the tool's business.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut arguments = arguments.into_iter();
    let mut globals = Globals::default();
    let mut wish = None;
    let mut words: Vec<OsString> = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument.as_bytes().starts_with(b"-") {
            globals.option(argument, &mut arguments, &mut wish)?;
        } else if wish.is_none() && words.is_empty() && !BUILT_IN.iter().any(|name| argument == *name) {
            // From here on everything belongs to the tool, options included.
            let action = Action::Run { command: argument, arguments: arguments.collect() };
            return Ok(globals.lenient(action));
        } else {
            words.push(argument);
        }
    }
    match action(wish, words)? {
        action @ Action::HelpOn { .. } => Ok(globals.lenient(action)),
        action => globals.strict(action),
    }
}

/// Chooses the action when no tool is run directly; `words` begins with a built-in command unless there is a wish.
fn action(wish: Option<Effect>, words: Vec<OsString>) -> Result<Action, UsageError> {
    let mut words = words.into_iter();
    match wish {
        Some(Effect::List) => nothing_more(words).map(|()| Action::List),
        Some(Effect::Version) => nothing_more(words).map(|()| Action::Version),
        Some(_) => help_on(words),
        None => match words.next() {
            Some(word) if word == "completion" => {
                let shell = words.next().ok_or(UsageError::MissingShell)?;
                nothing_more(words).map(|()| Action::Completion { shell })
            }
            Some(word) if word == "drain" => {
                let cache = words.next().ok_or(UsageError::MissingCache)?;
                nothing_more(words).map(|()| Action::Drain { cache })
            }
            _ => help_on(words),
        },
    }
}

fn help_on(words: impl Iterator<Item = OsString>) -> Result<Action, UsageError> {
    let mut words = words.skip_while(|word| word == "help");
    Ok(match words.next() {
        None => Action::Help,
        Some(command) if command == "completion" => Action::HelpOnCompletion,
        Some(command) if command == "drain" => Action::HelpOnDrain,
        Some(command) => Action::HelpOn { command, words: words.collect() },
    })
}

fn nothing_more(mut words: impl Iterator<Item = OsString>) -> Result<(), UsageError> {
    words.next().map_or(Ok(()), |word| Err(UsageError::UnexpectedArgument(word)))
}

/// The global options met so far.
#[derive(Default)]
struct Globals {
    forwarded: Vec<OsString>,
    format: Option<OsString>,
    color: Option<OsString>,
}

impl Globals {
    /// Takes in one option, and its value where that is the next argument.
    fn option(
        &mut self,
        written: OsString,
        following: &mut impl Iterator<Item = OsString>,
        wish: &mut Option<Effect>,
    ) -> Result<(), UsageError> {
        let Some(options::Recognised { option, attached }) = options::recognise(&written) else {
            return Err(UsageError::UnknownOption(written));
        };
        let Some(value_name) = option.value_name else {
            return match attached {
                Some(_) => Err(UsageError::UnexpectedValue { written }),
                None => {
                    self.flag(option, written, wish);
                    Ok(())
                }
            };
        };
        let (value, separate) = match attached {
            Some(value) => (Some(value), false),
            // Like the tools: what looks like an option is not taken for a value.
            None => (following.next().filter(|next| next == "-" || !next.as_bytes().starts_with(b"-")), true),
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(UsageError::MissingValue { written, value_name });
        };
        self.forwarded.push(written);
        if separate {
            self.forwarded.push(value.clone());
        }
        match option.effect {
            Effect::Format => self.format = Some(value),
            Effect::Color => self.color = Some(value),
            _ => {}
        }
        Ok(())
    }

    fn flag(&mut self, option: &OptionSpec, written: OsString, wish: &mut Option<Effect>) {
        match option.effect {
            // The first one counts.
            effect @ (Effect::Help | Effect::List | Effect::Version) => _ = wish.get_or_insert(effect),
            _ => self.forwarded.push(written),
        }
    }

    /// For a tool, which judges the values itself.
    fn lenient(self, action: Action) -> Invocation {
        let format = self.format().unwrap_or_default();
        let color = self.color().unwrap_or_default();
        Invocation { forwarded: self.forwarded, format, color, action }
    }

    /// For what the front-end answers itself.
    fn strict(self, action: Action) -> Result<Invocation, UsageError> {
        Ok(Invocation { format: self.format()?, color: self.color()?, forwarded: self.forwarded, action })
    }

    fn format(&self) -> Result<Format, UsageError> {
        match self.format.as_deref().map(OsStr::as_bytes) {
            None => Ok(Format::default()),
            // `plain` is undocumented, but the tools accept it.
            Some(b"text" | b"plain") => Ok(Format::Text),
            Some(b"json") => Ok(Format::Json),
            Some(other) => Err(invalid("--output", other, &["text", "json"])),
        }
    }

    fn color(&self) -> Result<Color, UsageError> {
        match self.color.as_deref().map(OsStr::as_bytes) {
            None => Ok(Color::default()),
            Some(b"auto") => Ok(Color::Auto),
            Some(b"always") => Ok(Color::Always),
            Some(b"never") => Ok(Color::Never),
            Some(other) => Err(invalid("--color", other, &["auto", "always", "never"])),
        }
    }
}

fn invalid(option: &'static str, value: &[u8], possible: &'static [&'static str]) -> UsageError {
    UsageError::InvalidValue { option, value: OsStr::from_bytes(value).to_owned(), possible }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Invocation, UsageError> {
        parse(line.iter().map(OsString::from))
    }

    fn action_of(line: &[&str]) -> Action {
        parsed(line).unwrap().action
    }

    fn strings(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn run(command: &str, arguments: &[&str]) -> Action {
        Action::Run { command: command.into(), arguments: strings(arguments) }
    }

    fn help_on(command: &str, words: &[&str]) -> Action {
        Action::HelpOn { command: command.into(), words: strings(words) }
    }

    #[test]
    fn actions() {
        let table: &[(&[&str], Action)] = &[
            (&[], Action::Help),
            (&["-h"], Action::Help),
            (&["--help"], Action::Help),
            (&["help"], Action::Help),
            (&["help", "help"], Action::Help),
            (&["help", "--help"], Action::Help),
            (&["help", "build"], help_on("build", &[])),
            (&["help", "oci", "push"], help_on("oci", &["push"])),
            (&["--help", "build"], help_on("build", &[])),
            (&["help", "completion"], Action::HelpOnCompletion),
            (&["completion", "-h"], Action::HelpOnCompletion),
            (&["completion", "zsh"], Action::Completion { shell: "zsh".into() }),
            (&["drain", "oci"], Action::Drain { cache: "oci".into() }),
            (&["drain", "--help"], Action::HelpOnDrain),
            (&["--list"], Action::List),
            (&["--version"], Action::Version),
            (&["-V"], Action::Version),
            (&["build"], run("build", &[])),
            (&["build", "--", "-h", "--list", "--bogus", ""], run("build", &["--", "-h", "--list", "--bogus", ""])),
            (&["build", "help"], run("build", &["help"])),
            (&[""], run("", &[])),
        ];
        for (line, expected) in table {
            assert_eq!(&action_of(line), expected, "{line:?}");
        }
    }

    #[test]
    fn global_options_are_forwarded_as_written() {
        let line = ["-C", "a b", "-ojson", "--log-level=debug", "-l", "-", "--verbose", "--color", "never", "-Cx", "x"];
        let invocation = parsed(&line).unwrap();
        assert_eq!(invocation.forwarded, strings(&line[..line.len() - 1]));
        assert_eq!(invocation.action, run("x", &[]));
        assert_eq!((invocation.format, invocation.color), (Format::Json, Color::Never));
    }

    #[test]
    fn the_format_is_read_in_every_spelling_and_the_last_one_counts() {
        let json: [&[&str]; 5] =
            [&["-o", "json"], &["-ojson"], &["-o=json"], &["--output", "json"], &["--output=json"]];
        for spelling in json {
            let line = [&["--list", "-o", "text"], spelling].concat();
            let invocation = parsed(&line).unwrap();
            assert_eq!((invocation.format, invocation.action), (Format::Json, Action::List), "{line:?}");
        }
    }

    #[test]
    fn a_bad_value_is_the_tools_business_unless_the_front_end_needs_it() {
        assert_eq!(parsed(&["-o", "xml", "build"]).unwrap().format, Format::Text);
        assert_eq!(parsed(&["--color", "pink", "help", "build"]).unwrap().color, Color::Auto);
        let err = parsed(&["-o", "xml", "--list"]).unwrap_err();
        assert_eq!(err, invalid("--output", b"xml", &["text", "json"]));
    }

    #[test]
    fn usage_errors() {
        let missing = |written: &str, value_name| UsageError::MissingValue { written: written.into(), value_name };
        let table: &[(&[&str], UsageError)] = &[
            (&["-C"], missing("-C", "DIR")),
            (&["-o", "--list"], missing("-o", "FORMAT")),
            (&["--user-config=", "build"], missing("--user-config=", "FILE")),
            (&["-C", "", "build"], missing("-C", "DIR")),
            (&["--verbose=yes", "build"], UsageError::UnexpectedValue { written: "--verbose=yes".into() }),
            (&["-Vx"], UsageError::UnexpectedValue { written: "-Vx".into() }),
            (&["--bogus", "build"], UsageError::UnknownOption("--bogus".into())),
            (&["-x", "build"], UsageError::UnknownOption("-x".into())),
            (&["-", "build"], UsageError::UnknownOption("-".into())),
            (&["--", "build"], UsageError::UnknownOption("--".into())),
            (&["--list", "build"], UsageError::UnexpectedArgument("build".into())),
            (&["--version", "build"], UsageError::UnexpectedArgument("build".into())),
            (&["completion"], UsageError::MissingShell),
            (&["completion", "zsh", "bash"], UsageError::UnexpectedArgument("bash".into())),
        ];
        for (line, expected) in table {
            assert_eq!(&parsed(line).unwrap_err(), expected, "{line:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        let folder = OsStr::from_bytes(b"--user-config=\xff\xfe").to_owned();
        let argument = OsStr::from_bytes(b"\x80=\xff").to_owned();
        let invocation = parse([folder.clone(), "x".into(), argument.clone()]).unwrap();
        assert_eq!(invocation.forwarded, [folder]);
        assert_eq!(invocation.action, Action::Run { command: "x".into(), arguments: vec![argument] });
    }
}
