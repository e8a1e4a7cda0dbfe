//! `wasmcloud:messaging`: messages between components by subject, with a broker in memory.
//!
//! Subjects, wildcards, queue groups and requests are those of NATS. Nothing is stored and nothing leaves the process:
//! a message that nobody is subscribed to is gone. All workloads of a host share the subjects, whatever their namespace,
//! as clients of one NATS account do; subjects of hosts and brokers (`runtime.>`, `$SYS.>`, `$JS.>`, other requests'
//! inboxes, ...) are closed to components.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use wasmtime::component::InstancePre;

use self::broker::{Broker, Limits};
use self::dispatch::{Dispatcher, Handler, Receiver};
use self::settings::{ConsumerGroup, SubscriptionSettings};
use super::{Attachment, HostPlugin, wasmtime_error};
use crate::engine::Ctx;
use crate::engine::workload::{ResolvedWorkload, UnresolvedWorkload, WorkloadItem};
use crate::wit::{WitInterface, WitWorld};

mod broker;
#[cfg(feature = "wasip3")]
mod concurrent;
mod consumer;
mod dispatch;
mod inbox;
mod queue;
mod settings;
mod subject;
mod subject_tree;

mod bindings {
    //! Generated from the WIT of `wasmcloud:messaging`.

    wasmtime::component::bindgen!({
        path: "wit/wasmcloud-messaging",
        world: "messaging",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub use broker::{MessagingStatistics, PublishError, RequestError};
pub use settings::MessagingConfigError;
pub use subject::InvalidSubject;

/// Messages among the workloads of one host.
///
/// A workload's `host_interfaces` entry for `wasmcloud:messaging` takes these settings:
///
/// | key | meaning |
/// |---|---|
/// | `backend` | `in-memory`, the only one |
/// | `subscriptions` | subjects and patterns, separated by commas, for each component that exports `handler` |
/// | `consumer_group` | subscribers of one group share the messages; `broadcast` gives everyone all; without it the group is `wasmcloud.<namespace>/<workload>/<component>`, so that replicas share |
/// | `max_in_flight` | messages that one component handles at once, 64 |
/// | `admission_wait` | a message that has waited longer to be handled is lost, `30s`, at most `600s` |
/// | `handler_timeout` | how long handling one message may take, `60s`, at most `1h` |
///
/// Each message is handled by a fresh instance. A subscriber has room for 10,000 waiting messages of 64 MiB together,
/// what comes beyond that is lost. A request fails at once if nobody is subscribed, and as soon as everyone who got it
/// has failed.
///
/// ```
/// let messaging = wash_runtime::plugin::wasmcloud_messaging::InMemoryMessaging::default();
/// ```
pub struct InMemoryMessaging {
    broker: Arc<Broker>,
    workloads: Mutex<HashMap<String, Bound>>,
}

/// What the plugin keeps of a workload.
struct Bound {
    subscriptions: Vec<SubscriptionSettings>,
    /// Components that export the handler.
    receivers: HashSet<String>,
    dispatchers: Vec<Dispatcher>,
}

impl InMemoryMessaging {
    /// A broker that takes messages of at most `bytes`; the default is 16 MiB.
    #[must_use]
    pub fn with_message_limit(bytes: usize) -> Self {
        let limits = Limits::default();
        // Whatever is allowed must fit into a queue.
        Self::with_limits(Limits {
            body: bytes,
            queued_bytes: limits.queued_bytes.max(bytes.saturating_mul(2)),
            ..limits
        })
    }

    fn with_limits(limits: Limits) -> Self {
        Self { broker: Arc::new(Broker::new(limits)), workloads: Mutex::default() }
    }

    /// What has been sent, delivered and lost so far.
    pub fn statistics(&self) -> MessagingStatistics {
        self.broker.statistics()
    }

    fn workloads(&self) -> MutexGuard<'_, HashMap<String, Bound>> {
        // No critical section leaves the map half changed.
        self.workloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InMemoryMessaging {
    fn default() -> Self {
        Self::with_limits(Limits::default())
    }
}

impl std::fmt::Debug for InMemoryMessaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InMemoryMessaging").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

#[async_trait]
impl HostPlugin for InMemoryMessaging {
    fn id(&self) -> &'static str {
        "wasmcloud-messaging"
    }

    fn world(&self) -> WitWorld {
        let versions = if cfg!(feature = "wasip3") { &["0.2.0", "0.3.0"][..] } else { &["0.2.0"] };
        let interfaces = |names: &str| {
            versions
                .iter()
                .filter_map(|version| format!("wasmcloud:messaging/{names}@{version}").parse().ok())
                .collect()
        };
        WitWorld { exports: interfaces("consumer,types"), imports: interfaces("handler") }
    }

    fn attachment(&self, interfaces: &HashSet<WitInterface>) -> Attachment {
        let subscribes = |entry: &WitInterface| {
            entry.interfaces.contains("handler")
                || SubscriptionSettings::parse(&entry.config).is_ok_and(|settings| !settings.patterns.is_empty())
        };
        if interfaces.iter().any(subscribes) { Attachment::Calls } else { Attachment::Restorable }
    }

    async fn on_workload_bind(
        &self,
        workload: &UnresolvedWorkload,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        let mut subscriptions = Vec::new();
        for entry in &interfaces {
            let settings = SubscriptionSettings::parse(&entry.config)?;
            if !settings.patterns.is_empty() {
                subscriptions.push(settings);
            }
        }
        let items = workload.components().iter().map(|component| component.world());
        let handles =
            items.chain(workload.service().map(|service| service.world())).any(|world| exports_handler(&world));
        if !subscriptions.is_empty() && !handles {
            return Err(MessagingConfigError::NoHandler.into());
        }
        let bound = Bound { subscriptions, receivers: HashSet::new(), dispatchers: Vec::new() };
        self.workloads().insert(workload.id().to_string(), bound);
        Ok(())
    }

    async fn on_workload_item_bind<'a>(
        &self,
        item: &mut WorkloadItem<'a>,
        _interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        let world = item.world();
        for import in world.imports.iter().filter(|import| is_messaging(import, "consumer")) {
            item.set_binding(consumer::Sender(Arc::clone(&self.broker)));
            match import.version.as_ref().map(|version| version.minor) {
                #[cfg(feature = "wasip3")]
                Some(3) => concurrent::add_to_linker(item.linker()),
                _ => consumer::add_to_linker(item.linker()),
            }
            .map_err(wasmtime_error)?;
        }
        if exports_handler(&world)
            && let Some(bound) = self.workloads().get_mut(item.workload_id())
        {
            bound.receivers.insert(item.id().to_string());
        }
        Ok(())
    }

    async fn on_workload_resolved(&self, workload: &ResolvedWorkload, component_id: &str) -> anyhow::Result<()> {
        let mut workloads = self.workloads();
        let Some(bound) = workloads.get_mut(workload.id()) else { return Ok(()) };
        if !bound.receivers.contains(component_id) {
            return Ok(());
        }
        let linked = workload.linked();
        let item = linked.position(component_id).and_then(|index| linked.items.get(index));
        let item = item.with_context(|| format!("the workload has no component `{component_id}`"))?;
        let handler = handler(&item.pre)
            .map_err(wasmtime_error)
            .with_context(|| format!("component `{component_id}` exports another wasmcloud:messaging/handler"))?;
        for settings in &bound.subscriptions {
            let group = match &settings.group {
                ConsumerGroup::Default => {
                    Some(format!("wasmcloud.{}/{}/{component_id}", workload.namespace(), workload.name()).into())
                }
                ConsumerGroup::Named(name) => Some(name.as_str().into()),
                ConsumerGroup::Broadcast => None,
            };
            let receiver = Receiver {
                workload: workload.handle(),
                workload_name: workload.name().to_string(),
                component_id: component_id.to_string(),
                handler: handler.clone(),
            };
            let subscription = self.broker.subscribe(settings.patterns.clone(), group);
            bound.dispatchers.push(dispatch::start(subscription, receiver, settings));
        }
        Ok(())
    }

    fn on_workload_superseded(&self, workload_id: &str) {
        if let Some(bound) = self.workloads().get_mut(workload_id) {
            bound.dispatchers.iter_mut().for_each(Dispatcher::finish);
        }
    }

    async fn on_workload_unbind(&self, workload_id: &str, _interfaces: HashSet<WitInterface>) -> anyhow::Result<()> {
        // The lock is free again before the subscriptions end.
        let bound = self.workloads().remove(workload_id);
        drop(bound);
        Ok(())
    }

    async fn stop(&self) -> anyhow::Result<()> {
        let workloads = std::mem::take(&mut *self.workloads());
        drop(workloads);
        Ok(())
    }
}

/// A component that exports both handlers gets its messages by the newer one.
fn handler(component: &InstancePre<Ctx>) -> wasmtime::Result<Handler> {
    #[cfg(feature = "wasip3")]
    if let Ok(handler) = concurrent::MessagingIndices::new(component) {
        return Ok(Handler::Concurrent(handler));
    }
    bindings::MessagingIndices::new(component).map(Handler::Plain)
}

fn exports_handler(world: &WitWorld) -> bool {
    world.exports.iter().any(|export| is_messaging(export, "handler"))
}

fn is_messaging(interface: &WitInterface, name: &str) -> bool {
    interface.namespace == "wasmcloud" && interface.package == "messaging" && interface.interfaces.contains(name)
}
