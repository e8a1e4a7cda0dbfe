//! Who is let in, as the command line, a file or the environment say, and how a password leaves the command line.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;
use washlib_cli::Ui;
use washlib_registry_server::Credentials;

use crate::cli::Serve;

const VARIABLE: &str = "WASH_OCI_SERVE_AUTH";

/// A file of users is short.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Why nobody could be let in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CredentialsError {
    /// A file could not be read.
    #[error("cannot read who is let in")]
    Read(#[source] io::Error),
    /// Something is not `user:password`. It is not shown: it may be a password.
    #[error("{origin} is not `user:password`")]
    Form { origin: String },
    /// A file that names nobody.
    #[error("{} names no user", path.display())]
    Nobody { path: PathBuf },
    /// A file of passwords that others can read.
    #[error("{} can be read by others", path.display())]
    ReadableByOthers { path: PathBuf },
}

/// Starts this program again with the password in the environment, which only the user can see, instead of among the
/// arguments, which everybody on the machine can. Where that fails, the program goes on as it is.
pub(crate) fn hide_password(args: &Serve, ui: &Ui) {
    let Some(auth) = &args.auth else { return };
    // What is no password is complained about as what it is: an argument.
    if !is_pair(auth) {
        return;
    }
    let Some((first, rest)) = without_auth(env::args_os()) else { return };
    let Ok(program) = env::current_exe() else { return };
    let err = Command::new(program).arg0(first).args(rest).env(VARIABLE, auth).exec();
    ui.warn(&format!("the password can be seen among the arguments of this process: {err}"));
}

/// The arguments without `--auth` and its value.
fn without_auth(arguments: impl Iterator<Item = OsString>) -> Option<(OsString, Vec<OsString>)> {
    let mut arguments = arguments.peekable();
    let first = arguments.next()?;
    let (mut kept, mut is_removed) = (Vec::new(), false);
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            kept.push(argument);
            kept.extend(arguments);
            break;
        }
        if argument == "--auth" {
            is_removed = arguments.next().is_some();
        } else if argument.as_bytes().starts_with(b"--auth=") {
            is_removed = true;
        } else {
            kept.push(argument);
        }
    }
    // Were it still there, this would go on for ever.
    is_removed.then_some((first, kept))
}

/// Who is let in; `None` where that is not said, which means everybody.
pub(crate) fn read(args: &Serve) -> Result<Option<Credentials>, CredentialsError> {
    if let Some(auth) = &args.auth {
        return add(Credentials::new(), auth, "the value of --auth").map(Some);
    }
    if let Some(path) = &args.auth_file {
        return read_file(path).map(Some);
    }
    match env::var_os(VARIABLE) {
        Some(auth) if !auth.is_empty() => {
            let auth = String::from_utf8(auth.into_vec())
                .map_err(|_| CredentialsError::Form { origin: format!("the value of {VARIABLE}") })?;
            add(Credentials::new(), &auth, &format!("the value of {VARIABLE}")).map(Some)
        }
        _ => Ok(None),
    }
}

fn read_file(path: &Path) -> Result<Credentials, CredentialsError> {
    let is_stdin = path == Path::new("-");
    let mut text = String::new();
    if is_stdin {
        io::stdin().take(LONGEST_FILE).read_to_string(&mut text).map_err(CredentialsError::Read)?;
    } else {
        let file = fs_err::File::open(path).map_err(CredentialsError::Read)?;
        let metadata = file.metadata().map_err(CredentialsError::Read)?;
        // A pipe, such as the shell's `<(…)`, has no readers but this one.
        if metadata.is_file() && metadata.permissions().mode() & 0o004 != 0 {
            return Err(CredentialsError::ReadableByOthers { path: path.to_path_buf() });
        }
        file.take(LONGEST_FILE).read_to_string(&mut text).map_err(CredentialsError::Read)?;
    }
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let mut credentials = Credentials::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        credentials = add(credentials, line, &format!("line {} of {name}", number + 1))?;
    }
    if credentials.is_empty() {
        return Err(CredentialsError::Nobody { path: PathBuf::from(name) });
    }
    Ok(credentials)
}

fn is_pair(text: &str) -> bool {
    text.split_once(':').is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
}

fn add(credentials: Credentials, pair: &str, origin: &str) -> Result<Credentials, CredentialsError> {
    match pair.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(credentials.with_user(user, password)),
        _ => Err(CredentialsError::Form { origin: origin.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(arguments: &[&str]) -> Option<Vec<OsString>> {
        without_auth(arguments.iter().map(OsString::from)).map(|(_, rest)| rest)
    }

    #[test]
    fn the_password_leaves_the_arguments() {
        let rest: Vec<OsString> = ["serve", "dir", "--addr", "x"].map(OsString::from).to_vec();
        assert_eq!(cleaned(&["wash-oci", "serve", "--auth", "u:p", "dir", "--addr", "x"]), Some(rest.clone()));
        assert_eq!(cleaned(&["wash-oci", "serve", "dir", "--auth=u:p", "--addr", "x"]), Some(rest));
        assert_eq!(cleaned(&["wash-oci", "serve"]), None);
        assert_eq!(cleaned(&["wash-oci", "serve", "--auth"]), None);
        assert_eq!(cleaned(&["wash-oci", "serve", "--", "--auth=x"]), None);
    }
}
