//! `wash inspect` itself: reads what it is to look at, and hands it to the part that looks.

use washlib_cli::{CommandError, GlobalArgs, Tool, Ui};
use washlib_component::{Decoded, outline};

use crate::artifact::{Artifact, recognize};
use crate::cli::{Inspect, InspectCommand};
use crate::output::{Description, Problem, WatData};
use crate::registry::RegistryFlags;
use crate::source::{self, Features, Place, Source};
use crate::{
    check, command_error, dependencies, describe, diff, graph, metadata, partial, print, size, strip, summary,
};

impl Tool for Inspect {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

/// The body of `main`.
pub(crate) fn inspect(args: Inspect, ui: &Ui) -> Result<(), CommandError> {
    let features = match &args.command {
        Some(InspectCommand::Diff(_)) => Features::All,
        _ => Features::Stable,
    };
    let place = &Place { global: &args.global, registries: RegistryFlags::read(&args.registry, ui)?, features };
    let Some(command) = &args.command else { return show(&args, place, ui) };
    if args.reference.is_some() || args.summary || args.wit {
        return Err(command_error::misplaced());
    }
    match command {
        InspectCommand::Diff(args) => diff::run(args, place, ui),
        InspectCommand::Check(args) => check::run(args, place, ui),
        InspectCommand::Size(args) => size::run(args, place, ui),
        InspectCommand::Deps(args) => dependencies::run(args, place, ui),
        InspectCommand::Metadata(args) => metadata::run(args, place, ui),
        InspectCommand::Validate(args) => print::validate(args, place, ui),
        InspectCommand::Strip(args) => strip::run(args, place, ui),
        InspectCommand::Wat(args) => {
            let mut source = source::read(args.reference.as_deref(), place, ui)?;
            let text = print::wat(&mut source, args.skeleton)?;
            ui.result(&text, "The text format", WatData { wat: text.clone() })
        }
        InspectCommand::Graph(args) => graph::run(args, place, ui),
    }
}

/// `wash inspect [REF]`.
fn show(args: &Inspect, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    let artifact = recognize(&mut source)?;
    let only_wit = !args.summary && (args.wit || !(ui.is_json() || ui.is_read_by_person()));
    let decoded = decoded(&source, &artifact);
    if only_wit && let Some(Ok(decoded)) = &decoded {
        let wit = decoded.wit().map_err(|err| command_error::decode(&source.name, err))?;
        return ui.text(&wit);
    }
    if args.wit {
        return Err(match decoded {
            Some(Err(err)) => command_error::decode(&source.name, err),
            _ => command_error::no_wit(&source.name),
        });
    }
    let (decoded, error) = match decoded {
        Some(Ok(decoded)) => (Some(decoded), None),
        // A core module without WIT is nothing broken.
        Some(Err(washlib_component::DecodeError::NoWit)) | None => (None, None),
        Some(Err(err)) => (None, Some(err)),
    };
    let partial = error.as_ref().map(|err| partial::read(source.bytes(), err)).unwrap_or_default();
    let decoded = decoded.or(partial.decoded.clone());
    let mut description = describe::describe(&source, &artifact, decoded.as_ref())?;
    partial.add_names(&mut description);
    if let Some(err) = error
        && description.problem.is_none()
    {
        let offset = err.offset().map(|offset| offset as u64);
        description.problem = Some(Problem { offset, reason: err.to_string() });
    }
    report(args, description, ui)
}

/// Decodes what may have WIT.
fn decoded(source: &Source, artifact: &Artifact) -> Option<Result<Decoded, washlib_component::DecodeError>> {
    match artifact {
        Artifact::Wasm(_) => Some(washlib_component::decode(source.bytes())),
        Artifact::Wit(decoded) => Some(Ok((**decoded).clone())),
        Artifact::Archive(_) => None,
    }
}

fn report(args: &Inspect, description: Description, ui: &Ui) -> Result<(), CommandError> {
    let mut text = summary::summary(&description);
    if !args.summary
        && let Some(wit) = &description.wit
    {
        text.push('\n');
        text.push_str(wit);
    }
    match &description.problem {
        None => {
            let message = format!("{} is {}", description.reference, summary::kind_text(description.kind));
            ui.result(&text, &message, description)
        }
        Some(problem) if ui.is_json() => {
            let message = format!("{} can be read only in part: {}", description.reference, problem.reason);
            Err(ui.answer_no(&text, &message, description))
        }
        Some(problem) => {
            ui.text(&text)?;
            Err(command_error::partly(&description.reference, problem))
        }
    }
}

/// The outline of a binary that is in order.
pub(crate) fn whole_outline<'a>(name: &str, bytes: &'a [u8]) -> Result<washlib_component::Part<'a>, CommandError> {
    let outline = outline(bytes).map_err(|err| command_error::unrecognized(name, err))?;
    match outline.stopped {
        None => Ok(outline.root),
        Some(stopped) => Err(command_error::stopped(name, stopped)),
    }
}
