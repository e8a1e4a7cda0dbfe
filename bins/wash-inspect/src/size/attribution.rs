//! Which crate a function belongs to: by its name, or by what DWARF says about its place.

use std::fmt::{self, Write as _};

use gimli::{AttributeValue, Dwarf, EndianSlice, LittleEndian, SectionId, UnitRef};
use washlib_component::Part;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// How many compilation units are read; a large program has some thousands.
const MAX_UNITS: usize = 100_000;
/// How many ranges of addresses are read.
const MAX_RANGES: usize = 1_000_000;

/// The longest name that is shown of those that are unfolded, in bytes: a short one may stand for a megabyte.
const MAX_NAME: usize = 4_000;
/// How many types and traits a name is asked for, one behind the other.
const MAX_STEPS: usize = 8;

/// A function's name as a person would write it.
pub(super) fn readable(name: &str) -> String {
    let Ok(demangled) = rustc_demangle::try_demangle(name) else { return name.to_owned() };
    let mut text = Bounded(String::new());
    if write!(text, "{demangled:#}").is_err() {
        text.0.push('…');
    }
    text.0
}

/// Takes text as long as there is not too much of it.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(MAX_NAME - self.0.len());
        self.0.push_str(&text[..end]);
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The crate that a function's name begins with, or that of the type it is implemented for.
pub(super) fn crate_of(name: &str) -> Option<String> {
    let name = readable(name);
    let mut rest = name.as_str();
    for _ in 0..MAX_STEPS {
        rest = unwrapped(rest);
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (first, after) = rest.split_at(end);
        if !first.is_empty() && after.starts_with("::") {
            return Some(first.to_owned());
        }
        // A primitive type's implementation is the trait's crate's.
        (_, rest) = rest.split_once(" as ")?;
    }
    None
}

/// A type without what stands around its path.
fn unwrapped(mut rest: &str) -> &str {
    // What a path may be wrapped in, as in `<&mut core::fmt::Formatter as alloc::fmt::Write>::write`.
    loop {
        let inner = rest.trim_start_matches(['<', '&', '*', '(', '[', ' ']);
        let inner = ["mut ", "dyn ", "const ", "unsafe ", "fn("]
            .iter()
            .fold(inner, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
        if inner == rest {
            return rest;
        }
        rest = inner;
    }
}

/// The ranges of code that compilation units cover.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// Begin, end and crate; in the order of their begins.
    ranges: Vec<(u64, u64, usize)>,
    /// How many ranges were read, those that are of no use too.
    n_read: usize,
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
            if n_units > MAX_UNITS || units.n_read >= MAX_RANGES {
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
            while self.n_read < MAX_RANGES
                && let Ok(Some(range)) = ranges.next()
            {
                self.n_read += 1;
                // The linker leaves what it removed at the address 0 or at its end.
                if range.begin > 0 && range.begin < range.end {
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
    fn names_that_would_take_without_end_are_given_up() {
        assert_eq!(crate_of(&"1 as ".repeat(20_000)), None);
        let name = readable(&format!("_ZN5000{}E", "a".repeat(5_000)));
        assert_eq!(name, format!("{}…", "a".repeat(MAX_NAME)));
    }

    #[test]
    fn crates_by_unit() {
        assert_eq!(crate_of_unit("/x/library/core/src/lib.rs/@/core.1a2b-cgu.0"), "core");
        assert_eq!(crate_of_unit("src/lib.rs/@/hello.3f-cgu.1"), "hello");
        assert_eq!(crate_of_unit("/src/malloc.c"), "malloc.c");
    }

    #[test]
    fn the_unit_around_a_place() {
        let ranges = vec![(10, 20, 0), (20, 30, 1)];
        let units = Units { ranges, names: vec!["a".into(), "b".into()], ..Units::default() };
        let at = |place| units.crate_at(place);
        assert_eq!(
            (at(9), at(10), at(19), at(20), at(30)),
            (None, Some("a".into()), Some("a".into()), Some("b".into()), None)
        );
    }
}
