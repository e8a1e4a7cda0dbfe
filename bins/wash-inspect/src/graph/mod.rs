//! `wash inspect graph`: which instances a component consists of, and what satisfies what.
//!
//! Draws the outermost level: what is nested in a component that it instantiates is that component's own affair.

mod draw;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use washlib_cli::{CommandError, Ui};
use washlib_component::{Kind, Part};
use wasmparser::{
    BinaryReaderError, CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ExternalKind, Instance, Parser, Payload,
};

use crate::cli::{Graph, GraphFormat};
use crate::command::whole_outline;
use crate::output::{GraphData, GraphEdge, GraphNode, NodeKind};
use crate::source::Place;
use crate::{command_error, source};

/// How many nodes and edges are drawn; nobody reads more.
const MAX_DRAWN: usize = 20_000;
/// Through how many others something may have come together.
const MAX_PROVIDERS: usize = 200;

/// Runs the command.
pub(crate) fn run(args: &Graph, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    source.wasm()?;
    let root = whole_outline(&source.name, source.bytes())?;
    if root.kind == Kind::CoreModule {
        return Err(command_error::refused(&source.name, "draw", "a core module consists of no instances"));
    }
    washlib_component::check_bounds(source.bytes()).map_err(|err| command_error::refused(&source.name, "draw", err))?;
    let Drawn { graph: data, is_whole } =
        read(source.bytes(), &root).map_err(|err| command_error::refused(&source.name, "draw", err.message()))?;
    if !is_whole {
        ui.warn(&format!("only the first {MAX_DRAWN} nodes and edges are drawn"));
    }
    let text = match args.format {
        GraphFormat::Dot => draw::dot(&data),
        GraphFormat::Mermaid => draw::mermaid(&data),
    };
    ui.result(&text, &format!("{} nodes, {} edges", data.nodes.len(), data.edges.len()), data)
}

/// The nodes that something comes from. Shared: a few bytes of a file may refer to many of them again.
type Providers = Rc<[usize]>;

/// What was read.
struct Drawn {
    graph: GraphData,
    is_whole: bool,
}

/// The index spaces of the outermost component, with where each entry comes from.
#[derive(Default)]
struct Spaces {
    graph: GraphData,
    /// All edges, to draw each once.
    edges: HashSet<(usize, usize, String)>,
    /// What was not drawn any more.
    n_left_out: usize,
    /// Names of components and modules, by index.
    components: Vec<Option<String>>,
    modules: Vec<Option<String>>,
    instances: Vec<Providers>,
    functions: Vec<Providers>,
    core_instances: Vec<Providers>,
    core: BTreeMap<CoreSpace, Vec<Providers>>,
}

/// The index spaces of what core modules define.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum CoreSpace {
    Function,
    Table,
    Memory,
    Global,
    Tag,
}

impl From<ExternalKind> for CoreSpace {
    fn from(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::Function,
            ExternalKind::Table => Self::Table,
            ExternalKind::Memory => Self::Memory,
            ExternalKind::Global => Self::Global,
            ExternalKind::Tag => Self::Tag,
        }
    }
}

/// Reads the graph.
fn read(bytes: &[u8], root: &Part<'_>) -> Result<Drawn, BinaryReaderError> {
    let mut spaces = Spaces::default();
    let mut names = root.parts.iter();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match payload {
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                if depth == 0 {
                    let name = names.next().and_then(|part| part.name.clone());
                    let is_module = matches!(payload, Payload::ModuleSection { .. });
                    if is_module { spaces.modules.push(name) } else { spaces.components.push(name) }
                }
                depth += 1;
            }
            payload if depth == 0 => spaces.payload(payload)?,
            _ => {}
        }
    }
    Ok(Drawn { graph: spaces.graph, is_whole: spaces.n_left_out == 0 })
}

impl Spaces {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    self.import(import.name.name, import.ty.kind());
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    self.instance(&instance?);
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.core_instance(&instance?);
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.canonical(&function?);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.export(export.name.name, export.kind, export.index);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A new node as what something comes from; nothing beyond what is drawn.
    fn node(&mut self, kind: NodeKind, label: &str) -> Providers {
        let number = self.graph.nodes.len();
        if number >= MAX_DRAWN {
            self.n_left_out += 1;
            return Providers::default();
        }
        self.graph.nodes.push(GraphNode { id: id(number), label: label.to_owned(), kind });
        Rc::new([number])
    }

