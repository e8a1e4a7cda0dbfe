//! How many instances a component is made of, when each of its parts is counted as often as it is instantiated.
//!
//! A component that instantiates another one twice, which does the same with a third, doubles with each step. Only the
//! counts are kept; nothing is instantiated.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, Encoding,
    FromReader, Instance, Payload, SectionLimited,
};

use super::{Excess, MAX_DEFINITIONS, MAX_INSTANCES};

/// Why a component is not all right.
pub(super) enum Problem {
    Excess { offset: usize, excess: Excess },
    Malformed(BinaryReaderError),
}

impl From<BinaryReaderError> for Problem {
    fn from(err: BinaryReaderError) -> Self {
        Self::Malformed(err)
    }
}

/// What one instantiation of a component makes.
#[derive(Clone, Copy, Default)]
struct Cost {
    instances: u64,
    definitions: u64,
}

/// A component in the index space of another one.
#[derive(Clone, Copy)]
enum Component {
    /// Its text is in the file.
    Known(Cost),
    /// The outermost component wants it from outside, where nobody provides any.
    Wanted,
    /// Whoever instantiates the component around it decides which one it is.
    Unknown,
}

/// A component that is being read, or a module: that has no index space of components.
struct Scope {
    encoding: Encoding,
    components: Vec<Component>,
    cost: Cost,
}

/// The components around the place that is being read, the outermost first.
#[derive(Default)]
pub(super) struct Scopes {
    open: Vec<Scope>,
}

impl Scopes {
    pub(super) fn begin(&mut self, encoding: Encoding) {
        self.open.push(Scope { encoding, components: Vec::new(), cost: Cost::default() });
    }

    pub(super) fn end(&mut self) {
        let Some(ended) = self.open.pop() else { return };
        if let Some(around) = self.open.last_mut().filter(|_| ended.encoding == Encoding::Component) {
            around.components.push(Component::Known(ended.cost));
        }
    }

    /// Counts definitions of the component that is being read.
    pub(super) fn count(&mut self, definitions: u32, offset: usize) -> Result<(), Problem> {
        self.add(Cost { instances: 0, definitions: u64::from(definitions) }, offset)
    }

    pub(super) fn look_at(&mut self, payload: Payload<'_>) -> Result<(), Problem> {
        match payload {
            Payload::ComponentImportSection(section) => {
                let here = if self.open.len() == 1 { Component::Wanted } else { Component::Unknown };
                self.each(section, |scopes, _, import| {
                    scopes.define(import.ty.kind(), here);
                    Ok(())
                })
            }
            Payload::ComponentExportSection(section) => self.each(section, |scopes, _, export| {
                let exported = scopes.component(0, export.index);
                scopes.define(export.kind, exported);
                Ok(())
            }),
            Payload::ComponentAliasSection(section) => self.each(section, |scopes, _, alias| {
                match alias {
                    ComponentAlias::InstanceExport { kind, .. } => {
                        scopes.define(kind, Component::Unknown);
                    }
                    ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                        let outer = scopes.component(count, index);
                        scopes.define(ComponentExternalKind::Component, outer);
                    }
                    ComponentAlias::Outer { .. } | ComponentAlias::CoreInstanceExport { .. } => {}
                }
                Ok(())
            }),
            Payload::ComponentInstanceSection(section) => self.each(section, |scopes, offset, instance| {
                let ComponentInstance::Instantiate { component_index, .. } = instance else { return Ok(()) };
                match scopes.component(0, component_index) {
                    Component::Known(cost) => {
                        let Cost { instances, definitions } = cost;
                        scopes.add(Cost { instances: instances + 1, definitions }, offset)
                    }
                    Component::Wanted => scopes.add(Cost { instances: 1, definitions: 0 }, offset),
                    Component::Unknown => Err(Problem::Excess { offset, excess: Excess::UnknownComponent }),
                }
            }),
            Payload::InstanceSection(section) => self.each(section, |scopes, offset, instance| match instance {
                Instance::Instantiate { .. } => scopes.add(Cost { instances: 1, definitions: 0 }, offset),
                Instance::FromExports(_) => Ok(()),
            }),
            Payload::ComponentCanonicalSection(section) => {
                let offset = section.range().start;
                self.count(section.count(), offset)
            }
            _ => Ok(()),
        }
    }

    /// Reads a section whose items count as definitions.
    fn each<'a, T: FromReader<'a>>(
        &mut self,
        section: SectionLimited<'a, T>,
        mut look_at: impl FnMut(&mut Self, usize, T) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        for item in section.into_iter_with_offsets() {
            let (offset, item) = item?;
            self.count(1, offset)?;
            look_at(self, offset, item)?;
        }
        Ok(())
    }

    /// Gives an item the next index among components if it is one.
    fn define(&mut self, kind: ComponentExternalKind, component: Component) {
        if let Some(scope) = self.open.last_mut().filter(|_| kind == ComponentExternalKind::Component) {
            scope.components.push(component);
        }
    }

    /// The component of an index, `out` components further out. An index that leads nowhere is for the validator.
    fn component(&self, out: u32, index: u32) -> Component {
        let find = || {
            let scope = self.open.len().checked_sub(1)?.checked_sub(usize::try_from(out).ok()?)?;
            self.open.get(scope)?.components.get(usize::try_from(index).ok()?)
        };
        find().copied().unwrap_or(Component::Unknown)
    }

    fn add(&mut self, more: Cost, offset: usize) -> Result<(), Problem> {
        let Some(scope) = self.open.last_mut() else { return Ok(()) };
        // Neither summand is far beyond its bound.
        scope.cost.instances += more.instances;
        scope.cost.definitions += more.definitions;
        let excess = if scope.cost.instances > MAX_INSTANCES {
            Excess::Instances
        } else if scope.cost.definitions > MAX_DEFINITIONS {
            Excess::Definitions
        } else {
            return Ok(());
        };
        Err(Problem::Excess { offset, excess })
    }
}
