//! Who provides each import of a workload: WASI, a sibling component, the service, or a plugin.
//!
//! It decides only; [`super::link`] links. All that is wrong with a workload's imports is one error.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::types::ComponentItem;

use super::is_program;
use crate::engine::{self, CompiledComponent, Role, UnresolvedWorkload};
use crate::plugin::HostPlugin;
use crate::wit::{WitInterface, versions_compatible};

/// Something that is wrong with one import.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ImportProblem {
    /// Nobody provides it.
    Missing {
        /// The component, or `service`.
        component: String,
        /// The import as the component names it.
        interface: String,
        /// What to add to the workload's `hostInterfaces`, where that helps.
        entry: Option<String>,
    },
    /// Several siblings or plugins provide it.
    Ambiguous {
        /// The component, or `service`.
        component: String,
        /// The import as the component names it.
        interface: String,
        /// Those who provide it.
        providers: Vec<String>,
    },
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { component, interface, entry } => {
                write!(f, "`{component}` imports {interface}, which nothing provides")?;
                match entry {
                    Some(entry) => write!(f, " (add to hostInterfaces: {entry})"),
                    None => Ok(()),
                }
            }
            Self::Ambiguous { component, interface, providers } => {
                write!(f, "`{component}` imports {interface}, which is provided by each of {}", providers.join(", "))
            }
        }
    }
}

/// Who provides what.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) siblings: Vec<SiblingLink>,
    pub(super) plugins: Vec<PluginLink>,
}

/// An import that a sibling or the service provides.
pub(super) struct SiblingLink {
    pub(super) importer: usize,
    pub(super) import: String,
    pub(super) exporter: usize,
    pub(super) export: String,
}

/// A plugin that the workload meets.
pub(super) struct PluginLink {
    pub(super) plugin: Arc<dyn HostPlugin>,
    /// The entries of `host_interfaces` that it covers.
    pub(super) interfaces: HashSet<WitInterface>,
    /// The items that import or export one of them.
    pub(super) items: Vec<usize>,
}

/// Finds a provider for every import.
pub(super) fn plan(workload: &UnresolvedWorkload, plugins: &[Arc<dyn HostPlugin>]) -> Result<Plan, Vec<ImportProblem>> {
    let mut plan = Plan::default();
    let mut problems = Vec::new();
    let offers = offers(workload, plugins);
    for (importer, (_, item)) in workload.items().enumerate() {
        for import in item.component().imports() {
            if carries_types_alone(item.component(), &import) {
                continue;
            }
            match provider(workload, &offers, importer, &import) {
                Provider::Host => {}
                Provider::Sibling { exporter, export } => {
                    plan.siblings.push(SiblingLink { importer, import, exporter, export });
                }
                Provider::Nobody { entry } => {
                    problems.push(ImportProblem::Missing {
                        component: item.id().to_string(),
                        interface: import,
                        entry,
                    });
                }
                Provider::Several(providers) => problems.push(ImportProblem::Ambiguous {
                    component: item.id().to_string(),
                    interface: import,
                    providers,
                }),
            }
        }
    }
    plan.plugins = offers.into_iter().filter_map(|offer| offer.bound_to(workload, &plan.siblings)).collect();
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

/// Whether an imported interface has no functions, and no resources but those that an earlier import has brought: such
/// an import comes along with the interfaces that use its types, and is nobody's to provide.
fn carries_types_alone(component: &CompiledComponent, import: &str) -> bool {
    let component = component.inner();
    let (engine, component_type) = (component.engine(), component.component_type());
    let mut known = Vec::new();
    for (name, item) in component_type.imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        let mut alone = true;
        for (_, export) in interface.exports(engine) {
            match export.ty {
                ComponentItem::Type(_) => {}
                ComponentItem::Resource(resource) if known.contains(&resource) => {}
                ComponentItem::Resource(resource) => {
                    known.push(resource);
                    alone = false;
                }
                _ => alone = false,
            }
        }
        if name == import {
            return alone;
        }
    }
    false
}

/// What one plugin offers to this workload.
struct Offer {
    plugin: Arc<dyn HostPlugin>,
    world: HashSet<WitInterface>,
    /// The workload's entries that it covers.
    entries: HashSet<WitInterface>,
}

/// The entries of which a plugin with this world knows an interface.
pub(in crate::host) fn covered(world: &HashSet<WitInterface>, entries: &[WitInterface]) -> HashSet<WitInterface> {
    entries.iter().filter(|entry| is_covered(world, entry)).cloned().collect()
}

/// Everything that a plugin provides to guests, and calls on them.
pub(in crate::host) fn world_of(plugin: &dyn HostPlugin) -> HashSet<WitInterface> {
    let world = plugin.world();
    world.exports.into_iter().chain(world.imports).collect()
}

fn is_covered(world: &HashSet<WitInterface>, entry: &WitInterface) -> bool {
    world.iter().any(|offered| entry.interfaces.iter().any(|name| offered.covers(entry, name)))
}

fn offers(workload: &UnresolvedWorkload, plugins: &[Arc<dyn HostPlugin>]) -> Vec<Offer> {
    plugins
        .iter()
        .map(|plugin| {
            let world = world_of(&**plugin);
            let entries = workload.host_interfaces.iter().filter(|entry| is_covered(&world, entry)).cloned().collect();
            Offer { plugin: Arc::clone(plugin), world, entries }
        })
        .collect()
}

