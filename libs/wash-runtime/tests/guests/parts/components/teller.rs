//! A component that answers requests by asking its workload's service.

use std::io::Write;

wit_bindgen::generate!({ path: "wit", world: "teller" });

use test::parts::tally;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Teller;

impl exports::test::parts::ring::Guest for Teller {
    fn ring() -> u32 {
        tally::add(1)
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Teller {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let text = match path {
            "/add" => tally::add(query.parse().unwrap()).to_string(),
            "/greet" => {
                let entries = tally::greet(query);
                let words: Vec<_> = entries.iter().map(|entry| format!("{} {}", entry.name, entry.count)).collect();
                words.join(", ")
            }
            "/slow" => {
                tally::slow(query);
                "slow".to_string()
            }
            "/trap" => {
                tally::trap();
                String::new()
            }
            "/hang" => {
                tally::hang();
                String::new()
            }
            "/circle" => tally::circle().to_string(),
            _ => "teller".to_string(),
        };
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(response_out, Ok(response));
        body.write().unwrap().write_all(text.as_bytes()).unwrap();
        OutgoingBody::finish(body, None).unwrap();
    }
}

export!(Teller);
wasip2::http::proxy::export!(Teller);
