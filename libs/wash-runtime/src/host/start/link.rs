//! From compiled components to linked ones: plugins and siblings add what they provide, volumes are found or made.
//!
//! What fails here leaves nothing behind: plugins are told, and directories go.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::InstancePre;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::imports::Plan;
use super::{StartError, exports_handler, is_program};
use crate::engine::lineage::{Lineage, ServiceImport};
use crate::engine::linked::{Handler, HandlerExport, Item, Linked, Mount};
use crate::engine::outgoing::{Egress, Outgoing, OutgoingHttp};
use crate::engine::schedule::CpuShare;
use crate::engine::scratch::Scratch;
use crate::engine::service_calls::{self, ServiceCalls};
use crate::engine::siblings::{self, Sharing, SiblingInterface};
use crate::engine::sockets::{NameLookup, VirtualNetwork};
use crate::engine::workload::{ItemBase, UnresolvedWorkload, WorkloadItem};
use crate::engine::{Admission, AllowedHosts, CompiledComponent, Ctx, Engine, Role};
use crate::host::guest_output::{GuestOutput, GuestStreams, OutputSource};
use crate::types::{LocalResources, Volume, VolumeType};

/// Directories that a workload's items mount.
pub(super) struct Volumes {
    paths: HashMap<String, PathBuf>,
    pub(super) scratch: Vec<Scratch>,
}

impl Volumes {
    /// Finds the directories of the host and makes those that go with the workload.
    pub(super) fn prepare<'a>(
        volumes: impl IntoIterator<Item = &'a Volume>,
        allowed_roots: &[PathBuf],
    ) -> Result<Self, StartError> {
        let mut prepared = Self { paths: HashMap::new(), scratch: Vec::new() };
        for volume in volumes {
            let failed = |path: &Path, source| StartError::Volume {
                volume: volume.name.clone(),
                path: path.to_path_buf(),
                source,
            };
            let path = match &volume.volume_type {
                VolumeType::HostPath(host_path) => {
                    let path = Path::new(&host_path.local_path);
                    // Resolved first, so that no link leads out of the allowed directories.
                    let path = path.canonicalize().map_err(|err| failed(path, err))?;
                    if !path.is_dir() {
                        return Err(failed(&path, io::ErrorKind::NotADirectory.into()));
                    }
                    if !allowed_roots.iter().any(|root| path.starts_with(root)) {
                        return Err(StartError::VolumeNotAllowed { volume: volume.name.clone(), path });
                    }
                    path
                }
                VolumeType::EmptyDir(_) => {
                    let directory = Scratch::create().map_err(|err| failed(&std::env::temp_dir(), err))?;
                    let path = directory.path().to_path_buf();
                    prepared.scratch.push(directory);
                    path
                }
            };
            if prepared.paths.insert(volume.name.clone(), path).is_some() {
                return Err(StartError::DuplicateName { name: volume.name.clone() });
            }
        }
        Ok(prepared)
    }

    fn mounts(&self, component: &str, resources: &LocalResources) -> Result<Vec<Mount>, StartError> {
        let mount = |mount: &crate::types::VolumeMount| {
            let host_path = self.paths.get(&mount.name).cloned().ok_or_else(|| StartError::UnknownVolume {
                component: component.to_string(),
                volume: mount.name.clone(),
            })?;
            let access = if mount.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
            Ok(Mount { host_path, guest_path: mount.mount_path.clone(), access })
        };
        resources.volume_mounts.iter().map(mount).collect()
    }
}

/// Adds the siblings' interfaces to the linkers of those who import them.
pub(super) fn link_siblings(workload: &mut UnresolvedWorkload, plan: &Plan) -> Result<(), StartError> {
    for link in &plan.siblings {
        let exporter = workload.items().nth(link.exporter);
        let Some((role, exporting)) = exporter.map(|(role, item)| (role, item.component().clone())) else {
            continue;
        };
        let component = exporting.inner().clone();
        let Some(mut importer) = workload.item_mut(link.importer) else { continue };
        let importing = importer.component().inner().clone();
        let sibling = SiblingInterface {
            imported: (&importing, &link.import),
            item: link.exporter,
            component: &component,
            export: &link.export,
            sharing: sharing(&exporting, &importer),
        };
        // A plugin may have defined the interface for the workload's other components.
        let linked = importer.linker().allow_shadowing(true).instance(&link.import);
        linked
            .and_then(|mut instance| match role {
                Role::Component => siblings::link(&mut instance, &sibling),
                Role::Service => service_calls::link(&mut instance, &sibling),
            })
            .map_err(|err| StartError::Link { component: importer.id().to_string(), source: err.into() })?;
    }
    Ok(())
}

/// How two siblings call each other.
fn sharing(exporter: &CompiledComponent, importer: &WorkloadItem<'_>) -> Sharing {
    if exporter.is_wasip3() || importer.component().is_wasip3() {
        Sharing::Values
    } else if importer.is_service() {
        Sharing::StoreForHandles
    } else {
        Sharing::Store
    }
}

/// What a workload has in common with the one whose place it takes, if it takes one's.
pub(super) struct Heritage {
    pub(super) network: Arc<VirtualNetwork>,
    pub(super) lineage: Arc<Lineage>,
    /// The line before a service that goes on.
    pub(super) service_calls: Option<Arc<ServiceCalls>>,
    pub(super) service_imports: Vec<ServiceImport>,
}

