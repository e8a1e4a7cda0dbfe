//! A component for the host's tests: its paths send messages, read values and log; its handler does what a message says.

use std::env;

use wstd::http::{Body, Error, Request, Response, StatusCode};

use self::exports::wasmcloud::messaging::handler::{BrokerMessage, Guest};
use self::wasi::config::store;
use self::wasi::logging::logging::{self, Level};
use self::wasmcloud::messaging::consumer;

wit_bindgen::generate!({
    inline: "
        package test:messenger;

        world messenger {
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
            import wasmcloud:messaging/consumer@0.2.0;
            export wasmcloud:messaging/handler@0.2.0;
        }
    ",
    path: ["../../../wit/wasi-config", "../../../wit/wasi-logging", "../../../wit/wasmcloud-messaging"],
    world: "test:messenger/messenger",
    generate_all,
});

/// `/<what>/<argument>`, with the body of the message or the log entry in the request's body.
#[wstd::http_server]
async fn main(mut request: Request<Body>) -> Result<Response<Body>, Error> {
    let body = request.body_mut().contents().await?.to_vec();
    let path = request.uri().path().trim_start_matches('/');
    let (what, argument) = path.split_once('/').unwrap_or((path, ""));
    let result = match what {
        "publish" => consumer::publish(&message(argument, &body, None)).map(|()| String::new()),
        "publish-many" => (0..100)
            .try_for_each(|number| consumer::publish(&message(argument, number.to_string().as_bytes(), None)))
            .map(|()| String::new()),
        "publish-large" => {
            let size = text(&body).parse().map_err(Error::msg)?;
            consumer::publish(&message(argument, &vec![b'x'; size], None)).map(|()| String::new())
        }
        "reply-to" => consumer::publish(&message("sink", &[], Some(argument))).map(|()| String::new()),
        "request" => consumer::request(argument, &body, 30_000).map(|answer| text(&answer.body)),
        "request-briefly" => consumer::request(argument, &body, 20).map(|answer| text(&answer.body)),
        "value" => store::get(argument).map(|value| format!("{value:?}")).map_err(|err| format!("{err:?}")),
        "values" => store::get_all().map(|values| format!("{values:?}")).map_err(|err| format!("{err:?}")),
        "log" => {
            logging::log(level(argument), "context", &text(&body));
            Ok(String::new())
        }
        "flood" => {
            for number in 0..5_000 {
                logging::log(Level::Info, "", &format!("line {number}"));
            }
            Ok(String::new())
        }
        _ => Err(format!("no way to {what}")),
    };
    Ok(match result {
        Ok(text) => Response::new(text.into()),
        Err(text) => Response::builder().status(StatusCode::BAD_GATEWAY).body(text.into())?,
    })
}

struct Messenger;

export!(Messenger);

impl Guest for Messenger {
    /// The last token of the subject says what to do.
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let name = env::var("NAME").unwrap_or_default();
        match message.subject.rsplit('.').next().unwrap_or_default() {
            "print" => println!("{name} got {}", text(&message.body)),
            "answer" => {
                let answer = format!("{name}:{}", text(&message.body));
                return reply(&message, answer.as_bytes());
            }
            // Asks the next one with the rest of the body, and answers with what that says.
            "relay" => {
                let answer = consumer::request(&text(&message.body), b"relayed", 30_000)?;
                return reply(&message, &answer.body);
            }
            // The next one is to answer in this one's place.
            "pass-on" => {
                let mut passed = message.clone();
                passed.subject = text(&message.body);
                return consumer::publish(&passed);
            }
            "ignore" => {}
            "fail" => return Err(format!("{name} does not like\nit")),
            "trap" => panic!("told to"),
            "slow" => {
                println!("enter");
                let milliseconds = text(&message.body).parse().map_err(|_| "not a number")?;
                std::thread::sleep(std::time::Duration::from_millis(milliseconds));
                println!("leave");
            }
            "never" => {
                println!("entered");
                loop {
                    std::hint::black_box(());
                }
            }
            other => return Err(format!("no way to {other}")),
        }
        Ok(())
    }
}

fn reply(message: &BrokerMessage, body: &[u8]) -> Result<(), String> {
    let reply_to = message.reply_to.as_deref().ok_or("nobody waits for an answer")?;
    consumer::publish(&self::message(reply_to, body, None))
}

fn message(subject: &str, body: &[u8], reply_to: Option<&str>) -> consumer::BrokerMessage {
    consumer::BrokerMessage {
        subject: subject.to_string(),
        body: body.to_vec(),
        reply_to: reply_to.map(str::to_string),
    }
}

fn level(name: &str) -> Level {
    match name {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Critical,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
