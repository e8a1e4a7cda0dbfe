//! What two components say of an interface that one of them imports and the other exports.
//!
//! Everything here is known before either of them runs.

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component, ResourceType};

/// Names of the resources that an interface itself defines; those it uses from its component's imports are not.
pub(super) fn own_resources(component: &Component, interface: &ComponentInstance) -> Vec<String> {
    let engine = component.engine();
    let component_type = component.component_type();
    let imported: Vec<ResourceType> = component_type
        .imports(engine)
        .filter_map(|(_, import)| match import.ty {
            ComponentItem::ComponentInstance(instance) => Some(instance),
            _ => None,
        })
        .flat_map(|instance| resources(engine, &instance).map(|(_, resource)| resource).collect::<Vec<_>>())
        .collect();
    resources(engine, interface)
        .filter(|(_, resource)| !imported.contains(resource))
        .map(|(name, _)| name.to_string())
        .collect()
}

fn resources<'a>(
    engine: &'a wasmtime::Engine,
    interface: &'a ComponentInstance,
) -> impl Iterator<Item = (&'a str, ResourceType)> {
    interface.exports(engine).filter_map(|(name, export)| match export.ty {
        ComponentItem::Resource(resource) => Some((name, resource)),
        _ => None,
    })
}

/// Whether a function passes values alone, which can go from store to store.
pub(super) fn is_plain(function: &ComponentFunc) -> bool {
    !function.params().map(|(_, parameter)| parameter).chain(function.results()).any(|value| holds_handles(&value))
}

fn holds_handles(value: &Type) -> bool {
    match value {
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => true,
        Type::List(list) => holds_handles(&list.ty()),
        Type::FixedLengthList(list) => holds_handles(&list.ty()),
        Type::Map(map) => holds_handles(&map.key()) || holds_handles(&map.value()),
        Type::Record(record) => record.fields().any(|field| holds_handles(&field.ty)),
        Type::Tuple(tuple) => tuple.types().any(|value| holds_handles(&value)),
        Type::Variant(variant) => variant.cases().filter_map(|case| case.ty).any(|value| holds_handles(&value)),
        Type::Option(option) => holds_handles(&option.ty()),
        Type::Result(result) => result.ok().into_iter().chain(result.err()).any(|value| holds_handles(&value)),
        _ => false,
    }
}

/// Whether a function can be called as its importer declares it. Of resources only the way in which they pass is
/// compared: which ones they are is checked when they do.
pub(super) fn fits(imported: &ComponentFunc, exported: &ComponentFunc) -> bool {
    imported.async_() == exported.async_()
        && all_fit(imported.params().map(|(_, value)| value), exported.params().map(|(_, value)| value))
        && all_fit(imported.results(), exported.results())
}

fn all_fit(mut imported: impl ExactSizeIterator<Item = Type>, exported: impl ExactSizeIterator<Item = Type>) -> bool {
    imported.len() == exported.len()
        && exported.into_iter().all(|value| imported.next().is_some_and(|it| same(&it, &value)))
}

fn same(one: &Type, other: &Type) -> bool {
    let optional = |one: Option<Type>, other: Option<Type>| match (one, other) {
        (Some(one), Some(other)) => same(&one, &other),
        (None, None) => true,
        _ => false,
    };
    match (one, other) {
        (Type::Own(_), Type::Own(_)) | (Type::Borrow(_), Type::Borrow(_)) => true,
        (Type::List(one), Type::List(other)) => same(&one.ty(), &other.ty()),
        (Type::Record(one), Type::Record(other)) => {
            one.fields().len() == other.fields().len()
                && one
                    .fields()
                    .zip(other.fields())
                    .all(|(one, other)| one.name == other.name && same(&one.ty, &other.ty))
        }
        (Type::Tuple(one), Type::Tuple(other)) => all_fit(one.types(), other.types()),
        (Type::Variant(one), Type::Variant(other)) => {
            one.cases().len() == other.cases().len()
                && one
                    .cases()
                    .zip(other.cases())
                    .all(|(one, other)| one.name == other.name && optional(one.ty, other.ty))
        }
        (Type::Enum(one), Type::Enum(other)) => one.names().eq(other.names()),
        (Type::Flags(one), Type::Flags(other)) => one.names().eq(other.names()),
        (Type::Option(one), Type::Option(other)) => same(&one.ty(), &other.ty()),
        (Type::Result(one), Type::Result(other)) => optional(one.ok(), other.ok()) && optional(one.err(), other.err()),
        // Numbers, characters and texts; the kinds that WASI 0.2 does not have are compared as a whole.
        (one, other) => one == other,
    }
}
