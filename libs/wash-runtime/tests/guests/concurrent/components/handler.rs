//! A component that answers requests as WASI 0.3 has it: each path is one way to behave or to misbehave.
//!
//! Before it does what takes long it prints `entered`, so that a test can wait for that.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use concurrent::{Answer, body, chunk, streaming, text, variable};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{wit_future, wit_stream};

static ANSWERED: AtomicU32 = AtomicU32::new(0);

const MILLISECOND: u64 = 1_000_000;

struct Handler;

wasip3::http::service::export!(Handler);

impl wasip3::exports::http::handler::Guest for Handler {
    async fn handle(request: Request) -> Answer {
        let path = request.get_path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        match path {
            "/version" => text(variable("VERSION")),
            "/uri" => text(uri(&request)),
            "/count" => text(ANSWERED.fetch_add(1, Ordering::Relaxed).to_string()),
            "/echo" => echo(request),
            "/copy" => copy(request),
            "/length" => length(request).await,
            "/chunks" => chunks(query.parse().unwrap_or(0)),
            "/trailers" => trailers(request),
            "/empty" => Ok(Response::new(Fields::new(), None, wit_future::new(|| Ok(None)).1).0),
            "/print" => print().await,
            "/fetch" => fetch(query).await,
            "/file" => file().await,
            "/open-many" => open_many().await,
            "/grow" => {
                let mebibytes: usize = query.parse().unwrap_or(0);
                let grown = Vec::<u8>::new().try_reserve_exact(black_box(mebibytes) << 20);
                text(if grown.is_ok() { "grown" } else { "refused" })
            }
            "/hoard" => hoard(),
            "/sleep" => {
                wait_for(1_000 * MILLISECOND).await;
                text("slept")
            }
            "/never" => {
                println!("entered");
                wait_for(u64::MAX / 2).await;
                text("overslept")
            }
            "/spin" => {
                println!("entered");
                let mut turns = 0_u64;
                loop {
                    turns = black_box(turns.wrapping_add(1));
                }
            }
            "/trap" => panic!("told to"),
            "/error" => Err(ErrorCode::ConfigurationError),
            "/stream-forever" => streaming(async |mut writer| while writer.write_all(b"chunk".to_vec()).await.is_empty() {}),
            "/stream-and-trap" => streaming(async |mut writer| {
                writer.write_all(b"chunk".to_vec()).await;
                wait_for(50 * MILLISECOND).await;
                panic!("told to");
            }),
            "/afterwards" => afterwards(100),
            "/afterwards-forever" => afterwards(u64::MAX / (2 * MILLISECOND)),
            _ => {
                let response = text("not found")?;
                response.set_status_code(404).unwrap();
                Ok(response)
            }
        }
    }
}

fn uri(request: &Request) -> String {
    let scheme = match request.get_scheme() {
        Some(Scheme::Http) => "http".to_string(),
        Some(Scheme::Https) => "https".to_string(),
        Some(Scheme::Other(other)) => other,
        None => String::new(),
    };
    let authority = request.get_authority().unwrap_or_default();
    format!("{scheme}://{authority}{}", request.get_path_with_query().unwrap_or_default())
}

/// Hands the request's body on as it is.
fn echo(request: Request) -> Answer {
    let (stream, trailers) = body(request);
    let (response, _sent) = Response::new(Fields::new(), Some(stream), trailers);
    Ok(response)
}

/// Reads the request's body chunk by chunk, and writes each before it reads the next.
fn copy(request: Request) -> Answer {
    let (mut stream, _trailers) = body(request);
    streaming(async move |mut writer| {
        while let Some(bytes) = chunk(&mut stream).await {
            if !writer.write_all(bytes).await.is_empty() {
                return;
            }
        }
    })
}

async fn length(request: Request) -> Answer {
    println!("entered");
    let (mut stream, trailers) = body(request);
    let mut length = 0;
    while let Some(bytes) = chunk(&mut stream).await {
        length += bytes.len();
    }
    match trailers.await {
        Ok(_) => text(length.to_string()),
        Err(err) => text(format!("{err:?}")),
    }
}

