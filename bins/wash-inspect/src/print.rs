//! `wash inspect wat` and `wash inspect validate`: thin over wasmprinter and wasmparser.

use washlib_cli::{CommandError, Ui};
use washlib_component::{InvalidError, check_bounds, guarded, validate as validate_bytes};

use crate::cli::Validate;
use crate::command_error;
use crate::output::{Problem, ValidateData};
use crate::source::{self, Place, Source};

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
    let Err(err) = validate_bytes(bytes) else {
        let data = ValidateData { reference: name.clone(), valid: true, problem: None };
        let message = format!("{name} is valid");
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
    Err(ui.answer_no(&message, &message, ValidateData { reference: name, valid: false, problem }))
}
