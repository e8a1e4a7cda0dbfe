//! `wash --list`: every tool found, what it does and where it is.
//!
//! Describes only the family's own tools: asking a third party's would mean running it.

use crate::json::Json;
use crate::known;
use crate::output::{Answer, Document, printable};
use crate::search::FoundTool;

/// The answer to `wash --list`.
pub(crate) fn list(tools: &[FoundTool]) -> Answer {
    let message = match tools.len() {
        1 => "1 command found".into(),
        count => format!("{count} commands found"),
    };
    let text = if tools.is_empty() { format!("{message}\n") } else { table(tools) };
    let data = Json::Object(vec![("tools", Json::List(tools.iter().map(entry).collect()))]);
    Answer { text, document: Some(Document { message, data }) }
}

fn table(tools: &[FoundTool]) -> String {
    let rows = tools
        .iter()
        .map(|tool| (printable(&tool.command), known::summary(&tool.command), printable(tool.path.as_os_str())));
    let rows: Vec<(String, &str, String)> = rows.collect();
    let name_width = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let summary_width = rows.iter().map(|(_, summary, _)| summary.chars().count()).max().unwrap_or(0);
    let lines =
        rows.iter().map(|(name, summary, path)| format!("{name:name_width$}  {summary:summary_width$}  {path}\n"));
    lines.collect()
}

fn entry(tool: &FoundTool) -> Json {
    Json::Object(vec![
        ("name", Json::Text(tool.command.to_string_lossy().into_owned())),
        ("summary", Json::Text(known::summary(&tool.command).into())),
        ("path", Json::Text(tool.path.to_string_lossy().into_owned())),
    ])
}
