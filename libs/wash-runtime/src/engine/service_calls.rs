//! Calls of components to their workload's service: they wait in line, and are served one after another in the service's
//! own store, which keeps its state from call to call.
//!
//! Only values pass: handles and streams belong to a store. When the service runs, and what its failures lead to, is the
//! business of [`crate::host`].

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use tokio::sync::{MutexGuard, mpsc, oneshot};
use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentExportIndex, LinkerInstance, Val};

use super::ctx::Ctx;
use super::sibling_types::{fits, is_plain};
use super::siblings::{SiblingInterface, exported_interface, imported_interface};

/// Calls that wait for their turn; further callers wait to get into the line.
const LINE: usize = 256;

/// Why a call to the service gives no result.
#[derive(Clone, Debug, Error)]
pub(crate) enum ServiceCallError {
    /// It failed before, and the call was not begun.
    #[error("the workload's service is starting again after a failure")]
    Restarting,
    #[error("the workload's service has failed and is not started again")]
    GivenUp,
    #[error("the workload's service has stopped")]
    Stopped,
    #[error("the workload's service failed on this call: {reason}")]
    Failed { reason: String },
    /// A component that works for the service calls it.
    #[error("the workload's service is called while it waits for a call of its own")]
    Circle,
}

impl ServiceCallError {
    /// Whether a later call may fare better.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::Restarting)
    }
}

/// The line before a service.
pub(crate) struct ServiceCalls {
    sender: mpsc::Sender<ServiceCall>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<ServiceCall>>,
    /// Why nobody is served at the moment.
    closed: Mutex<Option<ServiceCallError>>,
}

/// A call of one of the service's functions.
pub(crate) struct ServiceCall {
    pub(crate) function: ComponentExportIndex,
    pub(crate) parameters: Vec<Val>,
    /// How many values it returns.
    pub(crate) results: usize,
    reply: oneshot::Sender<Result<Vec<Val>, ServiceCallError>>,
}

impl Default for ServiceCalls {
    /// Open: who calls before the service has started waits for it.
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(LINE);
        Self { sender, receiver: tokio::sync::Mutex::new(receiver), closed: Mutex::default() }
    }
}

impl ServiceCalls {
    /// Calls a function of the service, in turn.
    pub(crate) async fn call(
        &self,
        function: ComponentExportIndex,
        parameters: Vec<Val>,
        results: usize,
    ) -> Result<Vec<Val>, ServiceCallError> {
        self.check()?;
        let (reply, mut answer) = oneshot::channel();
        let call = ServiceCall { function, parameters, results, reply };
        self.sender.send(call).await.map_err(|_| ServiceCallError::Stopped)?;
        // It may have closed meanwhile, and turned away those who were in line before this call was. If this call is what
        // closed it, its answer has come already.
        if let Err(closed) = self.check() {
            return answer.try_recv().unwrap_or(Err(closed));
        }
        answer.await.unwrap_or_else(|_| Err(self.check().err().unwrap_or(ServiceCallError::Restarting)))
    }

    fn check(&self) -> Result<(), ServiceCallError> {
        self.closed().clone().map_or(Ok(()), Err)
    }

    fn closed(&self) -> std::sync::MutexGuard<'_, Option<ServiceCallError>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets calls in, to be taken by whoever holds what this returns.
    pub(crate) async fn open(&self) -> OpenCalls<'_> {
        let receiver = self.receiver.lock().await;
        *self.closed() = None;
        OpenCalls { receiver }
    }

    /// Turns away those in line and those who come.
    pub(crate) async fn close(&self, reason: ServiceCallError) {
        *self.closed() = Some(reason);
        let mut receiver = self.receiver.lock().await;
        while receiver.try_recv().is_ok() {}
    }
}

/// The line of a service that serves.
pub(crate) struct OpenCalls<'a> {
    receiver: MutexGuard<'a, mpsc::Receiver<ServiceCall>>,
}

impl OpenCalls<'_> {
    /// The next call whose caller still waits for it.
    pub(crate) async fn next(&mut self) -> ServiceCall {
        loop {
            match self.receiver.recv().await {
                Some(call) if call.reply.is_closed() => {}
                Some(call) => return call,
                // The line itself holds a sender.
                None => std::future::pending().await,
            }
        }
    }
}

impl ServiceCall {
    /// Gives the caller, if there still is one, what it called for.
    pub(crate) fn answer(self, result: Result<Vec<Val>, ServiceCallError>) {
        _ = self.reply.send(result);
    }
}

/// Defines the service's interface in the linker of a component that imports it.
pub(crate) fn link(linker: &mut LinkerInstance<'_, Ctx>, service: &SiblingInterface<'_>) -> wasmtime::Result<()> {
    let engine = service.component.engine();
    let imported = imported_interface(service)?;
    let exported = exported_interface(service)?;
    let Some(parent) = service.component.get_export_index(None, service.export) else {
        wasmtime::bail!("`{}` is not exported", service.export);
    };
    for (name, import) in imported.exports(engine) {
        let wanted = match import.ty {
            ComponentItem::ComponentFunc(function) => function,
            ComponentItem::Resource(_) => wasmtime::bail!("the service cannot share its resource `{name}`"),
            _ => continue,
        };
        let Some(ComponentItem::ComponentFunc(function)) = exported.get_export(engine, name).map(|export| export.ty)
        else {
            wasmtime::bail!("`{}` of the service has no function `{name}`", service.export);
        };
        if !fits(&wanted, &function) {
            wasmtime::bail!("`{name}` of the service's `{}` has other parameters or results", service.export);
        }
        if !is_plain(&function) {
            wasmtime::bail!("`{name}` of the service's `{}` passes handles, which cannot leave it", service.export);
        }
        let Some(export) = service.component.get_export_index(Some(&parent), name) else {
            wasmtime::bail!("`{name}` is not exported");
        };
        linker.func_new_async(name, move |store, _, parameters, results| {
            Box::new(call_service(store, export, parameters, results))
        })?;
    }
    Ok(())
}

async fn call_service(
    store: StoreContextMut<'_, Ctx>,
    function: ComponentExportIndex,
    parameters: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    // It would wait for the service, which waits for it.
    if store.data().works_for_service() {
        return Err(ServiceCallError::Circle.into());
    }
    let linked = Arc::clone(store.data().linked());
    let Some(calls) = &linked.service_calls else { return Err(ServiceCallError::Stopped.into()) };
    let values = calls.call(function, parameters.to_vec(), results.len()).await?;
    for (place, value) in results.iter_mut().zip(values) {
        *place = value;
    }
    Ok(())
}
