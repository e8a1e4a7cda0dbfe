//! One connection to a server, whichever version of HTTP it speaks.
//!
//! Tasks of the runtime on which it was opened drive it. They end with the last handle to it, whatever the server does:
//! a server that reads nothing cannot keep a connection alive that no guest uses.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::watch;
use wasmtime_wasi_http::Error;

use super::body::RequestBody;
use super::failure;
use super::target::Target;

/// What a connection of HTTP/1.1 reads ahead, at most. The head of a response has to fit.
const READ_BUFFER: usize = 128 << 10;

/// What a server may send ahead of a guest that does not read, on one stream and on one connection of HTTP/2.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The head of a response over HTTP/2, at most.
const HEADER_LIST: u32 = 128 << 10;

/// A connection that answers nothing for so long, with requests waiting on it, is asked whether it still lives.
const PING_AFTER: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// A connection to a server.
pub(super) struct Connection {
    sender: Sender,
    runtime: Handle,
    lifeline: Arc<watch::Sender<()>>,
}

enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

/// Which version of HTTP to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// Why there is no response.
pub(super) struct SendError {
    pub(super) reason: Error,
    /// The request, if nothing of it has been sent.
    pub(super) unsent: Option<Box<Request<RequestBody>>>,
}

/// Spawns tasks that end when the connection's last handle is gone.
#[derive(Clone)]
struct Tasks(watch::Receiver<()>);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut lifeline = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = task => {}
                // Nothing is ever sent: this is the other end going away.
                _ = lifeline.changed() => {}
            }
        });
    }
}

impl Connection {
    /// Speaks HTTP on a stream that is connected.
    pub(super) async fn open<S>(stream: S, version: Version) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (lifeline, tasks) = watch::channel(());
        let tasks = Tasks(tasks);
        let stream = TokioIo::new(stream);
        let refused = |err: hyper::Error| failure::of_exchange(&err);
        let sender = match version {
            Version::Http1 => {
                let handshake = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(stream);
                let (sender, connection) = handshake.await.map_err(refused)?;
                // Its errors are those of the requests on it.
                tasks.execute(connection);
                Sender::Http1(sender)
            }
            Version::Http2 => {
                let handshake = http2::Builder::new(tasks.clone())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(PING_AFTER)
                    .keep_alive_timeout(PONG_WITHIN)
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .max_header_list_size(HEADER_LIST)
                    .handshake(stream);
                let (sender, connection) = handshake.await.map_err(refused)?;
                tasks.execute(connection);
                Sender::Http2(sender)
            }
        };
        Ok(Self { sender, runtime: Handle::current(), lifeline: Arc::new(lifeline) })
    }

    /// The runtime whose tasks drive it.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Whether nothing more can be sent on it.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Another handle to it, if it carries several requests at once.
    pub(super) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self {
                sender: Sender::Http2(sender.clone()),
                runtime: self.runtime.clone(),
                lifeline: Arc::clone(&self.lifeline),
            }),
        }
    }

    /// Waits until a request can be sent; false if none ever can.
    pub(super) async fn ready(&mut self) -> bool {
        let ready = match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        };
        ready.is_ok()
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
        target: &Target,
    ) -> Result<Response<Incoming>, SendError> {
        let sent = match &mut self.sender {
            Sender::Http1(sender) => {
                target.write_http1(&mut request);
                sender.try_send_request(request).await
            }
            Sender::Http2(sender) => {
                target.write_http2(&mut request);
                sender.try_send_request(request).await
            }
        };
        sent.map_err(|mut err: TrySendError<_>| {
            let unsent = err.take_message().map(Box::new);
            SendError { reason: failure::of_exchange(err.error()), unsent }
        })
    }
}
