//! `wash oci copy`.

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::Referrers;

use crate::cli::Copy;
use crate::command_error;
use crate::endpoint::Named;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct CopyData {
    digest: String,
    tags: Vec<String>,
    blobs_sent: u64,
    blobs_spared: u64,
    referrers: u64,
}

/// The body of the command.
pub(crate) fn copy(args: &Copy, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let (from, to) = (Named::parse(&args.from)?, Named::parse(&args.to)?);
    // A copy has the tag that is written for it, else the one of the original, else none.
    let mut tags: Vec<String> = to.tag().or(from.tag()).map(str::to_owned).into_iter().collect();
    tags.extend(args.tag.iter().filter(|tag| to.tag() != Some(tag)).cloned());
    if let Named::Registry(reference) = &to {
        for tag in &tags {
            reference.repository().with_tag(tag).map_err(|err| command_error::reference(err, tag))?;
        }
    }
    let registries: Vec<&str> = from.registry().into_iter().chain(to.registry()).collect();
    let session = Session::begin(global, &args.registry, &registries, ui)?;
    let ((source, name), target) = (from.source()?, to.target()?);
    let referrers = if args.referrers { Referrers::Copy } else { Referrers::Leave };
    ui.status("Copying", &format!("{} to {}", args.from, args.to));
    let copied = session.run(async {
        let copied = session.client.copy(&source, name.as_deref(), &target, &tags, referrers, &session.progress).await;
        copied.map_err(command_error::copy)
    })?;
    let referrers = if copied.referrers > 0 { format!(", {} referrers", copied.referrers) } else { String::new() };
    ui.status("Copied", &format!("{} blobs sent, {} spared{referrers}", copied.sent, copied.spared));
    let digest = copied.digest.to_string();
    let data = CopyData {
        digest: digest.clone(),
        tags,
        blobs_sent: copied.sent,
        blobs_spared: copied.spared,
        referrers: copied.referrers,
    };
    ui.result(&digest, "Artifact copied", data)
}
