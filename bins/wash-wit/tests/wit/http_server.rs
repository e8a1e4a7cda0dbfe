//! A web server for one test: says what it is told to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// An answer: a status, and a body of which only a part may be sent.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) sent: usize,
    /// Never answer at all.
    pub(crate) hangs: bool,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { status: 200, sent: body.len(), body, hangs: false }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::ok("no") }
    }

    pub(crate) fn half(body: impl Into<Vec<u8>>) -> Self {
        let answer = Self::ok(body);
        Self { sent: answer.body.len() / 2, ..answer }
    }

    pub(crate) fn hanging() -> Self {
        Self { hangs: true, ..Self::ok("") }
    }
}

/// Lives as long as the test's process.
pub(crate) struct HttpServer {
    pub(crate) address: String,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (answers, asked) = (Arc::default(), Arc::default());
        let server = Self { address, answers: Arc::clone(&answers), asked: Arc::clone(&asked) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                thread::spawn(move || serve(&stream, &answers, &asked));
            }
        });
        server
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The paths that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, answers: &Mutex<BTreeMap<String, Answer>>, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let _ = reader.read_line(&mut request);
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|length| length > 2) {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(path.clone());
    let answer = answers.lock().unwrap().get(&path).cloned().unwrap_or_else(|| Answer::status(404));
    if answer.hangs {
        // Until the client gives up, which closes the connection.
        let _ = reader.read_line(&mut header);
        return;
    }
    let mut stream = stream;
    let head =
        format!("HTTP/1.1 {} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.status, answer.body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer.body[..answer.sent]));
}
