//! Sockets for guests: `wasi:sockets` with a loopback that each workload has to itself, and a policy for the rest.
//!
//! Loopback never reaches the operating system. Other addresses are reached through real sockets, unless they are among
//! the [special addresses](super::special_addresses) that lead nowhere. Only services may bind, and only to their
//! workload's loopback. HTTP requests do not come this way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::network::{self as wasi_network, ErrorCode, Network};
use wasmtime_wasi::p2::{SocketError, SocketResult};

mod address;
mod bindings;
mod mailbox;
mod names;
mod network;
mod outside;
mod pipe;
mod ports;
mod stream;
mod tcp;
mod tcp_host;
#[cfg(test)]
mod tests;
mod udp;
mod udp_host;
#[cfg(feature = "wasip3")]
pub(crate) mod wasip3;

pub(crate) use names::NameLookup;
pub use names::is_lookup_name;
pub(crate) use network::{ConnectError, VirtualNetwork};

/// Sockets that one component or service of a store may have at once; beyond that `create-tcp-socket`,
/// `create-udp-socket`, `accept` and `resolve-addresses` fail with `new-socket-limit`.
const MAX_SOCKETS_PER_STORE: usize = 1_024;

/// What a guest is to its workload's network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SocketRole {
    /// Connects and sends.
    Component,
    /// Also binds and listens, on the workload's loopback.
    Service,
}

/// What one component or service of a store needs to use sockets. Cheap to make: it holds no socket until the guest
/// makes one.
pub(crate) struct SocketsCtx {
    network: Arc<VirtualNetwork>,
    role: SocketRole,
    name_lookup: NameLookup,
    /// Made with the first socket, since most instances have none.
    slots: Option<Arc<Semaphore>>,
}

impl SocketsCtx {
    pub(crate) fn new(network: Arc<VirtualNetwork>, role: SocketRole, name_lookup: NameLookup) -> Self {
        Self { network, role, name_lookup, slots: None }
    }

    /// Room for one more socket.
    fn socket_slot(&mut self) -> Result<SocketSlot, ErrorCode> {
        let slots = self.slots.get_or_insert_with(|| Arc::new(Semaphore::new(MAX_SOCKETS_PER_STORE)));
        let of_store = Arc::clone(slots).try_acquire_owned().map_err(|_| ErrorCode::NewSocketLimit)?;
        let of_workload = self.network.socket_slot().ok_or(ErrorCode::NewSocketLimit)?;
        Ok(SocketSlot { _of_store: of_store, _of_workload: of_workload })
    }
}

/// A socket's place in the limits of its store and its workload, free again when this is dropped.
struct SocketSlot {
    _of_store: OwnedSemaphorePermit,
    _of_workload: OwnedSemaphorePermit,
}

/// A store's data that sockets work on.
pub(crate) struct SocketsCtxView<'a> {
    pub(crate) ctx: &'a mut SocketsCtx,
    pub(crate) table: &'a mut ResourceTable,
}

/// A store whose guests have sockets.
pub(crate) trait SocketsView: Send {
    /// The sockets of the component or service whose code runs now.
    fn sockets(&mut self) -> SocketsCtxView<'_>;
}

struct Sockets;

impl HasData for Sockets {
    type Data<'a> = SocketsCtxView<'a>;
}

/// Puts these sockets in the place of wasmtime-wasi's, which must be in the linker already: they share its
/// `wasi:sockets/network` and its streams. Shadowing is not allowed afterwards.
pub(crate) fn add_to_linker<T: SocketsView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let result = add_interfaces(linker);
    linker.allow_shadowing(false);
    result
}

fn add_interfaces<T: SocketsView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::tcp::add_to_linker::<T, Sockets>(linker, T::sockets)?;
    bindings::tcp_create_socket::add_to_linker::<T, Sockets>(linker, T::sockets)?;
    bindings::udp::add_to_linker::<T, Sockets>(linker, T::sockets)?;
    bindings::udp_create_socket::add_to_linker::<T, Sockets>(linker, T::sockets)?;
    bindings::ip_name_lookup::add_to_linker::<T, Sockets>(linker, T::sockets)
}

// The generated code asks this interface's trait how errors are told to guests. It is not linked from here.
impl wasi_network::Host for SocketsCtxView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl wasi_network::HostNetwork for SocketsCtxView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl SocketsCtxView<'_> {
    /// The guest must hold the right to use the network. What that permits is decided elsewhere.
    fn check_network(&self, network: &Resource<Network>) -> SocketResult<()> {
        self.table.get(network)?;
        Ok(())
    }
}
