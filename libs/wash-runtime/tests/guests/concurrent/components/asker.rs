//! A component that answers requests with the help of a sibling and of the host's plugins.

wit_bindgen::generate!({ path: "wit", world: "asking" });

mod config {
    wit_bindgen::generate!({ path: "../../../wit/wasi-config", world: "wasi:config/config" });
}

mod keyvalue {
    wit_bindgen::generate!({ path: "../../../wit/wasi-keyvalue", world: "wasi:keyvalue/host" });
}

use concurrent::{Answer, text};
use keyvalue::wasi::keyvalue::{atomics, store};
use test::concurrent::helper;
use wasip3::http::types::Request;

struct Asker;

wasip3::http::service::export!(Asker);

impl wasip3::exports::http::handler::Guest for Asker {
    async fn handle(request: Request) -> Answer {
        match request.get_path_with_query().unwrap_or_default().as_str() {
            "/add" => text(helper::add(1, 2).to_string()),
            "/add-later" => {
                let begun = std::time::Instant::now();
                let mut calls: Vec<_> = (0..5).map(|number| Box::pin(helper::add_later(number, 10, 300))).collect();
                let mut sums = Vec::new();
                // All of them are under way before the first is waited for.
                std::future::poll_fn(|cx| {
                    calls.retain_mut(|call| match call.as_mut().poll(cx) {
                        std::task::Poll::Ready(sum) => {
                            sums.push(sum);
                            false
                        }
                        std::task::Poll::Pending => true,
                    });
                    if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
                sums.sort_unstable();
                text(format!("{sums:?} {}", begun.elapsed().as_millis() < 1_200))
            }
            "/variable" => text(format!("{:?} {:?}", std::env::var("OF").ok(), helper::variable("OF"))),
            "/fail" => {
                helper::fail().await;
                text("it did not fail")
            }
            "/config" => text(format!("{:?}", config::wasi::config::store::get("greeting"))),
            "/keyvalue" => {
                let bucket = store::open("default").unwrap();
                bucket.set("key", b"value").unwrap();
                let sum = atomics::increment(&bucket, "number", 2).unwrap();
                text(format!("{:?} {sum}", bucket.get("key").unwrap().map(String::from_utf8)))
            }
            path => text(format!("unknown: {path}")),
        }
    }
}
