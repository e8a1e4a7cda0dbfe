//! A component that takes what it can get: each path takes something else.

use std::hint::black_box;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

struct Greedy;

impl wasip2::exports::http::incoming_handler::Guest for Greedy {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let number = || query.parse::<usize>().unwrap_or(0);
        match path {
            "/allocate" => allocate(),
            "/recurse" => {
                black_box(recurse(black_box(1)));
            }
            "/descend" => {
                black_box(descend(black_box(1)));
            }
            "/handles" => {
                for _ in 0..number() {
                    std::mem::forget(Fields::new());
                }
                answer(response_out, Fields::new(), b"held");
            }
            "/hoard" => {
                for _ in 0..number() {
                    std::mem::forget(large_headers());
                }
                answer(response_out, Fields::new(), b"hoarded");
            }
            "/hoard-copies" => {
                let headers = large_headers();
                for _ in 0..number() {
                    std::mem::forget(headers.clone());
                }
                answer(response_out, Fields::new(), b"hoarded");
            }
            "/hoard-responses" => {
                for _ in 0..number() {
                    std::mem::forget(OutgoingResponse::new(large_headers()));
                }
                answer(response_out, Fields::new(), b"hoarded");
            }
            "/hoard-paths" => {
                let path = format!("/{}", "x".repeat(60_000));
                for _ in 0..number() {
                    let request = OutgoingRequest::new(Fields::new());
                    request.set_path_with_query(Some(&path)).unwrap();
                    std::mem::forget(request);
                }
                answer(response_out, Fields::new(), b"hoarded");
            }
            "/churn" => {
                for _ in 0..number() {
                    drop(large_headers());
                }
                answer(response_out, Fields::new(), b"churned");
            }
            "/files" => {
                let opened = open_files(number());
                answer(response_out, Fields::new(), opened.to_string().as_bytes());
            }
            "/streams" => {
                let opened = open_streams(number());
                answer(response_out, Fields::new(), opened.to_string().as_bytes());
            }
            "/directories" => {
                // Handles that opened nothing: closing them makes no room.
                for _ in 0..number() {
                    drop(get_directories());
                }
                let opened = open_files(number());
                answer(response_out, Fields::new(), opened.to_string().as_bytes());
            }
            "/reopen" => {
                // One at a time, however often.
                for _ in 0..number() {
                    assert_eq!(open_files_and_close(), 1);
                }
                answer(response_out, Fields::new(), b"fine");
            }
            "/headers" => {
                let headers = Fields::new();
                let value = vec![b'x'; 1000];
                for index in 0..number() {
                    if headers.append(&format!("x-{index}"), &value).is_err() {
                        break;
                    }
                }
                answer(response_out, headers, b"many headers");
            }
            "/unread" => answer(response_out, Fields::new(), b"not read"),
            "/early" => {
                let headers = Fields::new();
                headers.set("content-length", &[b"1000".to_vec()]).unwrap();
                answer(response_out, headers, b"too short");
            }
            "/unfinished" => {
                let response = OutgoingResponse::new(Fields::new());
                let body = response.body().unwrap();
                ResponseOutparam::set(response_out, Ok(response));
                let stream = body.write().unwrap();
                stream.blocking_write_and_flush(b"begun").unwrap();
                // Neither the stream nor the body is ended.
                std::mem::forget((stream, body));
            }
            "/promised" => {
                // So many bytes are promised, five are written, and nothing is ended.
                let headers = Fields::new();
                headers.set("content-length", &[query.as_bytes().to_vec()]).unwrap();
                let response = OutgoingResponse::new(headers);
                let body = response.body().unwrap();
                ResponseOutparam::set(response_out, Ok(response));
                let stream = body.write().unwrap();
                _ = stream.blocking_write_and_flush(b"begun");
                std::mem::forget((stream, body));
            }
            "/aborted" => {
                let response = OutgoingResponse::new(Fields::new());
                let body = response.body().unwrap();
                ResponseOutparam::set(response_out, Ok(response));
                let stream = body.write().unwrap();
                stream.check_write().unwrap();
                stream.write(b"begun").unwrap();
                // Both are dropped, and the body is not finished.
            }
            "/method" => {
                let request = OutgoingRequest::new(Fields::new());
                let taken = request.set_method(&Method::Other("A".repeat(number())));
                let text = if taken.is_ok() { "taken" } else { "refused" };
                answer(response_out, Fields::new(), text.as_bytes());
            }
            "/flood" => flood(response_out),
            "/turns" => turns(number() as u64),
            "/hold" => {
                println!("begin");
                std::thread::sleep(std::time::Duration::from_millis(30));
                println!("end");
                answer(response_out, Fields::new(), b"held");
            }
            "/wait" => {
                println!("entered");
                std::thread::sleep(std::time::Duration::from_secs(1 << 30));
            }
            "/spin" => {
                println!("entered");
                loop {
                    black_box(());
                }
            }
            "/write" => say(response_out, std::fs::write(query, "guest")),
            "/read" => say(response_out, std::fs::read_to_string(query)),
            "/delete" => say(response_out, std::fs::remove_file(query)),
            "/mkdir" => say(response_out, std::fs::create_dir(query)),
            "/list" => {
                let names = std::fs::read_dir(query).map(|entries| {
                    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
                    names.sort();
                    names
                });
                say(response_out, names);
            }
            "/link" => {
                // `target,link`: what the link says may lead anywhere.
                let (target, link) = query.split_once(',').unwrap_or_default();
                let (directory, _) = &get_directories()[0];
                say_code(response_out, directory.symlink_at(target, link));
            }
            _ => answer(response_out, Fields::new(), b"greedy"),
        }
    }
}

