//! The options of commands that speak to registries, and where a password comes from.

use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::Args;

use crate::{CommandError, Ui};

/// Bytes of a password on stdin.
const LONGEST_PASSWORD: u64 = 1 << 20;

/// Options of every command that speaks to registries.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Registry options")]
pub struct RegistryArgs {
    /// Speak plain HTTP to the registries that the command names
    #[arg(long, global = true)]
    pub insecure: bool,

    /// The user to log in as
    #[arg(short, long, global = true, value_name = "USER")]
    pub user: Option<String>,

    /// The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`
    #[arg(short, long, global = true, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub password: Option<String>,

    /// Read the password from stdin
    #[arg(long, global = true)]
    pub password_stdin: bool,

    /// Trust the authorities whose certificates, in PEM, are in this file too; can be given several times
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_path: Vec<PathBuf>,
}

impl RegistryArgs {
    /// The user of the options with a password. What others can see is warned of.
    ///
    /// # Errors
    ///
    /// Where one is there without the other, or the password cannot be read.
    pub fn login(&self, ui: &Ui) -> Result<Option<(String, String)>, CommandError> {
        let Some(user) = &self.user else {
            return if self.password.is_some() || self.password_stdin {
                Err(CommandError::usage("there is a password, but no user").hint("add `--user <USER>`"))
            } else {
                Ok(None)
            };
        };
        Ok(Some((user.clone(), self.password(ui)?)))
    }

    /// The password of the options, stdin, the environment or a person.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub fn password(&self, ui: &Ui) -> Result<String, CommandError> {
        if let Some(password) = &self.password {
            ui.warn("others on this machine can see `--password`; `--password-stdin` keeps it to yourself");
            return Ok(password.clone());
        }
        if self.password_stdin {
            let mut text = String::new();
            io::stdin()
                .take(LONGEST_PASSWORD)
                .read_to_string(&mut text)
                .map_err(|err| CommandError::failure(format!("cannot read the password from stdin: {err}")))?;
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        if let Ok(password) = std::env::var("WASH_REG_PASSWORD") {
            return Ok(password);
        }
        ui.ask_secret("Password", None)?.ok_or_else(|| {
            CommandError::usage("there is a user, but no password")
                .hint("pipe it in with `--password-stdin`, or set `WASH_REG_PASSWORD`")
        })
    }
}
