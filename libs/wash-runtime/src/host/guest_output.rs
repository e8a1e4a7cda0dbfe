//! Where a guest's standard output and standard error go.
//!
//! It adds no prefix and splits no lines: that is up to the embedder's [`GuestOutput`].

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes a guest may write at once.
const LARGEST_WRITE: usize = 64 * 1024;

/// One of a guest's two output streams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GuestStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Who wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutputSource {
    /// The workload's id.
    pub workload_id: String,
    /// The workload's name.
    pub workload_name: String,
    /// The component's name.
    pub component_name: String,
}

/// Receives what guests write.
pub trait GuestOutput: Send + Sync + 'static {
    /// Takes bytes as the guest wrote them, usually but not always whole lines. Several instances may call this at
    /// once, on threads that serve requests: it should not block.
    fn write(&self, source: &OutputSource, stream: GuestStream, bytes: &[u8]);
}

/// Passes both streams on to the host program's standard error: its standard output is its own result.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostStderr;

impl GuestOutput for HostStderr {
    fn write(&self, _source: &OutputSource, _stream: GuestStream, bytes: &[u8]) {
        // Nobody is left to tell when standard error is gone.
        _ = io::stderr().write_all(bytes);
    }
}

/// Both output streams of one component.
#[derive(Clone)]
pub(crate) struct GuestStreams {
    source: Arc<OutputSource>,
    output: Arc<dyn GuestOutput>,
}

impl GuestStreams {
    pub(crate) fn new(source: OutputSource, output: Arc<dyn GuestOutput>) -> Self {
        Self { source: Arc::new(source), output }
    }

    pub(crate) fn stdout(&self) -> impl StdoutStream + 'static {
        Writer { streams: self.clone(), stream: GuestStream::Stdout }
    }

    pub(crate) fn stderr(&self) -> impl StdoutStream + 'static {
        Writer { streams: self.clone(), stream: GuestStream::Stderr }
    }
}

#[derive(Clone)]
struct Writer {
    streams: GuestStreams,
    stream: GuestStream,
}

impl Writer {
    fn pass_on(&self, bytes: &[u8]) {
        self.streams.output.write(&self.streams.source, self.stream, bytes);
    }
}

impl IsTerminal for Writer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Writer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.pass_on(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LARGEST_WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pass_on(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
