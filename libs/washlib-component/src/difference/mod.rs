//! What changed between two components or WIT packages, and whom it breaks.
//!
//! Compares what is offered and needed, not code. Types are compared by structure, as the component model does;
//! resources by name. A version counts only for which interfaces are paired: those of one compatible track.
//!
//! Two sides can break. *Callers* use what is offered: of a component its exports, of a package or world that components
//! are written against its interfaces and imports. *Hosts* provide what is needed.

mod compare;
mod shape;

use wit_parser::Resolve;

pub use compare::{CompareError, compare};

/// How bad a change is for somebody.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Impact {
    /// Nothing that they could notice.
    Patch,
    /// Something new that they may use.
    Minor,
    /// What worked no longer does.
    Breaking,
}

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Components, of which the new one takes the old one's place.
    Component,
    /// Contracts, worlds or packages: components were written against the old one and meet the new one.
    Contract,
}

/// On which side of a world something stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Direction {
    /// It is needed.
    Import,
    /// It is offered.
    Export,
    /// It is defined in a package, for either.
    Definition,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// What it happened to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item {
    /// A whole world.
    World,
    /// A whole interface.
    Interface,
    /// A function.
    Function,
    /// A type.
    Type,
    /// The version that an interface is imported or exported by.
    Version,
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// On which side.
    pub direction: Direction,
    /// The world of a package that it belongs to.
    pub world: Option<String>,
    /// The interface, with its version in the newer file that has it; `None` for what stands in the world itself.
    pub interface: Option<String>,
    /// The function or type.
    pub name: Option<String>,
    /// What kind of thing it is.
    pub item: Item,
    /// What happened to it.
    pub action: Action,
    /// As it was.
    pub before: Option<String>,
    /// As it is now.
    pub after: Option<String>,
    /// What it means to callers.
    pub callers: Impact,
    /// What it means to hosts.
    pub hosts: Impact,
    /// Whether it only follows from the change of a type that it uses.
    pub follows: bool,
}

impl Change {
    /// What it means, all in all: the verdict of [`Difference::verdict`] counts these.
    pub fn impact(&self, subject: Subject) -> Impact {
        match subject {
            Subject::Component => self.callers.max(self.hosts),
            // A new version of a contract is new to every host; what counts is whether components survive it.
            Subject::Contract => self.callers,
        }
    }
}

/// All that changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// What was compared.
    pub subject: Subject,
    /// In the order of the files: imports, exports, then a package's definitions.
    pub changes: Vec<Change>,
}

impl Difference {
    /// What the change means all in all.
    pub fn verdict(&self) -> Impact {
        self.worst(|change| change.impact(self.subject))
    }

    /// What it means to callers.
    pub fn callers(&self) -> Impact {
        self.worst(|change| change.callers)
    }

    /// What it means to hosts.
    pub fn hosts(&self) -> Impact {
        self.worst(|change| change.hosts)
    }

    fn worst(&self, impact: impl Fn(&Change) -> Impact) -> Impact {
        self.changes.iter().map(impact).max().unwrap_or(Impact::Patch)
    }
}

/// What a change of this kind means to callers and to hosts.
///
/// A component's import is a demand on the host; a contract's is an offer to the component, and its export a demand.
fn impacts(subject: Subject, direction: Direction, item: Item, action: Action) -> (Impact, Impact) {
    use Impact::{Breaking, Minor, Patch};
    if item == Item::Version {
        return (Minor, Minor);
    }
    match (subject, direction, action) {
        (Subject::Component, Direction::Export, Action::Added) => (Minor, Patch),
        (Subject::Component, Direction::Export, _) => (Breaking, Patch),
        (Subject::Component, _, Action::Removed) => (Patch, Patch),
        (Subject::Component, _, _) => (Patch, Breaking),
        (Subject::Contract, _, Action::Changed) => (Breaking, Breaking),
        (Subject::Contract, Direction::Export, Action::Added) => (Breaking, Minor),
        (Subject::Contract, Direction::Export, Action::Removed) => (Minor, Breaking),
        (Subject::Contract, Direction::Definition, Action::Added) if matches!(item, Item::World | Item::Interface) => {
            // Nobody has to offer it yet.
            (Minor, Minor)
        }
        (Subject::Contract, _, Action::Added) => (Minor, Breaking),
        (Subject::Contract, _, Action::Removed) => (Breaking, Patch),
    }
}

/// An interface's full name in its file.
fn interface_name(resolve: &Resolve, id: wit_parser::InterfaceId) -> Option<String> {
    resolve.id_of(id)
}

#[cfg(test)]
mod tests;
