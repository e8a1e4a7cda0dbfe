//! `wash drain`: the older name for cleaning caches, which every tool does for itself.
//!
//! Knows only which tools have a cache, and how each is told to clean it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::Failure;
use crate::invocation::Format;
use crate::json::Json;
use crate::output::{Answer, Document};
use crate::search::Search;

/// A cache and the tool that keeps it.
#[derive(Debug)]
struct Cache {
    /// What people call it, and the tool's command.
    name: &'static str,
    clean: [&'static str; 2],
}

const CACHES: [Cache; 3] = [
    Cache { name: "oci", clean: ["cache", "clean"] },
    Cache { name: "wit", clean: ["cache", "clean"] },
    Cache { name: "host", clean: ["cache", "clear"] },
];

/// What can be drained.
pub(crate) const TARGETS: [&str; 4] = ["all", "host", "oci", "wit"];

/// The command and arguments that drain one cache; none for `all`.
pub(crate) fn command_of(target: &OsStr) -> Option<(OsString, Vec<OsString>)> {
    let cache = CACHES.iter().find(|cache| target == cache.name)?;
    Some((cache.name.into(), cache.clean.map(OsString::from).to_vec()))
}

/// Drains the caches of all tools that are installed.
///
/// # Errors
///
/// When one of them could not do it; the others have been drained all the same.
pub(crate) fn all(forwarded: &[OsString], format: Format) -> Result<Answer, Failure> {
    let search = Search::from_environment();
    let mut results = Vec::new();
    let mut text = String::new();
    let mut failed = None;
    for cache in &CACHES {
        let found = search.candidates(cache.name.as_ref()).find(|candidate| candidate.is_executable);
        let Some(tool) = found else { continue };
        let (status, stdout) = run(&tool.path, forwarded, cache).map_err(|err| Failure::drain(cache.name, &err))?;
        if !status.success() {
            failed.get_or_insert(Failure::drain_status(cache.name, status));
            continue;
        }
        text.push_str(&format!("{}: {stdout}", cache.name));
        let result = if format == Format::Json { Json::Raw(stdout) } else { Json::Null };
        results.push(Json::Object(vec![("cache", Json::Text(cache.name.into())), ("result", result)]));
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    let message = format!("{} caches drained", results.len());
    let data = Json::Object(vec![("caches", Json::List(results))]);
    Ok(Answer { text, document: Some(Document { message, data }) })
}

fn run(tool: &PathBuf, forwarded: &[OsString], cache: &Cache) -> std::io::Result<(ExitStatus, String)> {
    let output = Command::new(tool).args(forwarded).args(cache.clean).stderr(Stdio::inherit()).output()?;
    Ok((output.status, String::from_utf8_lossy(&output.stdout).trim_end().to_owned() + "\n"))
}
