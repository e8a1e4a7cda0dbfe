//! A core module in two: its code, and its data with its variables.
//!
//! The memory moves to the data's module too, so that its content can still be mapped instead of copied: the code imports
//! it. Names of what passes between the two cannot be mistaken for anybody else's.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    DataCountSection, DataSection, EntityType, ExportKind, ExportSection, GlobalSection, GlobalType, ImportSection,
    MemorySection, MemoryType, Module, ModuleType, RawSection, TableType,
};
use wasmparser::{
    CompositeInnerType, DataKind, DataSectionReader, ExportSectionReader, ExternalKind, FunctionSectionReader,
    GlobalSectionReader, ImportSectionReader, MemorySectionReader, Operator, TableSectionReader, TypeRef,
    TypeSectionReader,
};

use super::{Section, Unreadable, sections};

/// The name of the data's module to the code's.
pub(super) const DATA: &str = "wash:data";

const MEMORY: &str = "memory";

const TYPE: u8 = 1;
const IMPORT: u8 = 2;
const FUNCTION: u8 = 3;
const TABLE: u8 = 4;
const MEMORIES: u8 = 5;
const GLOBAL: u8 = 6;
const EXPORT: u8 = 7;
const DATA_COUNT: u8 = 12;
const DATA_SEGMENTS: u8 = 11;
const TAG: u8 = 13;

/// A module as it is compiled.
pub(super) struct Parts {
    pub(super) code: Vec<u8>,
    /// The module that the code imports [`DATA`] from.
    pub(super) data: Option<Module>,
    /// What the code imports and exports.
    pub(super) code_type: ModuleType,
}

/// A module that has been looked at.
#[derive(Default)]
struct Look<'a> {
    sections: Vec<Section<'a>>,
    types: Vec<wasmparser::FuncType>,
    /// The type of each function, the imported ones first.
    functions: Vec<u32>,
    tables: Vec<wasmparser::TableType>,
    imported_memories: usize,
    memories: Vec<wasmparser::MemoryType>,
    globals: Vec<wasmparser::GlobalType>,
    imported_globals: usize,
    /// Whether the defined globals begin with constants alone.
    plain_globals: bool,
    segments: u32,
    /// Whether all segments are copied to constant places of the memory when an instance is made.
    plain_segments: bool,
    counts_segments: bool,
}

/// Takes a module apart; `None` where it has something that is not understood here.
pub(super) fn split(module: &[u8]) -> Result<Option<Parts>, Unreadable> {
    let Some(look) = Look::at(module)? else { return Ok(None) };
    let Some(code_type) = look.module_type()? else { return Ok(None) };
    if !look.can_leave_data() {
        return Ok(Some(Parts { code: module.to_vec(), data: None, code_type }));
    }
    Ok(Some(Parts { code: look.code()?, data: Some(look.data()?), code_type }))
}

impl<'a> Look<'a> {
    fn at(module: &'a [u8]) -> Result<Option<Self>, Unreadable> {
        let mut look =
            Self { sections: sections(module)?, plain_globals: true, plain_segments: true, ..Self::default() };
        for section in std::mem::take(&mut look.sections) {
            if !look.take_note(&section)? {
                return Ok(None);
            }
            look.sections.push(section);
        }
        Ok(Some(look))
    }

