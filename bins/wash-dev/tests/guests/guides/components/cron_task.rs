//! The service guide's task: what the service calls on a timer. It answers HTTP, too.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "cron-task", generate_all });
}

use bindings::exports::wash::guides::cron::Guest;
use wstd::http::{Body, Request, Response};

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "task-build-00";

struct Task;

bindings::export!(Task with_types_in bindings);

impl Guest for Task {
    fn invoke() -> u32 {
        println!("{BUILD} invoked");
        42
    }
}

#[wstd::http_server]
async fn main(_: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    Ok(Response::new(BUILD.to_owned().into()))
}
