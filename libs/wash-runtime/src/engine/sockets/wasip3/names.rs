//! `wasi:sockets/ip-name-lookup` of WASI 0.3.

use wasmtime::component::Accessor;

use super::bindings::ip_name_lookup::{ErrorCode, Host, HostWithStore};
use super::bindings::types::IpAddress;
use super::convert;
use crate::engine::sockets::{Sockets, SocketsCtxView};

impl Host for SocketsCtxView<'_> {}

impl<T: Send> HostWithStore<T> for Sockets {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<IpAddress>, ErrorCode>> {
        let resolved = match store.with(|mut access| access.get().ctx.resolve(&name)) {
            Ok(addresses) => addresses.all().await,
            Err(code) => Err(code),
        };
        Ok(match resolved {
            Ok(addresses) => Ok(addresses.into_iter().map(convert::guest_ip).collect()),
            Err(code) => Err(convert::lookup_error(code)),
        })
    }
}
