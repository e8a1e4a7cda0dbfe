//! A component whose core modules are imported: the skeleton, with the modules beside it.
//!
//! Only the outermost level is taken apart. Its sections are copied as they are but for those that name core modules or
//! their instances by number, because the modules of data shift these numbers.

use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentImportSection,
    ComponentTypeRef, CoreTypeSection, InstanceSection, Module, ModuleArg, ModuleSection, RawSection,
};
use wasmparser::{
    ComponentAlias, ComponentAliasSectionReader, ComponentExportSectionReader, ComponentExternalKind,
    ComponentImportSectionReader, ComponentInstance, ComponentInstanceSectionReader, ComponentOuterAliasKind,
    ComponentTypeRef as ParsedTypeRef, Instance, InstanceSectionReader, InstantiationArgKind, Parser, Payload,
};

use super::module::{self, DATA};
use super::{Section, Unreadable, WRAPPED, sections};

const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;
const CORE_TYPE: u8 = 3;
const NESTED: u8 = 4;
const INSTANCE: u8 = 5;
const ALIAS: u8 = 6;
const IMPORT: u8 = 10;
const EXPORT: u8 = 11;

/// A component without its core modules.
pub(in crate::engine) struct Skeleton {
    pub(in crate::engine) component: Vec<u8>,
    /// Each module, and the name under which the skeleton imports it.
    pub(in crate::engine) modules: Vec<(String, Vec<u8>)>,
}

/// A component that exports a core module and nothing else.
pub(in crate::engine) fn wrapper(module: &[u8]) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&RawSection { id: CORE_MODULE, data: module });
    let mut exports = ComponentExportSection::new();
    exports.export(WRAPPED, ComponentExportKind::Module, 0, None);
    component.section(&exports);
    component.finish()
}

pub(super) fn split(component: &[u8]) -> Result<Option<Skeleton>, Unreadable> {
    let sections = sections(component)?;
    for section in &sections {
        if !is_understood(section)? {
            return Ok(None);
        }
    }
    let mut builder = Builder::default();
    for section in &sections {
        if !builder.add(section)? {
            return Ok(None);
        }
    }
    Ok(Some(Skeleton { component: builder.component.finish(), modules: builder.modules }))
}

/// Whether a section has nothing to do with core modules in a way that is not expected here.
fn is_understood(section: &Section<'_>) -> Result<bool, Unreadable> {
    Ok(match section.id {
        // They would be numbered differently.
        CORE_TYPE => false,
        NESTED => is_closed(section)?,
        INSTANCE => {
            let mut plain = true;
            for instance in ComponentInstanceSectionReader::new(section.reader())? {
                plain &= match instance? {
                    ComponentInstance::Instantiate { args, .. } => {
                        args.iter().all(|arg| arg.kind != ComponentExternalKind::Module)
                    }
                    ComponentInstance::FromExports(exports) => {
                        exports.iter().all(|export| export.kind != ComponentExternalKind::Module)
                    }
                };
            }
            plain
        }
        IMPORT => {
            let mut plain = true;
            for import in ComponentImportSectionReader::new(section.reader())? {
                plain &= !matches!(import?.ty, ParsedTypeRef::Module(_));
            }
            plain
        }
        EXPORT => {
            let mut plain = true;
            for export in ComponentExportSectionReader::new(section.reader())? {
                plain &= export?.kind != ComponentExternalKind::Module;
            }
            plain
        }
        _ => true,
    })
}

