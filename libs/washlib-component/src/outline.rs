//! What a binary consists of: its sections, and the modules and components in it.
//!
//! Reads as far as the bytes are in order, and says where and why it stopped. Looks into no function body and judges
//! nothing.

use std::ops::Range;

use wasmparser::{BinaryReader, ComponentNameSectionReader, Encoding, Name, NameSectionReader, Parser, Payload};

use crate::limits::{LimitError, MAX_OUTLINED_PARTS, MAX_SECTIONS};
use crate::{Kind, MAX_NESTING, UnrecognizedError, identify};

/// A file's outline.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// The outermost component or module.
    pub root: Part<'a>,
    /// Where reading stopped, if that was before the end.
    pub stopped: Option<Stopped>,
}

/// Where and why reading stopped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("reading stopped at byte {offset:#x}: {reason}")]
pub struct Stopped {
    /// Offset in the file.
    pub offset: usize,
    /// What was wrong there.
    pub reason: String,
}

/// A component or a module.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Which of the two.
    pub kind: Kind,
    /// Its bytes in the file, with the header.
    pub range: Range<usize>,
    /// The name that it gives itself, or that the component around it gives it.
    pub name: Option<String>,
    /// Its sections, without those that are parts.
    pub sections: Vec<Section<'a>>,
    /// What is nested in it.
    pub parts: Vec<Part<'a>>,
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// The number that says which kind it is.
    pub id: u8,
    /// The kind's name, or a custom section's own.
    pub name: &'a str,
    /// How many entries it has, where it is a list.
    pub entries: Option<u32>,
    /// Its content in the file; for a custom section, what follows the name.
    pub content: Range<usize>,
    /// Bytes, with its header.
    pub size: usize,
    /// The content.
    pub data: &'a [u8],
}

impl Section<'_> {
    /// Whether it is one that gives the file no behaviour.
    pub fn is_custom(&self) -> bool {
        self.id == 0
    }
}

impl<'a> Part<'a> {
    fn new(kind: Kind, range: Range<usize>) -> Self {
        Self { kind, range, name: None, sections: Vec::new(), parts: Vec::new() }
    }

    /// The content of the custom section of this name.
    pub fn custom(&self, name: &str) -> Option<&'a [u8]> {
        self.sections.iter().find(|section| section.is_custom() && section.name == name).map(|section| section.data)
    }

    /// This part and all that are nested in it, each before what is in it.
    pub fn all(&self) -> Vec<&Part<'a>> {
        let mut all = Vec::new();
        let mut open = vec![self];
        while let Some(part) = open.pop() {
            all.push(part);
            open.extend(part.parts.iter().rev());
        }
        all
    }
}

/// Reads the outline of a component or core module.
///
/// # Errors
///
/// When the bytes are not those of a WebAssembly binary.
pub fn outline(bytes: &[u8]) -> Result<Outline<'_>, UnrecognizedError> {
    let kind = identify(bytes)?;
    let mut reader = OutlineReader {
        bytes,
        open: vec![Part::new(kind, 0..bytes.len())],
        expected_part: None,
        n_parts: 0,
        n_sections: 0,
    };
    let stopped = reader.read().err();
    let mut open = reader.open;
    // What was not finished keeps what it has.
    while open.len() > 1 {
        if let (Some(part), Some(parent)) = (open.pop(), open.last_mut()) {
            parent.parts.push(part);
        }
    }
    let mut root = open.pop().unwrap_or_else(|| Part::new(kind, 0..bytes.len()));
    give_names(&mut root);
    Ok(Outline { root, stopped })
}

struct OutlineReader<'a> {
    bytes: &'a [u8],
    /// The parts around the place of reading, the outermost first; never empty.
    open: Vec<Part<'a>>,
    expected_part: Option<Range<usize>>,
    n_parts: usize,
    n_sections: usize,
}

impl<'a> OutlineReader<'a> {
    fn read(&mut self) -> Result<(), Stopped> {
        for payload in Parser::new(0).parse_all(self.bytes) {
            match payload {
                Ok(payload) => self.payload(&payload)?,
                Err(err) if err.message().contains("unexpected end") => return Err(self.cut_off()),
                Err(err) => return Err(Stopped { offset: err.offset(), reason: err.message().to_owned() }),
            }
        }
        Ok(())
    }

