//! The functions that a workload's components export, by the names that people call them.
//!
//! It reads types only; nothing is instantiated.

use wasmtime::component::Type;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::wasm_wave::wasm::DisplayType;

use crate::engine::workload::ResolvedWorkload;

/// An exported function.
#[derive(Clone)]
pub(super) struct Export {
    /// The component that exports it.
    pub(super) component_id: String,
    /// The interface that it is in, as the component names it; none for a function of the world itself.
    pub(super) interface: Option<String>,
    pub(super) function_name: String,
    pub(super) function: ComponentFunc,
}

impl Export {
    /// `interface#function`.
    pub(super) fn name(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.function_name),
            None => self.function_name.clone(),
        }
    }

    /// The name and whose it is.
    pub(super) fn full_name(&self) -> String {
        format!("{} of {}", self.name(), self.component_id)
    }

    /// `interface#function: func(a: u32) -> string`.
    pub(super) fn signature(&self) -> String {
        let parameters: Vec<_> =
            self.function.params().map(|(name, ty)| format!("{name}: {}", DisplayType(&ty))).collect();
        let result: String = self.function.results().map(|ty| format!(" -> {}", DisplayType(&ty))).collect();
        format!("{}: func({}){result}", self.name(), parameters.join(", "))
    }
}

/// Every function that a component of the workload exports, or an interface that it exports.
pub(super) fn of_workload(workload: &ResolvedWorkload) -> Vec<Export> {
    let mut exports = Vec::new();
    for item in &workload.linked().items {
        let component = item.pre.component();
        let engine = component.engine();
        for (name, export) in component.component_type().exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(function) => exports.push(Export {
                    component_id: item.id.to_string(),
                    interface: None,
                    function_name: name.to_string(),
                    function,
                }),
                ComponentItem::ComponentInstance(instance) => {
                    exports.extend(instance.exports(engine).filter_map(|(function_name, export)| match export.ty {
                        ComponentItem::ComponentFunc(function) => Some(Export {
                            component_id: item.id.to_string(),
                            interface: Some(name.to_string()),
                            function_name: function_name.to_string(),
                            function,
                        }),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
    }
    exports
}

/// Whether an export goes by a name that leaves out the version, the package or the whole interface.
pub(super) fn function_matches(export: &Export, asked: &str) -> bool {
    match asked.rsplit_once('#') {
        None => export.function_name == asked,
        Some((interface, function)) => {
            export.function_name == function
                && export.interface.as_deref().is_some_and(|full| interface_matches(full, interface))
        }
    }
}

fn interface_matches(full: &str, asked: &str) -> bool {
    let versionless = full.split('@').next().unwrap_or(full);
    let own_name = versionless.rsplit('/').next().unwrap_or(versionless);
    [full, versionless, own_name].contains(&asked)
}

/// Whether values of the type are handles, or hold some.
pub(super) fn has_no_text(ty: &Type) -> bool {
    match ty {
        Type::Own(_) | Type::Borrow(_) | Type::Stream(_) | Type::Future(_) | Type::ErrorContext | Type::Map(_) => true,
        // WAVE has no way to write them yet.
        Type::FixedLengthList(_) => true,
        Type::List(list) => has_no_text(&list.ty()),
        Type::Option(option) => has_no_text(&option.ty()),
        Type::Record(record) => record.fields().any(|field| has_no_text(&field.ty)),
        Type::Tuple(tuple) => tuple.types().any(|ty| has_no_text(&ty)),
        Type::Variant(variant) => variant.cases().any(|case| case.ty.is_some_and(|ty| has_no_text(&ty))),
        Type::Result(result) => [result.ok(), result.err()].into_iter().flatten().any(|ty| has_no_text(&ty)),
        _ => false,
    }
}
