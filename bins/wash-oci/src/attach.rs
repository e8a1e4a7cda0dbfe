//! `wash oci attach` and `referrers`.

use std::path::Path;

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{Attachment, Descriptor};

use crate::cli::{Attach, Referrers};
use crate::session::Session;
use crate::{command_error, endpoint};

#[derive(Debug, Serialize)]
struct AttachData {
    /// The manifest around the document.
    digest: String,
    subject: String,
    artifact_type: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct ReferrersData {
    subject: String,
    referrers: Vec<Descriptor>,
}

/// The body of `attach`.
pub(crate) fn attach(args: &Attach, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    let bytes = fs_err::read(&args.file).map_err(CommandError::failure)?;
    let artifact_type = match &args.artifact_type {
        Some(given) if is_media_type(given) => given.clone(),
        Some(given) => return Err(command_error::media_type(given)),
        None => guess(&args.file, &bytes).ok_or_else(command_error::no_type)?.to_owned(),
    };
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    let title = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let length = bytes.len() as u64;
    let (subject, digest) = session.run(async {
        let subject = session.client.resolve(&reference, &session.progress).await.map_err(command_error::registry)?;
        let attachment = Attachment {
            artifact_type: &artifact_type,
            media_type: &artifact_type,
            title: title.as_deref(),
            bytes,
            annotations: args.annotation.iter().cloned().collect(),
        };
        let digest = session.client.attach(reference.repository(), &subject, attachment, &session.progress).await;
        Ok((subject, digest.map_err(command_error::sign)?))
    })?;
    ui.status("Attached", &format!("{} to {reference}", args.file.display()));
    let subject = format!("{}@{}", reference.repository(), subject.digest);
    let data = AttachData { digest: digest.to_string(), subject, artifact_type: artifact_type.clone(), bytes: length };
    ui.result(&digest.to_string(), "Attached", data)
}

/// The body of `referrers`.
pub(crate) fn referrers(args: &Referrers, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    let (subject, referrers) = session.run(async {
        let subject = session.client.resolve(&reference, &session.progress).await.map_err(command_error::registry)?;
        let wanted = args.artifact_type.as_deref();
        let listed = session.client.referrers(reference.repository(), &subject.digest, wanted, &session.progress).await;
        Ok((subject, listed.map_err(command_error::registry)?))
    })?;
    let line = |referrer: &Descriptor| {
        let kind = referrer.artifact_type.as_deref().unwrap_or(&referrer.media_type);
        format!("{}  {}\n", referrer.digest, kind.escape_debug())
    };
    let text: String = referrers.iter().map(line).collect();
    let subject = format!("{}@{}", reference.repository(), subject.digest);
    ui.result(&text, &format!("{} referrers", referrers.len()), ReferrersData { subject, referrers })
}

/// The types of the documents that are attached most, by what is in them.
fn guess(file: &Path, bytes: &[u8]) -> Option<&'static str> {
    let document: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    if let Some(document) = &document {
        if document.get("spdxVersion").is_some() || document.get("@context").is_some_and(is_spdx) {
            return Some("application/spdx+json");
        }
        if document.get("bomFormat").and_then(|format| format.as_str()) == Some("CycloneDX") {
            return Some("application/vnd.cyclonedx+json");
        }
        if document.get("_type").and_then(|kind| kind.as_str()).is_some_and(|kind| kind.contains("in-toto.io")) {
            return Some("application/vnd.in-toto+json");
        }
    }
    match file.extension()?.to_str()? {
        "md" => Some("text/markdown"),
        "txt" => Some("text/plain"),
        _ => None,
    }
}

fn is_spdx(context: &serde_json::Value) -> bool {
    context.as_str().is_some_and(|context| context.contains("spdx.org"))
}

fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        !name.is_empty() && name.len() < 128 && name.chars().all(allowed)
    };
    text.split_once('/').is_some_and(|(kind, name)| is_name(kind) && is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_known_by_their_content() {
        let guess = |text: &str| guess(Path::new("sbom.json"), text.as_bytes());
        assert_eq!(guess(r#"{"spdxVersion":"SPDX-2.3"}"#), Some("application/spdx+json"));
        assert_eq!(guess(r#"{"bomFormat":"CycloneDX"}"#), Some("application/vnd.cyclonedx+json"));
        assert_eq!(guess(r#"{"_type":"https://in-toto.io/Statement/v1"}"#), Some("application/vnd.in-toto+json"));
        assert_eq!(guess("{}"), None);
    }

    #[test]
    fn media_types() {
        assert!(is_media_type("application/vnd.x+json"));
        for wrong in ["", "x", "a/", "/b", "a/b c", "a/b/c"] {
            assert!(!is_media_type(wrong), "{wrong}");
        }
    }
}
