//! What one instance of a component holds on the host's side, and the linker that lets it reach that.
//!
//! A guest gets WASI 0.2 and outgoing HTTP; it gets no file, no socket and nothing of the host's environment.

use std::sync::Arc;

use http_body_util::BodyExt;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, Result as HttpResult, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::AllowedHosts;
use crate::host::guest_output::GuestStreams;

/// Epochs that a guest may compute before it has to let others run.
const EPOCHS_BEFORE_YIELD: u64 = 1;

/// What every instance of one component gets.
pub(crate) struct GuestSettings {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allowed_hosts: Arc<AllowedHosts>,
    /// Bytes over all memories of an instance.
    pub(crate) memory_limit: Option<usize>,
    pub(crate) output: GuestStreams,
}

/// The host's side of one instance.
pub(crate) struct GuestState {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outgoing: OutgoingPolicy,
    memory: MemoryLimit,
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

/// All that components may import, for every workload of an engine.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

impl GuestSettings {
    /// A store for one fresh instance.
    pub(crate) fn new_store(&self, engine: &wasmtime::Engine) -> Store<GuestState> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.envs(&self.environment).stdout(self.output.stdout()).stderr(self.output.stderr());
        let state = GuestState {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            outgoing: OutgoingPolicy { allowed_hosts: Arc::clone(&self.allowed_hosts) },
            memory: MemoryLimit { limit: self.memory_limit, used: 0 },
        };
        let mut store = Store::new(engine, state);
        if self.memory_limit.is_some() {
            store.limiter(|state| &mut state.memory);
        }
        store.set_epoch_deadline(EPOCHS_BEFORE_YIELD);
        // Tokio's own yield goes behind the I/O driver. A plain wake-up would keep the worker busy with guests that
        // compute, and it would look for new requests only every sixty-first turn.
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(EPOCHS_BEFORE_YIELD, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

/// Decides which outgoing requests leave the host.
struct OutgoingPolicy {
    allowed_hosts: Arc<AllowedHosts>,
}

type SentRequest = HttpResult<(http::Response<WasiBody>, Box<dyn Future<Output = HttpResult<()>> + Send>)>;

impl WasiHttpHooks for OutgoingPolicy {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_result: Box<dyn Future<Output = HttpResult<()>> + Send>,
    ) -> Box<dyn Future<Output = SentRequest> + Send> {
        let allowed = request.uri().host().is_some_and(|host| self.allowed_hosts.allows(host));
        Box::new(async move {
            if !allowed {
                return Err(Error::HttpRequestDenied);
            }
            let (response, connection) = wasmtime_wasi_http::default_send_request(request, options).await?;
            let connection: Box<dyn Future<Output = HttpResult<()>> + Send> = Box::new(connection);
            Ok((response.map(BodyExt::boxed_unsync), connection))
        })
    }
}

/// Keeps the sum of an instance's memories under a limit. Beyond it the guest's own request for memory fails.
struct MemoryLimit {
    limit: Option<usize>,
    used: usize,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if self.limit.is_some_and(|limit| used > limit) {
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