    fn payload(&mut self, payload: &Payload<'a>) -> Result<(), Stopped> {
        match payload {
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                self.expected_part = Some(unchecked_range.clone());
            }
            Payload::Version { encoding, .. } => {
                if let Some(range) = self.expected_part.take() {
                    self.open_part(*encoding, range)?;
                }
            }
            Payload::End(offset) if self.open.len() > 1 => {
                // The parser takes the end of the file for the end of whatever is in it.
                if self.open.last().is_some_and(|part| *offset < part.range.end) {
                    return Err(self.cut_off());
                }
                if let (Some(part), Some(parent)) = (self.open.pop(), self.open.last_mut()) {
                    parent.parts.push(part);
                }
            }
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    self.section(payload, id, range)?;
                }
            }
        }
        Ok(())
    }

    fn cut_off(&self) -> Stopped {
        Stopped { offset: self.bytes.len(), reason: "the file is cut off: more should follow".to_owned() }
    }

    fn open_part(&mut self, encoding: Encoding, range: Range<usize>) -> Result<(), Stopped> {
        let offset = range.start;
        let kind = match encoding {
            Encoding::Component => Kind::Component,
            Encoding::Module => Kind::CoreModule,
        };
        self.open.push(Part::new(kind, range));
        self.n_parts += 1;
        if self.open.len() > MAX_NESTING {
            return Err(limit(&LimitError::TooDeep { offset }));
        }
        if self.n_parts > MAX_OUTLINED_PARTS {
            return Err(limit(&LimitError::TooManyParts { offset }));
        }
        Ok(())
    }

    fn section(&mut self, payload: &Payload<'a>, id: u8, range: Range<usize>) -> Result<(), Stopped> {
        self.n_sections += 1;
        if self.n_sections > MAX_SECTIONS {
            return Err(limit(&LimitError::TooManySections { offset: range.start }));
        }
        let size = 1 + leb_length(range.len()) + range.len();
        let (name, content) = match payload {
            Payload::CustomSection(custom) => (custom.name(), custom.data_offset()..range.end),
            payload => (section_name(payload), range),
        };
        let data = self.bytes.get(content.clone()).unwrap_or_default();
        if let Some(part) = self.open.last_mut() {
            part.sections.push(Section { id, name, entries: entries(payload), content, size, data });
        }
        Ok(())
    }
}

fn limit(err: &LimitError) -> Stopped {
    Stopped { offset: err.offset(), reason: err.to_string() }
}

fn leb_length(mut value: usize) -> usize {
    let mut length = 1;
    while value >= 0x80 {
        value >>= 7;
        length += 1;
    }
    length
}

