//! A component that sends messages when it is asked to, and answers those that it gets.

wit_bindgen::generate!({ path: "../../../wit/wasmcloud-messaging-0.3", world: "wasmcloud:messaging/messaging" });

use concurrent::{Answer, text};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::Request;
use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::{BrokerMessage, Error};

struct Messenger;

export!(Messenger);

impl exports::wasmcloud::messaging::handler::Guest for Messenger {
    async fn handle_message(message: BrokerMessage) -> Result<(), Error> {
        let text = String::from_utf8(message.body).unwrap();
        println!("got {text}");
        match text.as_str() {
            "fail" => return Err(Error::QuotaExceeded),
            "trap" => panic!("told to"),
            _ => {}
        }
        // Several of these are under way at once.
        wait_for(200_000_000).await;
        if let Some(reply_to) = message.reply_to {
            let body = text.to_uppercase().into_bytes();
            consumer::publish(BrokerMessage { subject: reply_to, body, reply_to: None }).await?;
        }
        Ok(())
    }
}

wasip3::http::service::export!(Messenger);

impl wasip3::exports::http::handler::Guest for Messenger {
    async fn handle(request: Request) -> Answer {
        let path = request.get_path_with_query().unwrap_or_default();
        let (subject, body) = path[1..].split_once('?').unwrap_or((&path[1..], ""));
        let answer = consumer::request(subject.to_string(), body.as_bytes().to_vec(), 5_000).await;
        text(format!("{:?}", answer.map(|message| String::from_utf8(message.body).unwrap())))
    }
}
