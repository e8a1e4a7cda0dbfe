//! Walks through two decoded files side by side and notes what differs.

use std::collections::BTreeSet;

use wit_parser::{InterfaceId, PackageId, Resolve, TypeId, WorldId, WorldItem, WorldKey};

use super::shape::Shapes;
use super::{Action, Change, Difference, Direction, Item, Subject, impacts, interface_name};
use crate::{Decoded, Root, function_text, type_text};

/// Why two files cannot be compared.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A component is compared with a package that has several worlds, or none.
    #[error("the package {package} has {} worlds: name one of them", worlds.len())]
    WhichWorld {
        /// The package.
        package: String,
        /// Its worlds.
        worlds: Vec<String>,
    },
    /// The world that was asked for is not in the package.
    #[error("the package {package} has no world `{world}`")]
    NoSuchWorld {
        /// The package.
        package: String,
        /// The world's name.
        world: String,
        /// Those that it has.
        worlds: Vec<String>,
    },
}

/// Compares two files. A component is compared with a package's only world, or with the one that is named; two packages
/// are compared whole unless a world is named.
///
/// # Errors
///
/// When it is not clear which world is meant.
pub fn compare(old: &Decoded, new: &Decoded, world: Option<&str>) -> Result<Difference, CompareError> {
    let (subject, worlds) = match (old.root, new.root, world) {
        (Root::Package(old_package), Root::Package(new_package), None) => {
            let mut walk = Walk::new(Subject::Contract, &old.resolve, &new.resolve);
            walk.packages(old_package, new_package);
            return Ok(walk.finish());
        }
        (Root::Package(_), Root::Package(_), Some(_)) => {
            (Subject::Contract, (root_world(old, world)?, root_world(new, world)?))
        }
        _ => (Subject::Component, (root_world(old, world)?, root_world(new, world)?)),
    };
    let mut walk = Walk::new(subject, &old.resolve, &new.resolve);
    walk.worlds(worlds.0, worlds.1, None);
    Ok(walk.finish())
}

fn root_world(decoded: &Decoded, name: Option<&str>) -> Result<WorldId, CompareError> {
    let package = match decoded.root {
        Root::Component(world) | Root::CoreModule(world) => return Ok(world),
        Root::Package(package) => &decoded.resolve.packages[package],
    };
    let worlds = || package.worlds.keys().cloned().collect();
    match name {
        Some(name) => package.worlds.get(name).copied().ok_or_else(|| CompareError::NoSuchWorld {
            package: package.name.to_string(),
            world: name.to_owned(),
            worlds: worlds(),
        }),
        None if package.worlds.len() == 1 => Ok(package.worlds[0]),
        None => Err(CompareError::WhichWorld { package: package.name.to_string(), worlds: worlds() }),
    }
}

/// Where the walk is.
#[derive(Clone, Default)]
struct Place {
    world: Option<String>,
    interface: Option<String>,
}

struct Walk<'a> {
    subject: Subject,
    old: &'a Resolve,
    new: &'a Resolve,
    old_shapes: Shapes<'a>,
    new_shapes: Shapes<'a>,
    changes: Vec<Change>,
}

impl<'a> Walk<'a> {
    fn new(subject: Subject, old: &'a Resolve, new: &'a Resolve) -> Self {
        Self { subject, old, new, old_shapes: Shapes::new(old), new_shapes: Shapes::new(new), changes: Vec::new() }
    }

    fn finish(self) -> Difference {
        Difference { subject: self.subject, changes: self.changes }
    }

    fn packages(&mut self, old: PackageId, new: PackageId) {
        let (old, new) = (&self.old.packages[old], &self.new.packages[new]);
        for name in union(old.worlds.keys(), new.worlds.keys()) {
            let place = Place { world: Some(name.clone()), interface: None };
            match (old.worlds.get(&name), new.worlds.get(&name)) {
                (Some(old), Some(new)) => self.worlds(*old, *new, Some(&name)),
                (old, _) => self.whole(Direction::Definition, &place, Item::World, old.is_some()),
            }
        }
        for name in union(old.interfaces.keys(), new.interfaces.keys()) {
            let ids = (old.interfaces.get(&name).copied(), new.interfaces.get(&name).copied());
            self.interface_pair(Direction::Definition, &Place::default(), &name, ids);
        }
    }