fn section_name(payload: &Payload<'_>) -> &'static str {
    match payload {
        Payload::TypeSection(_) | Payload::ComponentTypeSection(_) => "type",
        Payload::ImportSection(_) | Payload::ComponentImportSection(_) => "import",
        Payload::FunctionSection(_) => "function",
        Payload::TableSection(_) => "table",
        Payload::MemorySection(_) => "memory",
        Payload::TagSection(_) => "tag",
        Payload::GlobalSection(_) => "global",
        Payload::ExportSection(_) | Payload::ComponentExportSection(_) => "export",
        Payload::StartSection { .. } | Payload::ComponentStartSection { .. } => "start",
        Payload::ElementSection(_) => "element",
        Payload::DataCountSection { .. } => "data count",
        Payload::DataSection(_) => "data",
        Payload::CodeSectionStart { .. } => "code",
        Payload::InstanceSection(_) => "core instance",
        Payload::CoreTypeSection(_) => "core type",
        Payload::ComponentInstanceSection(_) => "instance",
        Payload::ComponentAliasSection(_) => "alias",
        Payload::ComponentCanonicalSection(_) => "canonical function",
        _ => "unknown",
    }
}

fn entries(payload: &Payload<'_>) -> Option<u32> {
    Some(match payload {
        Payload::TypeSection(reader) => reader.count(),
        Payload::ImportSection(reader) => reader.count(),
        Payload::FunctionSection(reader) => reader.count(),
        Payload::TableSection(reader) => reader.count(),
        Payload::MemorySection(reader) => reader.count(),
        Payload::TagSection(reader) => reader.count(),
        Payload::GlobalSection(reader) => reader.count(),
        Payload::ExportSection(reader) => reader.count(),
        Payload::ElementSection(reader) => reader.count(),
        Payload::DataSection(reader) => reader.count(),
        Payload::CodeSectionStart { count, .. } => *count,
        Payload::ComponentTypeSection(reader) => reader.count(),
        Payload::ComponentImportSection(reader) => reader.count(),
        Payload::ComponentExportSection(reader) => reader.count(),
        Payload::ComponentInstanceSection(reader) => reader.count(),
        Payload::ComponentAliasSection(reader) => reader.count(),
        Payload::ComponentCanonicalSection(reader) => reader.count(),
        Payload::InstanceSection(reader) => reader.count(),
        Payload::CoreTypeSection(reader) => reader.count(),
        _ => return None,
    })
}

/// Names by the name sections: a part's own, and for what is nested in a component, the component's.
fn give_names(root: &mut Part<'_>) {
    let mut open = vec![root];
    while let Some(part) = open.pop() {
        match part.kind {
            Kind::CoreModule => {
                if let Some(name) = module_name(part) {
                    part.name = Some(name);
                }
            }
            Kind::Component => name_component(part),
        }
        open.extend(part.parts.iter_mut());
    }
}

fn module_name(part: &Part<'_>) -> Option<String> {
    let section = part.sections.iter().find(|section| section.is_custom() && section.name == "name")?;
    let reader = BinaryReader::new(section.data, section.content.start);
    NameSectionReader::new(reader).find_map(|name| match name {
        Ok(Name::Module { name, .. }) if !name.is_empty() => Some(name.to_owned()),
        _ => None,
    })
}

fn name_component(part: &mut Part<'_>) {
    let Some(section) = part.sections.iter().find(|section| section.is_custom() && section.name == "component-name")
    else {
        return;
    };
    let reader = BinaryReader::new(section.data, section.content.start);
    for name in ComponentNameSectionReader::new(reader).flatten() {
        match name {
            wasmparser::ComponentName::Component { name, .. } => part.name = Some(name.to_owned()),
            wasmparser::ComponentName::CoreModules(names) => name_parts(&mut part.parts, Kind::CoreModule, names),
            wasmparser::ComponentName::Components(names) => name_parts(&mut part.parts, Kind::Component, names),
            _ => {}
        }
    }
}

/// The index counts the parts of this kind; one that stands for an import would shift it, and tools write none.
fn name_parts(parts: &mut [Part<'_>], kind: Kind, names: wasmparser::NameMap<'_>) {
    let mut parts: Vec<_> = parts.iter_mut().filter(|part| part.kind == kind).collect();
    for naming in names.into_iter().flatten() {
        let index = usize::try_from(naming.index).unwrap_or(usize::MAX);
        if let Some(part) = parts.get_mut(index) {
            part.name = Some(naming.name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        wat::parse_str(
            r#"(component $outer
                (core module $main (func (export "f")) (@custom "note" "abc"))
                (component $inner (core module))
                (import "g" (func)))"#,
        )
        .unwrap()
    }

    #[test]
    fn parts_sections_and_names() {
        let bytes = sample();
        let outline = outline(&bytes).unwrap();
        assert_eq!(outline.stopped, None);
        assert_eq!(outline.root.name.as_deref(), Some("outer"));
        let names: Vec<_> = outline.root.all().iter().map(|part| (part.kind, part.name.clone())).collect();
        assert_eq!(
            names,
            [
                (Kind::Component, Some("outer".to_owned())),
                (Kind::CoreModule, Some("main".to_owned())),
                (Kind::Component, Some("inner".to_owned())),
                (Kind::CoreModule, None),
            ]
        );
        assert_eq!(outline.root.parts[0].custom("note"), Some(&b"abc"[..]));
        // Headers, sections and parts are all there is.
        let module = &outline.root.parts[0];
        let sections: usize = module.sections.iter().map(|section| section.size).sum();
        assert_eq!(module.range.len(), 8 + sections);
    }

    #[test]
    fn a_cut_between_the_sections_of_a_part_is_noticed() {
        let bytes = sample();
        let range = outline(&bytes).unwrap().root.parts[0].range.clone();
        for length in range {
            let cut = &bytes[..length];
            assert_eq!(outline(cut).unwrap().stopped.map(|stopped| stopped.offset), Some(length));
            assert!(crate::validate(cut).is_err(), "{length}");
        }
    }

    #[test]
    fn a_cut_file_shows_what_is_there() {
        let bytes = sample();
        let mut stopped = 0;
        for length in 8..bytes.len() {
            let outline = outline(&bytes[..length]).unwrap();
            if let Some(place) = outline.stopped {
                stopped += 1;
                assert!(place.offset <= length, "{place}");
            }
        }
        assert!(stopped > bytes.len() / 2, "{stopped} of {}", bytes.len());
        let cut = outline(&bytes[..bytes.len() - 4]).unwrap();
        assert_eq!(cut.root.parts.len(), 2);
    }
}