    /// Whether the section is understood.
    fn take_note(&mut self, section: &Section<'a>) -> Result<bool, Unreadable> {
        let reader = wasmparser::BinaryReader::new(section.content, section.offset);
        match section.id {
            TYPE => {
                for group in TypeSectionReader::new(reader)? {
                    for ty in group?.into_types() {
                        match ty.composite_type.inner {
                            CompositeInnerType::Func(function) if ty.is_final => self.types.push(function),
                            _ => return Ok(false),
                        }
                    }
                }
            }
            IMPORT => {
                for import in ImportSectionReader::new(reader)?.into_imports() {
                    match import?.ty {
                        TypeRef::Func(index) => self.functions.push(index),
                        TypeRef::Table(table) => self.tables.push(table),
                        TypeRef::Memory(memory) => {
                            self.imported_memories += 1;
                            self.memories.push(memory);
                        }
                        TypeRef::Global(global) => {
                            self.imported_globals += 1;
                            self.globals.push(global);
                        }
                        TypeRef::Tag(_) | TypeRef::FuncExact(_) => return Ok(false),
                    }
                }
            }
            FUNCTION => {
                for index in FunctionSectionReader::new(reader)? {
                    self.functions.push(index?);
                }
            }
            TABLE => {
                for table in TableSectionReader::new(reader)? {
                    self.tables.push(table?.ty);
                }
            }
            MEMORIES => {
                for memory in MemorySectionReader::new(reader)? {
                    self.memories.push(memory?);
                }
            }
            GLOBAL => {
                for global in GlobalSectionReader::new(reader)? {
                    let global = global?;
                    self.plain_globals &= is_constant(&global.init_expr)?;
                    self.globals.push(global.ty);
                }
            }
            DATA_COUNT => self.counts_segments = true,
            DATA_SEGMENTS => {
                for segment in DataSectionReader::new(reader)? {
                    self.segments += 1;
                    self.plain_segments &= match segment?.kind {
                        DataKind::Active { memory_index: 0, offset_expr } => is_constant(&offset_expr)?,
                        DataKind::Active { .. } | DataKind::Passive => false,
                    };
                }
            }
            TAG => return Ok(false),
            _ => {}
        }
        Ok(true)
    }

    /// Whether data and memory can stand in a module of their own.
    fn can_leave_data(&self) -> bool {
        let memory = self.memories.first().filter(|_| self.memories.len() == 1 && self.imported_memories == 0);
        let plain_memory = memory.is_some_and(|memory| !memory.shared && memory.page_size_log2.is_none());
        plain_memory && self.segments > 0 && self.plain_segments
    }

    fn defined_globals(&self) -> &[wasmparser::GlobalType] {
        &self.globals[self.imported_globals..]
    }

    /// The module without its data, which it imports.
    fn code(&self) -> Result<Vec<u8>, Unreadable> {
        let mut module = Module::new();
        let mut has_imports = false;
        for section in &self.sections {
            if !has_imports && section.id != 0 && section.id > IMPORT {
                module.section(&self.imports(None)?);
                has_imports = true;
            }
            match section.id {
                IMPORT => {
                    module.section(&self.imports(Some(section))?);
                    has_imports = true;
                }
                MEMORIES => {}
                GLOBAL if self.plain_globals => {}
                // Instructions may name segments. To them an active one, which was copied, is an empty one.
                DATA_COUNT => _ = module.section(&DataCountSection { count: self.segments }),
                DATA_SEGMENTS if self.counts_segments => {
                    let mut segments = DataSection::new();
                    for _ in 0..self.segments {
                        segments.passive([]);
                    }
                    module.section(&segments);
                }
                DATA_SEGMENTS => {}
                id => _ = module.section(&RawSection { id, data: section.content }),
            }
        }
        Ok(module.finish())
    }

    fn imports(&self, section: Option<&Section<'_>>) -> Result<ImportSection, Unreadable> {
        let mut imports = ImportSection::new();
        if let Some(section) = section {
            let reader = ImportSectionReader::new(section.reader())?;
            RoundtripReencoder.parse_import_section(&mut imports, reader)?;
        }
        imports.import(DATA, MEMORY, EntityType::Memory(self.imported_memory()));
        if self.plain_globals {
            for (index, global) in self.defined_globals().iter().enumerate() {
                imports.import(DATA, &global_name(index), global_type(global)?);
            }
        }
        Ok(imports)
    }

    /// Of whatever size: that is the data's business.
    fn imported_memory(&self) -> MemoryType {
        let memory64 = self.memories.first().is_some_and(|memory| memory.memory64);
        MemoryType { minimum: 0, maximum: None, memory64, shared: false, page_size_log2: None }
    }

    /// The module of the memory, its content, and the variables.
    fn data(&self) -> Result<Module, Unreadable> {
        let mut module = Module::new();
        let mut memories = MemorySection::new();
        for memory in &self.memories {
            memories.memory(RoundtripReencoder.memory_type(*memory)?);
        }
        module.section(&memories);
        let mut exports = ExportSection::new();
        exports.export(MEMORY, ExportKind::Memory, 0);
        if let Some(section) = self.sections.iter().find(|section| section.id == GLOBAL && self.plain_globals) {
            let mut globals = GlobalSection::new();
            RoundtripReencoder.parse_global_section(&mut globals, GlobalSectionReader::new(section.reader())?)?;
            module.section(&globals);
            for (index, name) in (0_u32..).zip((0..self.defined_globals().len()).map(global_name)) {
                exports.export(&name, ExportKind::Global, index);
            }
        }
        module.section(&exports);
        for section in self.sections.iter().filter(|section| section.id == DATA_SEGMENTS) {
            module.section(&RawSection { id: DATA_SEGMENTS, data: section.content });
        }
        Ok(module)
    }