/// Makes every item ready to be instantiated.
pub(super) fn finish(
    workload: UnresolvedWorkload,
    heritage: Heritage,
    volumes: Volumes,
    output: &Arc<dyn GuestOutput>,
    egress: &Egress,
) -> Result<Linked, StartError> {
    let handler = handler(&workload)?;
    let name_lookup = |item: &ItemBase| super::check::name_lookup(&workload.host_interfaces, &item.id);
    let identity = Arc::clone(&workload.identity);
    let is_called = workload.service.as_ref().is_some_and(|service| !is_program(service));
    let outgoing = Arc::new(OutgoingHttp::new(&workload.engine, egress));
    let surroundings = Surroundings { volumes: &volumes, output, outgoing: &outgoing };
    let mut items = Vec::new();
    for component in workload.components {
        let name_lookup = name_lookup(&component.0)?;
        items.push(item(component.0, Role::Component, name_lookup, &surroundings)?);
    }
    if let Some(service) = workload.service {
        let name_lookup = name_lookup(&service.0)?;
        items.push(item(service.0, Role::Service, name_lookup, &surroundings)?);
    }
    let handler = match handler {
        Some(index) => Some(Handler { item: index, export: handler_export(&workload.engine, &items[index])? }),
        None => None,
    };
    Ok(Linked {
        engine: workload.engine,
        identity,
        items,
        handler,
        service_calls: if is_called { Some(heritage.service_calls.unwrap_or_default()) } else { None },
        network: heritage.network,
        service_imports: heritage.service_imports,
        lineage: heritage.lineage,
        _scratch: volumes.scratch,
    })
}

/// The component that answers HTTP requests: the one handler that no sibling calls.
fn handler(workload: &UnresolvedWorkload) -> Result<Option<usize>, StartError> {
    let imported_by_siblings = |index: usize| {
        workload.components.iter().enumerate().any(|(importer, component)| {
            importer != index && component.component().imports().iter().any(|import| super::is_handler(import))
        })
    };
    let handlers: Vec<usize> =
        (0..workload.components.len()).filter(|index| exports_handler(&workload.components[*index])).collect();
    match handlers.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        _ => {
            let outer: Vec<usize> = handlers.iter().copied().filter(|index| !imported_by_siblings(*index)).collect();
            match outer.as_slice() {
                [only] => Ok(Some(*only)),
                _ => Err(StartError::SeveralHandlers {
                    components: handlers.iter().map(|index| workload.components[*index].id().to_string()).collect(),
                }),
            }
        }
    }
}

/// A component that could be called in both ways is called in the newer one.
fn handler_export(engine: &Engine, item: &Item) -> Result<HandlerExport, StartError> {
    #[cfg(feature = "wasip3")]
    if engine.is_concurrent()
        && let Ok(service) = wasmtime_wasi_http::p3::bindings::ServicePre::new(item.pre.clone())
    {
        return Ok(HandlerExport::Service(service));
    }
    _ = engine;
    ProxyPre::new(item.pre.clone())
        .map(HandlerExport::Proxy)
        .map_err(|err| StartError::Link { component: item.id.to_string(), source: err.into() })
}

/// What all items of a workload are made with.
struct Surroundings<'a> {
    volumes: &'a Volumes,
    output: &'a Arc<dyn GuestOutput>,
    outgoing: &'a Arc<OutgoingHttp>,
}

fn item(
    base: ItemBase,
    role: Role,
    name_lookup: NameLookup,
    surroundings: &Surroundings<'_>,
) -> Result<Item, StartError> {
    let &Surroundings { volumes, output, outgoing } = surroundings;
    let mut linker = base.linker;
    let pre: InstancePre<Ctx> = base
        .component
        .add_modules(&mut linker)
        .and_then(|()| linker.instantiate_pre(base.component.inner()))
        .map_err(|err| StartError::Link { component: base.id.to_string(), source: err.into() })?;
    let source = OutputSource {
        workload_id: base.identity.id.clone(),
        workload_name: base.identity.name.clone(),
        component_name: base.id.to_string(),
    };
    let resources = base.local_resources;
    Ok(Item {
        role,
        environment: resources.environment.clone().into_iter().collect(),
        outgoing: Arc::new(Outgoing {
            workload: Arc::clone(outgoing),
            allowed_hosts: AllowedHosts::parse(&resources.allowed_hosts)?,
        }),
        name_lookup,
        memory_limit: positive(resources.memory_limit_mb).map(|limit| limit.saturating_mul(1 << 20)),
        cpu_share: u32::try_from(resources.cpu_limit).ok().filter(|limit| *limit > 0).map(CpuShare::new),
        output: GuestStreams::new(source, Arc::clone(output)),
        mounts: volumes.mounts(&base.id, &resources)?,
        id: base.id,
        local_resources: resources,
        bindings: base.bindings,
        admission: Admission::new(base.max_invocations),
        pre,
        code: base.component,
    })
}

fn positive(number: i32) -> Option<usize> {
    usize::try_from(number).ok().filter(|number| *number > 0)
}
