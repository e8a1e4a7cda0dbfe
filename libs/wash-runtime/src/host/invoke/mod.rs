//! Calls of single functions by their text: `interface#function(arguments)`, with values as WAVE writes them.
//!
//! For people and scripts. What serves requests goes through typed bindings, which check once instead of at each call.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime::component::wasm_wave::untyped::UntypedFuncCall;
use wasmtime::component::{ComponentExportIndex, Instance, Type, Val};
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi::I32Exit;

use self::exports::{Export, function_matches};
use super::Host;
use super::registry::{Active, Entry};
use crate::engine::Ctx;
use crate::engine::schedule::DeadlineExceeded;
use crate::engine::service_calls::{ServiceCallError, ServiceCalls};
use crate::engine::workload::{CallError, ResolvedWorkload, SERVICE_ID};

mod exports;
mod json;

/// What a function returned.
#[derive(Clone, Debug)]
pub struct InvokeOutcome {
    value: Option<Val>,
}

impl InvokeOutcome {
    /// The value as WAVE writes it; `None` where the function returns nothing, or a handle, which has no text.
    pub fn wave(&self) -> Option<String> {
        let value = self.value.as_ref().filter(|value| has_text(value))?;
        wasmtime::component::wasm_wave::to_string(value).ok()
    }

    /// The value as JSON; `null` where the function returns nothing.
    ///
    /// Records are objects, lists and tuples arrays, enumerations and flags names. A variant with a payload, and a
    /// result, is an object with the case as its one key; `none` is `null`. Numbers that JSON lacks are text.
    pub fn json(&self) -> serde_json::Value {
        self.value.as_ref().map_or(serde_json::Value::Null, json::value)
    }

    /// Whether the function returned a result that is an error.
    pub fn is_error(&self) -> bool {
        matches!(self.value, Some(Val::Result(Err(_))))
    }
}

/// Whether WAVE can write a value. It panics where it cannot.
fn has_text(value: &Val) -> bool {
    match value {
        Val::Bool(_)
        | Val::S8(_)
        | Val::U8(_)
        | Val::S16(_)
        | Val::U16(_)
        | Val::S32(_)
        | Val::U32(_)
        | Val::S64(_)
        | Val::U64(_)
        | Val::Float32(_)
        | Val::Float64(_)
        | Val::Char(_)
        | Val::String(_)
        | Val::Enum(_)
        | Val::Flags(_) => true,
        Val::List(values) | Val::Tuple(values) => values.iter().all(has_text),
        Val::Record(fields) => fields.iter().all(|(_, value)| has_text(value)),
        Val::Variant(_, payload) | Val::Option(payload) => payload.iter().all(|value| has_text(value)),
        Val::Result(result) => match result {
            Ok(payload) | Err(payload) => payload.iter().all(|value| has_text(value)),
        },
        // Handles, and what later versions of the engine have.
        _ => false,
    }
}

