//! `wash completion`: the scripts that make a shell complete `wash` and its tools.
//!
//! Prints what was generated when the front-end was built; generates and installs nothing.

use std::ffi::OsStr;

use crate::failure::Failure;
use crate::json::Json;
use crate::output::{Answer, Document};

/// Each shell and its script.
pub(crate) const SHELLS: [(&str, &str); 5] = [
    ("bash", include_str!("../../../completions/wash.bash")),
    ("elvish", include_str!("../../../completions/wash.elv")),
    ("fish", include_str!("../../../completions/wash.fish")),
    ("powershell", include_str!("../../../completions/_wash.ps1")),
    ("zsh", include_str!("../../../completions/_wash")),
];

/// The script for a shell.
///
/// # Errors
///
/// When there is none.
pub(crate) fn script(shell: &OsStr) -> Result<Answer, Failure> {
    let Some((name, script)) = SHELLS.iter().find(|(name, _)| shell == *name) else {
        return Err(Failure::unknown_shell(shell));
    };
    let data = Json::Object(vec![("shell", Json::Text((*name).into())), ("script", Json::Text((*script).into()))]);
    let document = Document { message: format!("completion script for {name}"), data };
    Ok(Answer { text: (*script).into(), document: Some(document) })
}
