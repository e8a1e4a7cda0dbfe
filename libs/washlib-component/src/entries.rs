//! The entries of a part's sections: the producers that it names, and whether its lists can be read at all.
//!
//! The outline itself only counts what sections say that they hold.

use wasmparser::{BinaryReader, SectionLimited, WasmFeatures};

use crate::{Kind, Part, Section, Stopped};

/// The producers that a part names: fields such as `language` or `processed-by`, each with names and versions.
pub fn producers(part: &Part<'_>) -> Vec<(String, Vec<(String, String)>)> {
    let Some(section) = part.sections.iter().find(|section| section.is_custom() && section.name == "producers") else {
        return Vec::new();
    };
    let reader = BinaryReader::new(section.data, section.content.start);
    let Ok(fields) = wasmparser::ProducersSectionReader::new(reader) else { return Vec::new() };
    let mut producers = Vec::new();
    for field in fields.into_iter().flatten() {
        let values = field.values.into_iter().flatten();
        let values = values.map(|value| (value.name.to_owned(), value.version.to_owned())).collect();
        producers.push((field.name.to_owned(), values));
    }
    producers
}

/// The first section of a part that lists what cannot be read: of the lists of a core module, and of producers. The
/// outline itself only counts what sections say that they hold.
pub fn unreadable(part: &Part<'_>) -> Option<Stopped> {
    part.sections.iter().find_map(|section| {
        let err = entries_of(part.kind, section).err()?;
        let reason = format!("the section `{}` cannot be read: {}", section.name, err.message());
        Some(Stopped { offset: err.offset(), reason })
    })
}

/// Reads each entry, and keeps none.
fn entries_of(kind: Kind, section: &Section<'_>) -> wasmparser::Result<()> {
    fn all<'a, T: wasmparser::FromReader<'a>>(reader: BinaryReader<'a>) -> wasmparser::Result<()> {
        SectionLimited::<T>::new(reader)?.into_iter().try_for_each(|entry| entry.map(drop))
    }
    let reader = BinaryReader::new_features(section.data, section.content.start, WasmFeatures::all());
    match (kind, section.name) {
        (_, "producers") if section.is_custom() => wasmparser::ProducersSectionReader::new(reader)?
            .into_iter()
            .try_for_each(|field| field?.values.into_iter().try_for_each(|value| value.map(drop))),
        _ if section.is_custom() => Ok(()),
        (Kind::CoreModule, "type") => all::<wasmparser::RecGroup>(reader),
        (Kind::CoreModule, "import") => {
            wasmparser::ImportSectionReader::new(reader)?.into_imports().try_for_each(|import| import.map(drop))
        }
        (Kind::CoreModule, "function") => all::<u32>(reader),
        (Kind::CoreModule, "table") => all::<wasmparser::Table<'_>>(reader),
        (Kind::CoreModule, "memory") => all::<wasmparser::MemoryType>(reader),
        (Kind::CoreModule, "tag") => all::<wasmparser::TagType>(reader),
        (Kind::CoreModule, "global") => all::<wasmparser::Global<'_>>(reader),
        (Kind::CoreModule, "export") => all::<wasmparser::Export<'_>>(reader),
        (Kind::CoreModule, "element") => all::<wasmparser::Element<'_>>(reader),
        (Kind::CoreModule, "data") => all::<wasmparser::Data<'_>>(reader),
        _ => Ok(()),
    }
}