    /// `name` says of a package's world which one it is.
    fn worlds(&mut self, old: WorldId, new: WorldId, name: Option<&str>) {
        let (old, new) = (&self.old.worlds[old], &self.new.worlds[new]);
        let place = Place { world: name.map(str::to_owned), interface: None };
        for (direction, old_items, new_items) in
            [(Direction::Import, &old.imports, &new.imports), (Direction::Export, &old.exports, &new.exports)]
        {
            let old_items = entries(self.old, old_items.iter());
            let new_items = entries(self.new, new_items.iter());
            for (old, new) in pair(&old_items, &new_items) {
                self.world_item(direction, &place, old, new);
            }
        }
    }

    fn world_item(&mut self, direction: Direction, place: &Place, old: Option<&Entry<'_>>, new: Option<&Entry<'_>>) {
        let Some(present) = new.or(old) else { return };
        let item = |entry: Option<&Entry<'_>>| match entry.map(|entry| entry.item) {
            Some(WorldItem::Interface { id, .. }) => Some(*id),
            _ => None,
        };
        let ty = |entry: Option<&Entry<'_>>| match entry.map(|entry| entry.item) {
            Some(WorldItem::Type { id, .. }) => Some(*id),
            _ => None,
        };
        match (old.map(|entry| entry.item), new.map(|entry| entry.item)) {
            (Some(WorldItem::Function(old)), Some(WorldItem::Function(new))) => {
                self.function(direction, place, &present.name, Some(old), Some(new));
            }
            (Some(WorldItem::Interface { .. }), Some(WorldItem::Interface { .. })) => {
                let names = (old.map(|entry| &entry.name), new.map(|entry| &entry.name));
                if let (Some(before), Some(after)) = names
                    && before != after
                {
                    self.version(direction, place, before, after);
                }
                self.interface_pair(direction, place, &present.name, (item(old), item(new)));
            }
            (Some(WorldItem::Type { .. }), Some(WorldItem::Type { .. })) => {
                self.ty(direction, place, &present.name, ty(old), ty(new));
            }
            (Some(_), Some(_)) => {
                // The name stands for another kind of thing now.
                self.world_item(direction, place, old, None);
                self.world_item(direction, place, None, new);
            }
            (Some(WorldItem::Function(old)), None) => self.function(direction, place, &present.name, Some(old), None),
            (None, Some(WorldItem::Function(new))) => self.function(direction, place, &present.name, None, Some(new)),
            (Some(WorldItem::Interface { .. }), None) | (None, Some(WorldItem::Interface { .. })) => {
                self.interface_pair(direction, place, &present.name, (item(old), item(new)));
            }
            (Some(WorldItem::Type { .. }), None) | (None, Some(WorldItem::Type { .. })) => {
                self.ty(direction, place, &present.name, ty(old), ty(new));
            }
            (None, None) => {}
        }
    }

    fn interface_pair(
        &mut self,
        direction: Direction,
        place: &Place,
        name: &str,
        (old, new): (Option<InterfaceId>, Option<InterfaceId>),
    ) {
        let name_of = |resolve, id: Option<InterfaceId>| id.and_then(|id| interface_name(resolve, id));
        let full_name = name_of(self.new, new).or_else(|| name_of(self.old, old)).unwrap_or_else(|| name.to_owned());
        let place = Place { interface: Some(full_name), ..place.clone() };
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => (&self.old.interfaces[old], &self.new.interfaces[new]),
            (old, _) => return self.whole(direction, &place, Item::Interface, old.is_some()),
        };
        for name in union(old.types.keys(), new.types.keys()) {
            self.ty(direction, &place, &name, old.types.get(&name).copied(), new.types.get(&name).copied());
        }
        for name in union(old.functions.keys(), new.functions.keys()) {
            self.function(direction, &place, &name, old.functions.get(&name), new.functions.get(&name));
        }
    }

    fn function(
        &mut self,
        direction: Direction,
        place: &Place,
        name: &str,
        old: Option<&wit_parser::Function>,
        new: Option<&wit_parser::Function>,
    ) {
        let shapes = (
            old.map(|function| self.old_shapes.of_function(function)),
            new.map(|function| self.new_shapes.of_function(function)),
        );
        let texts = (
            old.map(|function| function_text(self.old, function)),
            new.map(|function| function_text(self.new, function)),
        );
        self.member(direction, place, Item::Function, plain_name(name), shapes, texts);
    }

    fn ty(&mut self, direction: Direction, place: &Place, name: &str, old: Option<TypeId>, new: Option<TypeId>) {
        let shapes = (old.map(|id| self.old_shapes.of_type(id)), new.map(|id| self.new_shapes.of_type(id)));
        let texts = (old.map(|id| type_text(self.old, id)), new.map(|id| type_text(self.new, id)));
        self.member(direction, place, Item::Type, name.to_owned(), shapes, texts);
    }

    fn member(
        &mut self,
        direction: Direction,
        place: &Place,
        item: Item,
        name: String,
        shapes: (Option<u64>, Option<u64>),
        (before, after): (Option<String>, Option<String>),
    ) {
        let action = match shapes {
            (None, _) => Action::Added,
            (_, None) => Action::Removed,
            (Some(old), Some(new)) if old == new => return,
            _ => Action::Changed,
        };
        let follows = action == Action::Changed && before == after;
        self.note(direction, place, item, action, Some(name), (before, after), follows);
    }

    fn version(&mut self, direction: Direction, place: &Place, before: &str, after: &str) {
        let place = Place { interface: Some(after.to_owned()), ..place.clone() };
        let texts = (Some(before.to_owned()), Some(after.to_owned()));
        self.note(direction, &place, Item::Version, Action::Changed, None, texts, false);
    }

    fn whole(&mut self, direction: Direction, place: &Place, item: Item, is_old: bool) {
        let action = if is_old { Action::Removed } else { Action::Added };
        self.note(direction, place, item, action, None, (None, None), false);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a change, from one place")]
    fn note(
        &mut self,
        direction: Direction,
        place: &Place,
        item: Item,
        action: Action,
        name: Option<String>,
        (before, after): (Option<String>, Option<String>),
        follows: bool,
    ) {
        let (callers, hosts) = impacts(self.subject, direction, item, action);
        let Place { world, interface } = place.clone();
        let change = Change { direction, world, interface, name, item, action, before, after, callers, hosts, follows };
        self.changes.push(change);
    }
}

