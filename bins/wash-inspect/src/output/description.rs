//! `wash inspect`: what a file is and holds.

use schemars::JsonSchema;
use serde::Serialize;

use super::{ArchiveData, ClaimsData, MetadataData, ModuleDependencies};

/// All that is known of a file.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Description {
    /// As it was given, or the path of the project's component.
    pub(crate) reference: String,
    /// What it is.
    pub(crate) kind: FileKind,
    /// Bytes; `null` for a folder of WIT, as are the next two.
    pub(crate) size: Option<u64>,
    /// Bytes after gzip at its default level.
    pub(crate) gzip_size: Option<u64>,
    /// `sha256:` and hexadecimal digits.
    pub(crate) digest: Option<String>,
    /// The WIT as text; `null` where there is none.
    pub(crate) wit: Option<String>,
    /// The versions of WASI that it imports or exports.
    pub(crate) wasi_versions: Vec<String>,
    /// What it needs, by package.
    pub(crate) imports: Vec<PackageItems>,
    /// What it offers, by package.
    pub(crate) exports: Vec<PackageItems>,
    /// The component's world, or a package's worlds.
    pub(crate) worlds: Vec<WorldData>,
    /// All interfaces that the worlds and packages hold.
    pub(crate) interfaces: Vec<InterfaceData>,
    /// What the outermost component or module says of itself.
    pub(crate) metadata: MetadataData,
    /// The modules and components in it, the outermost first.
    pub(crate) parts: Vec<PartData>,
    /// Crates and packages that its modules record.
    pub(crate) dependencies: Vec<ModuleDependencies>,
    /// The signed claims of a module of wasmCloud 1.x.
    pub(crate) claims: Option<ClaimsData>,
    /// A provider archive of wasmCloud 1.x.
    pub(crate) archive: Option<ArchiveData>,
    /// Why it could be read only in part.
    pub(crate) problem: Option<Problem>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileKind {
    /// A component.
    Component,
    /// A core module.
    CoreModule,
    /// A WIT package, as text or binary.
    WitPackage,
    /// An archive with a capability provider of wasmCloud 1.x.
    ProviderArchive,
}

/// What is wrong with a file.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct Problem {
    /// The byte at which reading stopped; of a compressed archive, the byte of what it unfolds to.
    pub(crate) offset: Option<u64>,
    /// Why.
    pub(crate) reason: String,
}

/// Interfaces of one package.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct PackageItems {
    /// `namespace:name`; empty for functions, types and interfaces of the world itself.
    pub(crate) package: String,
    /// The package's version.
    pub(crate) version: Option<String>,
    /// The interfaces, functions or types, by name.
    pub(crate) items: Vec<String>,
}

/// A world.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct WorldData {
    /// Its name with package and version; `root` stands for a component's own.
    pub(crate) name: String,
    /// What it needs.
    pub(crate) imports: Vec<WorldItemData>,
    /// What it offers.
    pub(crate) exports: Vec<WorldItemData>,
}

/// Something that a world imports or exports.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct WorldItemData {
    /// Its name; an interface's with package and version.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: ItemKind,
    /// A function's signature, or what a type stands for.
    pub(crate) signature: Option<String>,
    /// A function in detail.
    pub(crate) function: Option<FunctionData>,
    /// Which of `interfaces` it is.
    pub(crate) interface: Option<InterfaceReference>,
}

/// A position in `interfaces`.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(transparent)]
pub(crate) struct InterfaceReference(pub(crate) usize);

/// What a world's item is.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ItemKind {
    /// An interface.
    Interface,
    /// A function.
    Function,
    /// A type.
    Type,
}

/// An interface.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct InterfaceData {
    /// Its name with package and version; `null` for one that a world defines in place.
    pub(crate) name: Option<String>,
    /// Its documentation.
    pub(crate) docs: Option<String>,
    /// Its functions; those of resources too.
    pub(crate) functions: Vec<FunctionData>,
    /// Its types.
    pub(crate) types: Vec<TypeData>,
}

/// A function.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct FunctionData {
    /// Its name, without its resource.
    pub(crate) name: String,
    /// The resource that it belongs to.
    pub(crate) resource: Option<String>,
    /// `function`, `method`, `static` or `constructor`.
    pub(crate) kind: &'static str,
    /// Whether it is asynchronous.
    #[serde(rename = "async")]
    pub(crate) is_async: bool,
    /// Names and types of its parameters, without the resource of a method.
    pub(crate) params: Vec<(String, String)>,
    /// The type of its result.
    pub(crate) result: Option<String>,
    /// All of that in a line.
    pub(crate) signature: String,
    /// Its documentation.
    pub(crate) docs: Option<String>,
}

/// A type with a name.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct TypeData {
    /// Its name.
    pub(crate) name: String,
    /// `record`, `variant`, `resource` and so on.
    pub(crate) kind: &'static str,
    /// What it stands for.
    pub(crate) definition: String,
    /// The interface that it is taken from.
    pub(crate) used_from: Option<String>,
    /// Its documentation.
    pub(crate) docs: Option<String>,
}

/// A module or component.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct PartData {
    /// How deep it is nested; 0 is the outermost.
    pub(crate) depth: u64,
    /// What it is.
    pub(crate) kind: PartKind,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Where it begins.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// What it says of itself.
    pub(crate) metadata: MetadataData,
}

/// What a part is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PartKind {
    /// A component.
    Component,
    /// A core module.
    CoreModule,
    /// A core module that translates an older interface of WASI.
    Adapter,
    /// A core module without code of its own, which ties others together.
    Glue,
}
