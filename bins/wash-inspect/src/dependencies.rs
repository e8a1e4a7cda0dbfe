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
/// The most that the lists of a file may unfold to together, in bytes.
const MAX_ALL_JSON: u64 = 64 << 20;
/// The longest name, version or source, in bytes: a bill of materials repeats them for each dependency.
const MAX_TEXT: usize = 1_000;
/// How many dependencies a list may name.
const MAX_DEPENDENCIES: usize = 100_000;

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
    let mut left = MAX_ALL_JSON;
    for part in root.all() {
        let Some(section) = part.custom(SECTION) else { continue };
        match packages(section, &mut left) {
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

impl RecordedPackage {
    fn texts(&self) -> [&str; 4] {
        [&self.name, &self.version, &self.source, self.kind.as_deref().unwrap_or_default()]
    }
}

/// The packages of a list that may take what is left for all lists.
fn packages(section: &[u8], left: &mut u64) -> Result<Vec<Dependency>, String> {
    let mut json = Vec::new();
    let limit = MAX_JSON.min(*left);
    let read = flate2::read::ZlibDecoder::new(section).take(limit + 1).read_to_end(&mut json);
    let length = json.len() as u64;
    *left = left.saturating_sub(length);
    if length > limit {
        return Err(format!("it unfolds to more than {limit} bytes"));
    }
    read.map_err(|err| err.to_string())?;
    let recorded: Recorded = serde_json::from_slice(&json).map_err(|err| err.to_string())?;
    let count = recorded.packages.len();
    if recorded.packages.iter().any(|package| package.texts().iter().any(|text| text.len() > MAX_TEXT)) {
        return Err(format!("a name, version or source has more than {MAX_TEXT} bytes"));
    }
    if recorded.packages.iter().map(|package| package.dependencies.len()).sum::<usize>() > MAX_DEPENDENCIES {
        return Err(format!("it names more than {MAX_DEPENDENCIES} dependencies"));
    }
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

    fn read(json: &str) -> Result<Vec<Dependency>, String> {
        let mut left = MAX_ALL_JSON;
        packages(&compressed(json), &mut left)
    }

    #[test]
    fn a_list_of_crates() {
        let list = read(
            r#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io","dependencies":[1, 7]},
                {"name":"b","version":"2.0.0","source":"local","kind":"build","root":true}]}"#,
        )
        .unwrap();
        assert_eq!(list[0].dependencies, [1]);
        assert_eq!((list[0].kind.as_str(), list[1].kind.as_str(), list[1].root), ("runtime", "build", true));
    }

    #[test]
    fn a_list_that_unfolds_without_end_is_given_up() {
        let bomb = compressed(&" ".repeat(20 << 20));
        assert!(bomb.len() < 100_000);
        let mut left = MAX_ALL_JSON;
        assert!(packages(&bomb, &mut left).unwrap_err().contains("unfolds to more than 8388608 bytes"));
        assert_eq!(left, MAX_ALL_JSON - MAX_JSON - 1);
        let mut left = 10;
        assert!(packages(&bomb, &mut left).unwrap_err().contains("unfolds to more than 10 bytes"));
        assert!(packages(b"nothing", &mut left).is_err());
    }

    #[test]
    fn a_list_that_would_make_a_large_bill_is_given_up() {
        let list = |name: &str, needs: &str| {
            read(&format!(
                r#"{{"packages":[{{"name":"{name}","version":"1","source":"local","dependencies":[{needs}]}}]}}"#
            ))
        };
        list("app", "0,0").unwrap();
        assert!(list(&"x".repeat(MAX_TEXT + 1), "0").unwrap_err().contains("more than 1000 bytes"));
        let needs = "0,".repeat(MAX_DEPENDENCIES) + "0";
        assert!(list("app", &needs).unwrap_err().contains("more than 100000 dependencies"));
    }
}
