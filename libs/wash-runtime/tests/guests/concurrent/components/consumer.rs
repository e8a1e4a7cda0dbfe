//! A component that asks its sibling for a stream.

wit_bindgen::generate!({ path: "wit", world: "consuming" });

use concurrent::{Answer, text};
use wasip3::http::types::Request;

struct Consumer;

wasip3::http::service::export!(Consumer);

impl wasip3::exports::http::handler::Guest for Consumer {
    async fn handle(_: Request) -> Answer {
        let bytes = test::concurrent::handles::produce().collect().await;
        text(String::from_utf8(bytes).unwrap())
    }
}
