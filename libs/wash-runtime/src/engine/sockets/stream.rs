//! Virtual TCP connections: two pipes with two ends, for guests as streams of `wasi:io`, for the host as a byte stream.
//!
//! It neither finds listeners nor gives out addresses.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::network::TcpPort;
use super::pipe::{Budget, Pipe};

/// What both ends of a connection share.
pub(super) struct Connection {
    to_server: Pipe,
    to_client: Pipe,
    client: SocketAddr,
    server: SocketAddr,
    /// No other connection of the client's address has its port while one end is there.
    _client_port: TcpPort,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Client,
    Server,
}

/// One end of a connection that a guest or the host has made. Dropping it ends the connection: in order if everything
/// that came was read, by a reset otherwise.
pub(crate) struct VirtualStream {
    reader: PipeReader,
    writer: PipeWriter,
}

/// The receiving half of an end.
pub(super) struct PipeReader {
    connection: Arc<Connection>,
    end: End,
    /// An error was reported: streams of `wasi:io` are closed from then on.
    failed: bool,
}

/// The sending half of an end.
pub(super) struct PipeWriter {
    connection: Arc<Connection>,
    end: End,
    /// Bytes that the last check has granted.
    permit: usize,
    failed: bool,
}

/// A connection between two addresses, as its client's and its server's end.
pub(super) fn connection(
    client: SocketAddr,
    client_port: TcpPort,
    server: SocketAddr,
    budget: &Arc<Budget>,
) -> (VirtualStream, VirtualStream) {
    let connection = Arc::new(Connection {
        to_server: Pipe::new(Arc::clone(budget)),
        to_client: Pipe::new(Arc::clone(budget)),
        client,
        server,
        _client_port: client_port,
    });
    (VirtualStream::new(Arc::clone(&connection), End::Client), VirtualStream::new(connection, End::Server))
}

impl Connection {
    pub(super) fn local_address(&self, end: End) -> SocketAddr {
        match end {
            End::Client => self.client,
            End::Server => self.server,
        }
    }

    pub(super) fn remote_address(&self, end: End) -> SocketAddr {
        match end {
            End::Client => self.server,
            End::Server => self.client,
        }
    }

    /// What this end reads from.
    pub(super) fn incoming(&self, end: End) -> &Pipe {
        match end {
            End::Client => &self.to_client,
            End::Server => &self.to_server,
        }
    }

    /// What this end writes to.
    pub(super) fn outgoing(&self, end: End) -> &Pipe {
        match end {
            End::Client => &self.to_server,
            End::Server => &self.to_client,
        }
    }
}

impl VirtualStream {
    fn new(connection: Arc<Connection>, end: End) -> Self {
        let reader = PipeReader { connection: Arc::clone(&connection), end, failed: false };
        Self { reader, writer: PipeWriter { connection, end, permit: 0, failed: false } }
    }

    /// The two halves, with a handle on their connection that keeps neither open.
    pub(super) fn into_parts(self) -> (Arc<Connection>, End, PipeReader, PipeWriter) {
        (Arc::clone(&self.reader.connection), self.reader.end, self.reader, self.writer)
    }

    /// Ends the connection in both directions at once.
    pub(super) fn reset(&self) {
        self.reader.connection.to_server.reset();
        self.reader.connection.to_client.reset();
    }
}

impl AsyncRead for VirtualStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.reader.pipe().poll_read(context, buffer.remaining()))?;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for VirtualStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.writer.pipe().poll_writable(context))?;
        let written = room.min(bytes.len());
        Poll::Ready(self.writer.pipe().write(&bytes[..written]).map(|()| written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.pipe().finish();
        Poll::Ready(Ok(()))
    }
}

impl PipeReader {
    pub(super) fn pipe(&self) -> &Pipe {
        self.connection.incoming(self.end)
    }
}

impl InputStream for PipeReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.failed {
            return Err(StreamError::Closed);
        }
        match self.pipe().poll_read(&mut Context::from_waker(Waker::noop()), size) {
            Poll::Pending => Ok(Bytes::new()),
            Poll::Ready(Ok(bytes)) if bytes.is_empty() && size > 0 => Err(StreamError::Closed),
            Poll::Ready(Ok(bytes)) => Ok(bytes),
            Poll::Ready(Err(err)) => {
                self.failed = true;
                Err(StreamError::LastOperationFailed(err.into()))
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for PipeReader {
    async fn ready(&mut self) {
        if !self.failed {
            poll_fn(|context| self.pipe().poll_readable(context)).await;
        }
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        if self.pipe().abandon() {
            self.connection.outgoing(self.end).end_uncleanly();
        }
    }
}

impl PipeWriter {
    pub(super) fn pipe(&self) -> &Pipe {
        self.connection.outgoing(self.end)
    }

    /// A stream of `wasi:io` reports an error once; a closed peer is no error.
    fn failure(&mut self, err: io::Error) -> StreamError {
        self.permit = 0;
        if self.failed || err.kind() == io::ErrorKind::BrokenPipe {
            return StreamError::Closed;
        }
        self.failed = true;
        StreamError::LastOperationFailed(err.into())
    }
}

impl OutputStream for PipeWriter {
    fn check_write(&mut self) -> StreamResult<usize> {
        match self.pipe().poll_writable(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {
                self.permit = 0;
                Ok(0)
            }
            Poll::Ready(Ok(room)) => {
                self.permit = room;
                Ok(room)
            }
            Poll::Ready(Err(err)) => Err(self.failure(err)),
        }
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        // What was granted holds, even if others have used up the budget since.
        match self.permit.checked_sub(bytes.len()) {
            Some(rest) => self.permit = rest,
            None => {
                // Without a grant because the stream has ended, the guest is told so; otherwise it broke the protocol.
                self.check_write()?;
                return Err(StreamError::trap("more bytes are written than check-write has granted"));
            }
        }
        self.pipe().write(&bytes).map_err(|err| self.failure(err))
    }

    fn flush(&mut self) -> StreamResult<()> {
        // What is written is at the reader's hands already.
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for PipeWriter {
    async fn ready(&mut self) {
        if !self.failed {
            _ = poll_fn(|context| self.pipe().poll_writable(context)).await;
        }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.pipe().finish();
    }
}
