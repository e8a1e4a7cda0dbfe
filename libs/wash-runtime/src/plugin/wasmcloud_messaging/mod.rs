//! `wasmcloud:messaging`: messages between components by subject, with a broker in memory or over NATS.
//!
//! Subjects, wildcards, queue groups and requests are those of NATS. Nothing is stored: a message that nobody is
//! subscribed to is gone. All workloads of a host, or of a server, share the subjects, whatever their namespace,
//! as clients of one NATS account do; subjects of hosts and brokers (`runtime.>`, `$SYS.>`, `$JS.>`, other requests'
//! inboxes, ...) are closed to components.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use wasmtime::component::InstancePre;

use self::broker::{Broker, Limits};
use self::dispatch::{Dispatcher, Handler, Receiver, Subscribed};
#[cfg(feature = "nats")]
use self::nats::{NatsBroker, Signer};
use self::settings::{ConsumerGroup, MessagingBackend, SubscriptionSettings};
use self::transport::Transport;
#[cfg(feature = "nats")]
use super::nats::Nats;
#[cfg(feature = "nats")]
use super::servers::{Server, Servers};
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
#[cfg(feature = "nats")]
mod nats;
mod queue;
mod settings;
mod subject;
mod subject_tree;
mod transport;

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
pub use settings::{MessagingConfigError, SETTINGS};
pub use subject::InvalidSubject;

/// Messages among the workloads of one host, or of all that share a NATS server.
///
/// A workload's `host_interfaces` entry for `wasmcloud:messaging` takes these settings:
///
/// | key | meaning |
/// |---|---|
/// | `backend` | `in-memory` (the default), or `nats` where the host has [a server](Self::with_nats) |
/// | `url` | with `nats`: another server than the host's, where [workloads may name one](Self::with_servers_by_url) |
/// | `subscriptions` | subjects and patterns, separated by commas, for each component that exports `handler` |
/// | `consumer_group` | subscribers of one group share the messages; `broadcast` gives everyone all; without it the group is `wasmcloud.<namespace>/<workload>/<component>`, so that replicas share |
/// | `max_in_flight` | messages that one component handles at once, 64 |
/// | `admission_wait` | a message that has waited longer to be handled is lost, `30s`, at most `600s` |
/// | `handler_timeout` | how long handling one message may take, `60s`, at most `1h` |
///
/// Each message is handled by a fresh instance. A subscriber has room for 10,000 waiting messages of 64 MiB together,
/// what comes beyond that is lost. A request fails at once if nobody is subscribed; in memory also as soon as everyone who
/// got it has failed. All entries of a workload have the same backend.
///
/// ```
/// let messaging = wash_runtime::plugin::wasmcloud_messaging::Messaging::default();
/// ```
pub struct Messaging {
    broker: Arc<Broker>,
    limits: Limits,
    #[cfg(feature = "nats")]
    nats: Servers<Nats>,
    #[cfg(feature = "nats")]
    signer: Arc<Signer>,
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "there are no servers"))]
    servers_by_url: bool,
    workloads: Mutex<HashMap<String, Bound>>,
}

/// Messages in memory, unless it is given a server.
pub type InMemoryMessaging = Messaging;

/// What the plugin keeps of a workload.
struct Bound {
    transport: Transport,
    subscriptions: Vec<SubscriptionSettings>,
    /// Components that export the handler.
    receivers: HashSet<String>,
    dispatchers: Vec<Dispatcher>,
}

