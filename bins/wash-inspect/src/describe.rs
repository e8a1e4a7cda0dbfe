//! All that is known of a file, as data: its WIT taken apart, its parts, metadata, dependencies and claims.
//!
//! Reads on where a part of the file is damaged, and notes the damage.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use ring::digest::{SHA256, digest};
use washlib_cli::CommandError;
use washlib_component::{Decoded, Kind, Part, Root, function_text, outline, type_text, unreadable, value_text};
use wit_parser::{Function, FunctionKind, InterfaceId, Resolve, TypeDefKind, TypeOwner, WorldId, WorldItem, WorldKey};

use crate::artifact::Artifact;
use crate::output::{
    Description, FileKind, FunctionData, InterfaceData, InterfaceReference, ItemKind, MetadataData, PackageItems,
    PartData, PartKind, Problem, TypeData, WorldData, WorldItemData,
};
use crate::source::Source;
use crate::{claims, command_error, dependencies, metadata};

/// Packages whose version is that of WASI as a whole.
const WASI_PACKAGES: [&str; 8] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets", "tls"];

/// Describes what was read; `decoded` is its WIT where it has one.
pub(crate) fn describe(
    source: &Source,
    artifact: &Artifact,
    decoded: Option<&Decoded>,
) -> Result<Description, CommandError> {
    let mut description = Description {
        reference: source.name.clone(),
        kind: kind(artifact, decoded),
        size: None,
        gzip_size: None,
        digest: None,
        wit: None,
        wasi_versions: Vec::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        worlds: Vec::new(),
        interfaces: Vec::new(),
        metadata: MetadataData::default(),
        parts: Vec::new(),
        dependencies: Vec::new(),
        claims: None,
        archive: None,
        problem: None,
    };
    let bytes = source.bytes();
    // A folder of WIT has none.
    if !bytes.is_empty() {
        description.size = Some(bytes.len() as u64);
        description.gzip_size = Some(gzip_size(bytes));
        description.digest =
            Some(format!("sha256:{}", data_encoding::HEXLOWER.encode(digest(&SHA256, bytes).as_ref())));
    }
    match artifact {
        Artifact::Wasm(_) => wasm(&source.name, bytes, &mut description)?,
        Artifact::Wit(_) => {}
        Artifact::Archive(archive) => {
            description.claims = archive.claims.clone();
            description.archive = Some(archive.data.clone());
            description.problem = archive.problem.clone();
        }
    }
    if let Some(decoded) = decoded {
        wit(decoded, &mut description);
    }
    Ok(description)
}

fn kind(artifact: &Artifact, decoded: Option<&Decoded>) -> FileKind {
    match (artifact, decoded.map(|decoded| decoded.root)) {
        (Artifact::Archive(_), _) => FileKind::ProviderArchive,
        (Artifact::Wit(_), _) | (_, Some(Root::Package(_))) => FileKind::WitPackage,
        (Artifact::Wasm(Kind::CoreModule), _) => FileKind::CoreModule,
        (Artifact::Wasm(Kind::Component), _) => FileKind::Component,
    }
}

/// Bytes after gzip at its default level.
pub(crate) fn gzip_size(bytes: &[u8]) -> u64 {
    let mut encoder = flate2::write::GzEncoder::new(Counter(0), flate2::Compression::default());
    // A counter takes all that it is given.
    let _ = encoder.write_all(bytes);
    encoder.finish().map(|counter| counter.0).unwrap_or_default()
}

/// Counts what is written to it.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn wasm(name: &str, bytes: &[u8], description: &mut Description) -> Result<(), CommandError> {
    let outline = outline(bytes).map_err(|err| command_error::unrecognized(name, err))?;
    let root = &outline.root;
    description.metadata = metadata::of_part(root);
    add_parts(root, 0, &mut description.parts);
    let (modules, problems) = dependencies::of_parts(root);
    description.dependencies = modules;
    let (claims, no_claims) = match claims::of_binary(&outline, bytes) {
        Ok(claims) => (claims, None),
        Err(problem) => (None, Some(problem)),
    };
    description.claims = claims;
    // The first that keeps something from being read.
    let stopped = outline.stopped.iter().cloned().chain(root.all().into_iter().filter_map(unreadable));
    let stopped = stopped.map(|stopped| Problem { offset: Some(stopped.offset as u64), reason: stopped.reason });
    let problems = problems.into_iter().map(|reason| Problem { offset: None, reason });
    description.problem = stopped.chain(no_claims).chain(problems).next();
    if outline.root.kind == Kind::CoreModule {
        core_imports(&outline.root, description);
    }
    Ok(())
}

