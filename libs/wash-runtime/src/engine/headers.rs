//! How much of the host's memory a guest's headers take: WASI bounds each set of headers, and neither how many sets there
//! are nor what stands in the lines of requests.
//!
//! It counts what guests write. What comes from outside is bounded where it comes in.

use std::any::Any;

use http::HeaderMap;
use thiserror::Error;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{HeaderError, HostFields, HostOutgoingRequest, Method};
use wasmtime_wasi_http::p2::types::{
    HostIncomingResponse, HostOutgoingRequest as OutgoingRequest, HostOutgoingResponse as OutgoingResponse,
};
use wasmtime_wasi_http::{FieldMap, WasiHttpView};

use super::ctx::Ctx;
use super::linked::Role;

/// The interface as the linker of WASI names it.
const INTERFACE: &str = "wasi:http/types@0.2.12";

/// What one invocation of a component may hold, and what a service may, which has many requests at once.
const MOST_OF_COMPONENT: usize = 16 << 20;
const MOST_OF_SERVICE: usize = 128 << 20;

/// So much is written before somebody looks what of it is still there.
const STEP: usize = 1 << 20;

/// Bytes of a method that is none of the usual ones. Methods are not counted.
pub(super) const LONGEST_METHOD: usize = 64;

/// What a header takes besides its text.
const OVERHEAD: usize = 64;

type Headers = Resource<FieldMap>;

/// The bytes of headers and request lines in one store.
#[derive(Debug, Default)]
pub(super) struct HeaderBytes {
    /// At least what is there: what was there at the last look, and what was written since.
    counted: usize,
    next_look: usize,
    /// The part that the engine's budget of memory knows.
    budgeted: usize,
}

/// A guest holds too much.
#[derive(Debug, Error)]
#[error("the guest holds more than {limit} bytes of headers, or more than the host has left")]
struct TooManyHeaders {
    limit: usize,
}

/// Replaces WASI's functions that write headers and request lines by ones that count.
pub(super) fn limit(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("[static]fields.from-list", |mut store, (entries,): (Vec<(String, Vec<u8>)>,)| {
        let ctx: &mut Ctx = store.data_mut();
        ctx.count_headers(entries.iter().map(|(name, value)| size(name, value)).sum())?;
        typed(HostFields::from_list(&mut ctx.http(), entries))
    })?;
    interface.func_wrap(
        "[method]fields.set",
        |mut store, (fields, name, values): (Headers, String, Vec<Vec<u8>>)| {
            let ctx: &mut Ctx = store.data_mut();
            ctx.count_headers(values.iter().map(|value| size(&name, value)).sum())?;
            typed(HostFields::set(&mut ctx.http(), fields, name, values))
        },
    )?;
    interface.func_wrap("[method]fields.append", |mut store, (fields, name, value): (Headers, String, Vec<u8>)| {
        let ctx: &mut Ctx = store.data_mut();
        ctx.count_headers(size(&name, &value))?;
        typed(HostFields::append(&mut ctx.http(), fields, name, value))
    })?;
    interface.func_wrap("[method]fields.clone", |mut store, (fields,): (Headers,)| {
        let ctx: &mut Ctx = store.data_mut();
        let copied = size_of_map(ctx.table().get(&fields)?);
        ctx.count_headers(copied)?;
        Ok((HostFields::clone(&mut ctx.http(), fields)?,))
    })?;
    interface.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store, (request, method): (Resource<OutgoingRequest>, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > LONGEST_METHOD) {
                return Ok((Err(()),));
            }
            let ctx: &mut Ctx = store.data_mut();
            Ok((HostOutgoingRequest::set_method(&mut ctx.http(), request, method)?,))
        },
    )?;
    interface.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store, (request, path): (Resource<OutgoingRequest>, Option<String>)| {
            let ctx: &mut Ctx = store.data_mut();
            ctx.count_headers(path.as_ref().map_or(0, String::len))?;
            Ok((HostOutgoingRequest::set_path_with_query(&mut ctx.http(), request, path)?,))
        },
    )?;
    interface.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store, (request, authority): (Resource<OutgoingRequest>, Option<String>)| {
            let ctx: &mut Ctx = store.data_mut();
            ctx.count_headers(authority.as_ref().map_or(0, String::len))?;
            Ok((HostOutgoingRequest::set_authority(&mut ctx.http(), request, authority)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The error that the guest gets as a value, or the one that ends it.
fn typed<T>(result: wasmtime_wasi_http::p2::HeaderResult<T>) -> wasmtime::Result<(Result<T, HeaderError>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(err) => Ok((Err(err.downcast()?),)),
    }
}

impl Ctx {
    /// Counts what is about to be written.
    pub(super) fn count_headers(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let counted = self.headers.counted.saturating_add(bytes);
        self.headers.counted = counted;
        if counted < self.headers.next_look.max(STEP) { Ok(()) } else { self.look_at_headers(bytes) }
    }

    fn look_at_headers(&mut self, more: usize) -> wasmtime::Result<()> {
        let limit = match self.item().role {
            Role::Component => MOST_OF_COMPONENT,
            Role::Service => MOST_OF_SERVICE,
        };
        let held = self.table().iter_mut().map(|entry| held_by(entry)).sum::<usize>().saturating_add(more);
        let unknown = held.saturating_sub(self.headers.budgeted);
        if held > limit || !self.grow_memory(unknown) {
            return Err(TooManyHeaders { limit }.into());
        }
        // Given back with the store; a guest that has held so much once may do so again.
        self.headers.budgeted += unknown;
        self.headers.counted = held;
        self.headers.next_look = held.saturating_add(STEP);
        Ok(())
    }
}

fn held_by(entry: &mut dyn Any) -> usize {
    let line = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    if let Some(fields) = entry.downcast_ref::<FieldMap>() {
        size_of_map(fields)
    } else if let Some(request) = entry.downcast_ref::<OutgoingRequest>() {
        size_of_map(&request.headers) + line(&request.authority) + line(&request.path_with_query)
    } else if let Some(response) = entry.downcast_ref::<OutgoingResponse>() {
        size_of_map(&response.headers)
    } else if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        size_of_map(&response.headers)
    } else {
        held_by_wasip3(entry)
    }
}

#[cfg(feature = "wasip3")]
fn held_by_wasip3(entry: &mut dyn Any) -> usize {
    use wasmtime_wasi_http::p3::{Request, Response};
    if let Some(request) = entry.downcast_ref::<Request>() {
        let authority = request.authority.as_ref().map_or(0, |authority| authority.as_str().len());
        let path = request.path_with_query.as_ref().map_or(0, |path| path.as_str().len());
        size_of_map(&request.headers) + authority + path
    } else if let Some(response) = entry.downcast_ref::<Response>() {
        size_of_map(&response.headers)
    } else {
        0
    }
}

#[cfg(not(feature = "wasip3"))]
fn held_by_wasip3(_: &mut dyn Any) -> usize {
    0
}

pub(super) fn size_of_map(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| size(name.as_str(), value.as_bytes())).sum()
}

pub(super) fn size(name: &str, value: &[u8]) -> usize {
    name.len() + value.len() + OVERHEAD
}
