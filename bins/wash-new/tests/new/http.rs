//! HTTP servers on a loopback port: one that serves repositories with `git http-backend`, and ones that misbehave.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// Serves the repositories in `root` until the test ends; returns the URL of the root.
pub(crate) fn serve_repositories(root: PathBuf, mut backend: Command) -> String {
    backend.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    serve(move |stream| answer_with_backend(stream, &mut backend))
}

/// Answers every request with `response`.
pub(crate) fn serve_response(response: &'static str) -> String {
    serve(move |mut stream| {
        let _ = read_request(&mut stream);
        let _ = stream.write_all(response.as_bytes());
    })
}

/// Accepts connections and never answers; each one is announced.
pub(crate) fn serve_silence() -> (String, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let mut open = Vec::new();
    let url = serve(move |stream| {
        open.push(stream);
        let _ = sender.send(());
    });
    (url, receiver)
}

fn serve(mut answer: impl FnMut(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
        }
    });
    url
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() };
    if let Some(length) = request.header("content-length").and_then(|length| length.parse().ok()) {
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
    } else if request.header("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let length = u64::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = Vec::new();
            (&mut reader).take(length + 2).read_to_end(&mut chunk).ok()?;
            if length == 0 {
                break;
            }
            chunk.truncate(chunk.len() - 2);
            request.body.extend(chunk);
        }
    }
    Some(request)
}

fn answer_with_backend(mut stream: TcpStream, backend: &mut Command) {
    let Some(request) = read_request(&mut stream) else { return };
    let mut child = backend
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // A backend that has read enough closes the pipe.
    let _ = input.write_all(&request.body);
    drop(input);
    let output = child.wait_with_output().unwrap().stdout;
    let status = match output.strip_prefix(b"Status: ") {
        Some(rest) => String::from_utf8_lossy(rest.split(|byte| *byte == b'\r').next().unwrap()).into_owned(),
        None => "200 OK".to_owned(),
    };
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes());
    let _ = stream.write_all(&output);
}
