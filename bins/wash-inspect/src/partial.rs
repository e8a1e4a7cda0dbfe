//! What a damaged component still tells about its imports and exports.
//!
//! Each section refers to earlier ones alone. So a component that ends before the damage is one that can be decoded; of
//! what stands behind it, names are read and nothing more.

use washlib_component::{DecodeError, Decoded, Kind, Part, decode, outline};
use wasmparser::{BinaryReader, ComponentExportSectionReader, ComponentImportSectionReader};

use crate::host_profile::InterfaceName;
use crate::output::{Description, PackageItems};

/// How many ends are tried: what comes before a section that breaks a rule may break another.
const MAX_TRIES: usize = 4;

/// How many names are read behind the damage, of imports and of exports.
const MAX_NAMES: usize = 10_000;

/// What could be read.
#[derive(Default)]
pub(crate) struct Partial {
    /// The world as far as the sections before the damage make it up.
    pub(crate) decoded: Option<Decoded>,
    /// Names of imports behind that.
    imports: Vec<String>,
    /// Names of exports behind that.
    exports: Vec<String>,
}

/// Reads around the damage that kept a file from being decoded.
pub(crate) fn read(bytes: &[u8], err: &DecodeError) -> Partial {
    let Ok(outline) = outline(bytes) else { return Partial::default() };
    let root = &outline.root;
    if root.kind != Kind::Component {
        return Partial::default();
    }
    let stops = outline.stopped.as_ref().map(|stopped| stopped.offset).into_iter().chain(err.offset());
    let mut stop = stops.min().unwrap_or(bytes.len());
    let mut partial = Partial::default();
    let mut begin = 0;
    for _ in 0..MAX_TRIES {
        let Some(end) = last_end(root, stop) else { break };
        match decode(&bytes[..end]) {
            Ok(decoded) if decoded.wit().is_ok() => {
                (partial.decoded, begin) = (Some(decoded), end);
                break;
            }
            Ok(_) => break,
            Err(err) => stop = err.offset().unwrap_or_default().min(end.saturating_sub(1)),
        }
    }
    names(root, begin, &mut partial);
    partial.imports.truncate(MAX_NAMES);
    partial.exports.truncate(MAX_NAMES);
    partial
}

/// Where the last of the outermost sections ends that are over at this offset.
fn last_end(root: &Part<'_>, stop: usize) -> Option<usize> {
    let sections = root.sections.iter().map(|section| section.content.end);
    let parts = root.parts.iter().map(|part| part.range.end);
    sections.chain(parts).filter(|end| *end <= stop).max()
}

fn names(root: &Part<'_>, begin: usize, partial: &mut Partial) {
    let sections = root.sections.iter().filter(|section| !section.is_custom() && section.content.start >= begin);
    for section in sections {
        let reader = BinaryReader::new(section.data, section.content.start);
        match section.name {
            "import" => {
                let Ok(imports) = ComponentImportSectionReader::new(reader) else { continue };
                partial.imports.extend(imports.into_iter().map_while(Result::ok).map(|it| it.name.name.to_owned()));
            }
            "export" => {
                let Ok(exports) = ComponentExportSectionReader::new(reader) else { continue };
                partial.exports.extend(exports.into_iter().map_while(Result::ok).map(|it| it.name.name.to_owned()));
            }
            _ => {}
        }
    }
}

impl Partial {
    /// Adds the names to a description that has what was decoded.
    pub(crate) fn add_names(&self, description: &mut Description) {
        self.imports.iter().for_each(|name| add(name, &mut description.imports));
        self.exports.iter().for_each(|name| add(name, &mut description.exports));
    }
}

fn add(name: &str, packages: &mut Vec<PackageItems>) {
    let parsed = InterfaceName::parse(name);
    let (package, item) = parsed.map_or(("", name), |name| (name.package, name.interface));
    let version = parsed.map(|name| name.version).filter(|version| !version.is_empty());
    let item = item.to_owned();
    match packages.iter_mut().find(|known| known.package == package && known.version.as_deref() == version) {
        Some(known) if known.items.contains(&item) => {}
        Some(known) => known.items.push(item),
        None => packages.push(PackageItems {
            package: package.to_owned(),
            version: version.map(str::to_owned),
            items: vec![item],
        }),
    }
}
