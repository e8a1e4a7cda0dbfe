//! Outgoing HTTP requests of guests: which of them leave the host, and how.
//!
//! It follows no redirect: a guest that does so sends a new request, which is judged anew.

use std::sync::Arc;

use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, Result as HttpResult, WasiBody, WasiHttpHooks};

use super::AllowedHosts;

/// Decides which outgoing requests leave the host.
pub(super) struct OutgoingPolicy {
    pub(super) allowed_hosts: Arc<AllowedHosts>,
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
