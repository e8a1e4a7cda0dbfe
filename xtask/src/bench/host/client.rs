//! A client of HTTP/1.1 that does little, so that what it measures is the server.
//!
//! It knows what the servers here send: a length, chunks, or a body that ends with the connection.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection that is kept for further requests.
pub(super) struct Connection(BufReader<TcpStream>);

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Connection {
    /// Connects. `patience` bounds connecting, and later each wait for bytes.
    pub(super) fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(super) fn get(&mut self, host: &str, path: &str) -> io::Result<Answer> {
        self.send(host, path)?;
        self.receive()
    }

    pub(super) fn send(&mut self, host: &str, path: &str) -> io::Result<()> {
        // In one piece, hence in one segment.
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())
    }

    pub(super) fn receive(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.0)
    }
}

/// Sends one request on a connection of its own.
pub(super) fn get(address: SocketAddr, path: &str, patience: Duration) -> io::Result<Answer> {
    Connection::open(address, patience)?.get("localhost", path)
}

/// Asks until the answer is 200, and returns when that was.
///
/// # Errors
/// Says what came last where there is no such answer in time.
pub(super) fn wait_for_ok(address: SocketAddr, path: &str, patience: Duration) -> io::Result<Instant> {
    /// A loop without a pause would take a processor from the program that it waits for.
    const PAUSE: Duration = Duration::from_micros(50);
    let begun = Instant::now();
    loop {
        let result = get(address, path, patience);
        let now = Instant::now();
        match result {
            Ok(answer) if answer.status == 200 => return Ok(now),
            Ok(answer) if begun.elapsed() > patience => {
                return Err(io::Error::other(format!("the last answer had status {}", answer.status)));
            }
            Err(err) if begun.elapsed() > patience => return Err(err),
            _ => std::thread::sleep(PAUSE),
        }
    }
}

fn read_answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let status_line = read_line(reader)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| invalid(&status_line))?;
    let (mut length, mut chunked) = (None, false);
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>().map_err(|_| invalid(&line))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    let mut body = Vec::new();
    match length {
        _ if chunked => read_chunks(reader, &mut body)?,
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        None => {
            reader.read_to_end(&mut body)?;
        }
    }
    Ok(Answer { status, body })
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| invalid(&line))?;
        if size == 0 {
            // Trailers, then an empty line.
            while !read_line(reader)?.is_empty() {}
            return Ok(());
        }
        let read = reader.take(size).read_to_end(body)?;
        if u64::try_from(read).ok() != Some(size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_line(reader)?;
    }
}

/// A line without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn invalid(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::read_answer;

    #[test]
    fn bodies_have_a_length_or_chunks_or_end_with_the_connection() {
        for (head, body) in [
            ("content-length: 5", "hello"),
            ("Transfer-Encoding: chunked", "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nt: 1\r\n\r\n"),
            ("x: y", "hello"),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
            let answer = read_answer(&mut text.as_bytes()).unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]), "{head}");
        }
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        for text in ["", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "nonsense\r\n\r\n"] {
            assert!(read_answer(&mut text.as_bytes()).is_err(), "{text:?}");
        }
        let cut = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel";
        assert!(read_answer(&mut cut.as_bytes()).is_err());
    }
}
