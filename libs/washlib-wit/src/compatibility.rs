//! Whether a later version of a package keeps what an earlier one promised.
//!
//! Between two versions that semantic versioning calls compatible, everything may be added and nothing may be taken away
//! or changed. Every problem is listed, not the first one alone.

use semver::Version;
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use crate::render::decode;

/// A promise that is broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Incompatibility {
    /// The earlier version.
    pub older: Version,
    /// The later version.
    pub newer: Version,
    /// What is missing or different.
    pub problem: String,
}

/// Compares two versions of one package in their binary form.
///
/// # Errors
///
/// When one of the two is no WIT package; the text says which and why.
pub fn check_compatibility(older: (&Version, &[u8]), newer: (&Version, &[u8])) -> Result<Vec<Incompatibility>, String> {
    let (old, old_package) = decode(older.1).map_err(|err| format!("version {}: {err}", older.0))?;
    let (new, new_package) = decode(newer.1).map_err(|err| format!("version {}: {err}", newer.0))?;
    let mut problems = Vec::new();
    for (name, old_world) in &old.packages[old_package].worlds {
        let Some(new_world) = new.packages[new_package].worlds.get(name) else {
            problems.push(format!("the world `{name}` is gone"));
            continue;
        };
        problems.extend(check_world(name, (&old, *old_world), (&new, *new_world)));
    }
    for (name, old_interface) in &old.packages[old_package].interfaces {
        let Some(new_interface) = new.packages[new_package].interfaces.get(name) else {
            problems.push(format!("the interface `{name}` is gone"));
            continue;
        };
        problems.extend(check_interface(name, &old, *old_interface, &new, *new_interface));
    }
    let named = |problem| Incompatibility { older: older.0.clone(), newer: newer.0.clone(), problem };
    Ok(problems.into_iter().map(named).collect())
}

/// Where two views of the same packages say different things about one interface. Each may leave out what it does not
/// need.
pub(crate) fn contradiction(one: &Resolve, other: &Resolve) -> Option<String> {
    for (name, package) in &other.package_names {
        let Some(same) = one.package_names.get(name) else { continue };
        for (interface_name, interface) in &other.packages[*package].interfaces {
            let Some(same) = one.packages[*same].interfaces.get(interface_name) else { continue };
            let (here, there) = (&one.interfaces[*same], &other.interfaces[*interface]);
            for (type_name, there) in &there.types {
                let Some(here) = here.types.get(type_name) else { continue };
                if definition(one, *here) != definition(other, *there) {
                    return Some(format!("the type `{type_name}` of `{name}/{interface_name}` differs"));
                }
            }
            for (function_name, there) in &there.functions {
                let Some(here) = here.functions.get(function_name) else { continue };
                if signature(one, here) != signature(other, there) {
                    return Some(format!("the function `{function_name}` of `{name}/{interface_name}` differs"));
                }
            }
        }
    }
    None
}

/// Whatever a world imports or exports must still be imported or exported, as the same thing.
fn check_world(name: &str, old: (&Resolve, WorldId), new: (&Resolve, WorldId)) -> Vec<String> {
    let ((old, old_world), (new, new_world)) = (old, new);
    let (old_world, new_world) = (&old.worlds[old_world], &new.worlds[new_world]);
    let directions =
        [("import", &old_world.imports, &new_world.imports), ("export", &old_world.exports, &new_world.exports)];
    let mut problems = Vec::new();
    for (direction, old_items, new_items) in directions {
        for (key, old_item) in old_items {
            let item_name = unversioned(&old.name_world_key(key));
            let found = new_items.iter().find(|(key, _)| unversioned(&new.name_world_key(key)) == item_name);
            let Some((_, new_item)) = found else {
                problems.push(format!("the {direction} `{item_name}` of the world `{name}` is gone"));
                continue;
            };
            let place = format!("{name}/{item_name}");
            match (old_item, new_item) {
                (WorldItem::Interface { id: before, .. }, WorldItem::Interface { id: after, .. }) => {
                    // Interfaces with names of their own are compared as such.
                    if matches!(key, WorldKey::Name(_)) && old.interfaces[*before].name.is_none() {
                        problems.extend(check_interface(&place, old, *before, new, *after));
                    }
                }
                (WorldItem::Function(before), WorldItem::Function(after)) => {
                    let (before, after) = (signature(old, before), signature(new, after));
                    if before != after {
                        problems.push(format!(
                            "the {direction} `{item_name}` of the world `{name}` was `{before}` and is `{after}`"
                        ));
                    }
                }
                (WorldItem::Type { id: before, .. }, WorldItem::Type { id: after, .. }) => {
                    let (before, after) = (definition(old, *before), definition(new, *after));
                    if before != after {
                        problems.push(format!("the type `{place}` has changed: {}", difference(&before, &after)));
                    }
                }
                _ => {
                    problems.push(format!("the {direction} `{item_name}` of the world `{name}` is something else now"))
                }
            }
        }
    }
    problems
}