/// 100 kB of them.
fn large_headers() -> Fields {
    let headers = Fields::new();
    headers.append("x-large", &vec![b'x'; 100_000]).unwrap();
    headers
}

fn answer(response_out: ResponseOutparam, headers: Fields, bytes: &[u8]) {
    let response = OutgoingResponse::new(headers);
    let body = response.body().unwrap();
    ResponseOutparam::set(response_out, Ok(response));
    body.write().unwrap().blocking_write_and_flush(bytes).unwrap();
    _ = OutgoingBody::finish(body, None);
}

fn say<T: std::fmt::Debug>(response_out: ResponseOutparam, result: std::io::Result<T>) {
    let text = match result {
        Ok(value) => format!("{value:?}"),
        Err(err) => format!("error: {:?}", err.kind()),
    };
    answer(response_out, Fields::new(), text.as_bytes());
}

fn say_code(response_out: ResponseOutparam, result: Result<(), wasip2::filesystem::types::ErrorCode>) {
    let text = result.map_or_else(|code| format!("error: {code:?}"), |()| "()".to_string());
    answer(response_out, Fields::new(), text.as_bytes());
}

fn allocate() {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(frame[0] + 1) + black_box(frame)[63]
}

/// Recurses without a frame in memory, so that it is the engine's own stack that ends.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    if depth == 0 { 0 } else { descend(depth + 1).rotate_left(7) ^ depth }
}

/// Opens the first directory's file `file` so often, and tells how often that worked.
fn open_files(number: usize) -> usize {
    let (directory, _) = &get_directories()[0];
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let mut opened = Vec::new();
    for _ in 0..number {
        match directory.open_at(PathFlags::empty(), "file", OpenFlags::CREATE, flags) {
            Ok(file) => opened.push(file),
            Err(_) => break,
        }
    }
    let number = opened.len();
    println!("opened {number}");
    // They stay open until the instance goes.
    std::mem::forget(opened);
    number
}

/// The same, with streams that keep the files open while their handles go.
fn open_streams(number: usize) -> usize {
    let (directory, _) = &get_directories()[0];
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let mut opened = Vec::new();
    for _ in 0..number {
        match directory.open_at(PathFlags::empty(), "file", OpenFlags::CREATE, flags) {
            Ok(file) => opened.push(file.read_via_stream(0).unwrap()),
            Err(_) => break,
        }
    }
    let number = opened.len();
    std::mem::forget(opened);
    number
}

fn open_files_and_close() -> usize {
    let (directory, _) = &get_directories()[0];
    let opened = directory.open_at(PathFlags::empty(), "file", OpenFlags::CREATE, DescriptorFlags::WRITE);
    usize::from(opened.is_ok())
}

/// Sends bytes until nobody takes them.
fn flood(response_out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    ResponseOutparam::set(response_out, Ok(response));
    let stream = body.write().unwrap();
    println!("entered");
    loop {
        match stream.blocking_write_and_flush(&[b'x'; 4096]) {
            Ok(()) => {}
            Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => return,
        }
    }
}

/// Computes for ever and says how far it has come.
fn turns(between: u64) {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns + 1);
        if turns % between.max(1) == 0 {
            println!("turns");
        }
    }
}

wasip2::http::proxy::export!(Greedy);
