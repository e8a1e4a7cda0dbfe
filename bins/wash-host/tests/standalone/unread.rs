//! A program that reads some of the events, and then no more.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use washlib_test::Sandbox;

use crate::guests;
use crate::lazy::documents;
use crate::server::{PATIENCE, Server};

/// The registrations of so many, and their ends too, are more than a pipe and its reader's buffer hold.
const WORKLOADS: usize = 800;

/// As long as a name may be.
fn name(index: usize) -> String {
    format!("w{index:y<62}")
}

/// Serves many workloads; its events are read up to the first one of this type.
fn serve(sandbox: &Sandbox, last: &str) -> (Server, BufReader<ChildStdout>) {
    guests::place(sandbox, &guests::probe(), "probe.wasm");
    sandbox.write("all.yaml", documents((0..WORKLOADS).map(name), "probe.wasm"));
    Server::start_unread(sandbox, &["--lazy", "all.yaml"], last)
}

#[test]
fn a_program_that_stops_reading_stops_nothing() {
    let sandbox = Sandbox::new();
    let (server, stdout) = serve(&sandbox, "started");
    let (last, begun) = (name(WORKLOADS - 1), Instant::now());
    while server.get_from(&format!("{last}.example"), "/version").body != last {
        assert!(begun.elapsed() < PATIENCE, "the last workload should have been registered");
    }
    // What it was to be told is there when it reads again.
    let mut events = stdout.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut registered = 0;
    loop {
        let event = events.next().unwrap();
        match event["type"].as_str().unwrap() {
            "workload-registered" => registered += 1,
            "ready" => break,
            _ => {}
        }
    }
    assert_eq!(registered, WORKLOADS);
    server.stop();
}

#[test]
fn a_program_that_stops_reading_does_not_keep_it_from_ending() {
    let sandbox = Sandbox::new();
    let (server, _stdout) = serve(&sandbox, "ready");
    server.signal(Signal::TERM);
    let end = server.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

#[test]
fn it_ends_when_nobody_can_read_any_more() {
    let sandbox = Sandbox::new();
    let (server, stdout) = serve(&sandbox, "ready");
    drop(stdout);
    server.get_from(&format!("{}.example", name(0)), "/version");
    let end = server.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(!end.stderr.contains("error"), "{}", end.stderr);
}