impl Offer {
    /// Whether the plugin provides the interface, and the workload asks for it.
    fn provides(&self, import: &WitInterface) -> bool {
        self.knows(import) && self.entries.iter().any(|entry| asks_for(entry, import))
    }

    fn knows(&self, import: &WitInterface) -> bool {
        import.interfaces.iter().all(|name| self.world.iter().any(|offered| offered.covers(import, name)))
    }

    fn bound_to(self, workload: &UnresolvedWorkload, siblings: &[SiblingLink]) -> Option<PluginLink> {
        let by_sibling =
            |item: usize, import: &str| siblings.iter().any(|link| link.importer == item && link.import == import);
        let provides = |name: &String| name.parse().is_ok_and(|interface| self.provides(&interface));
        let items: Vec<usize> = workload
            .items()
            .enumerate()
            .filter(|(index, (_, item))| {
                let imports = item.component().imports().into_iter().filter(|import| !by_sibling(*index, import));
                imports.chain(item.component().exports()).any(|name| provides(&name))
            })
            .map(|(index, _)| index)
            .collect();
        if items.is_empty() && self.entries.is_empty() {
            return None;
        }
        Some(PluginLink { plugin: self.plugin, interfaces: self.entries, items })
    }
}

/// Interfaces that use the types of another one: whoever asks for the first gets the second.
const COMES_ALONG: [(&str, &str, &str); 3] =
    [("blobstore", "blobstore", "container"), ("keyvalue", "atomics", "store"), ("keyvalue", "batch", "store")];

/// A package's types come along with any of its interfaces.
fn asks_for(entry: &WitInterface, import: &WitInterface) -> bool {
    entry.same_package(import)
        && versions_compatible(entry.version.as_ref(), import.version.as_ref())
        && import.interfaces.iter().all(|name| name == "types" || lists(entry, name))
}

fn lists(entry: &WitInterface, name: &str) -> bool {
    entry.interfaces.contains(name)
        || entry.namespace == "wasi"
            && COMES_ALONG.iter().any(|(package, asked, along)| {
                entry.package == *package && *along == name && entry.interfaces.contains(*asked)
            })
}

enum Provider {
    /// WASI itself, or a plugin, which links what it provides by itself.
    Host,
    Sibling {
        exporter: usize,
        export: String,
    },
    Nobody {
        entry: Option<String>,
    },
    Several(Vec<String>),
}

fn provider(workload: &UnresolvedWorkload, offers: &[Offer], importer: usize, import: &str) -> Provider {
    let siblings = exporters(workload, importer, import);
    match siblings.as_slice() {
        [(exporter, export)] => return Provider::Sibling { exporter: *exporter, export: export.clone() },
        [] => {}
        several => {
            let name = |index: usize| workload.items().nth(index).map(|(_, item)| item.id().to_string());
            return Provider::Several(several.iter().filter_map(|(index, _)| name(*index)).collect());
        }
    }
    if engine::is_provided(import) {
        return Provider::Host;
    }
    let Ok(interface) = import.parse::<WitInterface>() else { return Provider::Nobody { entry: None } };
    let plugins: Vec<_> = offers.iter().filter(|offer| offer.provides(&interface)).collect();
    match plugins.as_slice() {
        [_] => Provider::Host,
        [] => Provider::Nobody { entry: Some(entry_for(&interface, offers)) },
        several => Provider::Several(several.iter().map(|offer| format!("plugin {}", offer.plugin.id())).collect()),
    }
}

/// The entry to add, with a remark where this host could not satisfy it.
fn entry_for(interface: &WitInterface, offers: &[Offer]) -> String {
    let mut names: Vec<&str> = interface.interfaces.iter().map(String::as_str).collect();
    names.sort_unstable();
    let entry = format!(
        "{{namespace: {}, package: {}, interfaces: [{}]}}",
        interface.namespace,
        interface.package,
        names.join(", ")
    );
    if offers.iter().any(|offer| offer.knows(interface)) {
        entry
    } else {
        format!("{entry}, on a host with a plugin for it; this one has none")
    }
}

/// The components, other than the importer, that export a compatible interface; where there is none, the service that
/// is there to be called. One that is a program cannot be called while it runs.
fn exporters(workload: &UnresolvedWorkload, importer: usize, import: &str) -> Vec<(usize, String)> {
    let wanted = import.parse::<WitInterface>().ok();
    let fits = |export: &str| {
        export == import
            || wanted
                .as_ref()
                .zip(export.parse::<WitInterface>().ok())
                .is_some_and(|(wanted, export)| wanted.interfaces.iter().all(|name| export.covers(wanted, name)))
    };
    let of_role = |wanted: Role| {
        workload
            .items()
            .enumerate()
            .filter(|(index, (role, item))| {
                *index != importer && *role == wanted && (*role == Role::Component || !is_program(item))
            })
            .filter_map(|(index, (_, item))| {
                item.component().exports().into_iter().find(|export| fits(export)).map(|export| (index, export))
            })
            .collect::<Vec<_>>()
    };
    let components = of_role(Role::Component);
    if components.is_empty() { of_role(Role::Service) } else { components }
}
