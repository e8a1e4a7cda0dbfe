//! `wash inspect deps`: the crates and packages that a binary records.
//!
//! cargo-auditable puts them into the custom section `.dep-v0` of a module: JSON, compressed by zlib
//! (<https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md>).

use std::collections::BTreeSet;
use std::io::Read as _;

use serde::Deserialize;
use washlib_cli::{CommandError, Ui};
use washlib_component::{Part, unreadable};

use crate::cli::{Deps, SbomFormat};
use crate::command::whole_outline;
use crate::output::{Dependency, DepsData, ModuleDependencies};
use crate::source::Place;
use crate::summary::printable;
use crate::{command_error, metadata, sbom, source};

/// The name of the section.
const SECTION: &str = ".dep-v0";
/// The most that a list may unfold to, in bytes. A thousand crates take about 100 kB.
const MAX_JSON: u64 = 8 << 20;

/// Runs the command.
pub(crate) fn run(args: &Deps, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    source.wasm()?;
    let root = whole_outline(&source.name, source.bytes())?;
    let (modules, mut problems) = of_parts(&root);
    problems.extend(root.all().into_iter().filter_map(unreadable).map(|stopped| stopped.to_string()));
    let producers: BTreeSet<_> = root.all().iter().flat_map(|part| metadata::of_part(part).producers).collect();
    let producers = producers.into_iter().collect();
    let mut data = DepsData { reference: source.name.clone(), modules, producers, problems, sbom: None };
    if let Some(format) = args.sbom {
        // Who takes a bill for whole would miss what is not on it.
        if let Some(problem) = data.problems.first() {
            return Err(command_error::incomplete_bill(&source.name, problem));
        }
        let document = match format {
            SbomFormat::CycloneDx => sbom::cyclonedx(&source, &root, &data),
            SbomFormat::Spdx => sbom::spdx(&source, &root, &data),
        };
        let text = serde_json::to_string_pretty(&document).map_err(CommandError::failure)?;
        data.sbom = document.as_object().cloned();
        return ui.result(&text, "A bill of materials", data);
    }
    let counted: usize = data.modules.iter().map(|module| module.packages.len()).sum();
    let message = match (data.problems.first(), counted) {
        (Some(problem), _) => format!("{} can be read only in part: {problem}", source.name),
        (None, 0) => "the binary records no crates or packages".to_owned(),
        (None, 1) => "1 crate or package".to_owned(),
        (None, n) => format!("{n} crates or packages"),
    };
    if data.problems.is_empty() {
        if counted == 0 {
            ui.hint("build with `cargo auditable build` to record them");
        }
        return ui.result(&text(&data), &message, data);
    }
    data.problems.iter().for_each(|problem| ui.warn(&format!("{}: {problem}", source.name)));
    Err(ui.answer_no(&text(&data), &message, data))
}

fn text(data: &DepsData) -> String {
    let mut text = String::new();
    for module in &data.modules {
        if let Some(name) = &module.module {
            text.push_str(&format!("# {}\n", printable(name)));
        }
        for package in &module.packages {
            let kind = if package.kind == "build" { "  (build)" } else { "" };
            let line = format!("{} {}  {}{kind}", package.name, package.version, package.source);
            text.push_str(&format!("{}\n", printable(&line)));
        }
    }
    for producer in &data.producers {
        let line = format!("{}: {} {}", producer.field, producer.name, producer.version);
        text.push_str(&format!("{}\n", printable(line.trim_end())));
    }
    text
}

/// What the modules in a binary record, and what could not be read.
pub(crate) fn of_parts(root: &Part<'_>) -> (Vec<ModuleDependencies>, Vec<String>) {
    let (mut modules, mut problems) = (Vec::new(), Vec::new());
    for part in root.all() {
        let Some(section) = part.custom(SECTION) else { continue };
        match packages(section) {
            Ok(packages) => modules.push(ModuleDependencies { module: part.name.clone(), packages }),
            Err(reason) => {
                let name = part.name.as_deref().unwrap_or("a module");
                problems.push(format!("the list of crates in {name} cannot be read: {reason}"));
            }
        }
    }
    (modules, problems)
}

/// The list as cargo-auditable writes it.
#[derive(Deserialize)]
struct Recorded {
    packages: Vec<RecordedPackage>,
}

#[derive(Deserialize)]
struct RecordedPackage {
    name: String,
    version: String,
    source: String,
    kind: Option<String>,
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

fn packages(section: &[u8]) -> Result<Vec<Dependency>, String> {
    let mut json = Vec::new();
    let mut unfolded = flate2::read::ZlibDecoder::new(section).take(MAX_JSON + 1);
    unfolded.read_to_end(&mut json).map_err(|err| err.to_string())?;
    if json.len() as u64 > MAX_JSON {
        return Err(format!("it unfolds to more than {MAX_JSON} bytes"));
    }
    let recorded: Recorded = serde_json::from_slice(&json).map_err(|err| err.to_string())?;
    let count = recorded.packages.len();
    let package = |package: RecordedPackage| Dependency {
        name: package.name,
        version: package.version,
        source: package.source,
        kind: package.kind.unwrap_or_else(|| "runtime".to_owned()),
        root: package.root,
        dependencies: package.dependencies.into_iter().filter(|position| *position < count).collect(),
    };
    Ok(recorded.packages.into_iter().map(package).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn compressed(json: &str) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(json.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_list_of_crates() {
        let list = packages(&compressed(
            r#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io","dependencies":[1, 7]},
                {"name":"b","version":"2.0.0","source":"local","kind":"build","root":true}]}"#,
        ))
        .unwrap();
        assert_eq!(list[0].dependencies, [1]);
        assert_eq!((list[0].kind.as_str(), list[1].kind.as_str(), list[1].root), ("runtime", "build", true));
    }

    #[test]
    fn a_list_that_unfolds_without_end_is_given_up() {
        let bomb = compressed(&" ".repeat(20 << 20));
        assert!(bomb.len() < 100_000);
        assert!(packages(&bomb).unwrap_err().contains("unfolds to more than"));
        assert!(packages(b"nothing").is_err());
    }
}
