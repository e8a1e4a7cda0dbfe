//! The configuration guide: shows values of the environment, and the same by `wasi:config`.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "settings", generate_all });
}

use std::collections::BTreeMap;

use bindings::wasi::config::store;
use wstd::http::{Body, Request, Response};

#[wstd::http_server]
async fn main(req: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    let config: BTreeMap<String, String> = match req.uri().path() {
        "/config" => store::get_all().unwrap_or_default().into_iter().collect(),
        _ => wasip2::cli::environment::get_environment().into_iter().collect(),
    };
    if req.uri().path() == "/guide" {
        let value = |name: &str, default: &str| config.get(name).cloned().unwrap_or_else(|| default.to_owned());
        let (app, upstream) =
            (value("APP_NAME", "My App (dev)"), value("UPSTREAM_URL", "http://localhost:9090"));
        return Ok(Response::new(format!("app={app}\nupstream={upstream}\n").into()));
    }
    let lines: Vec<_> = config.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(Response::new(lines.join("\n").into()))
}
