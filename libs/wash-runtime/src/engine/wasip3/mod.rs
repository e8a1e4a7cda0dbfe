//! WASI 0.3: components whose functions are asynchronous, with streams and futures.
//!
//! All components of a workload that has one of them run on an engine for WASI 0.3, those of WASI 0.2 too.

use wasmtime::component::Linker;

use super::ctx::{self, Ctx};
use super::sockets;

mod files;
mod headers;
mod recognise;
pub(super) mod siblings;

pub(super) use recognise::is_wasip3;

/// WASI 0.3 beside WASI 0.2, under the same rules.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = ctx::linker(engine)?;
    wasmtime_wasi::p3::cli::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::clocks::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::filesystem::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::random::add_to_linker(&mut linker)?;
    sockets::wasip3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    files::limit(&mut linker)?;
    headers::limit(&mut linker)?;
    Ok(linker)
}