/// `[method]r.f` is `r.f` to a reader.
fn plain_name(name: &str) -> String {
    match name.strip_prefix("[constructor]") {
        Some(resource) => format!("{resource}.constructor"),
        None => name.rsplit(']').next().unwrap_or(name).to_owned(),
    }
}

fn union<'a>(one: impl Iterator<Item = &'a String>, other: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    one.chain(other).filter(|name| seen.insert(name.as_str())).cloned().collect()
}

/// Something a world imports or exports.
struct Entry<'a> {
    /// As it is written.
    name: String,
    /// The name without what may differ between compatible versions.
    track: String,
    item: &'a WorldItem,
}

fn entries<'a>(resolve: &Resolve, items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>) -> Vec<Entry<'a>> {
    let entry = |(key, item)| Entry {
        name: resolve.name_world_key(key),
        track: resolve.name_canonicalized_world_key(key),
        item,
    };
    items.map(entry).collect()
}

/// Pairs by name, then what is left by track; the rest stays alone.
fn pair<'a, 'b>(old: &'a [Entry<'b>], new: &'a [Entry<'b>]) -> Vec<(Option<&'a Entry<'b>>, Option<&'a Entry<'b>>)> {
    let mut pairs = Vec::new();
    let mut taken = vec![false; new.len()];
    let mut alone = Vec::new();
    for entry in old {
        match new.iter().position(|other| other.name == entry.name) {
            Some(position) => {
                taken[position] = true;
                pairs.push((Some(entry), Some(&new[position])));
            }
            None => alone.push(entry),
        }
    }
    for entry in alone {
        let of_track = (0..new.len()).find(|position| !taken[*position] && new[*position].track == entry.track);
        if let Some(position) = of_track {
            taken[position] = true;
        }
        pairs.push((Some(entry), of_track.map(|position| &new[position])));
    }
    pairs.extend(new.iter().zip(taken).filter(|(_, taken)| !taken).map(|(entry, _)| (None, Some(entry))));
    pairs
}