    fn edges(&mut self, from: &Providers, to: &Providers, label: &str) {
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            let edge = (from, to, label.to_owned());
            if self.edges.contains(&edge) {
                continue;
            }
            if self.edges.len() >= MAX_DRAWN {
                self.n_left_out += 1;
                return;
            }
            self.edges.insert(edge);
            self.graph.edges.push(GraphEdge { from: id(from), to: id(to), label: label.to_owned() });
        }
    }

    fn import(&mut self, name: &str, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Instance => {
                let node = self.node(NodeKind::Import, name);
                self.instances.push(node);
            }
            ComponentExternalKind::Func => {
                let node = self.node(NodeKind::Import, name);
                self.functions.push(node);
            }
            ComponentExternalKind::Component => self.components.push(Some(name.to_owned())),
            ComponentExternalKind::Module => self.modules.push(Some(name.to_owned())),
            ComponentExternalKind::Type | ComponentExternalKind::Value => {}
        }
    }

    fn providers(&self, kind: ComponentExternalKind, index: u32) -> Providers {
        match kind {
            ComponentExternalKind::Instance => entry(&self.instances, index),
            ComponentExternalKind::Func => entry(&self.functions, index),
            _ => Providers::default(),
        }
    }

    /// Gives what is new the next index of its kind.
    fn define(&mut self, kind: ComponentExternalKind, providers: Providers) {
        match kind {
            ComponentExternalKind::Instance => self.instances.push(providers),
            ComponentExternalKind::Func => self.functions.push(providers),
            ComponentExternalKind::Component => self.components.push(None),
            ComponentExternalKind::Module => self.modules.push(None),
            ComponentExternalKind::Type | ComponentExternalKind::Value => {}
        }
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) {
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                let label = name_or_number("component", &self.components, *component_index);
                let node = self.node(NodeKind::Component, &label);
                for arg in args {
                    let providers = self.providers(arg.kind, arg.index);
                    self.edges(&providers, &node, arg.name);
                }
                self.instances.push(node);
            }
            ComponentInstance::FromExports(exports) => {
                let providers = exports.iter().map(|export| self.providers(export.kind, export.index));
                let providers = together(providers);
                self.instances.push(providers);
            }
        }
    }

    fn core_instance(&mut self, instance: &Instance<'_>) {
        match instance {
            Instance::Instantiate { module_index, args } => {
                let label = name_or_number("module", &self.modules, *module_index);
                let node = self.node(NodeKind::CoreModule, &label);
                for arg in args {
                    let providers = entry(&self.core_instances, arg.index);
                    self.edges(&providers, &node, arg.name);
                }
                self.core_instances.push(node);
            }
            Instance::FromExports(exports) => {
                let providers = exports.iter().map(|export| self.core_providers(export.kind.into(), export.index));
                let providers = together(providers);
                self.core_instances.push(providers);
            }
        }
    }

    fn core_providers(&self, space: CoreSpace, index: u32) -> Providers {
        self.core.get(&space).map(|entries| entry(entries, index)).unwrap_or_default()
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match alias {
            ComponentAlias::InstanceExport { kind, instance_index, .. } => {
                let providers = entry(&self.instances, *instance_index);
                self.define(*kind, providers);
            }
            ComponentAlias::CoreInstanceExport { kind, instance_index, .. } => {
                let providers = entry(&self.core_instances, *instance_index);
                self.core.entry((*kind).into()).or_default().push(providers);
            }
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::CoreModule => self.modules.push(None),
                ComponentOuterAliasKind::Component => self.components.push(None),
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
            },
        }
    }

    fn canonical(&mut self, function: &CanonicalFunction) {
        match function {
            CanonicalFunction::Lift { core_func_index, .. } => {
                let providers = self.core_providers(CoreSpace::Function, *core_func_index);
                self.functions.push(providers);
            }
            CanonicalFunction::Lower { func_index, .. } => {
                let providers = entry(&self.functions, *func_index);
                self.core.entry(CoreSpace::Function).or_default().push(providers);
            }
            // The rest is provided by the component model itself.
            _ => self.core.entry(CoreSpace::Function).or_default().push(Providers::default()),
        }
    }

    fn export(&mut self, name: &str, kind: ComponentExternalKind, index: u32) {
        let providers = self.providers(kind, index);
        if matches!(kind, ComponentExternalKind::Instance | ComponentExternalKind::Func) {
            let node = self.node(NodeKind::Export, name);
            self.edges(&providers, &node, "");
        }
        self.define(kind, providers);
    }
}

