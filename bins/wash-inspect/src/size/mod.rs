//! `wash inspect size`: what a binary's bytes are made of.

mod attribution;
mod change;
mod measure;
mod treemap;

use std::fmt::Write as _;

use washlib_cli::{CommandError, Ui};

use crate::cli::Size;
use crate::command::whole_outline;
use crate::command_error;
use crate::describe::gzip_size;
use crate::output::{SizeChange, SizeData, SizeDiffData, Strippable};
use crate::source::{self, Place};
use crate::summary::{bytes_text, printable};
use crate::write::{is_stdout, replace};

/// Runs the command.
pub(crate) fn run(args: &Size, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    if args.reference.as_deref() == Some("-") && args.diff.as_deref() == Some("-") {
        return Err(command_error::one_standard_input());
    }
    let start = place.global.start_dir().map_err(CommandError::usage)?;
    let measured = measured(args.reference.as_deref(), place, ui)?;
    if args.treemap.as_deref().is_some_and(is_stdout) {
        if ui.is_json() || args.diff.is_some() {
            return Err(CommandError::usage("a page on standard output leaves no place for anything else"));
        }
        return ui.text(&treemap::page(&measured));
    }
    if let Some(path) = &args.treemap {
        let path = start.join(path);
        replace(&path, treemap::page(&measured).as_bytes())?;
        ui.status("Wrote", &path.display().to_string());
    }
    match &args.diff {
        Some(old) => {
            let old = self::measured(Some(old), place, ui)?;
            let data = change::compare(&old, &measured, args.top);
            let message = format!("{} bytes, {} before", data.size, data.size_before);
            ui.result(&diff_text(&data), &message, data)
        }
        None => {
            let message = format!("{} bytes", measured.size);
            let mut data = measured;
            data.crates.truncate(args.top);
            data.functions.truncate(args.top);
            data.data.truncate(args.top);
            ui.result(&text(&data), &message, data)
        }
    }
}

fn measured(reference: Option<&str>, place: &Place<'_>, ui: &Ui) -> Result<SizeData, CommandError> {
    let mut source = source::read(reference, place, ui)?;
    source.wasm()?;
    let bytes = source.bytes();
    let root = whole_outline(&source.name, bytes)?;
    let mut data = measure::measure(&root, bytes);
    data.reference = source.name.clone();
    data.gzip_size = gzip_size(bytes);
    Ok(data)
}

fn text(data: &SizeData) -> String {
    let mut text = String::new();
    let Strippable { default, all, debug } = data.strippable;
    let _ = writeln!(text, "{} ({} gzip)", bytes_text(data.size), bytes_text(data.gzip_size));
    let _ = writeln!(
        text,
        "stripping saves {} ({} of it debugging information), with names {}",
        bytes_text(default),
        bytes_text(debug),
        bytes_text(all)
    );
    for part in &data.parts {
        let indent = "  ".repeat(usize::try_from(part.depth).unwrap_or_default());
        let name = part.name.as_deref().unwrap_or("without a name");
        let _ = writeln!(text, "\n{indent}{} {}  {}", part.kind, printable(name), bytes_text(part.size));
        for section in &part.sections {
            let count = if section.count > 1 { format!("  ×{}", section.count) } else { String::new() };
            let custom = if section.custom { "custom " } else { "" };
            let name = format!("{custom}{}", printable(&section.name));
            let _ = writeln!(text, "{indent}  {:>10}  {name}{count}", bytes_text(section.size));
        }
    }
    if !data.crates.is_empty() {
        text.push_str("\ncode by crate\n");
        for krate in &data.crates {
            let _ = writeln!(
                text,
                "  {:>10}  {}  ({} functions)",
                bytes_text(krate.size),
                printable(&krate.name),
                krate.functions
            );
        }
    }
    if !data.functions.is_empty() {
        let _ = writeln!(text, "\nlargest of {} functions", data.n_functions);
        for function in &data.functions {
            let name = function.name.clone().unwrap_or_else(|| format!("function {}", function.index));
            let _ = writeln!(text, "  {:>10}  {}", bytes_text(function.size), printable(&name));
        }
    }
    if !data.data.is_empty() {
        text.push_str("\nlargest data segments\n");
        for segment in &data.data {
            let name = segment.name.clone().unwrap_or_else(|| format!("segment {}", segment.index));
            let zeros = if segment.zeros * 2 > segment.size { ", mostly zeros" } else { "" };
            let _ = writeln!(text, "  {:>10}  {}{zeros}", bytes_text(segment.size), printable(&name));
        }
    }
    text
}

fn diff_text(data: &SizeDiffData) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} → {} ({})",
        bytes_text(data.size_before),
        bytes_text(data.size),
        delta(data.size_before, data.size)
    );
    for (title, changes) in
        [("sections", &data.sections), ("code by crate", &data.crates), ("functions", &data.functions)]
    {
        if changes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title}");
        for SizeChange { name, before, after } in changes {
            let _ = writeln!(text, "  {:>10}  {}", delta(*before, *after), printable(name));
        }
    }
    text
}

fn delta(before: u64, after: u64) -> String {
    if after >= before {
        format!("+{}", bytes_text(after - before))
    } else {
        format!("-{}", bytes_text(before - after))
    }
}