/// A body of so many chunks of a kilobyte.
fn chunks(count: usize) -> Answer {
    streaming(async move |mut writer| {
        for _ in 0..count {
            if !writer.write_all(vec![b'x'; 1024]).await.is_empty() {
                return;
            }
        }
    })
}

/// The request's trailers, after its body.
fn trailers(request: Request) -> Answer {
    let (mut stream, trailers) = body(request);
    let (mut writer, reader) = wit_stream::new();
    let (trailers_writer, trailers_reader) = wit_future::new(|| Ok(None));
    let headers = Fields::from_list(&[("trailer".to_string(), b"x-end".to_vec())]).unwrap();
    let (response, sent) = Response::new(headers, Some(reader), trailers_reader);
    wasip3::spawn_local(async move {
        while let Some(bytes) = chunk(&mut stream).await {
            writer.write_all(bytes).await;
        }
        drop(writer);
        let trailers = trailers.await;
        trailers_writer.write(trailers).await.unwrap();
        println!("sent: {:?}", sent.await);
    });
    Ok(response)
}

async fn print() -> Answer {
    let (mut writer, reader) = wit_stream::new();
    let printed = wasip3::cli::stdout::write_via_stream(reader);
    writer.write_all(b"to standard output\n".to_vec()).await;
    drop(writer);
    text(format!("{:?}", printed.await))
}

/// Gets a URL and passes on what comes back.
async fn fetch(url: &str) -> Answer {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    drop(no_trailers);
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    request.set_method(&Method::Get).unwrap();
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    match client::send(request).await {
        Ok(response) => {
            let status = response.get_status_code();
            let (_read, result) = wit_future::new(|| Ok(()));
            let (stream, trailers) = Response::consume_body(response, result);
            let (response, _sent) = Response::new(Fields::new(), Some(stream), trailers);
            response.set_status_code(status).unwrap();
            Ok(response)
        }
        Err(err) => {
            let response = text(format!("{err:?}"))?;
            response.set_status_code(502).unwrap();
            Ok(response)
        }
    }
}

fn directory() -> Option<Descriptor> {
    get_directories().into_iter().next().map(|(directory, _)| directory)
}

/// Writes a file of the first directory, and sends it.
async fn file() -> Answer {
    let Some(directory) = directory() else { return text("no directory") };
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let file = directory.open_at(PathFlags::empty(), "note".to_string(), OpenFlags::CREATE, flags).await;
    let file = match file {
        Ok(file) => file,
        Err(err) => return text(format!("{err:?}")),
    };
    let (mut writer, reader) = wit_stream::new();
    let written = file.write_via_stream(reader, 0);
    writer.write_all(b"written with streams".to_vec()).await;
    drop(writer);
    written.await.unwrap();
    // The body is the file's own stream: the guest has ended before it is sent.
    let (stream, _read) = file.read_via_stream(0);
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    drop(no_trailers);
    Ok(Response::new(Fields::new(), Some(stream), trailers).0)
}

/// Opens a file until it is refused.
async fn open_many() -> Answer {
    let Some(directory) = directory() else { return text("no directory") };
    let mut files = Vec::new();
    loop {
        let opened = directory
            .open_at(PathFlags::empty(), "many".to_string(), OpenFlags::CREATE, DescriptorFlags::READ)
            .await;
        match opened {
            Ok(file) => files.push(file),
            Err(err) => return text(format!("{} {err:?}", files.len() > 10)),
        }
    }
}

/// Keeps up to 64 MiB of headers.
fn hoard() -> Answer {
    let mut kept = Vec::new();
    for _ in 0..1_000 {
        let fields = Fields::new();
        for _ in 0..64 {
            fields.append("x-kept", &[b'x'; 1_000]).unwrap();
        }
        kept.push(fields);
    }
    text(format!("kept {}", kept.len()))
}

/// Goes on for a while after the response has been sent.
fn afterwards(milliseconds: u64) -> Answer {
    streaming(async move |mut writer| {
        writer.write_all(b"sent".to_vec()).await;
        drop(writer);
        println!("entered");
        wait_for(milliseconds * MILLISECOND).await;
        println!("afterwards");
    })
}
