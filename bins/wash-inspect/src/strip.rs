//! `wash inspect strip`: removes custom sections at every level.

use washlib_cli::{CommandError, Ui};

use crate::cli::Strip;
use crate::command::whole_outline;
use crate::custom_sections::{Choice, matches, strip};
use crate::source::Place;
use crate::write::deliver;
use crate::{command_error, source};

/// Runs the command.
pub(crate) fn run(args: &Strip, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    if args.target.to.is_none() && !args.target.in_place {
        return Err(command_error::no_target());
    }
    let start = place.global.start_dir().map_err(CommandError::usage)?;
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    source.wasm()?;
    let root = whole_outline(&source.name, source.bytes())?;
    for pattern in &args.delete {
        let names = root.all().into_iter().flat_map(|part| &part.sections).filter(|section| section.is_custom());
        if !names.map(|section| section.name).any(|name| matches(pattern, name)) {
            ui.warn(&format!("{} has no custom section `{pattern}`", source.name));
        }
    }
    let choice = if args.all {
        Choice::All
    } else if args.delete.is_empty() {
        Choice::Unneeded
    } else {
        Choice::Named(&args.delete)
    };
    let stripped =
        strip(source.bytes(), &choice).map_err(|err| command_error::refused(&source.name, "strip", err.message()))?;
    deliver(&source, &stripped, &args.target, &start, ui)
}
