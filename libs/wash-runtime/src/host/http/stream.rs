//! A client's stream of bytes, watched: what it does is reported to the connection's [`Control`].
//!
//! It knows nothing of HTTP but how the first bytes of its second version look.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::control::Control;

/// What a client sends first if it speaks HTTP/2 without having asked for it: RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that are read and thrown away so that a client which still sends does not miss its response.
const DISCARDED_BYTES: usize = 16 << 20;
const DISCARDED_AT_ONCE: usize = 16 << 10;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A stream that reports what happens on it.
pub(super) struct Watched<S> {
    stream: S,
    control: Arc<Control>,
    /// Bytes that were read to learn the protocol.
    first: [u8; PREFACE.len()],
    first_length: usize,
    first_taken: usize,
    discarded: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(stream: S, control: Arc<Control>) -> Self {
        Self { stream, control, first: [0; PREFACE.len()], first_length: 0, first_taken: 0, discarded: 0 }
    }

    /// Learns from the client's first bytes which protocol it speaks; whoever reads next gets these bytes again.
    pub(super) async fn detect(&mut self) -> io::Result<Protocol> {
        loop {
            let (known, rest) = self.first.split_at_mut(self.first_length);
            if !PREFACE.starts_with(known) {
                return Ok(Protocol::Http1);
            }
            if rest.is_empty() {
                return Ok(Protocol::Http2);
            }
            let read = self.stream.read(rest).await?;
            if read == 0 {
                return Ok(Protocol::Http1);
            }
            self.first_length += read;
        }
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; DISCARDED_AT_ONCE];
        while self.discarded < DISCARDED_BYTES {
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            self.discarded += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }

    fn report(&self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if write.is_pending() {
            self.control.write_is_blocked();
        } else {
            self.control.has_written();
        }
        write
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(first) = this.first.get(this.first_taken..this.first_length).filter(|first| !first.is_empty()) {
            let taken = first.len().min(buffer.remaining());
            buffer.put_slice(first.get(..taken).unwrap_or_default());
            this.first_taken += taken;
            this.control.has_read();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.control.has_read();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.report(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.report(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Encrypted bytes may wait in the stream itself.
        let flush = Pin::new(&mut self.stream).poll_flush(cx);
        if flush.is_pending() {
            self.control.write_is_blocked();
        } else {
            self.control.has_flushed();
        }
        flush
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.control.is_ending();
        let shutdown = Pin::new(&mut this.stream).poll_shutdown(cx);
        if shutdown.is_pending() {
            this.control.write_is_blocked();
        }
        ready!(shutdown)?;
        if this.control.has_unread_body() {
            // To close a socket with unread bytes resets it, and a reset takes the response from the client.
            ready!(this.poll_discard(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_protocol_is_known_by_its_first_bytes_which_are_not_lost() {
        for (sent, expected) in [
            (PREFACE.as_slice(), Protocol::Http2),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", Protocol::Http2),
            (b"PRI / HTTP/1.1\r\nhost: a\r\n\r\n", Protocol::Http1),
            (b"GET / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"P", Protocol::Http1),
            (b"", Protocol::Http1),
        ] {
            // Byte by byte, and at once.
            for pieces in [1, 64] {
                let (mut client, server) = tokio::io::duplex(pieces);
                let control = Arc::new(Control::new(Instant::now()));
                let sending = tokio::spawn(async move {
                    for piece in sent.chunks(pieces) {
                        client.write_all(piece).await.unwrap();
                    }
                });
                let mut watched = Watched::new(server, control);
                assert_eq!(watched.detect().await.unwrap(), expected, "{sent:?}");
                let mut received = Vec::new();
                watched.read_to_end(&mut received).await.unwrap();
                assert_eq!(received, sent);
                sending.await.unwrap();
            }
        }
    }
}
