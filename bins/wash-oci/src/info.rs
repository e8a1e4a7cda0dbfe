//! `wash oci info`.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{Client, Descriptor, Document, Progress, RawManifest, Reference, RegistryError};

use crate::cli::Info;
use crate::session::Session;
use crate::{command_error, endpoint};

/// A configuration above this size is not shown.
const MAX_CONFIG: u64 = 4 << 20;

/// What `-o json` returns.
#[derive(Debug, Serialize)]
struct InfoData {
    reference: String,
    digest: String,
    media_type: String,
    size: u64,
    artifact_type: Option<String>,
    annotations: std::collections::BTreeMap<String, String>,
    /// Exactly as the registry has it.
    manifest: Box<RawValue>,
    /// The configuration, where it is JSON.
    config: Option<Value>,
    referrers: Vec<Descriptor>,
}

/// The body of the command.
pub(crate) fn info(args: &Info, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    let (raw, config, referrers) = session
        .run(async { look(&session.client, &reference, &session.progress).await.map_err(command_error::registry) })?;
    let document = raw.document().map_err(command_error::registry)?;
    let text = text(&reference, &raw, &document, config.as_ref(), &referrers);
    let manifest = String::from_utf8_lossy(&raw.bytes).into_owned();
    let data = InfoData {
        reference: reference.to_string(),
        digest: raw.digest.to_string(),
        media_type: raw.media_type.clone(),
        size: raw.bytes.len() as u64,
        artifact_type: document.artifact_type().map(str::to_owned),
        annotations: document.annotations().clone(),
        manifest: RawValue::from_string(manifest).map_err(CommandError::failure)?,
        config,
        referrers,
    };
    ui.result(&text, &format!("{reference}"), data)
}

async fn look(
    client: &Client,
    reference: &Reference,
    progress: &dyn Progress,
) -> Result<(RawManifest, Option<Value>, Vec<Descriptor>), RegistryError> {
    let raw = client.manifest(reference, progress).await?;
    let repository = reference.repository();
    let config = match raw.document()? {
        Document::Manifest(manifest) if manifest.config.size <= MAX_CONFIG => {
            let bytes = client.blob(repository, &manifest.config, progress).await?.read()?;
            serde_json::from_slice(&bytes).ok()
        }
        _ => None,
    };
    let referrers = client.referrers(repository, &raw.digest, None, progress).await?;
    Ok((raw, config, referrers))
}

fn text(
    reference: &Reference,
    raw: &RawManifest,
    document: &Document,
    config: Option<&Value>,
    referrers: &[Descriptor],
) -> String {
    let mut lines = vec![
        row("reference", &reference.to_string()),
        row("digest", &raw.digest.to_string()),
        row("media type", &raw.media_type),
    ];
    lines.extend(document.artifact_type().map(|kind| row("artifact type", kind)));
    let names = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if let Some(config) = config {
        for key in ["os", "created", "author"] {
            lines.extend(config[key].as_str().map(|value| row(key, value)));
        }
        let component = &config["component"];
        lines.extend(component["target"].as_str().map(|target| row("target", target)));
        for key in ["imports", "exports"] {
            lines.extend(names(&component[key]).iter().map(|name| row(key.trim_end_matches('s'), name)));
        }
    }
    let children = if matches!(document, Document::Index(_)) { "manifest" } else { "layer" };
    for child in document.children().iter().skip(usize::from(children == "layer")) {
        let platform = child.platform.as_ref().map(|p| format!("  {}/{}", p.os, p.architecture)).unwrap_or_default();
        let title = child.title().map(|title| format!("  {title}")).unwrap_or_default();
        let described = format!("{}  {} bytes  {}{platform}{title}", child.digest, child.size, child.media_type);
        lines.push(row(children, &described));
    }
    lines.extend(document.annotations().iter().map(|(key, value)| row("annotation", &format!("{key}={value}"))));
    for referrer in referrers {
        let kind = referrer.artifact_type.as_deref().unwrap_or(&referrer.media_type);
        lines.push(row("referrer", &format!("{}  {kind}", referrer.digest)));
    }
    lines.concat()
}

/// A line; what a stranger wrote cannot reach the terminal as a command.
fn row(key: &str, value: &str) -> String {
    let shown: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{key:<14} {shown}\n")
}
