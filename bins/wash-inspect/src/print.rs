//! `wash inspect wat` and `wash inspect validate`: thin over wasmprinter and wasmparser.

use washlib_cli::{CommandError, Ui};
use washlib_component::{InvalidError, Kind, check_bounds, guarded, identify, validate as validate_bytes};

use crate::cli::Validate;
use crate::command_error;
use crate::output::{FileKind, Problem, ValidateData};
use crate::source::{self, Place, Source};
use crate::summary::kind_text;

/// The text format of a binary.
pub(crate) fn wat(source: &mut Source, skeleton: bool) -> Result<String, CommandError> {
    let name = source.name.clone();
    let bytes = source.wasm()?;
    check_bounds(bytes).map_err(|err| command_error::refused(&name, "print", err))?;
    let mut text = String::new();
    let mut config = wasmprinter::Config::new();
    config.print_skeleton(skeleton);
    guarded(|| config.print(bytes, &mut wasmprinter::PrintFmtWrite(&mut text)))
        .map_err(|err| command_error::refused(&name, "print", err))?
        .map_err(|err| command_error::refused(&name, "print", format!("{err:#}")))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Runs `wash inspect validate`.
pub(crate) fn validate(args: &Validate, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    let name = source.name.clone();
    let bytes = source.wasm()?;
    let kind = match identify(bytes).map_err(|err| command_error::unrecognized(&name, err))? {
        Kind::Component => FileKind::Component,
        Kind::CoreModule => FileKind::CoreModule,
    };
    let Err(err) = validate_bytes(bytes) else {
        let what = kind_text(kind).trim_start_matches("a ");
        let message = format!("{name} is a valid {what}");
        let data = ValidateData { reference: name, valid: true, kind, problem: None };
        return ui.result(&message, &message, data);
    };
    if !ui.is_json() {
        return Err(command_error::invalid(&name, err));
    }
    let offset = match &err {
        InvalidError::Truncated { offset }
        | InvalidError::Malformed { offset, .. }
        | InvalidError::Excessive { offset, .. } => Some(*offset as u64),
        _ => None,
    };
    let message = format!("{name} is not valid: {err}");
    let problem = Some(Problem { offset, reason: err.to_string() });
    Err(ui.answer_no(&message, &message, ValidateData { reference: name, valid: false, kind, problem }))
}
