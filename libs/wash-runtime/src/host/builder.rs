//! Settings for a host, and a host from them.
//!
//! It starts nothing; [`Host::start`] does.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::broadcast;

use super::Host;
use super::guest_output::{GuestOutput, HostStderr};
use super::http::{HostHandler, RequestObserver};
use super::lazy::{LazyLimits, Loader};
use super::start::Resolver;
use crate::engine::outgoing::Egress;
use crate::engine::{Engine, LoopbackEgress, OutgoingLimits};
use crate::plugin::HostPlugin;

/// How long requests in flight may take to finish when a workload or the host stops.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// How long a component may take to start an instance.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long a request may take to be answered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Events that a slow listener may lag behind.
const EVENTS_KEPT: usize = 1024;

/// Why a host could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two plugins have the same id.
    #[error("two plugins have the id `{id}`")]
    DuplicatePlugin {
        /// The id.
        id: &'static str,
    },
    /// A directory that workloads may use cannot be found.
    #[error("workloads cannot use {}", path.display())]
    HostPathRoot {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Settings for a [`Host`].
#[must_use]
pub struct HostBuilder {
    engine: Option<Engine>,
    friendly_name: String,
    http_handler: Option<Arc<dyn HostHandler>>,
    plugins: Vec<Arc<dyn HostPlugin>>,
    guest_output: Arc<dyn GuestOutput>,
    host_path_roots: Vec<PathBuf>,
    loopback_egress: LoopbackEgress,
    outgoing_limits: OutgoingLimits,
    max_outside_sockets: Option<usize>,
    drain_patience: Duration,
    start_patience: Duration,
    request_timeout: Option<Duration>,
    instance_reuse: u32,
    request_observer: Option<Arc<dyn RequestObserver>>,
    lazy_limits: LazyLimits,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            engine: None,
            friendly_name: "wash".to_string(),
            http_handler: None,
            plugins: Vec::new(),
            guest_output: Arc::new(HostStderr),
            host_path_roots: Vec::new(),
            loopback_egress: LoopbackEgress::default(),
            outgoing_limits: OutgoingLimits::default(),
            max_outside_sockets: None,
            drain_patience: DRAIN_PATIENCE,
            start_patience: START_PATIENCE,
            request_timeout: Some(REQUEST_TIMEOUT),
            instance_reuse: 1,
            request_observer: None,
            lazy_limits: LazyLimits::default(),
        }
    }
}

impl HostBuilder {
    /// A host with defaults for everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The engine to run on; without it the host builds one with its defaults.
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// A name for people.
    pub fn with_friendly_name(mut self, name: impl Into<String>) -> Self {
        self.friendly_name = name.into();
        self
    }

    /// What receives HTTP requests for the workloads; without it the workloads get none.
    pub fn with_http_handler(mut self, handler: Arc<dyn HostHandler>) -> Self {
        self.http_handler = Some(handler);
        self
    }

    /// Adds a plugin.
    ///
    /// ```
    /// # use wash_runtime::engine::Engine;
    /// # use wash_runtime::plugin::HostPlugin;
    /// # use wash_runtime::wit::WitWorld;
    /// #
    /// # struct MyCustomPlugin;
    /// #
    /// # impl MyCustomPlugin {
    /// #     fn new() -> Self {
    /// #         Self
    /// #     }
    /// # }
    /// #
    /// # impl HostPlugin for MyCustomPlugin {
    /// #     fn id(&self) -> &'static str {
    /// #         "my-custom-plugin"
    /// #     }
    /// #
    /// #     fn world(&self) -> WitWorld {
    /// #         WitWorld::default()
    /// #     }
    /// # }
    /// #
    /// # fn example() -> anyhow::Result<()> {
    /// # let engine = Engine::builder().build()?;
    /// use std::sync::Arc;
    /// use wash_runtime::host::HostBuilder;
    ///
    /// // Create your custom plugin
    /// let my_plugin = MyCustomPlugin::new();
    ///
    /// // Register it with the host
    /// let host = HostBuilder::new()
    ///     .with_engine(engine)
    ///     .with_plugin(Arc::new(my_plugin))?
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// # example().unwrap();
    /// ```
    ///
    /// # Errors
    /// [`BuildError::DuplicatePlugin`], found by `downcast_ref`.
    pub fn with_plugin<P: HostPlugin>(mut self, plugin: Arc<P>) -> anyhow::Result<Self> {
        let id = plugin.id();
        if self.plugins.iter().any(|other| other.id() == id) {
            return Err(BuildError::DuplicatePlugin { id }.into());
        }
        self.plugins.push(plugin);
        Ok(self)
    }