fn add_parts(part: &Part<'_>, depth: u64, parts: &mut Vec<PartData>) {
    let kind = match (part.kind, part.name.as_deref()) {
        (Kind::Component, _) => PartKind::Component,
        (_, Some(name)) if name.starts_with("wit-component:adapter:") => PartKind::Adapter,
        // By the names that wit-component has given over the years.
        (_, Some("wit-component:shim" | "wit-component:fixups")) => PartKind::Glue,
        (_, Some("wit-component-shim-module" | "wit-component-fixup" | "start-shim-module")) => PartKind::Glue,
        (Kind::CoreModule, _) => PartKind::CoreModule,
    };
    parts.push(PartData {
        depth,
        kind,
        name: part.name.clone(),
        offset: part.range.start as u64,
        size: part.range.len() as u64,
        metadata: metadata::of_part(part),
    });
    // The outline bounds how deep this goes.
    for inner in &part.parts {
        add_parts(inner, depth + 1, parts);
    }
}

/// A core module's imports stand by module, as a world's by package.
fn core_imports(part: &Part<'_>, description: &mut Description) {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for section in part.sections.iter().filter(|section| section.name == "import" && !section.is_custom()) {
        let reader = wasmparser::BinaryReader::new(section.data, section.content.start);
        let Ok(imports) = wasmparser::ImportSectionReader::new(reader) else { continue };
        for import in imports.into_imports().flatten() {
            modules.entry(import.module.to_owned()).or_default().insert(import.name.to_owned());
        }
    }
    for (old, version) in [("wasi_snapshot_preview1", "preview1"), ("wasi_unstable", "preview0")] {
        if modules.contains_key(old) {
            description.wasi_versions.push(version.to_owned());
        }
    }
    let items = |(package, items): (String, BTreeSet<String>)| PackageItems {
        package,
        version: None,
        items: items.into_iter().collect(),
    };
    description.imports = modules.into_iter().map(items).collect();
}

fn wit(decoded: &Decoded, description: &mut Description) {
    let resolve = &decoded.resolve;
    match decoded.wit() {
        Ok(text) => description.wit = Some(text),
        // All else can be told without the text.
        Err(err) => {
            let problem = Problem { offset: None, reason: format!("its WIT cannot be printed: {err}") };
            description.problem.get_or_insert(problem);
        }
    }
    let positions: BTreeMap<InterfaceId, usize> =
        resolve.interfaces.iter().enumerate().map(|(position, (id, _))| (id, position)).collect();
    description.interfaces = resolve.interfaces.iter().map(|(id, _)| interface(resolve, id)).collect();
    let worlds: Vec<WorldId> = match decoded.root {
        Root::Component(world) | Root::CoreModule(world) => vec![world],
        Root::Package(package) => resolve.packages[package].worlds.values().copied().collect(),
    };
    description.worlds = worlds.iter().map(|world| world_data(resolve, *world, &positions)).collect();
    if let Some(world) = decoded.world() {
        let world = &resolve.worlds[world];
        description.imports = by_package(resolve, world.imports.keys());
        description.exports = by_package(resolve, world.exports.keys());
    }
    let mut versions = BTreeSet::new();
    for package in resolve.packages.iter().map(|(_, package)| &package.name) {
        if package.namespace == "wasi"
            && WASI_PACKAGES.contains(&package.name.as_str())
            && let Some(version) = &package.version
        {
            versions.insert(version.clone());
        }
    }
    description.wasi_versions.extend(versions.iter().map(ToString::to_string));
}

fn by_package<'a>(resolve: &Resolve, keys: impl Iterator<Item = &'a WorldKey>) -> Vec<PackageItems> {
    let mut packages: BTreeMap<(String, Option<String>), Vec<String>> = BTreeMap::new();
    for key in keys {
        let (package, version, item) = match key {
            WorldKey::Name(name) => (String::new(), None, name.clone()),
            WorldKey::Interface(id) => {
                let interface = &resolve.interfaces[*id];
                let package = interface.package.map(|package| &resolve.packages[package].name);
                (
                    package.map(|name| format!("{}:{}", name.namespace, name.name)).unwrap_or_default(),
                    package.and_then(|name| name.version.as_ref()).map(ToString::to_string),
                    interface.name.clone().unwrap_or_default(),
                )
            }
        };
        packages.entry((package, version)).or_default().push(item);
    }
    let items = |((package, version), items)| PackageItems { package, version, items };
    packages.into_iter().map(items).collect()
}

