//! An HTTP/1.1 client that shows its connection: kept alive, written in pieces, read in pieces.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::server::PATIENCE;

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// Of the last response.
    headers: Vec<(String, String)>,
}

/// The head of a response; without a length, the body comes in chunks.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: Option<usize>,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into() }
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), headers: Vec::new() }
    }

    /// Gets a path; the connection stays open.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    /// Sends a request and reads the whole response; the connection stays open.
    pub(crate) fn request(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test.example\r\ncontent-length: {length}\r\n\r\n");
        self.send(&(head + body));
        self.read_answer()
    }

    /// A header of the last response.
    pub(crate) fn last_header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone())
    }

    /// Reads a whole response.
    pub(crate) fn read_answer(&mut self) -> Answer {
        let head = self.read_head();
        let mut body = String::new();
        match head.length {
            Some(length) => body = self.read_bytes(length),
            None => {
                while let Some(chunk) = self.read_chunk() {
                    body.push_str(&chunk);
                }
            }
        }
        Answer { status: head.status, body }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Reads the head of a response.
    pub(crate) fn read_head(&mut self) -> Head {
        let line = self.read_line();
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{line:?} should be a status line"));
        let mut head = Head { status, length: None };
        self.headers.clear();
        loop {
            let line = self.read_line();
            if line.is_empty() {
                return head;
            }
            if let Some((name, value)) = line.split_once(':') {
                let (name, value) = (name.to_lowercase(), value.trim());
                if name == "content-length" {
                    head.length = Some(value.parse().unwrap());
                }
                self.headers.push((name, value.to_owned()));
            }
        }
    }

    /// The next chunk of a body; `None` at its end.
    pub(crate) fn read_chunk(&mut self) -> Option<String> {
        let size = self.read_line();
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|err| panic!("{size:?}: {err}"));
        let chunk = self.read_bytes(size);
        assert_eq!(self.read_line(), "");
        (size > 0).then_some(chunk)
    }

    /// Waits until the server closes the connection, having sent nothing more.
    pub(crate) fn read_end(mut self) {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    fn read_bytes(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "the server should not close the connection: {line:?}");
        line.trim_end().to_owned()
    }
}
