//! `wasi:config`: values that a workload's author sets for its components.
//!
//! A component sees values of its own workload only, and they never change while it runs. Nothing is read from the
//! environment or the files of the host.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower};

use super::{Attachment, HostPlugin, wasmtime_error};
use crate::engine::Ctx;
use crate::engine::workload::{ItemBase, WorkloadItem};
use crate::wit::{WitInterface, WitWorld};

/// The interface had another name and other versions before its first release candidate, and the same two functions.
/// Bindings generated for each of them would be the same code three times, so they are linked by name.
const INTERFACES: [&str; 3] =
    ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft", "wasi:config/runtime@0.2.0-draft"];

/// Gives components their configuration values.
///
/// A value stands in one of three places; where several set the same key, the later of this list wins:
/// 1. the `config` of the workload's `host_interfaces` entry for `wasi:config`, for all components of the workload,
/// 2. the component's `local_resources.config`,
/// 3. the component's `local_resources.environment`, if the plugin was made to copy it.
///
/// ```
/// let without_environment = wash_runtime::plugin::wasi_config::DynamicConfig::new(false);
/// ```
#[derive(Clone, Debug, Default)]
pub struct DynamicConfig {
    copy_environment: bool,
}

impl DynamicConfig {
    /// A plugin that gives components their configuration values, and with `copy_environment` the variables of their
    /// environment too.
    pub fn new(copy_environment: bool) -> Self {
        Self { copy_environment }
    }

    fn values(&self, item: &ItemBase, entries: &HashSet<WitInterface>) -> BTreeMap<String, String> {
        let mut entries: Vec<_> = entries.iter().collect();
        // Entries come in no order; an unnamed one is the most general.
        entries.sort_by_key(|entry| entry.name.as_deref());
        let mut values = BTreeMap::new();
        let resources = item.local_resources();
        let environment = self.copy_environment.then_some(&resources.environment);
        let layers = entries.iter().map(|entry| &entry.config).chain([&resources.config]).chain(environment);
        for layer in layers {
            values.extend(layer.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        values
    }
}

#[async_trait]
impl HostPlugin for DynamicConfig {
    fn id(&self) -> &'static str {
        "wasi-config"
    }

    fn world(&self) -> WitWorld {
        let exports = INTERFACES.iter().filter_map(|interface| interface.parse().ok()).collect();
        WitWorld { exports, ..WitWorld::default() }
    }

    fn attachment(&self, _: &HashSet<WitInterface>) -> Attachment {
        Attachment::Restorable
    }

    async fn on_workload_item_bind<'a>(
        &self,
        item: &mut WorkloadItem<'a>,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        let values = Values(self.values(item, &interfaces));
        item.set_binding(values);
        let imports = item.component().imports();
        for interface in INTERFACES.into_iter().filter(|interface| imports.iter().any(|import| import == interface)) {
            let mut instance = item.linker().instance(interface).map_err(wasmtime_error)?;
            add_to_linker(&mut instance).map_err(wasmtime_error)?;
        }
        Ok(())
    }
}

/// What one component sees, in the order of the keys.
struct Values(BTreeMap<String, String>);

/// Reading never fails here; the type is part of the functions' signatures.
#[derive(Clone, ComponentType, Debug, Lower)]
#[component(variant)]
#[expect(dead_code, reason = "values are in memory before a component starts")]
enum ConfigError {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

fn add_to_linker(interface: &mut LinkerInstance<'_, Ctx>) -> wasmtime::Result<()> {
    interface.func_wrap("get", |store: StoreContextMut<'_, Ctx>, (key,): (String,)| {
        let value = values(store.data()).and_then(|values| values.0.get(&key).cloned());
        Ok((Ok::<_, ConfigError>(value),))
    })?;
    interface.func_wrap("get-all", |store: StoreContextMut<'_, Ctx>, (): ()| {
        let values = values(store.data());
        let pairs: Vec<(String, String)> =
            values.map(|values| values.0.clone().into_iter().collect()).unwrap_or_default();
        Ok((Ok::<_, ConfigError>(pairs),))
    })
}

fn values(ctx: &Ctx) -> Option<Arc<Values>> {
    ctx.binding::<Values>()
}
