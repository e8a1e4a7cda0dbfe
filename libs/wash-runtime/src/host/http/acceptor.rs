//! The listener's thread: it accepts connections up to a limit and hands them to the workers.
//!
//! It reads nothing from them, so that no client and no guest can keep others from being accepted.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::Router;
use super::connection::{self, Serving};
use super::tls;
use super::worker::Workers;

/// How long to wait when the system can open no more sockets: trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long no attempt must have failed before the trouble counts as over: near the limit, attempts fail and succeed in
/// turn, and each of them is not worth a line in the log.
const QUIET: Duration = Duration::from_secs(5);

/// What the listener's thread works with.
pub(super) struct Acceptor<R> {
    pub(super) listener: std::net::TcpListener,
    pub(super) serving: Arc<Serving<R>>,
    pub(super) workers: Arc<Workers>,
    /// One permit for each connection that may be open.
    pub(super) connections: Arc<Semaphore>,
}

impl<R: Router> Acceptor<R> {
    /// Starts the thread. It closes the listener and ends when `stopped` becomes true or its sender is gone; the
    /// receiver tells when it has.
    pub(super) fn start(
        self,
        mut stopped: watch::Receiver<bool>,
    ) -> io::Result<(JoinHandle<()>, oneshot::Receiver<()>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (closed, is_closed) = oneshot::channel();
        let thread = thread::Builder::new().name("wash-http-accept".to_string()).spawn(move || {
            runtime.block_on(async {
                if let Some(tls) = &self.serving.tls {
                    tokio::spawn(tls::keep_current(Arc::clone(tls)));
                }
                tokio::select! {
                    () = self.accept() => {}
                    // An error means that the server is gone.
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
            // Nobody may be waiting.
            _ = closed.send(());
            runtime.shutdown_background();
        })?;
        Ok((thread, is_closed))
    }

    async fn accept(self) {
        let mut connections = match TcpListener::from_std(self.listener) {
            Ok(listener) => Connections { listener, shortage: None },
            Err(err) => return tracing::error!("cannot accept connections: {err}"),
        };
        loop {
            // Nobody closes this semaphore.
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            let stream = connections.next().await;
            let Some(worker) = self.workers.choose() else { return };
            let place = worker.place(self.serving.epoch);
            let serving = Arc::clone(&self.serving);
            worker.spawn(async move {
                connection::serve(stream, serving, place.control()).await;
                drop(place);
                // Only now may another connection take its place.
                drop(permit);
            });
        }
    }
}

/// Where connections come from.
struct Connections {
    listener: TcpListener,
    shortage: Option<Shortage>,
}

/// A time in which the system opens no more sockets. The log has its beginning and its end.
struct Shortage {
    begun: Instant,
    last_failure: Instant,
    failures: u64,
}

impl Connections {
    /// Waits for a connection, and goes on waiting when one fails.
    async fn next(&mut self) -> std::net::TcpStream {
        loop {
            let accepted = match self.shortage.as_ref().map(|shortage| shortage.last_failure + QUIET) {
                None => accept_one(&self.listener).await,
                Some(is_over) => {
                    let accepted = tokio::select! {
                        biased;
                        () = sleep_until(is_over) => None,
                        accepted = accept_one(&self.listener) => Some(accepted),
                    };
                    let Some(accepted) = accepted else {
                        self.end_shortage();
                        continue;
                    };
                    accepted
                }
            };
            match accepted {
                Ok(stream) => return stream,
                // The client went away before it was accepted: there may be others.
                Err(err) if is_clients_doing(&err) => {}
                Err(err) => {
                    self.count_failure(&err);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn count_failure(&mut self, err: &io::Error) {
        let now = Instant::now();
        let shortage = self.shortage.get_or_insert_with(|| {
            tracing::warn!("cannot accept connections at the moment: {err}");
            Shortage { begun: now, last_failure: now, failures: 0 }
        });
        shortage.last_failure = now;
        shortage.failures += 1;
    }

    fn end_shortage(&mut self) {
        if let Some(Shortage { begun, last_failure, failures }) = self.shortage.take() {
            let seconds = (last_failure - begun).as_secs_f32();
            tracing::warn!("connections are accepted again; attempts that failed in {seconds:.1}s: {failures}");
        }
    }
}

async fn accept_one(listener: &TcpListener) -> io::Result<std::net::TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Without this the end of a streamed body waits for the acknowledgement of its beginning.
    stream.set_nodelay(true)?;
    // The worker waits for it with its own runtime.
    stream.into_std()
}

fn is_clients_doing(err: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput};
    // Some systems report options of a socket that is closed already as invalid.
    matches!(err.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput)
}
