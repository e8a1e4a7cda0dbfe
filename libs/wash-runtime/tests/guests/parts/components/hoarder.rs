//! A component that makes the host do things that it should not: each path asks for too much of something.

use std::mem::forget;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::poll;
use wasip2::random::random::get_random_bytes;

const HOUR: u64 = 3_600_000_000_000;

struct Hoarder;

impl wasip2::exports::http::incoming_handler::Guest for Hoarder {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let number = query.parse::<u64>().unwrap_or(0);
        match path {
            "/random" => answer(response_out, get_random_bytes(number).len()),
            "/read" => {
                let stream = large_file().read_via_stream(0).unwrap();
                answer(response_out, stream.blocking_read(u64::MAX).unwrap().len());
            }
            "/read-at" => answer(response_out, large_file().read(u64::MAX, 0).unwrap().0.len()),
            "/overlapping" => answer(response_out, overlapping(number as usize)),
            "/console" => {
                let chunk = vec![b'x'; 1 << 20];
                let stream = wasip2::cli::stdout::get_stdout();
                for _ in 0..number {
                    for part in chunk.chunks(4096) {
                        stream.blocking_write_and_flush(part).unwrap();
                    }
                }
                answer(response_out, number);
            }
            "/timers" => {
                let timers: Vec<_> = (0..number).map(|_| subscribe_duration(HOUR)).collect();
                forget(timers);
                answer(response_out, number);
            }
            "/poll" => {
                let mut timers: Vec<_> = (0..number).map(|_| subscribe_duration(HOUR)).collect();
                timers.push(subscribe_duration(1));
                let all: Vec<_> = timers.iter().collect();
                answer(response_out, poll::poll(&all).len());
            }
            "/poll-again" => {
                let (late, soon) = (subscribe_duration(HOUR), subscribe_duration(1));
                let mut all = vec![&late; number as usize];
                all.push(&soon);
                answer(response_out, poll::poll(&all).len());
            }
            "/header" => {
                let set = Fields::new().set("x-long", &[vec![b'x'; number as usize]]);
                answer(response_out, set.is_ok());
            }
            "/directories" => {
                let opened: Vec<_> = (0..number).map_while(|_| open(".", OpenFlags::DIRECTORY)).collect();
                answer(response_out, opened.len());
                forget(opened);
            }
            "/fetches" => {
                let begun = (0..number).map_while(|_| fetch(query_of(&request, "x-target"))).map(forget).count();
                answer(response_out, begun);
            }
            "/zeroes" | "/unasked" => misuse_stream(path, response_out),
            "/too-long" => {
                let headers = Fields::new();
                headers.set("content-length", &[b"5".to_vec()]).unwrap();
                send(response_out, headers, 200, &[b'x'; 1000], None);
            }
            "/forbidden" => forbidden(response_out),
            "/split" => {
                let mut refused = 0;
                for text in ["a\r\nx-injected: 1", "a\nx-injected: 1", "a\0b", "\r\n\r\n<html>"] {
                    refused += usize::from(Fields::new().set("x-text", &[text.as_bytes().to_vec()]).is_err());
                    refused += usize::from(Fields::new().set(text, &[b"a".to_vec()]).is_err());
                }
                answer(response_out, refused);
            }
            "/trailers" => {
                let trailers = Fields::new();
                for index in 0..number {
                    _ = trailers.append(&format!("x-{index}"), &[b'x'; 100]);
                }
                for name in ["content-length", "transfer-encoding", "host", "trailer"] {
                    _ = trailers.append(name, b"5");
                }
                let headers = Fields::new();
                _ = headers.set("trailer", &[b"x-0".to_vec()]);
                send(response_out, headers, 200, b"body", Some(trailers));
            }
            "/status" => send(response_out, Fields::new(), number as u16, b"body", None),
            "/silent" => {}
            _ => answer(response_out, "hoarder"),
        }
    }
}

fn answer(response_out: ResponseOutparam, value: impl ToString) {
    send(response_out, Fields::new(), 200, value.to_string().as_bytes(), None);
}

fn send(response_out: ResponseOutparam, headers: Fields, status: u16, bytes: &[u8], trailers: Option<Fields>) {
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(response_out, Ok(response));
    // Where the status allows no body nobody takes it.
    _ = body.write().unwrap().blocking_write_and_flush(bytes);
    _ = OutgoingBody::finish(body, trailers);
}

/// Writes what it was not allowed to.
fn misuse_stream(path: &str, response_out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    ResponseOutparam::set(response_out, Ok(response));
    let stream = body.write().unwrap();
    let written = match path {
        "/zeroes" => stream.write_zeroes(u64::MAX),
        _ => stream.write(&vec![b'x'; 64 << 20]),
    };
    written.unwrap();
    stream.blocking_flush().unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Which headers of the connection itself the guest may set.
fn forbidden(response_out: ResponseOutparam) {
    let headers = Fields::new();
    let names = ["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "host", "proxy-connection"];
    let set = names.iter().filter(|name| headers.set(name, &[b"close, chunked".to_vec()]).is_ok()).count();
    send(response_out, headers, 200, set.to_string().as_bytes(), None);
}

fn open(path: &str, flags: OpenFlags) -> Option<Descriptor> {
    let (directory, _) = &get_directories()[0];
    directory.open_at(PathFlags::empty(), path, flags, DescriptorFlags::READ).ok()
}

fn large_file() -> Descriptor {
    open("large", OpenFlags::empty()).unwrap()
}

fn query_of(request: &IncomingRequest, name: &str) -> String {
    request.headers().get(name).first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// Begins a request whose answer nobody waits for.
fn fetch(authority: String) -> Option<impl Sized> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).ok()?;
    request.set_authority(Some(&authority)).ok()?;
    outgoing_handler::handle(request, None).ok()
}

/// One entry of a list of headers, as the canonical ABI lays it out.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    name: *const u8,
    name_length: usize,
    value: *const u8,
    value_length: usize,
}

#[link(wasm_import_module = "wasi:http/types@0.2.12")]
unsafe extern "C" {
    #[link_name = "[static]fields.from-list"]
    fn from_list(entries: *const Entry, length: usize, result: *mut [u32; 2]);
}

/// Headers whose values are all the same megabyte: little here, and much for whoever copies each.
fn overlapping(entries: usize) -> bool {
    let value = vec![b'x'; 1 << 20];
    let name = b"x-same";
    let entry =
        Entry { name: name.as_ptr(), name_length: name.len(), value: value.as_ptr(), value_length: value.len() };
    let list = vec![entry; entries];
    let mut result = [0; 2];
    // The entries and what they point to live until the call is over.
    unsafe { from_list(list.as_ptr(), list.len(), &raw mut result) };
    result[0] & 0xff == 0
}

wasip2::http::proxy::export!(Hoarder);
