//! The bound on what headers take, for the functions of WASI 0.3.
//!
//! The bound itself is that of [`crate::engine::headers`].

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::http::types::{HeaderError, HostFields, HostRequest, Method};
use wasmtime_wasi_http::{FieldMap, WasiHttpView};

use crate::engine::ctx::Ctx;
use crate::engine::headers::{LONGEST_METHOD, size, size_of_map};

/// The interface as the linker of WASI names it.
const INTERFACE: &str = "wasi:http/types@0.3.0";

type Headers = Resource<FieldMap>;

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
        "[method]request.set-method",
        |mut store, (request, method): (Resource<Request>, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > LONGEST_METHOD) {
                return Ok((Err(()),));
            }
            let ctx: &mut Ctx = store.data_mut();
            Ok((HostRequest::set_method(&mut ctx.http(), request, method)?,))
        },
    )?;
    interface.func_wrap(
        "[method]request.set-path-with-query",
        |mut store, (request, path): (Resource<Request>, Option<String>)| {
            let ctx: &mut Ctx = store.data_mut();
            ctx.count_headers(path.as_ref().map_or(0, String::len))?;
            Ok((HostRequest::set_path_with_query(&mut ctx.http(), request, path)?,))
        },
    )?;
    interface.func_wrap(
        "[method]request.set-authority",
        |mut store, (request, authority): (Resource<Request>, Option<String>)| {
            let ctx: &mut Ctx = store.data_mut();
            ctx.count_headers(authority.as_ref().map_or(0, String::len))?;
            Ok((HostRequest::set_authority(&mut ctx.http(), request, authority)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The error that the guest gets as a value, or the one that ends it.
fn typed<T>(result: Result<T, TrappableError<HeaderError>>) -> wasmtime::Result<(Result<T, HeaderError>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(err) => Ok((Err(err.downcast()?),)),
    }
}