    /// The type of the code's module.
    fn module_type(&self) -> Result<Option<ModuleType>, Unreadable> {
        let mut ty = ModuleType::new();
        for function in &self.types {
            let Some((params, results)) = value_types(function)? else { return Ok(None) };
            ty.ty().function(params, results);
        }
        for section in self.sections.iter().filter(|section| section.id == IMPORT) {
            for import in ImportSectionReader::new(section.reader())?.into_imports() {
                let import = import?;
                let imported = RoundtripReencoder.entity_type(import.ty)?;
                ty.import(import.module, import.name, imported);
            }
        }
        if self.can_leave_data() {
            ty.import(DATA, MEMORY, EntityType::Memory(self.imported_memory()));
            if self.plain_globals {
                for (index, global) in self.defined_globals().iter().enumerate() {
                    ty.import(DATA, &global_name(index), global_type(global)?.into());
                }
            }
        }
        for section in self.sections.iter().filter(|section| section.id == EXPORT) {
            for export in ExportSectionReader::new(section.reader())? {
                let export = export?;
                let Some(exported) = self.exported(&export)? else { return Ok(None) };
                ty.export(export.name, exported);
            }
        }
        Ok(Some(ty))
    }

    fn exported(&self, export: &wasmparser::Export<'_>) -> Result<Option<EntityType>, Unreadable> {
        let index = usize::try_from(export.index).map_err(|_| Unreadable)?;
        Ok(match export.kind {
            ExternalKind::Func => self.functions.get(index).map(|ty| EntityType::Function(*ty)),
            ExternalKind::Table => match self.tables.get(index) {
                Some(table) => Some(EntityType::Table(table_type(*table)?)),
                None => None,
            },
            ExternalKind::Memory if self.can_leave_data() => Some(EntityType::Memory(self.imported_memory())),
            ExternalKind::Memory => match self.memories.get(index) {
                Some(memory) => Some(EntityType::Memory(RoundtripReencoder.memory_type(*memory)?)),
                None => None,
            },
            ExternalKind::Global => match self.globals.get(index) {
                Some(global) => Some(global_type(global)?.into()),
                None => None,
            },
            ExternalKind::Tag | ExternalKind::FuncExact => None,
        })
    }
}

fn global_name(index: usize) -> String {
    format!("global-{index}")
}

fn global_type(global: &wasmparser::GlobalType) -> Result<GlobalType, Unreadable> {
    Ok(RoundtripReencoder.global_type(*global)?)
}

fn table_type(table: wasmparser::TableType) -> Result<TableType, Unreadable> {
    Ok(RoundtripReencoder.table_type(table)?)
}

type ValueTypes = (Vec<wasm_encoder::ValType>, Vec<wasm_encoder::ValType>);

/// Parameters and results, as far as they are numbers and plain references.
fn value_types(function: &wasmparser::FuncType) -> Result<Option<ValueTypes>, Unreadable> {
    let is_plain = |ty: &wasmparser::ValType| match ty {
        wasmparser::ValType::Ref(reference) => reference.is_func_ref() || reference.is_extern_ref(),
        _ => true,
    };
    if !function.params().iter().chain(function.results()).all(is_plain) {
        return Ok(None);
    }
    let convert = |types: &[wasmparser::ValType]| {
        types.iter().map(|ty| Ok(RoundtripReencoder.val_type(*ty)?)).collect::<Result<Vec<_>, Unreadable>>()
    };
    Ok(Some((convert(function.params())?, convert(function.results())?)))
}

/// Whether an expression is one number.
fn is_constant(expression: &wasmparser::ConstExpr<'_>) -> Result<bool, Unreadable> {
    let mut operators = expression.get_operators_reader();
    let number = matches!(
        operators.read()?,
        Operator::I32Const { .. } | Operator::I64Const { .. } | Operator::F32Const { .. } | Operator::F64Const { .. }
    );
    Ok(number && matches!(operators.read()?, Operator::End) && operators.eof())
}