fn world_data(resolve: &Resolve, id: WorldId, positions: &BTreeMap<InterfaceId, usize>) -> WorldData {
    let world = &resolve.worlds[id];
    let name = match world.package {
        Some(package) => resolve.id_of_name(package, &world.name),
        None => world.name.clone(),
    };
    let item = |(key, item): (&WorldKey, &WorldItem)| world_item(resolve, key, item, positions);
    WorldData {
        name,
        imports: world.imports.iter().map(item).collect(),
        exports: world.exports.iter().map(item).collect(),
    }
}

fn world_item(
    resolve: &Resolve,
    key: &WorldKey,
    item: &WorldItem,
    positions: &BTreeMap<InterfaceId, usize>,
) -> WorldItemData {
    let name = resolve.name_world_key(key);
    let empty = WorldItemData { name, kind: ItemKind::Interface, signature: None, function: None, interface: None };
    match item {
        WorldItem::Interface { id, .. } => {
            WorldItemData { interface: positions.get(id).copied().map(InterfaceReference), ..empty }
        }
        WorldItem::Function(function) => WorldItemData {
            kind: ItemKind::Function,
            signature: Some(function_text(resolve, function)),
            function: Some(function_data(resolve, function)),
            ..empty
        },
        WorldItem::Type { id, .. } => {
            WorldItemData { kind: ItemKind::Type, signature: Some(type_text(resolve, *id)), ..empty }
        }
    }
}

fn interface(resolve: &Resolve, id: InterfaceId) -> InterfaceData {
    let interface = &resolve.interfaces[id];
    let types = interface.types.iter().map(|(name, id)| {
        let definition = &resolve.types[*id];
        TypeData {
            name: name.clone(),
            kind: definition.kind.as_str(),
            definition: type_text(resolve, *id),
            used_from: used_from(resolve, interface_of(&definition.owner), &definition.kind),
            docs: definition.docs.contents.clone(),
        }
    });
    InterfaceData {
        name: resolve.id_of(id),
        docs: interface.docs.contents.clone(),
        functions: interface.functions.values().map(|function| function_data(resolve, function)).collect(),
        types: types.collect(),
    }
}

fn interface_of(owner: &TypeOwner) -> Option<InterfaceId> {
    match owner {
        TypeOwner::Interface(id) => Some(*id),
        TypeOwner::World(_) | TypeOwner::None => None,
    }
}

/// The interface that a type comes from by `use`.
fn used_from(resolve: &Resolve, owner: Option<InterfaceId>, kind: &TypeDefKind) -> Option<String> {
    let TypeDefKind::Type(wit_parser::Type::Id(id)) = kind else { return None };
    let other = interface_of(&resolve.types[*id].owner)?;
    if Some(other) == owner { None } else { resolve.id_of(other) }
}

fn function_data(resolve: &Resolve, function: &Function) -> FunctionData {
    let kind = match function.kind {
        FunctionKind::Freestanding | FunctionKind::AsyncFreestanding => "function",
        FunctionKind::Method(_) | FunctionKind::AsyncMethod(_) => "method",
        FunctionKind::Static(_) | FunctionKind::AsyncStatic(_) => "static",
        FunctionKind::Constructor(_) => "constructor",
    };
    let resource = function.kind.resource().and_then(|id| resolve.types[id].name.clone());
    // A method's first parameter is the resource.
    let params = function.params.iter().skip(usize::from(kind == "method"));
    FunctionData {
        name: if kind == "constructor" { "constructor".to_owned() } else { function.item_name().to_owned() },
        resource,
        kind,
        is_async: function.kind.is_async(),
        params: params.map(|param| (param.name.clone(), value_text(resolve, &param.ty))).collect(),
        result: function.result.map(|ty| value_text(resolve, &ty)),
        signature: function_text(resolve, function),
        docs: function.docs.contents.clone(),
    }
}
