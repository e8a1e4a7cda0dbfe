//! The messaging guide's worker: answers each message with its text in leet speak.

wit_bindgen::generate!({ path: "wit", world: "task", generate_all });

use exports::wasmcloud::messaging::handler::Guest;
use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::BrokerMessage;

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "leet-build-00";

struct Component;

export!(Component);

impl Guest for Component {
    fn handle_message(msg: BrokerMessage) -> Result<(), String> {
        println!("{BUILD} got a message");
        let Some(subject) = msg.reply_to else { return Err("missing reply_to".to_owned()) };
        let payload = String::from_utf8(msg.body).map_err(|err| err.to_string())?;
        consumer::publish(&BrokerMessage { subject, body: leet(&payload).into_bytes(), reply_to: None })
    }
}

fn leet(input: &str) -> String {
    let leet = |c: char| match c.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' | 'l' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => c,
    };
    input.chars().map(leet).collect()
}
