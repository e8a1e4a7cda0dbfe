//! `wash oci tag`, `list` and `delete`.

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{is_digest_tag, sort_tags};

use crate::cli::{Delete, List, Tag};
use crate::session::Session;
use crate::{command_error, endpoint};

#[derive(Debug, Serialize)]
struct TagData {
    digest: String,
    tags: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ListData {
    repository: String,
    tags: Vec<String>,
    /// How many there are, those that are not listed too.
    total: usize,
}

#[derive(Debug, Serialize)]
struct DeleteData {
    reference: String,
}

/// The body of `tag`.
pub(crate) fn tag(args: &Tag, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    for tag in &args.tags {
        reference.repository().with_tag(tag).map_err(|err| command_error::reference(err, tag))?;
    }
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    let digest = session.run(async {
        session.client.tag(&reference, &args.tags, &session.progress).await.map_err(command_error::registry)
    })?;
    let digest = digest.to_string();
    ui.status("Tagged", &format!("{reference} as {}", args.tags.join(", ")));
    ui.result(&digest, "Artifact tagged", TagData { digest: digest.clone(), tags: args.tags.clone() })
}

/// The body of `list`.
pub(crate) fn list(args: &List, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let repository = endpoint::repository(&args.repository)?;
    let session = Session::begin(global, &args.registry, &[repository.registry()], ui)?;
    let mut tags = session
        .run(async { session.client.tags(&repository, &session.progress).await.map_err(command_error::registry) })?;
    if !args.all {
        tags.retain(|tag| !is_digest_tag(tag));
    }
    let total = tags.len();
    sort_tags(&mut tags);
    tags.truncate(args.limit.unwrap_or(usize::MAX));
    if tags.len() < total {
        ui.status("Listed", &format!("{} of {total} tags", tags.len()));
    }
    // A registry may send anything.
    let text: String = tags.iter().map(|tag| format!("{}\n", tag.escape_debug())).collect();
    ui.result(&text, &format!("{total} tags"), ListData { repository: repository.to_string(), tags, total })
}

/// The body of `delete`.
pub(crate) fn delete(args: &Delete, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    if reference.digest().is_none() && reference.tag().is_none() {
        return Err(command_error::delete_what());
    }
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    session.run(async {
        session.client.delete(&reference, &session.progress).await.map_err(|err| command_error::delete(err, &reference))
    })?;
    ui.status("Deleted", &reference.to_string());
    ui.result("", "Deleted", DeleteData { reference: reference.to_string() })
}
