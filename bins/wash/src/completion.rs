//! `wash completion`: the scripts that make a shell complete `wash` and its tools.
//!
//! Prints what was generated when the front-end was built; generates and installs nothing.

use std::ffi::OsStr;

use crate::failure::Failure;
use crate::json::Json;
use crate::lz4;
use crate::output::{Answer, Document};

/// Each shell and its script, compressed.
pub(crate) const SHELLS: [(&str, &[u8]); 5] = [
    ("bash", include_bytes!(concat!(env!("OUT_DIR"), "/wash.bash.lz4"))),
    ("elvish", include_bytes!(concat!(env!("OUT_DIR"), "/wash.elv.lz4"))),
    ("fish", include_bytes!(concat!(env!("OUT_DIR"), "/wash.fish.lz4"))),
    ("powershell", include_bytes!(concat!(env!("OUT_DIR"), "/_wash.ps1.lz4"))),
    ("zsh", include_bytes!(concat!(env!("OUT_DIR"), "/_wash.lz4"))),
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
    let script = text(script);
    let data = Json::Object(vec![("shell", Json::Text((*name).into())), ("script", Json::Text(script.clone()))]);
    let document = Document { message: format!("completion script for {name}"), data };
    Ok(Answer { text: script, document: Some(document) })
}

/// A script as it was before the build compressed it. A test reads each one back, so there always is one.
fn text(script: &[u8]) -> String {
    lz4::decompress(script).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_the_generated_ones() {
        for ((shell, script), generated) in SHELLS.iter().zip([
            include_str!("../../../completions/wash.bash"),
            include_str!("../../../completions/wash.elv"),
            include_str!("../../../completions/wash.fish"),
            include_str!("../../../completions/_wash.ps1"),
            include_str!("../../../completions/_wash"),
        ]) {
            assert!(text(script) == generated, "{shell}");
        }
    }
}