/// Why a function could not be called, or did not return.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The host runs no such workload.
    #[error("no workload `{workload_id}` is running")]
    NotRunning {
        /// The id that was asked for.
        workload_id: String,
    },
    /// The text is no call.
    #[error("`{call}` is not a call such as `interface#function(1, \"text\")`")]
    Syntax {
        /// The text.
        call: String,
    },
    /// No component exports the function.
    #[error("no component exports a function `{function}`")]
    UnknownFunction {
        /// The function as it was asked for.
        function: String,
        /// The exported function with the most similar name.
        nearest: Option<String>,
        /// Every exported function, with its signature.
        exports: Vec<String>,
    },
    /// Several exports have this name.
    #[error("`{function}` could be each of {}", candidates.join(", "))]
    Ambiguous {
        /// The function as it was asked for.
        function: String,
        /// What it could be, each in full.
        candidates: Vec<String>,
    },
    /// The arguments do not fit the function.
    #[error("wrong arguments for `{function}`: {reason}")]
    Arguments {
        /// The function's full name.
        function: String,
        /// Its signature.
        signature: String,
        /// What is wrong, and with which part of the text.
        reason: String,
    },
    /// The function takes handles or streams, which have no text.
    #[error("`{function}` takes what cannot be written as text")]
    Unsupported {
        /// The function's full name.
        function: String,
        /// Its signature.
        signature: String,
    },
    /// No instance of the component could be made.
    #[error(transparent)]
    Instance(#[from] CallError),
    /// The function took too long.
    #[error("`{function}` took longer than {timeout:?}")]
    Timeout {
        /// The function's full name.
        function: String,
        /// How long it had.
        timeout: Duration,
    },
    /// The guest ended its own program.
    #[error("`{function}` exited with code {code}")]
    Exited {
        /// The function's full name.
        function: String,
        /// The code; never 0.
        code: i32,
    },
    /// The guest failed.
    #[error("`{function}` failed")]
    Failed {
        /// The function's full name.
        function: String,
        /// The trap.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Host {
    /// Calls a function of a running workload in a fresh instance: `interface#function(arguments)`, or
    /// `function(arguments)` where only one export has that name. The interface may be written without its version, and
    /// without its package; trailing optional arguments may be left out.
    ///
    /// # Errors
    /// [`InvokeError`].
    pub async fn invoke(
        &self,
        workload_id: &str,
        call: &str,
        timeout: Option<Duration>,
    ) -> Result<InvokeOutcome, InvokeError> {
        let workload = match self.active(workload_id) {
            Some(Active::Running(running)) => Some(Arc::clone(running.workload())),
            Some(Active::Lazy(lazy)) => lazy.resolved().await,
            None => None,
        };
        let not_running = || InvokeError::NotRunning { workload_id: workload_id.to_string() };
        invoke(&*workload.ok_or_else(not_running)?, call, timeout).await
    }

    /// What the components of a running workload export, as `interface#function: signature`. Nothing is known of one
    /// that is loaded by its requests and is not loaded now.
    pub fn exported_functions(&self, workload_id: &str) -> Vec<String> {
        let workload = match self.active(workload_id) {
            Some(Active::Running(running)) => Some(Arc::clone(running.workload())),
            Some(Active::Lazy(lazy)) => lazy.resolved_now(),
            None => None,
        };
        let exports = workload.as_deref().map(exports::of_workload).unwrap_or_default();
        exports.iter().map(Export::signature).collect()
    }

    fn active(&self, workload_id: &str) -> Option<Active> {
        match self.registry().workloads.get(workload_id) {
            Some(Entry::Active(active)) => Some(active.clone()),
            _ => None,
        }
    }
}

async fn invoke(
    workload: &ResolvedWorkload,
    call: &str,
    timeout: Option<Duration>,
) -> Result<InvokeOutcome, InvokeError> {
    let (function, arguments) = split(call)?;
    let export = find(exports::of_workload(workload), function)?;
    let arguments = parse_arguments(&export, call, arguments)?;
    if let Some(calls) = workload.linked().service_calls.as_ref().filter(|_| export.component_id == SERVICE_ID) {
        return call_service(calls, workload, &export, arguments, timeout).await;
    }
    let mut invocation = workload.instantiate(&export.component_id, timeout).await?;
    let returned = invocation
        .run(async |store: &mut Store<Ctx>, instance: &Instance| run(store, instance, &export, &arguments).await)
        .await;
    let function = export.name();
    match returned {
        Ok(value) => Ok(InvokeOutcome { value }),
        Err(err) if err.is::<DeadlineExceeded>() => {
            Err(InvokeError::Timeout { function, timeout: timeout.unwrap_or_default() })
        }
        Err(err) => match err.downcast_ref::<I32Exit>() {
            Some(I32Exit(0)) => Ok(InvokeOutcome { value: None }),
            Some(I32Exit(code)) => Err(InvokeError::Exited { function, code: *code }),
            None => Err(InvokeError::Failed { function, source: err.into() }),
        },
    }
}

/// Calls a function of the service that runs, so that it finds the service's state.
async fn call_service(
    calls: &ServiceCalls,
    workload: &ResolvedWorkload,
    export: &Export,
    arguments: Vec<Val>,
    timeout: Option<Duration>,
) -> Result<InvokeOutcome, InvokeError> {
    let function = export.name();
    let component = workload.linked().service().map(|service| workload.linked().item(service).pre.component());
    let index = component.and_then(|component| {
        let interface = component.get_export_index(None, export.interface.as_deref()?)?;
        component.get_export_index(Some(&interface), &export.function_name)
    });
    let failed = |err: ServiceCallError| InvokeError::Failed { function: function.clone(), source: err.into() };
    let index = index.ok_or_else(|| failed(ServiceCallError::Stopped))?;
    let call = calls.call(index, arguments, export.function.results().len());
    let results = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, call)
            .await
            .map_err(|_| InvokeError::Timeout { function: function.clone(), timeout })?,
        None => call.await,
    };
    Ok(InvokeOutcome { value: results.map_err(failed)?.pop() })
}

