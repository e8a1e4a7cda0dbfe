//! The arguments that every tool accepts, as one reusable clap fragment.
//!
//! Only parses: what a value does to the terminal or the logs is decided in [`crate::Ui`] and the runner.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::CommandError;

/// Options that `wash` accepts before the command and every tool accepts anywhere.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Run as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,

    /// How to print the result
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub output: OutputFormat,

    /// The least important messages to show on stderr (`RUST_LOG` overrides it for log records)
    #[arg(short, long, value_name = "LEVEL", value_enum, default_value_t, global = true)]
    pub log_level: LogLevel,

    /// Show what happens in more detail: the same as `--log-level debug`
    #[arg(long, global = true)]
    pub verbose: bool,

    /// Never ask: every question is answered with its safe default (the default when stdin is not a terminal)
    #[arg(long, global = true)]
    pub non_interactive: bool,

    /// The user configuration to read instead of the one in the configuration folder
    #[arg(long, value_name = "FILE", global = true)]
    pub user_config: Option<PathBuf>,

    /// When to colour the output
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    pub color: ColorChoice,
}

impl GlobalArgs {
    /// The folder to start from: `-C` or the current one, absolute.
    ///
    /// # Errors
    ///
    /// When the folder cannot be found or is not a folder; the error names it.
    pub fn start_dir(&self) -> io::Result<PathBuf> {
        let directory = self.directory.as_deref().unwrap_or(Path::new("."));
        let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", directory.display()));
        let absolute = directory.canonicalize().map_err(named)?;
        if absolute.is_dir() {
            Ok(absolute)
        } else {
            Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{}: not a folder", directory.display())))
        }
    }
}

/// What is removed when a cache is pruned.
#[derive(Args, Clone, Debug)]
pub struct PruneArgs {
    /// Remove what was not used for so long, such as `30days`
    #[arg(long, value_name = "DURATION", default_value = "30days")]
    pub unused_for: String,

    /// Then remove what was used longest ago, until so many mebibytes are left
    #[arg(long, value_name = "MEBIBYTES")]
    pub max_size: Option<u64>,
}

impl PruneArgs {
    /// How long something may stay unused.
    ///
    /// # Errors
    ///
    /// A usage error where the text is no duration.
    pub fn unused_for(&self) -> Result<Duration, CommandError> {
        humantime::parse_duration(&self.unused_for).map_err(|err| {
            CommandError::usage(format!("`{}` is no duration: {err}", self.unused_for.escape_debug()))
                .hint("one is written like `30days`")
        })
    }

    /// How many bytes may stay.
    pub fn max_bytes(&self) -> Option<u64> {
        self.max_size.map(|mebibytes| mebibytes.saturating_mul(1 << 20))
    }
}

/// The shape of a result on stdout.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people
    #[default]
    // The public wash accepts this undocumented spelling.
    #[value(alias = "plain")]
    Text,
    /// One JSON document, or JSON Lines from a command that keeps running
    Json,
}

/// The importance of a message.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum LogLevel {
    /// Errors alone
    #[value(alias = "ERROR")]
    Error,
    /// Warnings too
    #[value(aliases = ["WARN", "warning"])]
    Warn,
    /// What is being done
    #[default]
    #[value(alias = "INFO")]
    Info,
    /// How it is being done
    #[value(alias = "DEBUG")]
    Debug,
    /// Everything
    #[value(alias = "TRACE")]
    Trace,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
