//! Which crate a function belongs to: by its name, or by what DWARF says about its place.

use gimli::{AttributeValue, Dwarf, EndianSlice, LittleEndian, SectionId, UnitRef};
use washlib_component::Part;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// How many compilation units are read; a large program has some thousands.
const MAX_UNITS: usize = 100_000;
/// How many ranges of addresses are kept.
const MAX_RANGES: usize = 1_000_000;

/// A function's name as a person would write it.
pub(super) fn readable(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => name.to_owned(),
    }
}

/// The crate that a function's name begins with, or that of the type it is implemented for.
pub(super) fn crate_of(name: &str) -> Option<String> {
    let name = readable(name);
    let mut rest = name.as_str();
    // What a path may be wrapped in, as in `<&mut core::fmt::Formatter as alloc::fmt::Write>::write`.
    loop {
        let inner = rest.trim_start_matches(['<', '&', '*', '(', '[', ' ']);
        let inner = ["mut ", "dyn ", "const ", "unsafe ", "fn("]
            .iter()
            .fold(inner, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
        if inner == rest {
            break;
        }
        rest = inner;
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (first, after) = rest.split_at(end);
    if !first.is_empty() && after.starts_with("::") {
        return Some(first.to_owned());
    }
    // A primitive type's implementation is the trait's crate's.
    let (_, implemented) = rest.split_once(" as ")?;
    if implemented.len() < name.len() { crate_of(implemented) } else { None }
}

/// The ranges of code that compilation units cover.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// Begin, end and crate; in the order of their begins.
    ranges: Vec<(u64, u64, usize)>,
    names: Vec<String>,
}

impl Units {
    /// Reads a module's DWARF; what is damaged is left out.
    pub(super) fn read(part: &Part<'_>) -> Self {
        let mut units = Self::default();
        let section = |id: SectionId| -> Result<Reader<'_>, gimli::Error> {
            Ok(EndianSlice::new(part.custom(id.name()).unwrap_or_default(), LittleEndian))
        };
        let Ok(dwarf) = Dwarf::load(section) else { return units };
        let mut headers = dwarf.units();
        let mut n_units = 0;
        while let Ok(Some(header)) = headers.next() {
            n_units += 1;
            if n_units > MAX_UNITS || units.ranges.len() > MAX_RANGES {
                break;
            }
            if let Ok(unit) = dwarf.unit(header) {
                units.add(&dwarf, &unit);
            }
        }
        units.ranges.sort_unstable();
        units
    }

    fn add<'a>(&mut self, dwarf: &Dwarf<Reader<'a>>, unit: &gimli::Unit<Reader<'a>>) {
        let unit = UnitRef::new(dwarf, unit);
        let Some(name) = unit_name(&unit) else { return };
        let number = self.names.len();
        let before = self.ranges.len();
        if let Ok(mut ranges) = unit.unit_ranges() {
            while let Ok(Some(range)) = ranges.next() {
                // The linker leaves what it removed at the address 0 or at its end.
                if range.begin > 0 && range.begin < range.end && self.ranges.len() < MAX_RANGES {
                    self.ranges.push((range.begin, range.end, number));
                }
            }
        }
        if self.ranges.len() > before {
            self.names.push(name);
        }
    }

    /// The crate of the function at an offset in the code section.
    pub(super) fn crate_at(&self, place: u64) -> Option<String> {
        let after = self.ranges.partition_point(|(begin, _, _)| *begin <= place);
        let (_, end, number) = self.ranges.get(after.checked_sub(1)?)?;
        (place < *end).then(|| self.names.get(*number).cloned()).flatten()
    }
}

fn unit_name(unit: &UnitRef<'_, Reader<'_>>) -> Option<String> {
    let mut entries = unit.entries();
    let entry = entries.next_dfs().ok()??;
    let name = entry.attr_value(gimli::DW_AT_name)?;
    let name = match name {
        AttributeValue::String(text) => text,
        value => unit.attr_string(value).ok()?,
    };
    Some(crate_of_unit(&name.to_string_lossy()))
}

/// rustc calls a unit by its root file and, behind `/@/`, the crate with its hash; other compilers by the source file.
fn crate_of_unit(name: &str) -> String {
    match name.split_once("/@/") {
        Some((_, unit)) => unit.split('.').next().unwrap_or(unit).to_owned(),
        None => name.rsplit('/').next().unwrap_or(name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_by_name() {
        for (name, krate) in [
            ("core::fmt::write", Some("core")),
            ("<alloc::vec::Vec<T> as core::ops::Drop>::drop", Some("alloc")),
            ("<&mut core::fmt::Formatter as x::Y>::z", Some("core")),
            ("<u32 as core::fmt::Display>::fmt", Some("core")),
            ("_ZN4core3fmt5write17h0123456789abcdefE", Some("core")),
            ("dlmalloc", None),
            ("a:b/c#run", None),
            ("", None),
            ("<<<<", None),
        ] {
            assert_eq!(crate_of(name).as_deref(), krate, "{name}");
        }
    }

    #[test]
    fn crates_by_unit() {
        assert_eq!(crate_of_unit("/x/library/core/src/lib.rs/@/core.1a2b-cgu.0"), "core");
        assert_eq!(crate_of_unit("src/lib.rs/@/hello.3f-cgu.1"), "hello");
        assert_eq!(crate_of_unit("/src/malloc.c"), "malloc.c");
    }

    #[test]
    fn the_unit_around_a_place() {
        let units = Units { ranges: vec![(10, 20, 0), (20, 30, 1)], names: vec!["a".into(), "b".into()] };
        let at = |place| units.crate_at(place);
        assert_eq!(
            (at(9), at(10), at(19), at(20), at(30)),
            (None, Some("a".into()), Some("a".into()), Some("b".into()), None)
        );
    }
}