async fn run(
    store: &mut Store<Ctx>,
    instance: &Instance,
    export: &Export,
    arguments: &[Val],
) -> wasmtime::Result<Option<Val>> {
    let mut context = StoreContextMut::from(&mut *store);
    let index = index_of(&mut context, instance, export);
    let Some(function) = index.and_then(|index| instance.get_func(&mut context, index)) else {
        wasmtime::bail!("the instance lacks `{}`, which its component exports", export.name());
    };
    let mut results = vec![Val::Bool(false); export.function.results().len()];
    function.call_async(&mut *store, arguments, &mut results).await?;
    Ok(results.pop())
}

fn index_of(
    context: &mut StoreContextMut<'_, Ctx>,
    instance: &Instance,
    export: &Export,
) -> Option<ComponentExportIndex> {
    let interface = match &export.interface {
        Some(interface) => Some(instance.get_export_index(&mut *context, None, interface)?),
        None => None,
    };
    instance.get_export_index(&mut *context, interface.as_ref(), &export.function_name)
}

/// The function's name, and its arguments with the parentheses around them.
fn split(call: &str) -> Result<(&str, &str), InvokeError> {
    let call = call.trim();
    let syntax = || InvokeError::Syntax { call: call.to_string() };
    let (function, _) = call.split_once('(').ok_or_else(syntax)?;
    let arguments = &call[function.len()..];
    let function = function.trim();
    if function.is_empty() || function.starts_with('#') || function.ends_with('#') || !arguments.ends_with(')') {
        return Err(syntax());
    }
    Ok((function, arguments))
}

fn find(exports: Vec<Export>, function: &str) -> Result<Export, InvokeError> {
    let mut found: Vec<&Export> = exports.iter().filter(|export| export.name() == function).collect();
    if found.is_empty() {
        found = exports.iter().filter(|export| function_matches(export, function)).collect();
    }
    match found.as_slice() {
        [export] => Ok((*export).clone()),
        [] => Err(unknown(&exports, function)),
        several => Err(InvokeError::Ambiguous {
            function: function.to_string(),
            candidates: several.iter().map(|export| export.full_name()).collect(),
        }),
    }
}

fn unknown(exports: &[Export], function: &str) -> InvokeError {
    let own_name = |name: &str| name.rsplit_once('#').map_or(name, |(_, name)| name).to_string();
    let distance = |export: &Export| {
        let by_name = strsim::damerau_levenshtein(&own_name(function), &export.function_name);
        (by_name <= export.function_name.len().max(3) / 3).then_some(by_name)
    };
    let near = exports.iter().filter_map(|export| Some((distance(export)?, export)));
    InvokeError::UnknownFunction {
        function: function.to_string(),
        nearest: near.min_by_key(|(distance, _)| *distance).map(|(_, export)| export.name()),
        exports: exports.iter().map(Export::signature).collect(),
    }
}

fn parse_arguments(export: &Export, call: &str, arguments: &str) -> Result<Vec<Val>, InvokeError> {
    if export.function.params().any(|(_, ty)| exports::has_no_text(&ty)) {
        return Err(InvokeError::Unsupported { function: export.name(), signature: export.signature() });
    }
    let types: Vec<_> = export.function.params().map(|(_, ty)| ty).collect();
    let inside = arguments.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let is_empty = inside.is_some_and(|inside| inside.trim().is_empty());
    if is_empty && types.iter().all(|ty| matches!(ty, Type::Option(_))) {
        // WAVE fills up optional arguments at the end, but not where there is no other.
        return Ok(vec![Val::Option(None); types.len()]);
    }
    // WAVE knows plain names alone, so the function's own is left out.
    let text = format!("f{arguments}");
    let parsed = UntypedFuncCall::parse(&text).map_err(|err| (err, true));
    parsed.and_then(|parsed| parsed.to_wasm_params(&types).map_err(|err| (err, false))).map_err(|(err, is_syntax)| {
        let part = text.get(err.span()).filter(|part| !part.is_empty() && !part.starts_with('f'));
        let mut reason = match (err.source(), err.detail()) {
            (Some(source), _) => format!("{}: {source}", err.kind()),
            (None, Some(detail)) => format!("{}: {detail}", err.kind()),
            (None, None) => err.kind().to_string(),
        };
        if let Some(part) = part {
            reason = format!("{reason}, at `{part}`");
        }
        if is_syntax && types.is_empty() && !arguments.contains(',') {
            return InvokeError::Syntax { call: call.to_string() };
        }
        InvokeError::Arguments { function: export.name(), signature: export.signature(), reason }
    })
}

#[cfg(test)]
mod tests;