/// Whether a nested component takes no core modules or their types from outside.
fn is_closed(section: &Section<'_>) -> Result<bool, Unreadable> {
    for payload in Parser::new(0).parse_all(section.content) {
        if let Payload::ComponentAliasSection(aliases) = payload? {
            for alias in aliases {
                let from_outside = matches!(
                    alias?,
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType,
                        ..
                    }
                );
                if from_outside {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

#[derive(Default)]
struct Builder {
    component: Component,
    modules: Vec<(String, Vec<u8>)>,
    /// Types of imported modules so far.
    types: u32,
    /// The new number of each module, and the number of its data's module.
    module_numbers: Vec<(u32, Option<u32>)>,
    next_module: u32,
    /// The new number of each core instance.
    instance_numbers: Vec<u32>,
    next_instance: u32,
}

impl Builder {
    /// Whether all of the section could be added.
    fn add(&mut self, section: &Section<'_>) -> Result<bool, Unreadable> {
        match section.id {
            CORE_MODULE => self.add_module(section.content)?,
            CORE_INSTANCE => return self.add_instances(section),
            ALIAS => return self.add_aliases(section),
            id => self.copy(id, section.content),
        }
        Ok(true)
    }

    fn copy(&mut self, id: u8, data: &[u8]) {
        self.component.section(&RawSection { id, data });
    }

    /// A section with a single entry that is copied as it is.
    fn copy_entry(&mut self, id: u8, entry: &[u8]) {
        self.copy(id, &[&[1], entry].concat());
    }

    fn add_module(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let Some(parts) = module::split(bytes)? else {
            let number = self.number_module();
            self.module_numbers.push((number, None));
            self.copy(CORE_MODULE, bytes);
            return Ok(());
        };
        let mut types = CoreTypeSection::new();
        types.ty().module(&parts.code_type);
        self.component.section(&types);
        let name = format!("wash-module-m{}", self.module_numbers.len());
        let mut imports = ComponentImportSection::new();
        imports.import(name.as_str(), ComponentTypeRef::Module(self.types));
        self.types += 1;
        self.component.section(&imports);
        self.modules.push((name, parts.code));
        let code = self.number_module();
        let data = parts.data.map(|data: Module| {
            self.component.section(&ModuleSection(&data));
            self.number_module()
        });
        self.module_numbers.push((code, data));
        Ok(())
    }

    fn number_module(&mut self) -> u32 {
        self.next_module += 1;
        self.next_module - 1
    }

    fn number_instance(&mut self) -> u32 {
        self.next_instance += 1;
        self.next_instance - 1
    }

    fn add_instances(&mut self, section: &Section<'_>) -> Result<bool, Unreadable> {
        let mut entries = InstanceSectionReader::new(section.reader())?.into_iter_with_offsets().peekable();
        while let Some(entry) = entries.next() {
            let (offset, instance) = entry?;
            let end = match entries.peek() {
                Some(Ok((next, _))) => *next,
                Some(Err(_)) => return Err(Unreadable),
                None => section.offset + section.content.len(),
            };
            match instance {
                Instance::Instantiate { module_index, args } => {
                    let Some(&(code, data)) = self.module_numbers.get(module_index as usize) else {
                        return Ok(false);
                    };
                    let mut arguments = Vec::new();
                    for arg in &args {
                        let InstantiationArgKind::Instance = arg.kind;
                        let Some(instance) = self.instance_numbers.get(arg.index as usize) else { return Ok(false) };
                        if arg.name == DATA {
                            return Ok(false);
                        }
                        arguments.push((arg.name, ModuleArg::Instance(*instance)));
                    }
                    let mut instances = InstanceSection::new();
                    if let Some(data) = data {
                        instances.instantiate(data, std::iter::empty::<(&str, ModuleArg)>());
                        arguments.push((DATA, ModuleArg::Instance(self.number_instance())));
                    }
                    instances.instantiate(code, arguments);
                    self.component.section(&instances);
                }
                Instance::FromExports(_) => {
                    let entry = section.content.get(offset - section.offset..end - section.offset);
                    self.copy_entry(CORE_INSTANCE, entry.ok_or(Unreadable)?);
                }
            }
            let number = self.number_instance();
            self.instance_numbers.push(number);
        }
        Ok(true)
    }

    fn add_aliases(&mut self, section: &Section<'_>) -> Result<bool, Unreadable> {
        let mut entries = ComponentAliasSectionReader::new(section.reader())?.into_iter_with_offsets().peekable();
        while let Some(entry) = entries.next() {
            let (offset, alias) = entry?;
            let end = match entries.peek() {
                Some(Ok((next, _))) => *next,
                Some(Err(_)) => return Err(Unreadable),
                None => section.offset + section.content.len(),
            };
            match alias {
                ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                    let Some(&instance) = self.instance_numbers.get(instance_index as usize) else { return Ok(false) };
                    let mut aliases = ComponentAliasSection::new();
                    aliases.alias(Alias::CoreInstanceExport { instance, kind: kind.into(), name });
                    self.component.section(&aliases);
                }
                ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
                | ComponentAlias::Outer {
                    kind: ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType,
                    ..
                } => return Ok(false),
                ComponentAlias::InstanceExport { .. } | ComponentAlias::Outer { .. } => {
                    let entry = section.content.get(offset - section.offset..end - section.offset);
                    self.copy_entry(ALIAS, entry.ok_or(Unreadable)?);
                }
            }
        }
        Ok(true)
    }
}
