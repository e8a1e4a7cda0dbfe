//! Lines about containers and objects: `<operation> <container> <object> …`.

wit_bindgen::generate!({
    path: "../../../wit/wasi-blobstore",
    world: "wasi:blobstore/host",
    with: {
        "wasi:io/error@0.2.0": wasip2::io::error,
        "wasi:io/poll@0.2.0": wasip2::io::poll,
        "wasi:io/streams@0.2.0": wasip2::io::streams,
    },
});

use self::wasi::blobstore::blobstore::{
    ObjectId, container_exists, copy_object, create_container, delete_container, get_container, move_object,
};
use self::wasi::blobstore::types::{IncomingValue, OutgoingValue};
use wasip2::io::streams::{OutputStream, StreamError};

type Answer = Result<String, String>;

pub(crate) fn run(words: &[&str]) -> Option<Answer> {
    Some(match words {
        ["create", container] => create_container(container).and_then(|container| container.name()),
        ["created", container] => container_exists(container).map(|exists| exists.to_string()),
        ["remove", container] => delete_container(container).map(|()| ok()),
        ["container-info", container] => get_container(container).and_then(|container| {
            container.info().map(|info| format!("{} {}", info.name, info.created_at > 1_500_000_000))
        }),
        ["clear", container] => get_container(container).and_then(|container| container.clear()).map(|()| ok()),
        ["put", container, object, text] => put(container, object, text),
        ["stream", container, object, bytes] => stream(container, object, bytes.parse().unwrap_or(0), Last::Finish),
        ["unfinished", container, object, bytes] => {
            stream(container, object, bytes.parse().unwrap_or(0), Last::Drop)
        }
        ["late", container, object, bytes] => late(container, object, bytes.parse().unwrap_or(0)),
        ["unassigned"] => OutgoingValue::finish(OutgoingValue::new_outgoing_value()).map(|()| ok()),
        ["body-twice"] => {
            let value = OutgoingValue::new_outgoing_value();
            let first = value.outgoing_value_write_body();
            Ok(format!("{} {}", first.is_ok(), value.outgoing_value_write_body().is_ok()))
        }
        ["read", container, object, start, end] => read(container, object, start, end),
        ["sum", container, object] => sum(container, object),
        ["info", container, object] => get_container(container).and_then(|container| container.object_info(object)).map(
            |info| format!("{} {} {} {}", info.container, info.name, info.size, info.created_at > 1_500_000_000),
        ),
        ["has", container, object] => {
            get_container(container).and_then(|container| container.has_object(object)).map(|has| has.to_string())
        }
        ["delete-objects", container, objects @ ..] => {
            let objects: Vec<String> = objects.iter().map(|object| object.to_string()).collect();
            get_container(container).and_then(|container| container.delete_objects(&objects)).map(|()| ok())
        }
        ["objects", container] => objects(container),
        ["skip", container, count] => skip(container, count.parse().unwrap_or(0)),
        ["copy", from, object, to, target] => copy_object(&id(from, object), &id(to, target)).map(|()| ok()),
        ["move", from, object, to, target] => move_object(&id(from, object), &id(to, target)).map(|()| ok()),
        ["hold", container, object, count] => hold(container, object, count.parse().unwrap_or(0)),
        _ => return None,
    })
}

fn ok() -> String {
    "ok".to_string()
}

fn id(container: &str, object: &str) -> ObjectId {
    ObjectId { container: container.to_string(), object: object.to_string() }
}

/// Bytes first, then the object; the stream is still there when the value is finished.
fn put(container: &str, object: &str, text: &str) -> Answer {
    let container = get_container(container)?;
    let value = OutgoingValue::new_outgoing_value();
    let body = value.outgoing_value_write_body().map_err(|()| "no body")?;
    body.blocking_write_and_flush(text.as_bytes()).map_err(words_of)?;
    container.write_data(object, &value)?;
    OutgoingValue::finish(value)?;
    drop(body);
    Ok(ok())
}

enum Last {
    Finish,
    Drop,
}

/// The object first, then bytes.
fn stream(container: &str, object: &str, bytes: usize, last: Last) -> Answer {
    let container = get_container(container)?;
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(object, &value)?;
    let body = value.outgoing_value_write_body().map_err(|()| "no body")?;
    write(&body, bytes)?;
    drop(body);
    if let Last::Finish = last {
        OutgoingValue::finish(value)?;
    }
    Ok(ok())
}

/// Many bytes first, then the object.
fn late(container: &str, object: &str, bytes: usize) -> Answer {
    let container = get_container(container)?;
    let value = OutgoingValue::new_outgoing_value();
    let body = value.outgoing_value_write_body().map_err(|()| "no body")?;
    write(&body, bytes)?;
    drop(body);
    container.write_data(object, &value)?;
    OutgoingValue::finish(value)?;
    Ok(ok())
}

/// Writes `0, 1, 2, … 250, 0, 1, …` as fast as the host takes it.
fn write(body: &OutputStream, bytes: usize) -> Result<(), String> {
    let content: Vec<u8> = (0..=250).cycle().take(bytes).collect();
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        let room = body.check_write().map_err(words_of)?;
        if room == 0 {
            body.subscribe().block();
            continue;
        }
        let (now, later) = rest.split_at(rest.len().min(room as usize));
        body.write(now).map_err(words_of)?;
        rest = later;
    }
    Ok(())
}

fn read(container: &str, object: &str, start: &str, end: &str) -> Answer {
    let container = get_container(container)?;
    let (start, end) = (start.parse().unwrap_or(0), end.parse().unwrap_or(u64::MAX));
    let value = container.get_data(object, start, end)?;
    let size = value.size();
    let bytes = IncomingValue::incoming_value_consume_sync(value)?;
    if bytes.len() as u64 != size {
        return Err(format!("{} bytes instead of {size}", bytes.len()));
    }
    String::from_utf8(bytes).map_err(|_| "no text".to_string())
}

/// The size and the sum of all bytes, read as a stream.
fn sum(container: &str, object: &str) -> Answer {
    let value = get_container(container)?.get_data(object, 0, u64::MAX)?;
    let body = IncomingValue::incoming_value_consume_async(value)?;
    let (mut size, mut sum) = (0, 0);
    loop {
        match body.blocking_read(100_000) {
            Ok(bytes) => {
                size += bytes.len();
                sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            }
            Err(StreamError::Closed) => return Ok(format!("{size} {sum}")),
            Err(err) => return Err(words_of(err)),
        }
    }
}

fn objects(container: &str) -> Answer {
    let names = get_container(container)?.list_objects()?;
    let mut all = Vec::new();
    loop {
        let (some, end) = names.read_stream_object_names(3)?;
        all.extend(some);
        if end {
            break;
        }
    }
    all.sort();
    Ok(if all.len() > 10 { all.len().to_string() } else { all.join(" ") })
}

fn skip(container: &str, count: u64) -> Answer {
    let names = get_container(container)?.list_objects()?;
    let (skipped, end) = names.skip_stream_object_names(count)?;
    let (rest, _) = names.read_stream_object_names(u64::MAX)?;
    Ok(format!("{skipped} {end} {}", rest.len()))
}

/// Opens an object many times without reading it.
fn hold(container: &str, object: &str, count: usize) -> Answer {
    let container = get_container(container)?;
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(container.get_data(object, 0, u64::MAX)?);
    }
    Ok(held.len().to_string())
}

fn words_of(err: StreamError) -> String {
    match err {
        StreamError::Closed => "closed".to_string(),
        StreamError::LastOperationFailed(err) => err.to_debug_string(),
    }
}
