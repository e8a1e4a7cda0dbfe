//! The filesystem guide: lists, reads and writes files in a mounted folder.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags};
use wstd::http::{Body, Method, Request, Response, StatusCode};

const PREOPEN: &str = "/data";

#[wstd::http_server]
async fn main(mut req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    let (method, path) = (req.method().clone(), req.uri().path().to_owned());
    let body = req.body_mut().contents().await?.to_vec();
    let Some(dir) = preopen(PREOPEN) else {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, format!("no {PREOPEN} preopen mounted\n"));
    };
    let result = match (method, path.strip_prefix("/files/")) {
        (Method::GET, None) => list(&dir).map(|text| (StatusCode::OK, text)),
        (Method::GET, Some(name)) => read(&dir, name).map(|text| (StatusCode::OK, text)),
        (Method::PUT, Some(name)) => write(&dir, name, &body).map(|()| (StatusCode::CREATED, String::new())),
        _ => return answer(StatusCode::NOT_FOUND, "Not found\n".to_owned()),
    };
    match result {
        Ok((status, text)) => answer(status, text),
        Err(err) => answer(StatusCode::INTERNAL_SERVER_ERROR, format!("{err:?}\n")),
    }
}

fn preopen(path: &str) -> Option<Descriptor> {
    get_directories().into_iter().find(|(_, mount)| mount == path).map(|(dir, _)| dir)
}

fn list(dir: &Descriptor) -> Result<String, ErrorCode> {
    let stream = dir.read_directory()?;
    let mut entries = Vec::new();
    while let Some(entry) = stream.read_directory_entry()? {
        let kind = if entry.type_ == DescriptorType::RegularFile { "regular-file" } else { "other" };
        entries.push(serde_json::json!({ "name": entry.name, "kind": kind }));
    }
    Ok(serde_json::json!({ "path": PREOPEN, "entries": entries }).to_string())
}

fn read(dir: &Descriptor, name: &str) -> Result<String, ErrorCode> {
    let file = dir.open_at(PathFlags::SYMLINK_FOLLOW, name, OpenFlags::empty(), DescriptorFlags::READ)?;
    let (bytes, _) = file.read(1024 * 1024, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(dir: &Descriptor, name: &str, data: &[u8]) -> Result<(), ErrorCode> {
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = dir.open_at(PathFlags::SYMLINK_FOLLOW, name, flags, DescriptorFlags::WRITE)?;
    file.write(data, 0).map(|_| ())
}

fn answer(status: StatusCode, body: String) -> Result<Response<Body>, wstd::http::Error> {
    Ok(Response::builder().status(status).body(body.into())?)
}
