//! Bodies that can be sent more than once, and tell how far they have come.
//!
//! A file is read as it is sent, so that a blob of any size takes little memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// How much is handed to the connection at once.
const PIECE: u64 = 256 << 10;

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// Nothing.
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// A part of a file.
    File {
        /// The open file.
        file: Arc<File>,
        /// Its path, for errors.
        path: PathBuf,
        /// Where the part begins.
        start: u64,
        /// How long it is.
        length: u64,
    },
}

impl Payload {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// The part of it that begins at `offset`, and is at most `length` long.
    pub(crate) fn part(&self, offset: u64, length: u64) -> Self {
        let offset = offset.min(self.len());
        let length = length.min(self.len() - offset);
        match self {
            Self::Empty => Self::Empty,
            Self::Bytes(bytes) => {
                // Within the bytes, so within `usize`.
                let (from, to) = (offset as usize, (offset + length) as usize);
                Self::Bytes(bytes.slice(from..to))
            }
            Self::File { file, path, start, .. } => {
                Self::File { file: Arc::clone(file), path: path.clone(), start: start + offset, length }
            }
        }
    }

    /// The body of one attempt; it adds what it hands over to `sent`.
    pub(crate) fn body(&self, sent: &Arc<AtomicU64>) -> reqwest::Body {
        if self.len() == 0 {
            // With a length, which some registries insist on.
            return reqwest::Body::from(Bytes::new());
        }
        reqwest::Body::wrap(Sending { payload: self.clone(), position: 0, sent: Arc::clone(sent) })
    }

    fn read(&self, position: u64) -> io::Result<Bytes> {
        match self.part(position, PIECE) {
            Self::Empty => Ok(Bytes::new()),
            Self::Bytes(bytes) => Ok(bytes),
            Self::File { file, path, start, length } => {
                // At most `PIECE`.
                let mut buffer = vec![0; length as usize];
                file.read_exact_at(&mut buffer, start)
                    .map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display())))?;
                Ok(buffer.into())
            }
        }
    }
}

struct Sending {
    payload: Payload,
    position: u64,
    sent: Arc<AtomicU64>,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        // Reading a piece of a local file takes microseconds; a thread for it would take longer.
        match self.payload.read(self.position) {
            Ok(bytes) => {
                self.position += bytes.len() as u64;
                self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(err) => Poll::Ready(Some(Err(err))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.position >= self.payload.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.payload.len() - self.position.min(self.payload.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_leave_the_whole() {
        let payload = Payload::Bytes(Bytes::from_static(b"hello"));
        let text = |part: Payload| match part {
            Payload::Bytes(bytes) => bytes,
            _ => panic!("bytes"),
        };
        assert_eq!(text(payload.part(1, 3)), "ell");
        assert_eq!(text(payload.part(4, 9)), "o");
        assert_eq!(text(payload.part(9, 9)), "");
    }
}
