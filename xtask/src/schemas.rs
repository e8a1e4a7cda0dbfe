//! JSON schemas of what tools print with `-o json`.

use anyhow::Result;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

// The file is included instead of the tool being linked, as with command lines. Only the schemas are used here.
#[path = "../../bins/wash-inspect/src/output/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the types are constructed by the tool")]
mod wash_inspect;

// This is `washlib_cli::Envelope`, which has no schema of its own so that tools without schemas need no generator. A test
// of `wash-inspect` holds what it prints against the schemas.
/// What the command prints, whether it succeeds or fails.
#[derive(JsonSchema, Serialize)]
struct Document<T> {
    /// One line for people.
    message: String,
    /// Whether the command did what it was asked to do, and the answer is not no; agrees with the exit code.
    success: bool,
    /// What the command returns; `null` when it failed.
    data: Option<T>,
    /// What led to a failure, outermost first; absent on success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    /// Commands that would help; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

/// The schemas of all commands that have one, by the names of their files.
pub(crate) fn all() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let schemas = [
        ("inspect", "wash inspect", of::<wash_inspect::Description>()),
        ("inspect-check", "wash inspect check", of::<wash_inspect::CheckData>()),
        ("inspect-check-list-hosts", "wash inspect check --list-hosts", of::<wash_inspect::HostList>()),
        ("inspect-deps", "wash inspect deps", of::<wash_inspect::DepsData>()),
        ("inspect-diff", "wash inspect diff", of::<wash_inspect::DiffData>()),
        ("inspect-graph", "wash inspect graph", of::<wash_inspect::GraphData>()),
        ("inspect-metadata", "wash inspect metadata", of::<wash_inspect::MetadataData>()),
        ("inspect-size", "wash inspect size", of::<wash_inspect::SizeData>()),
        ("inspect-size-diff", "wash inspect size --diff", of::<wash_inspect::SizeDiffData>()),
        ("inspect-validate", "wash inspect validate", of::<wash_inspect::ValidateData>()),
        ("inspect-wat", "wash inspect wat", of::<wash_inspect::WatData>()),
        ("inspect-written", "wash inspect strip, and metadata with a field", of::<wash_inspect::WrittenData>()),
    ];
    schemas.into_iter().map(|(name, title, schema)| Ok((name, text(title, schema)?))).collect()
}

/// As the document is written: fields that are always there are required.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Document<T>>()
}

fn text(title: &str, mut schema: Schema) -> Result<Vec<u8>> {
    schema.insert("title".to_owned(), format!("The result of `{title} -o json`").into());
    let mut text = serde_json::to_vec_pretty(&schema)?;
    text.push(b'\n');
    Ok(text)
}
