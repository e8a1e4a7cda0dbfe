//! How it ends: what is in flight, what it has started, and when.

use std::io::BufRead as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::connection::{Answer, Connection};
use crate::project::{Project, greeting};
use crate::server::Server;

/// Interrupts the first build. What the build prints does not stand in its command line, which is printed before it runs. The end of stderr proves that no program of the build is left.
fn interrupt_first_build(signal: Signal) {
    let project = Project::with_build("sleep 1000 & sh -c 'sleep 1000' & printf 'under %s\\n' way >&2; sleep 1000");
    let mut server = Server::launch(&project);
    server.wait_for_stderr("under way");
    server.signal(signal);
    let end = server.ended_well();
    assert_eq!(end.events.len(), 1, "{:?}", end.events);
    assert_eq!(end.events[0]["type"], "building");
}

/// Has more told than a pipe and its reader's buffer hold.
fn fill_pipe(connection: &mut Connection) {
    let path = format!("/{}", "x".repeat(250));
    for _ in 0..400 {
        assert_eq!(connection.get(&path).status, 404);
    }
}

#[test]
fn a_program_that_stops_reading_stops_nothing() {
    let project = Project::new();
    let (server, stdout) = Server::start_unread(&project);
    let mut connection = Connection::open(server.address());
    fill_pipe(&mut connection);
    project.choose_version(2);
    while connection.get("/") == Answer::ok(greeting(1)) {}
    assert_eq!(connection.get("/"), Answer::ok(greeting(2)));
    // What it was to be told is there when it reads again.
    let mut lines = stdout.lines().map(Result::unwrap);
    assert!(lines.any(|line| serde_json::from_str::<Value>(&line).unwrap()["type"] == "swapped"));
    server.stop();
}

#[test]
fn a_program_that_stops_reading_does_not_keep_it_from_ending() {
    let project = Project::new();
    let (server, _stdout) = Server::start_unread(&project);
    let mut connection = Connection::open(server.address());
    fill_pipe(&mut connection);
    server.stop();
}

#[test]
fn it_ends_when_nobody_can_read_any_more() {
    let project = Project::new();
    let (server, stdout) = Server::start_unread(&project);
    drop(stdout);
    server.get("/");
    server.ended_well();
}

#[test]
fn ctrl_c_ends_the_first_build_and_all_that_it_started() {
    interrupt_first_build(Signal::INT);
}

#[test]
fn sigterm_ends_the_first_build_and_all_that_it_started() {
    interrupt_first_build(Signal::TERM);
}

#[test]
fn a_build_that_does_not_listen_is_killed() {
    let project =
        Project::with_build("trap '' INT TERM; printf 'under %s\\n' way >&2; while true; do sleep 1000; done");
    let mut server = Server::launch(&project);
    server.wait_for_stderr("under way");
    server.signal(Signal::INT);
    server.ended_well();
}

#[test]
fn a_later_build_is_ended_too() {
    let project = Project::with_build(
        r#"if test -e slow.txt; then printf 'under %s\n' way >&2; sleep 1000; fi; cp ../components/1.wasm app.wasm"#,
    );
    let mut server = Server::start(&project);
    project.replace("slow.txt", "");
    server.wait_for_stderr("under way");
    // Requests are answered while it builds.
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    server.signal(Signal::TERM);
    let end = server.ended_well();
    assert_eq!(end.events.len(), 1, "{:?}", end.events);
}

#[test]
fn an_interrupt_while_the_component_starts_is_heard() {
    let project = Project::probe("workload:\n  environment:\n    config: { SPIN_AT_START: 'yes' }\n");
    let mut server = Server::launch(&project);
    server.wait_for("built");
    server.signal(Signal::TERM);
    server.ended_well().assert_no_more_events();
}

#[test]
fn an_interrupt_while_the_next_version_starts_is_heard() {
    let project = Project::probe("");
    let mut server = Server::start(&project);
    let spin = "workload:\n  environment:\n    config: { SPIN_AT_START: 'yes' }\n";
    project.configure(&(crate::project::config() + spin));
    server.wait_for("built");
    server.signal(Signal::TERM);
    server.ended_well().assert_no_more_events();
}

#[test]
fn requests_in_flight_finish() {
    let project = Project::probe("");
    let mut server = Server::start(&project);
    let mut in_flight = Connection::open(server.address());
    in_flight.send("POST /echo HTTP/1.1\r\nhost: test.example\r\ncontent-length: 10\r\n\r\nfirst");
    assert_eq!(in_flight.read_head().status, 200);
    assert_eq!(in_flight.read_chunk().as_deref(), Some("first"));
    let idle = Connection::open(server.address());

    server.signal(Signal::TERM);
    server.wait_for_stderr("Stopping");
    // Who waits for nothing is let go at once.
    idle.read_end();
    in_flight.send("after");
    assert_eq!(in_flight.read_chunk().as_deref(), Some("after"));
    assert_eq!(in_flight.read_chunk(), None);
    in_flight.read_end();
    server.ended_well().assert_no_more_events();
}

#[test]
fn a_second_interrupt_does_not_wait_for_requests() {
    let project = Project::probe("");
    let mut server = Server::start(&project);
    let mut in_flight = Connection::open(server.address());
    in_flight.send("GET /never HTTP/1.1\r\nhost: test.example\r\n\r\n");
    server.wait_for_stderr("entered");
    server.signal(Signal::INT);
    server.wait_for_stderr("Stopping");
    server.signal(Signal::INT);
    let end = server.ended_well();
    assert!(end.stderr.contains("without waiting"), "{}", end.stderr);
}

#[test]
fn its_address_is_free_at_once() {
    let project = Project::new();
    let server = Server::start(&project);
    let address = server.address();
    let mut connection = Connection::open(address);
    assert_eq!(connection.get("/"), Answer::ok(greeting(1)));
    server.stop();
    let mut command = project.bare_command();
    command.args(["-o", "json", "--address", &address.to_string()]);
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    assert_eq!(server.address(), address);
    server.stop();
}
