//! Calls between siblings of which one is a component of WASI 0.3: values only, and each call in a store of its own.
//!
//! A guest of WASI 0.3 goes on with other tasks while it waits for a call. In a store that it shared with the sibling,
//! the host could not tell which of the two calls it, and the one could use what only the other may.

use std::sync::Arc;

use tokio::task::JoinHandle;
use wasmtime::AsContext;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{LinkerInstance, Val};

use crate::engine::ctx::Ctx;
use crate::engine::siblings::{Caller, SiblingFunction};

/// Defines a sibling's function of the type with which it is imported.
pub(in crate::engine) fn link(
    linker: &mut LinkerInstance<'_, Ctx>,
    name: &str,
    imported: &ComponentFunc,
    function: Arc<SiblingFunction>,
) -> wasmtime::Result<()> {
    if imported.async_() {
        return linker.func_new_concurrent(name, move |accessor, _, parameters, results| {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let call = accessor.with(|access| Call::start(function, access, parameters, results.len()));
                call.finish(results).await
            })
        });
    }
    linker.func_new_async(name, move |store, _, parameters, results| {
        let call = Call::start(Arc::clone(&function), store, parameters, results.len());
        Box::new(call.finish(results))
    })
}

/// A call at work. Dropped, it is ended.
struct Call(JoinHandle<wasmtime::Result<Vec<Val>>>);

impl Call {
    /// In a task of its own, because one store must not be driven from within another.
    fn start(
        function: Arc<SiblingFunction>,
        store: impl AsContext<Data = Ctx>,
        parameters: &[Val],
        results: usize,
    ) -> Self {
        let caller = Caller::of(store.as_context().data());
        let parameters = parameters.to_vec();
        Self(tokio::spawn(async move {
            let mut returned = vec![Val::Bool(false); results];
            function.call_fresh(&caller, &parameters, &mut returned).await?;
            Ok(returned)
        }))
    }

    async fn finish(mut self, results: &mut [Val]) -> wasmtime::Result<()> {
        let Ok(returned) = (&mut self.0).await else {
            wasmtime::bail!("the host itself failed on a call between components; its log says more");
        };
        for (result, value) in results.iter_mut().zip(returned?) {
            *result = value;
        }
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}
