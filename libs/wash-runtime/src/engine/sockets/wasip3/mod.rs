//! The sockets of WASI 0.3: another face of the same loopback, the same policy and the same limits.
//!
//! It decides nothing anew: whom a guest may talk to is judged where it is for the sockets of WASI 0.2.

use wasmtime::component::{Linker, ResourceTableError};

use super::{Sockets, SocketsView};

mod bindings;
mod convert;
mod names;
mod streams;
mod tcp;
mod tcp_host;
mod udp_host;

use bindings::types::ErrorCode;

/// An error for the guest, or a trap.
#[expect(unreachable_pub, reason = "the generated code names it in public items")]
#[derive(Debug)]
pub enum SocketError {
    Code(ErrorCode),
    Trap(wasmtime::Error),
}

impl From<ErrorCode> for SocketError {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<ResourceTableError> for SocketError {
    fn from(err: ResourceTableError) -> Self {
        Self::Trap(err.into())
    }
}

type SocketResult<T> = Result<T, SocketError>;

/// The interfaces of `wasi:sockets@0.3`.
pub(crate) fn add_to_linker<T: SocketsView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::types::add_to_linker::<T, Sockets>(linker, T::sockets)?;
    bindings::ip_name_lookup::add_to_linker::<T, Sockets>(linker, T::sockets)
}
