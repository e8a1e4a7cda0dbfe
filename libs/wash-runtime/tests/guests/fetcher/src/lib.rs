//! A component that sends requests as the headers of the request it answers tell it, and says what came back.
//!
//! `x-target` is the URL. The answer's body is what came back, or the name of what went wrong.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use wstd::http::body::util::BodyExt;
use wstd::http::body::{Bytes, Frame, HttpBody};
use wstd::http::{Body, Client, Error, HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use wstd::time::Duration;

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let told = Told(request.headers().clone());
    let answer = match request.uri().path() {
        "/fetch" => fetch(&told, &told.target()).await,
        "/again" => again(&told).await,
        "/follow" => follow(&told).await,
        "/part" => part(&told).await,
        "/upload" => upload(&told, request.into_body()).await,
        "/trailers" => trailers(&told).await,
        _ => Err(Error::msg("not found")),
    };
    match answer {
        Ok(text) => Ok(Response::new(text.into())),
        Err(err) => Ok(Response::builder().status(StatusCode::BAD_GATEWAY).body(format!("{err:?}").into())?),
    }
}

/// What the headers say.
struct Told(HeaderMap);

impl Told {
    fn text(&self, name: &str) -> Option<String> {
        Some(self.0.get(name)?.to_str().ok()?.to_string())
    }

    fn target(&self) -> String {
        self.text("x-target").unwrap_or_default()
    }

    fn milliseconds(&self, name: &str) -> Option<Duration> {
        Some(Duration::from_millis(self.text(name)?.parse().ok()?))
    }

    fn client(&self) -> Client {
        let mut client = Client::new();
        if let Some(timeout) = self.milliseconds("x-connect-timeout") {
            client.set_connect_timeout(timeout);
        }
        if let Some(timeout) = self.milliseconds("x-first-byte-timeout") {
            client.set_first_byte_timeout(timeout);
        }
        if let Some(timeout) = self.milliseconds("x-between-bytes-timeout") {
            client.set_between_bytes_timeout(timeout);
        }
        client
    }

    async fn send(&self, target: &str) -> Result<Response<Body>, Error> {
        self.client().send(Request::get(target).body(Body::empty())?).await
    }
}

async fn fetch(told: &Told, target: &str) -> Result<String, Error> {
    let mut response = told.send(target).await?;
    Ok(response.body_mut().str_contents().await?.to_string())
}

/// Fetches several times, one after the other.
async fn again(told: &Told) -> Result<String, Error> {
    let times: usize = told.text("x-times").and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut texts = Vec::new();
    for _ in 0..times {
        texts.push(fetch(told, &told.target()).await?);
    }
    Ok(texts.join(","))
}

/// Follows redirects.
async fn follow(told: &Told) -> Result<String, Error> {
    let mut target = told.target();
    loop {
        let mut response = told.send(&target).await?;
        match response.headers().get("location") {
            Some(location) => target = location.to_str()?.to_string(),
            None => return Ok(response.body_mut().str_contents().await?.to_string()),
        }
    }
}

/// Reads the first part of a body only.
async fn part(told: &Told) -> Result<String, Error> {
    let mut body = told.send(&told.target()).await?.into_body().into_boxed_body();
    let frame = body.frame().await.ok_or_else(|| Error::msg("no body"))??;
    let data = frame.into_data().map_err(|_| Error::msg("no data"))?;
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// Sends on what it gets while it gets it.
async fn upload(told: &Told, body: Body) -> Result<String, Error> {
    let mut response = told.client().send(Request::post(told.target()).body(body)?).await?;
    Ok(response.body_mut().str_contents().await?.to_string())
}

/// Sends trailers and says which came back.
async fn trailers(told: &Told) -> Result<String, Error> {
    let mut sent = HeaderMap::new();
    sent.insert("x-sum", HeaderValue::from_static("sent"));
    let body = Body::from_http_body(WithTrailers { data: Some(Bytes::from_static(b"data")), trailers: Some(sent) });
    let mut request = Request::post(told.target().parse::<Uri>()?).header("trailer", "x-sum").header("te", "trailers");
    if let Some(content_type) = told.text("x-content-type") {
        request = request.header("content-type", content_type);
    }
    let response = told.client().send(request.body(body)?).await?;
    let collected = response.into_body().into_boxed_body().collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&collected.to_bytes()).into_owned();
    Ok(format!("{text} {:?}", trailers.get("x-sum")))
}

struct WithTrailers {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl HttpBody for WithTrailers {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }
}
