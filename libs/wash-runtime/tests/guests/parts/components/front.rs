//! A component that answers requests with the help of the others of its workload: each path tries one kind of call.

wit_bindgen::generate!({
    path: "wit",
    world: "front",
    with: {
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use std::io::{Read, Write};

use test::parts::vocabulary::{Color, Item, Marks, Shape};
use test::parts::{chain, counters, deep, faults, place, streams, values};
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Front;

impl wasip2::exports::http::incoming_handler::Guest for Front {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        let text = match path {
            "/values" => try_values(),
            "/bytes" => try_bytes(query.parse().unwrap()),
            "/counters" => try_counters(),
            "/leak" => leak(),
            "/chain" => try_chain(),
            "/echo-by-sibling" => {
                // The sibling reads the request and writes the response.
                let incoming = request.consume().unwrap();
                let bytes = streams::read(incoming.stream().unwrap());
                let sink = body.write().unwrap();
                ResponseOutparam::set(response_out, Ok(response));
                streams::write(&sink, &bytes);
                drop(sink);
                OutgoingBody::finish(body, None).unwrap();
                return;
            }
            "/peek" => {
                let incoming: IncomingBody = request.consume().unwrap();
                let mut stream = incoming.stream().unwrap();
                let mut bytes = streams::peek(&stream);
                bytes.push(b'|');
                stream.read_to_end(&mut bytes).unwrap();
                String::from_utf8(bytes).unwrap()
            }
            "/open" => match streams::open(query) {
                Ok(mut stream) => {
                    let mut text = String::new();
                    stream.read_to_string(&mut text).unwrap();
                    text
                }
                Err(err) => err,
            },
            "/variable" => format!(
                "mine {}, the sibling's {}",
                std::env::var(query).unwrap_or_default(),
                place::variable(query).unwrap_or_default()
            ),
            "/write" => format!("{:?}", place::write(query, "written by the sibling")),
            "/write-myself" => format!("{:?}", std::fs::write(query, "written by front").map_err(|err| err.to_string())),
            "/read" => format!("{:?}", place::read(query)),
            "/read-myself" => format!("{:?}", std::fs::read_to_string(query).map_err(|err| err.to_string())),
            "/fetch" => format!("{:?}", place::fetch(query)),
            "/trap" => {
                faults::trap();
                String::new()
            }
            "/spin" => {
                faults::spin();
                String::new()
            }
            "/hold" => {
                faults::hold();
                "held".to_string()
            }
            "/sleep" => {
                faults::sleep();
                String::new()
            }
            "/grow" => {
                let mine = Vec::<u8>::new().try_reserve_exact(query.parse::<usize>().unwrap() << 20).is_ok();
                format!("mine {mine}, the sibling's {}", faults::grow(query.parse().unwrap()))
            }
            _ => "front".to_string(),
        };
        ResponseOutparam::set(response_out, Ok(response));
        body.write().unwrap().write_all(text.as_bytes()).unwrap();
        OutgoingBody::finish(body, None).unwrap();
    }
}

fn item(name: &str) -> Item {
    Item { name: name.to_string(), price: 7, tags: vec!["a".to_string(), "ü".to_string()] }
}

fn try_values() -> String {
    let (shape, inner) = values::swap(&item("one"), &Shape::Named(item("two")));
    assert!(matches!(shape, Shape::Named(item) if item.name == "one" && item.tags == ["a", "ü"] && item.price == 7));
    assert_eq!(inner.name, "two");
    assert_eq!(values::swap(&item("one"), &Shape::Circle(1.5)).1.name, "circle 1.5");
    assert_eq!(values::swap(&item("one"), &Shape::Dot).1.name, "dot");
    assert_eq!(values::find(&[item("one"), item("two")], "two").unwrap().name, "two");
    assert!(values::find(&[], "two").is_none());
    assert_eq!(values::parse("-12"), Ok(-12));
    assert_eq!(values::parse("x"), Err("x: invalid digit found in string".to_string()));
    assert_eq!(values::paint(Color::Red, Marks::SOLD), (Color::Green, Marks::NEW));
    "fine".to_string()
}

fn try_bytes(size: usize) -> String {
    let bytes: Vec<u8> = (0..size).map(|index| index as u8).collect();
    let mut reversed = values::reverse(&bytes);
    reversed.reverse();
    assert!(bytes == reversed);
    "fine".to_string()
}

fn try_counters() -> String {
    let one = counters::Counter::new(1);
    let ten = counters::Counter::new(10);
    assert_eq!((one.add(1), one.add(1), ten.add(0)), (2, 3, 10));
    assert_eq!(counters::alive(), 2);
    // Lent, in a list, twice.
    assert_eq!(counters::sum(&[&one, &ten, &one]), 16);
    assert_eq!(counters::alive(), 2);
    // Given away and lent in one call, and a new one returned.
    let merged = counters::Counter::merge(one, &ten);
    assert_eq!(counters::alive(), 2);
    assert_eq!(merged.add(0), 13);
    drop(ten);
    assert_eq!(counters::alive(), 1);
    assert!(counters::maybe(None).is_none());
    let maybe = counters::maybe(Some(5)).unwrap();
    assert_eq!(counters::alive(), 2);
    assert_eq!(counters::take(vec![merged, maybe]), 18);
    assert_eq!(counters::alive(), 0);
    for round in 0..1000 {
        assert_eq!(counters::Counter::new(round).add(1), round + 1);
    }
    assert_eq!((counters::alive(), counters::calls(), counters::calls()), (0, 1, 2));
    "fine".to_string()
}

/// Makes handles without end and gives none back.
fn leak() -> String {
    loop {
        std::mem::forget(counters::Counter::new(0));
    }
}

fn try_chain() -> String {
    assert_eq!(chain::through("x"), "back(deep(x))");
    // Made by one sibling on behalf of another.
    let token = chain::issue("token");
    assert_eq!(token.label(), "token by back");
    assert_eq!(chain::inspect(&token), "token by back");
    assert_eq!(deep::tokens(), 1);
    assert_eq!(chain::redeem(token), "token by back");
    assert_eq!(deep::tokens(), 0);
    // Made here, and passed on to one that did not make it.
    let mine = deep::Token::new("mine");
    assert_eq!(chain::inspect(&mine), "mine");
    assert_eq!(chain::inspect(&mine), "mine");
    assert_eq!(chain::redeem(mine), "mine");
    assert_eq!(deep::tokens(), 0);
    "fine".to_string()
}

wasip2::http::proxy::export!(Front);
