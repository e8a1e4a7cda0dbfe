//! The streams of a connection, and that of the connections which a listener accepts.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use wasmtime::component::{Destination, Resource, Source, StreamConsumer, StreamProducer, StreamResult};
use wasmtime::{AsContextMut as _, StoreContextMut};

use super::bindings::types::ErrorCode;
use super::convert;
use super::tcp::{Reader, TcpSocket, Writer};
use crate::engine::sockets::network::TcpListener;
use crate::engine::sockets::tcp::TcpOptions;
use crate::engine::sockets::{SocketSlot, SocketsCtxView};

/// Bytes that are read at once where the guest does not say.
const CHUNK: usize = 16 << 10;

/// How a stream has ended; dropped, it has ended well.
pub(super) struct Outcome(Option<oneshot::Sender<Result<(), ErrorCode>>>);

impl Outcome {
    pub(super) fn new(sender: oneshot::Sender<Result<(), ErrorCode>>) -> Self {
        Self(Some(sender))
    }

    fn tell(&mut self, result: Result<(), ErrorCode>) {
        if let Some(sender) = self.0.take() {
            // A guest that has dropped the future does not want to know.
            _ = sender.send(result);
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.tell(Ok(()));
    }
}

/// What comes in on a connection.
pub(super) struct Incoming {
    pub(super) reader: Reader,
    pub(super) outcome: Outcome,
    /// A connection counts as long as any part of it is there.
    pub(super) _slot: Arc<SocketSlot>,
}

impl<D> StreamProducer<D> for Incoming {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(store.as_context_mut()) == Some(0) {
            // Whether there is something is found out by reading it.
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut destination = destination.as_direct(store, CHUNK);
        let mut buffer = ReadBuf::new(destination.remaining());
        match Pin::new(&mut self.reader).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().len();
                destination.mark_written(read);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(err)) => {
                self.outcome.tell(Err(convert::io_error(err)));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What goes out on a connection. Dropped, it ends this direction.
pub(super) struct Outgoing {
    pub(super) writer: Writer,
    pub(super) outcome: Outcome,
    pub(super) _slot: Arc<SocketSlot>,
}

impl<D> StreamConsumer<D> for Outgoing {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        if source.remaining().is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match Pin::new(&mut self.writer).poll_write(cx, source.remaining()) {
            Poll::Ready(Ok(written)) => {
                source.mark_read(written);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(err)) => {
                self.outcome.tell(Err(convert::io_error(err)));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Connections that a service accepts.
pub(super) struct Accepted<D: 'static> {
    pub(super) listener: TcpListener,
    pub(super) options: TcpOptions,
    pub(super) getter: for<'a> fn(&'a mut D) -> SocketsCtxView<'a>,
    pub(super) _slot: Arc<SocketSlot>,
}

impl<D: 'static> StreamProducer<D> for Accepted<D> {
    type Item = Resource<TcpSocket>;
    type Buffer = Option<Resource<TcpSocket>>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let only_asks = destination.remaining(store.as_context_mut()) == Some(0);
        loop {
            match self.listener.poll_ready(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if only_asks => return Poll::Ready(Ok(StreamResult::Completed)),
                Poll::Ready(()) => {}
            }
            let Some(stream) = self.listener.accept() else { continue };
            let view = (self.getter)(store.data_mut());
            // There is no way to tell the guest that it has too many sockets, so the peer is told: its connection ends,
            // and the listener goes on.
            let Ok(slot) = view.ctx.socket_slot() else { continue };
            let socket = view.table.push(TcpSocket::accepted(stream, self.options, slot))?;
            destination.set_buffer(Some(socket));
            return Poll::Ready(Ok(StreamResult::Completed));
        }
    }
}