fn entry(entries: &[Providers], index: u32) -> Providers {
    usize::try_from(index).ok().and_then(|index| entries.get(index)).cloned().unwrap_or_default()
}

/// Each once, in the order of their first appearance.
fn together(all: impl Iterator<Item = Providers>) -> Providers {
    let mut together = Vec::new();
    for providers in all {
        for provider in providers.iter() {
            if together.len() < MAX_PROVIDERS && !together.contains(provider) {
                together.push(*provider);
            }
        }
    }
    together.into()
}

/// What a node is called in the graph.
fn id(number: usize) -> String {
    format!("n{number}")
}

fn name_or_number(what: &str, names: &[Option<String>], index: u32) -> String {
    let name = usize::try_from(index).ok().and_then(|index| names.get(index)).cloned().flatten();
    name.unwrap_or_else(|| format!("{what} {index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(text: &str) -> GraphData {
        let bytes = wat::parse_str(text).unwrap();
        washlib_component::validate(&bytes).unwrap();
        let outline = washlib_component::outline(&bytes).unwrap();
        read(&bytes, &outline.root).unwrap().graph
    }

    fn edges(graph: &GraphData) -> Vec<String> {
        let label = |id: &str| graph.nodes.iter().find(|node| node.id == id).unwrap().label.clone();
        graph.edges.iter().map(|edge| format!("{} -{}-> {}", label(&edge.from), edge.label, label(&edge.to))).collect()
    }

    #[test]
    fn a_composition() {
        let graph = graph(
            r#"(component
                (import "log" (func $log))
                (component $back (import "log" (func $log)) (export "api" (func $log)))
                (component $front (import "api" (func $api)) (export "run" (func $api)))
                (instance $b (instantiate $back (with "log" (func $log))))
                (instance $f (instantiate $front (with "api" (func $b "api"))))
                (export "run" (func $f "run")))"#,
        );
        assert_eq!(edges(&graph), ["log -log-> back", "back -api-> front", "front --> run"]);
    }

    #[test]
    fn what_is_not_drawn_any_more_is_told() {
        let drawn = |n_imports: usize| {
            let imports: String = (0..n_imports).map(|number| format!("(import \"f{number}\" (func))")).collect();
            let bytes = wat::parse_str(format!("(component {imports} (export \"run\" (func 0)))")).unwrap();
            read(&bytes, &washlib_component::outline(&bytes).unwrap().root).unwrap()
        };
        let whole = drawn(MAX_DRAWN - 1);
        assert_eq!((whole.is_whole, whole.graph.nodes.len(), whole.graph.edges.len()), (true, MAX_DRAWN, 1));
        let cut = drawn(MAX_DRAWN);
        assert_eq!((cut.is_whole, cut.graph.nodes.len(), cut.graph.edges.len()), (false, MAX_DRAWN, 0));
    }

    #[test]
    fn modules_and_what_they_are_lowered_from() {
        let graph = graph(
            r#"(component
                (import "a:b/c" (instance $c (export "f" (func))))
                (core module $main (import "c" "f" (func)) (func (export "run")))
                (alias export $c "f" (func $f))
                (core func $lowered (canon lower (func $f)))
                (core instance $imports (export "f" (func $lowered)))
                (core instance $m (instantiate $main (with "c" (instance $imports))))
                (func $run (canon lift (core func $m "run")))
                (export "run" (func $run)))"#,
        );
        assert_eq!(edges(&graph), ["a:b/c -c-> main", "main --> run"]);
    }
}
