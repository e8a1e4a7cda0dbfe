//! `wash oci push`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{Artifact, ArtifactOptions, BlobPushed, ImageLayout, Kind, Profile, Reference};

use crate::cli::{self, Push};
use crate::command_error;
use crate::endpoint;
use crate::session::Session;

/// More than this is no component.
const MAX_BYTES: u64 = 4 << 30;

/// What `-o json` returns; `digest` is the public wash's.
#[derive(Debug, Serialize)]
struct PushData {
    digest: String,
    reference: String,
    tags: Vec<String>,
    /// The length of the binary.
    bytes: u64,
    kind: &'static str,
    content_digest: String,
    annotations: std::collections::BTreeMap<String, String>,
    /// `sent`, `existed`, `mounted` from another repository of the registry, or nothing where it was not pushed.
    content: Option<&'static str>,
    layout: Option<PathBuf>,
}

/// The body of the command.
pub(crate) fn push(args: Push, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    if reference.digest().is_some() {
        return Err(command_error::push_by_digest());
    }
    let tags = tags(&reference, &args.tag)?;
    let bytes = read(&args.path)?;
    let artifact = Artifact::new(bytes, &options(&args)?).map_err(|err| command_error::artifact(err, &args.path))?;
    let digest = artifact.manifest.digest.to_string();
    let mut data = PushData {
        reference: format!("{}@{digest}", reference.repository()),
        digest: digest.clone(),
        bytes: artifact.layer_descriptor.size,
        kind: match artifact.contents.kind {
            Kind::Component => "component",
            Kind::WitPackage => "wit-package",
            Kind::CoreModule => "core-module",
        },
        content_digest: artifact.layer_descriptor.digest.to_string(),
        annotations: artifact.annotations.clone(),
        content: None,
        layout: args.layout.clone(),
        tags,
    };
    if args.dry_run {
        return ui.result(&digest, "Nothing was sent", data);
    }
    if let Some(folder) = &args.layout {
        write_layout(folder, &artifact, &data.tags)?;
        ui.status("Wrote", &format!("{} to {}", reference.repository(), folder.display()));
        return ui.result(&digest, "Artifact written", data);
    }
    let repository = reference.repository();
    let session = Session::begin(global, &args.registry, &[repository.registry()], ui)?;
    ui.status("Pushing", &format!("{reference} ({} bytes)", data.bytes));
    let pushed = session.run(async {
        let pushed = session.client.push(repository, &data.tags, &artifact, &session.progress).await;
        pushed.map_err(command_error::registry)
    })?;
    data.content = Some(match pushed.content {
        BlobPushed::Existed => "existed",
        BlobPushed::Mounted => "mounted",
        BlobPushed::Sent => "sent",
    });
    ui.status("Pushed", &data.tags.iter().map(|tag| format!("{repository}:{tag}")).collect::<Vec<_>>().join(", "));
    ui.result(&digest, "OCI command executed successfully.", data)
}

/// The reference's own tag and those of the options, each once.
fn tags(reference: &Reference, more: &[String]) -> Result<Vec<String>, CommandError> {
    let mut tags = vec![reference.tag_or_default().to_owned()];
    for tag in more {
        reference.repository().with_tag(tag).map_err(|err| command_error::reference(err, tag))?;
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    Ok(tags)
}

fn options(args: &Push) -> Result<ArtifactOptions, CommandError> {
    Ok(ArtifactOptions {
        annotations: args.annotation.iter().cloned().collect(),
        author: args.author.clone(),
        created: source_date()?,
        // The layer's name is part of the digest, so it must not depend on what the file happens to be called.
        title: None,
        profile: match args.profile {
            cli::Profile::Standard => Profile::Standard,
            cli::Profile::Envoy => Profile::Envoy,
        },
    })
}

/// The date that reproducible builds agree on.
fn source_date() -> Result<Option<SystemTime>, CommandError> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse::<u64>().ok());
    let time = seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    time.map(Some).ok_or_else(command_error::source_date)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        let file = fs_err::File::open(path).map_err(|err| command_error::read(err, path))?;
        let metadata = file.metadata().map_err(|err| command_error::read(err, path))?;
        if metadata.is_dir() {
            return Err(command_error::push_folder(path));
        }
        // With room for the end to be noticed in.
        bytes.reserve_exact(usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or_default() + 32);
        // The system's own file, which fills a buffer that nobody has cleared before, and names no path.
        let read = file.into_file().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|err| io::Error::new(err.kind(), format!("cannot read {}: {err}", path.display())))
    };
    read.map_err(|err| command_error::read(err, path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(command_error::too_large(path));
    }
    Ok(bytes)
}

fn write_layout(folder: &Path, artifact: &Artifact, tags: &[String]) -> Result<(), CommandError> {
    let write = || {
        let layout = ImageLayout::create(folder)?;
        layout.put(&artifact.layer_descriptor.digest, &artifact.layer)?;
        layout.put(&artifact.config_descriptor.digest, &artifact.config)?;
        tags.iter().try_for_each(|tag| layout.put_manifest(Some(tag), &artifact.manifest))
    };
    write().map_err(command_error::layout)
}
