//! Measures parts, sections, functions and data segments.

use std::collections::BTreeMap;

use washlib_component::{Kind, Part};
use wasmparser::{BinaryReader, Name, NameSectionReader, Parser, Payload};

use super::attribution::{Units, crate_of, readable};
use crate::custom_sections::Choice;
use crate::output::{CrateSize, DataSegment, FunctionSize, PartSize, SectionSize, SizeData, Strippable};

/// What functions are under whose crate is unknown.
const UNKNOWN_CRATE: &str = "?";

/// Measures a binary; all functions and data segments, the largest first.
pub(super) fn measure(root: &Part<'_>, bytes: &[u8]) -> SizeData {
    let mut data = SizeData {
        reference: String::new(),
        size: bytes.len() as u64,
        gzip_size: 0,
        strippable: strippable(root),
        parts: Vec::new(),
        crates: Vec::new(),
        functions: Vec::new(),
        n_functions: 0,
        data: Vec::new(),
    };
    add_parts(root, 0, &mut data.parts);
    for part in root.all().into_iter().filter(|part| part.kind == Kind::CoreModule) {
        module(part, bytes, &mut data);
    }
    data.crates = crates(&data.functions);
    data.n_functions = data.functions.len() as u64;
    data.functions.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.index.cmp(&other.index)));
    data.data.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.index.cmp(&other.index)));
    data
}

fn strippable(root: &Part<'_>) -> Strippable {
    let all = root.all();
    let customs = || all.iter().flat_map(|part| &part.sections).filter(|section| section.is_custom());
    let sum = |choice: &dyn Fn(&str) -> bool| -> u64 {
        customs().filter(|section| choice(section.name)).map(|section| section.size as u64).sum()
    };
    Strippable {
        default: sum(&|name| Choice::Unneeded.removes(name)),
        all: sum(&|_| true),
        debug: sum(&|name| name.starts_with(".debug_")),
    }
}

fn add_parts(part: &Part<'_>, depth: u64, parts: &mut Vec<PartSize>) {
    let mut sections: Vec<SectionSize> = Vec::new();
    let mut known: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for section in &part.sections {
        let position = *known.entry((section.name, section.is_custom())).or_insert_with(|| {
            let (name, custom) = (section.name.to_owned(), section.is_custom());
            sections.push(SectionSize { name, custom, count: 0, size: 0 });
            sections.len() - 1
        });
        sections[position].count += 1;
        sections[position].size += section.size as u64;
    }
    sections.sort_by_key(|section| std::cmp::Reverse(section.size));
    let kind = match part.kind {
        Kind::Component => "component",
        Kind::CoreModule => "core-module",
    };
    parts.push(PartSize { depth, kind, name: part.name.clone(), size: part.range.len() as u64, sections });
    // The outline bounds how deep this goes.
    for inner in &part.parts {
        add_parts(inner, depth + 1, parts);
    }
}

/// Names of functions and data segments.
#[derive(Default)]
struct Names<'a> {
    functions: BTreeMap<u32, &'a str>,
    data: BTreeMap<u32, &'a str>,
}

impl<'a> Names<'a> {
    fn read(part: &Part<'a>) -> Self {
        let mut names = Self::default();
        let Some(section) = part.custom("name") else { return names };
        for name in NameSectionReader::new(BinaryReader::new(section, 0)).flatten() {
            let (map, target) = match name {
                Name::Function(map) => (map, &mut names.functions),
                Name::Data(map) => (map, &mut names.data),
                _ => continue,
            };
            target.extend(map.into_iter().flatten().map(|naming| (naming.index, naming.name)));
        }
        names
    }
}

fn module(part: &Part<'_>, bytes: &[u8], data: &mut SizeData) {
    let names = Names::read(part);
    let units = Units::read(part);
    let (mut index, mut code_start) = (0_u32, 0);
    let content = bytes.get(part.range.clone()).unwrap_or_default();
    let offset = part.range.start as u64;
    for payload in Parser::new(offset).parse_all(content) {
        match payload {
            Ok(Payload::ImportSection(section)) => {
                let imports = section.into_imports().flatten();
                let functions = imports.filter(|import| matches!(import.ty, wasmparser::TypeRef::Func(_)));
                index = u32::try_from(functions.count()).unwrap_or(u32::MAX);
            }
            Ok(Payload::CodeSectionStart { range, .. }) => code_start = range.start,
            Ok(Payload::CodeSectionEntry(body)) => {
                let range = body.range();
                let name = names.functions.get(&index);
                let place = (range.start - code_start.min(range.start)) as u64;
                let krate = name.and_then(|name| crate_of(name)).or_else(|| units.crate_at(place));
                data.functions.push(FunctionSize {
                    module: part.name.clone(),
                    index,
                    name: name.map(|name| readable(name)),
                    krate,
                    size: range.len() as u64,
                });
                index = index.saturating_add(1);
            }
            Ok(Payload::DataSection(section)) => {
                for (number, segment) in (0..).zip(section.into_iter().flatten()) {
                    data.data.push(DataSegment {
                        module: part.name.clone(),
                        index: number,
                        name: names.data.get(&number).map(|name| (*name).to_owned()),
                        size: segment.data.len() as u64,
                        zeros: segment.data.iter().filter(|byte| **byte == 0).count() as u64,
                    });
                }
            }
            Ok(_) => {}
            // The outline has read it all: only its own limits could differ.
            Err(_) => break,
        }
    }
}

fn crates(functions: &[FunctionSize]) -> Vec<CrateSize> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for function in functions {
        let sum = sums.entry(function.krate.as_deref().unwrap_or(UNKNOWN_CRATE)).or_default();
        sum.0 += function.size;
        sum.1 += 1;
    }
    let mut crates: Vec<_> = sums
        .into_iter()
        .map(|(name, (size, functions))| CrateSize { name: name.to_owned(), size, functions })
        .collect();
    crates.sort_by_key(|krate| std::cmp::Reverse(krate.size));
    crates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_module_is_in_a_section() {
        let bytes = wat::parse_str(
            r#"(component (core module $m
                (import "a" "b" (func)) (memory 1) (data $d "abc\00\00\00\00\00")
                (func $core::fmt::write (drop (i32.const 1)))
                (func $small)
                (@custom ".debug_info" "xyz")))"#,
        )
        .unwrap();
        let outline = washlib_component::outline(&bytes).unwrap();
        let data = measure(&outline.root, &bytes);
        let module = &data.parts[1];
        let sections: u64 = module.sections.iter().map(|section| section.size).sum();
        assert_eq!(sections + 8, module.size);
        let names: Vec<_> = data.functions.iter().map(|function| (function.name.as_deref(), function.index)).collect();
        assert_eq!(names, [(Some("core::fmt::write"), 1), (Some("small"), 2)]);
        let crates: Vec<_> = data.crates.iter().map(|krate| (krate.name.as_str(), krate.functions)).collect();
        assert_eq!(crates, [("core", 1), ("?", 1)]);
        assert_eq!((data.data[0].size, data.data[0].zeros), (8, 5));
        assert_eq!(data.data[0].name.as_deref(), Some("d"));
        assert!(data.strippable.debug > 3 && data.strippable.all > data.strippable.default);
    }
}
