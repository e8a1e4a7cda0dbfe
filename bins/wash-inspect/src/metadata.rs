//! `wash inspect metadata`: what a binary says of itself, and changing it.

use std::borrow::Cow;

use washlib_cli::{CommandError, Ui};
use washlib_component::{Part, guarded, producers, unreadable};
use wasm_metadata::{AddMetadata, AddMetadataField};

use crate::cli::{Metadata, MetadataFields};
use crate::command::whole_outline;
use crate::output::{MetadataData, Problem, Producer};
use crate::source::Place;
use crate::summary::printable;
use crate::write::deliver;
use crate::{command_error, own_name, source};

/// Runs the command.
pub(crate) fn run(args: &Metadata, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    let start = place.global.start_dir().map_err(CommandError::usage)?;
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    source.wasm()?;
    let root = whole_outline(&source.name, source.bytes())?;
    if is_empty(&args.fields) {
        if args.target.to.is_some() || args.target.in_place {
            return Err(CommandError::usage("no field is to be set").hint("for example `--set-version 1.2.0`"));
        }
        return show(&source.name, &root, ui);
    }
    let set = fields(&args.fields)?;
    let mut bytes = Cow::Borrowed(source.bytes());
    if args.fields.name.as_deref() == Some("") {
        bytes = Cow::Owned(
            own_name::remove(&bytes)
                .map_err(|err| command_error::refused(&source.name, "set metadata", err.message()))?,
        );
    }
    let changed = guarded(|| set.to_wasm(&bytes))
        .map_err(|err| command_error::refused(&source.name, "set metadata", err))?
        .map_err(|err| command_error::refused(&source.name, "set metadata", format!("{err:#}")))?;
    deliver(&source, &changed, &args.target, &start, ui)
}

fn show(name: &str, root: &Part<'_>, ui: &Ui) -> Result<(), CommandError> {
    let data = of_part(root);
    let Some(problem) = unreadable_producers(root) else {
        return ui.result(&text(&data), &format!("Metadata of {name}"), data);
    };
    if ui.is_json() {
        let message = format!("{name} can be read only in part: {}", problem.reason);
        return Err(ui.answer_no(&text(&data), &message, data));
    }
    ui.text(&text(&data))?;
    Err(command_error::partly(name, &problem))
}

/// Why the producers cannot be read. Whatever else of the part cannot be read is no metadata.
fn unreadable_producers(part: &Part<'_>) -> Option<Problem> {
    let mut alone = part.clone();
    alone.sections.retain(|section| section.is_custom() && section.name == "producers");
    let stopped = unreadable(&alone)?;
    Some(Problem { offset: Some(stopped.offset as u64), reason: stopped.reason })
}

/// What a component or module says of itself, as far as it is text.
pub(crate) fn of_part(part: &Part<'_>) -> MetadataData {
    let text = |name: &str| {
        let text = std::str::from_utf8(part.custom(name)?).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let producers = producers(part).into_iter().flat_map(|(field, values)| {
        values.into_iter().map(move |(name, version)| Producer { field: field.clone(), name, version })
    });
    MetadataData {
        name: part.name.clone(),
        version: text("version"),
        authors: text("authors"),
        description: text("description"),
        licenses: text("licenses"),
        source: text("source"),
        homepage: text("homepage"),
        revision: text("revision"),
        producers: producers.collect(),
    }
}

fn is_empty(fields: &MetadataFields) -> bool {
    let MetadataFields { name, component_version, authors, description, licenses, source, homepage, revision } = fields;
    [name, component_version, authors, description, licenses, source, homepage, revision]
        .iter()
        .all(|field| field.is_none())
}

fn fields(fields: &MetadataFields) -> Result<AddMetadata, CommandError> {
    let mut set = AddMetadata::default();
    if let Some(name) = fields.name.as_ref().filter(|name| !name.is_empty()) {
        set.name = AddMetadataField::Set(name.clone());
    }
    set.authors = field("--authors", fields.authors.as_deref())?;
    set.description = field("--description", fields.description.as_deref())?;
    set.licenses = field("--licenses", fields.licenses.as_deref())?;
    set.source = field("--source", fields.source.as_deref())?;
    set.homepage = field("--homepage", fields.homepage.as_deref())?;
    set.revision = field("--revision", fields.revision.as_deref())?;
    set.version = field("--set-version", fields.component_version.as_deref())?;
    Ok(set)
}

/// An empty text removes the field.
fn field<T>(flag: &str, text: Option<&str>) -> Result<AddMetadataField<T>, CommandError>
where
    T: std::str::FromStr + std::fmt::Debug + Clone,
    T::Err: std::fmt::Display,
{
    match text {
        None => Ok(AddMetadataField::Keep),
        Some("") => Ok(AddMetadataField::Clear),
        Some(text) => match text.parse() {
            Ok(value) => Ok(AddMetadataField::Set(value)),
            Err(err) => Err(CommandError::usage(format!("`{flag} {text}`: {err:#}"))),
        },
    }
}

fn text(data: &MetadataData) -> String {
    let mut text = String::new();
    for (title, value) in [
        ("name", &data.name),
        ("version", &data.version),
        ("authors", &data.authors),
        ("description", &data.description),
        ("licenses", &data.licenses),
        ("source", &data.source),
        ("homepage", &data.homepage),
        ("revision", &data.revision),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{title:<12} {}\n", printable(value)));
        }
    }
    for Producer { field, name, version } in &data.producers {
        text.push_str(&format!("{field:<12} {}\n", printable(format!("{name} {version}").trim_end())));
    }
    text
}
