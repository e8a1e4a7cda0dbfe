//! Bodies of responses: short texts, and files that are read as fast as the client takes them.
//!
//! A file's body holds one piece at a time, so that memory does not grow with the file.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use fs_err::File;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// How much of a file is read at once: enough for the system calls not to count.
const PIECE: usize = 128 * 1024;

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Empty,
    Text(Option<Bytes>),
    File(FileBody),
    /// Announces more than it has, or never ends.
    #[cfg(feature = "quirks")]
    Broken(BrokenBody),
}

impl From<String> for ReplyBody {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::File(file) => file.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
            #[cfg(feature = "quirks")]
            Self::Broken(broken) => broken.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Text(None) => true,
            Self::Text(Some(_)) => false,
            Self::File(file) => file.remaining == 0,
            #[cfg(feature = "quirks")]
            Self::Broken(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Text(None) => SizeHint::with_exact(0),
            Self::Text(Some(text)) => SizeHint::with_exact(text.len() as u64),
            Self::File(file) => SizeHint::with_exact(file.remaining),
            #[cfg(feature = "quirks")]
            Self::Broken(_) => SizeHint::default(),
        }
    }
}

/// A part of a file.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<File>,
    position: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(crate) fn new(file: File, position: u64, length: u64) -> Self {
        Self { file: Arc::new(file), position, remaining: length, reading: None }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let piece = match &mut self.reading {
            Some(reading) => {
                let piece = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                piece.unwrap_or_else(|err| Err(io::Error::other(err)))
            }
            None => {
                let length = usize::try_from(self.remaining).unwrap_or(PIECE).min(PIECE);
                match read_cached(&self.file, self.position, length) {
                    Some(piece) => Ok(piece),
                    None => {
                        let (file, position) = (Arc::clone(&self.file), self.position);
                        self.reading = Some(tokio::task::spawn_blocking(move || read(&file, position, length)));
                        return self.poll_piece(cx);
                    }
                }
            }
        };
        Poll::Ready(Some(piece.and_then(|piece| self.advance(piece))))
    }

    fn advance(&mut self, piece: Bytes) -> io::Result<Bytes> {
        if piece.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
        }
        self.position += piece.len() as u64;
        self.remaining -= piece.len() as u64;
        Ok(piece)
    }
}

/// Reads what is in memory already, without waiting for a disk: most blobs are, and handing each piece to another thread
/// would cost more than reading it. `None` where that is not known or not so.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, position: u64, length: usize) -> Option<Bytes> {
    let mut piece = vec![0; length];
    let mut pieces = [io::IoSliceMut::new(&mut piece)];
    let read = rustix::io::preadv2(file.file(), &mut pieces, position, rustix::io::ReadWriteFlags::NOWAIT).ok()?;
    piece.truncate(read);
    // The end of the file is for the other way to find.
    (read > 0).then(|| piece.into())
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: u64, _: usize) -> Option<Bytes> {
    None
}

fn read(file: &File, position: u64, length: usize) -> io::Result<Bytes> {
    use std::os::unix::fs::FileExt as _;
    let mut piece = vec![0; length];
    loop {
        match file.file().read_at(&mut piece, position) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
            Ok(read) => {
                piece.truncate(read);
                return Ok(piece.into());
            }
        }
    }
}

/// A body that breaks off, or waits for ever.
#[cfg(feature = "quirks")]
#[derive(Debug)]
pub(crate) struct BrokenBody {
    beginning: Option<Bytes>,
    end: BrokenEnd,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// What comes after the beginning.
#[cfg(feature = "quirks")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum BrokenEnd {
    /// The connection breaks.
    Break,
    /// Nothing, for ever.
    Hang,
}

/// How long the beginning has to be sent: what is still in a buffer when the connection breaks is lost.
#[cfg(feature = "quirks")]
const BEFORE_BREAK: std::time::Duration = std::time::Duration::from_millis(100);

#[cfg(feature = "quirks")]
impl BrokenBody {
    pub(crate) fn new(beginning: Bytes, end: BrokenEnd) -> Self {
        Self { beginning: Some(beginning), end, pause: None }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(beginning) = self.beginning.take() {
            return Poll::Ready(Some(Ok(beginning)));
        }
        match self.end {
            BrokenEnd::Break => {
                let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(BEFORE_BREAK)));
                ready!(pause.as_mut().poll(cx));
                Poll::Ready(Some(Err(io::Error::other("a quirk"))))
            }
            // Nobody is woken: the connection's end drops it.
            BrokenEnd::Hang => Poll::Pending,
        }
    }
}
