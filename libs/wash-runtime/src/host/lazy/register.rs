//! Registers workloads: what can be judged without their components is judged at once.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use super::{
    ArcSwapOption, ComponentSource, Host, HostEvent, LazyWorkload, LoadError, Phase, StartError, WorkloadStartRequest,
};
use crate::host::HostApi;
use crate::host::registry::Active;

/// What has become of a workload that was to be loaded by its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registration {
    /// A request will load it.
    Registered,
    /// It works without being asked, and has been started.
    Started,
}

impl Host {
    /// Registers a workload that is loaded when a request wants it: compiled or found in the code cache, linked and
    /// proven to start. Requests wait meanwhile, within their own time limit. A workload that is not used for a while
    /// is unloaded again, unless something would be lost with it: see [`LazyLimits`](super::LazyLimits).
    ///
    /// The components' `bytes` are left empty; `components` provides them for each load. What can be judged without
    /// them is judged here: names, settings, and what the host provides.
    ///
    /// A workload that works without being asked, because it has a service or because a plugin calls it, is started at
    /// once, as [`HostApi::workload_start`] does.
    ///
    /// # Errors
    /// [`StartError`] or, where it is started at once, [`LoadError`], found by `downcast_ref`; or what the HTTP handler
    /// says.
    pub async fn workload_register(
        &self,
        mut request: WorkloadStartRequest,
        components: Arc<dyn ComponentSource>,
    ) -> anyhow::Result<Registration> {
        if self.loader.works_by_itself(&request.workload) {
            for component in &mut request.workload.components {
                component.bytes = components
                    .read(&component.name)
                    .map_err(|source| LoadError::Read { component: component.name.clone(), source })?;
            }
            return self.workload_start(request).await.map(|_| Registration::Started);
        }
        let workload_id = request.workload_id.clone();
        if let Err(err) = self.register(request, components) {
            _ = self.events.send(HostEvent::WorkloadFailed { workload_id, reason: format!("{err:#}") });
            return Err(err);
        }
        Ok(Registration::Registered)
    }

    fn register(&self, request: WorkloadStartRequest, components: Arc<dyn ComponentSource>) -> anyhow::Result<()> {
        self.loader.settle();
        let reservation = self.reserve(&request.workload_id)?;
        let http = self.resolver.check(&request.workload)?;
        let workload = Arc::new(LazyWorkload {
            request,
            components,
            request_timeout: http.request_timeout,
            loader: Arc::clone(&self.loader),
            current: ArcSwapOption::empty(),
            phase: Mutex::new(Phase::Asleep(None)),
            transition: tokio::sync::Mutex::new(()),
            last_used: AtomicU64::new(0),
            metrics: OnceLock::new(),
        });
        if let Some(handler) = &self.http_handler
            && workload.http_config().is_some()
        {
            handler.on_workload_registered(Arc::clone(&workload))?;
        }
        reservation.fulfil(Active::Lazy(workload), &self.events).map_err(|_| StartError::HostStopped.into())
    }
}
