//! A component for the host's tests: it carries out the lines of a request's body and answers each with a line.

mod blobs;
mod values;

use wstd::http::{Body, Error, Request, Response};

#[wstd::http_server]
async fn main(mut request: Request<Body>) -> Result<Response<Body>, Error> {
    let script = request.body_mut().contents().await?.to_vec();
    let script = String::from_utf8(script).map_err(|_| Error::msg("the script is no text"))?;
    let answers: Vec<String> = script.lines().map(answer).collect();
    Ok(Response::new(answers.join("\n").into()))
}

fn answer(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let done = values::run(&words).or_else(|| blobs::run(&words));
    match done {
        Some(Ok(answer)) => answer,
        Some(Err(err)) => format!("error: {err}"),
        None => format!("unknown: {line}"),
    }
}
