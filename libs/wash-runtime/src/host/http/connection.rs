//! One connection: its protocol, its time limits, and its orderly end.
//!
//! It knows nothing of guests; each request goes to [`super::exchange`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{Router, exchange};

/// What a server wants of its connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Serving,
    /// Finish what is in flight, then close.
    Draining,
    /// Close now.
    Closed,
}

/// Serves a connection until the client closes it or the server's phase ends it.
pub(super) async fn serve<R: Router>(
    stream: TcpStream,
    router: Arc<R>,
    local: SocketAddr,
    header_timeout: Duration,
    mut phase: watch::Receiver<Phase>,
) {
    // Without this the end of a streamed body waits for the acknowledgement of its beginning.
    if let Err(err) = stream.set_nodelay(true) {
        tracing::debug!("a connection closed before it was served: {err}");
        return;
    }
    let seen_request = AtomicBool::new(false);
    let service = service_fn(|request| {
        seen_request.store(true, Ordering::Relaxed);
        let router = Arc::clone(&router);
        async move { Ok::<_, Infallible>(exchange::answer(router.as_ref(), local, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout);
    builder.http2().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut first_request = pin!(tokio::time::sleep(header_timeout));
    let mut await_first_request = true;
    let mut known_phase = Phase::Serving;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(err) = result {
                    tracing::debug!("a connection ended early: {err}");
                }
                return;
            }
            changed = phase.wait_for(|phase| *phase != known_phase) => {
                // An error means that the server is gone.
                known_phase = changed.map_or(Phase::Closed, |phase| *phase);
                match known_phase {
                    Phase::Closed => return,
                    Phase::Draining | Phase::Serving => connection.as_mut().graceful_shutdown(),
                }
            }
            // The protocol's own time limits begin only when it is known which protocol the client speaks.
            () = first_request.as_mut(), if await_first_request => {
                // Checked here, because a condition of the branch is not looked at again while it waits.
                if !seen_request.load(Ordering::Relaxed) {
                    tracing::debug!("closing a connection that sent no request");
                    return;
                }
                await_first_request = false;
            }
        }
    }
}