/// `wasi:io/streams@0.2.0` without its version, which may rise.
fn unversioned(name: &str) -> String {
    name.split('@').next().unwrap_or(name).to_owned()
}

fn check_interface(
    name: &str,
    old: &Resolve,
    old_interface: wit_parser::InterfaceId,
    new: &Resolve,
    new_interface: wit_parser::InterfaceId,
) -> Vec<String> {
    let (old_items, new_items) = (&old.interfaces[old_interface], &new.interfaces[new_interface]);
    let mut problems = Vec::new();
    for (function, old_function) in &old_items.functions {
        match new_items.functions.get(function) {
            None => problems.push(format!("the function `{function}` of `{name}` is gone")),
            Some(new_function) => {
                let (before, after) = (signature(old, old_function), signature(new, new_function));
                if before != after {
                    problems.push(format!("the function `{function}` of `{name}` was `{before}` and is `{after}`"));
                }
            }
        }
    }
    for (type_name, old_type) in &old_items.types {
        match new_items.types.get(type_name) {
            None => problems.push(format!("the type `{type_name}` of `{name}` is gone")),
            Some(new_type) => {
                let (before, after) = (definition(old, *old_type), definition(new, *new_type));
                if before != after {
                    problems.push(format!(
                        "the type `{type_name}` of `{name}` has changed: {}",
                        difference(&before, &after)
                    ));
                }
            }
        }
    }
    problems
}

fn signature(resolve: &Resolve, function: &wit_parser::Function) -> String {
    let parameters = function.params.iter().map(|param| format!("{}: {}", param.name, type_text(resolve, &param.ty)));
    let parameters: Vec<String> = parameters.collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", type_text(resolve, ty))).unwrap_or_default();
    let asynchronous = if function.kind.is_async() { "async " } else { "" };
    format!("{asynchronous}func({}){result}", parameters.join(", "))
}

fn type_text(resolve: &Resolve, ty: &wit_parser::Type) -> String {
    let mut printer = wit_component::WitPrinter::default();
    match printer.print_type_name(resolve, ty) {
        Ok(()) => printer.output.to_string(),
        Err(err) => format!("{err:#}"),
    }
}

/// A type's parts, one line each.
fn definition(resolve: &Resolve, id: wit_parser::TypeId) -> Vec<String> {
    use wit_parser::TypeDefKind as Kind;
    let text = |ty: &wit_parser::Type| type_text(resolve, ty);
    let optional = |ty: &Option<wit_parser::Type>| ty.as_ref().map(|ty| format!("({})", text(ty))).unwrap_or_default();
    match &resolve.types[id].kind {
        Kind::Record(record) => {
            record.fields.iter().map(|field| format!("{}: {}", field.name, text(&field.ty))).collect()
        }
        Kind::Variant(variant) => {
            variant.cases.iter().map(|case| format!("{}{}", case.name, optional(&case.ty))).collect()
        }
        Kind::Enum(cases) => cases.cases.iter().map(|case| case.name.clone()).collect(),
        Kind::Flags(flags) => flags.flags.iter().map(|flag| flag.name.clone()).collect(),
        Kind::Resource => vec!["resource".to_owned()],
        Kind::Type(wit_parser::Type::Id(target)) => vec![format!("= {}", owner_text(resolve, *target))],
        Kind::Type(ty) => vec![format!("= {}", text(ty))],
        Kind::Tuple(tuple) => vec![format!("tuple<{}>", tuple.types.iter().map(text).collect::<Vec<_>>().join(", "))],
        Kind::List(ty) => vec![format!("list<{}>", text(ty))],
        Kind::Option(ty) => vec![format!("option<{}>", text(ty))],
        other => vec![other.as_str().to_owned()],
    }
}

/// A type of another interface by its full name, without the version: that may rise.
fn owner_text(resolve: &Resolve, id: wit_parser::TypeId) -> String {
    let definition = &resolve.types[id];
    let name = definition.name.as_deref().unwrap_or("_");
    match definition.owner {
        wit_parser::TypeOwner::Interface(interface) => {
            let interface_name = resolve.interfaces[interface].name.as_deref().unwrap_or("_");
            let package = resolve.interfaces[interface].package.map(|package| &resolve.packages[package].name);
            let package = package.map(|package| format!("{}:{}/", package.namespace, package.name)).unwrap_or_default();
            format!("{package}{interface_name}.{name}")
        }
        _ => name.to_owned(),
    }
}

fn difference(before: &[String], after: &[String]) -> String {
    let gone: Vec<String> =
        before.iter().filter(|line| !after.contains(line)).map(|line| format!("`{line}` is gone")).collect();
    let added: Vec<String> =
        after.iter().filter(|line| !before.contains(line)).map(|line| format!("`{line}` is new")).collect();
    let all = [gone, added].concat();
    if all.is_empty() { "its parts are in another order".to_owned() } else { all.join(", ") }
}