impl Messaging {
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
        Self {
            broker: Arc::new(Broker::new(limits)),
            limits,
            #[cfg(feature = "nats")]
            nats: Servers::default(),
            #[cfg(feature = "nats")]
            signer: Arc::new(Signer::new()),
            servers_by_url: false,
            workloads: Mutex::default(),
        }
    }

    /// Lets workloads send and get messages over this NATS server. The host does not start if it cannot be reached then.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn with_nats(mut self, nats: &Nats) -> Self {
        self.nats.own = Some(nats.clone());
        self
    }

    /// Lets workloads name servers by `url`, whatever addresses those have: for workloads that their author may trust
    /// with the host's network. A workload does not start if its server cannot be reached then.
    #[must_use]
    pub fn with_servers_by_url(mut self) -> Self {
        self.servers_by_url = true;
        self
    }

    /// What carries the messages of entries with these settings.
    async fn transport(&self, settings: &[SubscriptionSettings]) -> anyhow::Result<Transport> {
        let mut backends = settings.iter().map(|settings| &settings.backend);
        let backend = backends.next().unwrap_or(&MessagingBackend::InMemory);
        if backends.any(|other| other != backend) {
            return Err(MessagingConfigError::SeveralBackends.into());
        }
        match backend {
            MessagingBackend::InMemory => Ok(Transport::Memory(Arc::clone(&self.broker))),
            #[cfg(feature = "nats")]
            MessagingBackend::Nats(Some(_)) if !self.servers_by_url => Err(MessagingConfigError::UrlNotAllowed.into()),
            #[cfg(feature = "nats")]
            MessagingBackend::Nats(url) => {
                let nats = self.nats.find(url.as_ref())?.ok_or(MessagingConfigError::MissingUrl("nats"))?;
                nats.reach().await?;
                let (signer, counters) = (Arc::clone(&self.signer), Arc::clone(self.broker.counters()));
                Ok(Transport::Nats(Arc::new(NatsBroker::new(nats, signer, self.limits, counters))))
            }
        }
    }

    /// What has been sent, delivered and lost so far.
    pub fn statistics(&self) -> MessagingStatistics {
        self.broker.statistics()
    }

    async fn subscribe(
        &self,
        transport: &Transport,
        settings: &SubscriptionSettings,
        group: Option<String>,
    ) -> anyhow::Result<Subscribed> {
        let counters = Arc::clone(self.broker.counters());
        Ok(match transport {
            Transport::Memory(broker) => {
                let subscription = broker.subscribe(settings.patterns.clone(), group.map(Into::into));
                let (route, deliveries) = subscription.into_parts();
                Subscribed { route: Box::new(route), deliveries, counters }
            }
            #[cfg(feature = "nats")]
            Transport::Nats(broker) => {
                let (route, deliveries) = broker.subscribe(&settings.patterns, group.as_deref()).await?;
                Subscribed { route: Box::new(route), deliveries, counters }
            }
        })
    }

    fn workloads(&self) -> MutexGuard<'_, HashMap<String, Bound>> {
        // No critical section leaves the map half changed.
        self.workloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Messaging {
    fn default() -> Self {
        Self::with_limits(Limits::default())
    }
}

impl std::fmt::Debug for Messaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messaging").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

#[async_trait]
impl HostPlugin for Messaging {
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

    #[cfg(feature = "nats")]
    async fn start(&self) -> anyhow::Result<()> {
        Ok(self.nats.start().await?)
    }

    async fn on_workload_bind(
        &self,
        workload: &UnresolvedWorkload,
        interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        let settings = interfaces.iter().map(|entry| SubscriptionSettings::parse(&entry.config));
        let mut subscriptions = settings.collect::<Result<Vec<_>, _>>()?;
        let transport = self.transport(&subscriptions).await?;
        subscriptions.retain(|settings| !settings.patterns.is_empty());
        let items = workload.components().iter().map(|component| component.world());
        let handles =
            items.chain(workload.service().map(|service| service.world())).any(|world| exports_handler(&world));
        if !subscriptions.is_empty() && !handles {
            return Err(MessagingConfigError::NoHandler.into());
        }
        let bound = Bound { transport, subscriptions, receivers: HashSet::new(), dispatchers: Vec::new() };
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
            let transport = self.workloads().get(item.workload_id()).map(|bound| bound.transport.clone());
            item.set_binding(consumer::Sender(transport.context("the workload is not bound to a broker")?));
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
        let (transport, subscriptions) = match self.workloads().get(workload.id()) {
            Some(bound) if bound.receivers.contains(component_id) => {
                (bound.transport.clone(), bound.subscriptions.clone())
            }
            _ => return Ok(()),
        };
        let linked = workload.linked();
        let item = linked.position(component_id).and_then(|index| linked.items.get(index));
        let item = item.with_context(|| format!("the workload has no component `{component_id}`"))?;
        let handler = handler(&item.pre)
            .map_err(wasmtime_error)
            .with_context(|| format!("component `{component_id}` exports another wasmcloud:messaging/handler"))?;
        let mut dispatchers = Vec::new();
        for settings in &subscriptions {
            let group = match &settings.group {
                ConsumerGroup::Default => {
                    Some(format!("wasmcloud.{}/{}/{component_id}", workload.namespace(), workload.name()))
                }
                ConsumerGroup::Named(name) => Some(name.clone()),
                ConsumerGroup::Broadcast => None,
            };
            let receiver = Receiver {
                workload: workload.handle(),
                workload_name: workload.name().to_string(),
                component_id: component_id.to_string(),
                handler: handler.clone(),
            };
            let subscribed = self.subscribe(&transport, settings, group).await?;
            dispatchers.push(dispatch::start(subscribed, receiver, settings));
        }
        if let Some(bound) = self.workloads().get_mut(workload.id()) {
            bound.dispatchers.extend(dispatchers);
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