    /// Where guests' standard output and standard error go: by default both to the host program's standard error.
    pub fn with_guest_output(mut self, output: Arc<dyn GuestOutput>) -> Self {
        self.guest_output = output;
        self
    }

    /// Lets workloads mount this directory of the host and what is in it. By default they can mount none.
    pub fn with_host_path_root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.host_path_roots.push(directory.into());
        self
    }

    /// Whether guests' HTTP requests may go to the machine that the host runs on: by default they may.
    pub fn with_loopback_egress(mut self, egress: LoopbackEgress) -> Self {
        self.loopback_egress = egress;
        self
    }

    /// How many HTTP requests each workload's components may send at once.
    pub fn with_outgoing_limits(mut self, limits: OutgoingLimits) -> Self {
        self.outgoing_limits = limits;
        self
    }

    /// How many sockets with a peer outside of the workload's own loopback each workload may have at once: by default
    /// an eighth of what the process may open, and at most 1,024.
    pub fn with_max_outside_sockets(mut self, sockets: usize) -> Self {
        self.max_outside_sockets = Some(sockets);
        self
    }

    /// How long requests in flight may take to finish when a workload or the host stops: by default 30 seconds.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_patience = timeout;
        self
    }

    /// How long a component may take to start an instance: by default 10 seconds.
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.start_patience = timeout;
        self
    }

    /// How long a request may take until it has a response, and how long a guest may compute between two parts of a
    /// response's body: by default 60 seconds; `None` sets no limit. A workload's `request-timeout` goes first.
    pub fn with_request_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How many requests an instance answers, one after the other, before it is thrown away: by default one, so that
    /// nothing of a request is left for the next. A workload's `instance-reuse` goes first.
    pub fn with_instance_reuse(mut self, requests: u32) -> Self {
        self.instance_reuse = requests;
        self
    }

    /// Who watches the HTTP requests, for traces for example: by default nobody.
    pub fn with_request_observer(mut self, observer: Arc<dyn RequestObserver>) -> Self {
        self.request_observer = Some(observer);
        self
    }

    /// When workloads that [are loaded by their requests](Host::workload_register) are unloaded again.
    pub fn with_lazy_limits(mut self, limits: LazyLimits) -> Self {
        self.lazy_limits = limits;
        self
    }

    /// Puts the host together. It serves nothing before it is started.
    ///
    /// # Errors
    /// [`BuildError`] or [`crate::engine::EngineError`], found by `downcast_ref`.
    pub fn build(self) -> anyhow::Result<Host> {
        let engine = self.engine.map_or_else(|| Engine::builder().build(), Ok)?;
        let resolve = |path: &PathBuf| {
            path.canonicalize().map_err(|source| BuildError::HostPathRoot { path: path.clone(), source })
        };
        let resolver = Arc::new(Resolver {
            engine,
            plugins: self.plugins,
            output: self.guest_output,
            start_patience: self.start_patience,
            request_timeout: self.request_timeout,
            instance_reuse: self.instance_reuse,
            request_observer: self.request_observer,
            host_path_roots: self.host_path_roots.iter().map(resolve).collect::<Result<_, _>>()?,
            egress: Egress::new(self.loopback_egress).with_limits(self.outgoing_limits),
            max_outside_sockets: self.max_outside_sockets,
        });
        let events = broadcast::Sender::new(EVENTS_KEPT);
        let loader = Loader::new(Arc::clone(&resolver), events.clone(), self.lazy_limits);
        Ok(Host {
            id: uuid::Uuid::new_v4().to_string(),
            friendly_name: self.friendly_name,
            started_at: SystemTime::now(),
            http_handler: self.http_handler,
            resolver,
            loader,
            drain_patience: self.drain_patience,
            events,
            registry: Arc::default(),
        })
    }
}
