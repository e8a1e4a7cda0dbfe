//! How one version takes over from another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::connection::{Answer, Connection};
use crate::project::{Project, config, greeting, version_in};
use crate::server::Server;

fn environment(version: &str) -> String {
    format!("workload:\n  environment:\n    config:\n      VERSION: {version}\n")
}

#[test]
fn keeps_open_connections_when_the_source_changes() {
    let project = Project::new();
    let mut server = Server::start(&project);
    let mut connection = Connection::open(server.address());
    assert_eq!(connection.get("/"), Answer::ok(greeting(1)));
    project.choose_version(2);
    server.expect_swap(&project, &["which.txt"]);
    assert_eq!(connection.get("/"), Answer::ok(greeting(2)));
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    server.stop().assert_no_more_events();
}

#[test]
fn fails_no_request_and_never_goes_back_while_versions_change() {
    const LAST: usize = 11;
    let project = Project::new();
    let mut server = Server::start(&project);
    let address = server.address();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| request_again_and_again(address, &stop))).collect();
        let swaps = || {
            for version in 2..=LAST {
                project.choose_version(version);
                server.expect_swap(&project, &["which.txt"]);
                assert_eq!(server.get("/"), Answer::ok(greeting(version)));
            }
        };
        // The clients must end even where this fails.
        let swapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(swaps));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let versions = client.join().unwrap();
            assert!(versions.is_sorted(), "{versions:?}");
            assert_eq!(versions.first(), Some(&1));
            assert_eq!(versions.last(), Some(&LAST));
        }
        swapped.unwrap();
    });
    server.stop().assert_no_more_events();
}

/// Sends requests on one connection, and returns the versions that have answered.
fn request_again_and_again(address: std::net::SocketAddr, stop: &AtomicBool) -> Vec<usize> {
    let mut connection = Connection::open(address);
    let mut versions = Vec::new();
    loop {
        // Looked at before the request: the one after the last swap is sent too.
        let last = stop.load(Ordering::Relaxed);
        let answer = connection.get("/");
        assert_eq!(answer.status, 200, "{answer:?}");
        versions.push(version_in(&answer.body));
        if last {
            versions.dedup();
            return versions;
        }
    }
}

#[test]
fn a_request_in_flight_finishes_on_the_version_that_took_it() {
    let project = Project::probe(&environment("one"));
    let mut server = Server::start(&project);
    let mut in_flight = Connection::open(server.address());
    in_flight.send("POST /echo HTTP/1.1\r\nhost: test.example\r\ncontent-length: 10\r\n\r\nfirst");
    assert_eq!(in_flight.read_head().status, 200);
    assert_eq!(in_flight.read_chunk().as_deref(), Some("first"));

    project.configure(&(config() + &environment("two")));
    server.expect_swap(&project, &[".wash/config.yaml"]);
    assert_eq!(server.get("/version"), Answer::ok("two"));

    in_flight.send("after");
    assert_eq!(in_flight.read_chunk().as_deref(), Some("after"));
    assert_eq!(in_flight.read_chunk(), None);
    assert_eq!(in_flight.get("/version"), Answer::ok("two"));
    server.stop();
}

#[test]
fn a_build_that_gives_the_same_component_swaps_nothing() {
    let project = Project::new();
    let mut server = Server::start(&project);
    project.replace("notes.txt", "nothing to do with the component");
    server.expect_building(&project, &["notes.txt"]);
    server.expect("built");
    server.expect("unchanged");
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    server.stop().assert_no_more_events();
}

#[test]
fn a_change_during_a_build_ends_it_and_begins_another() {
    // The build takes the name, and then waits until somebody opens the gate.
    let project = Project::with_build(
        r#"which=$(cat which.txt); echo "took $which" >&2; cat ../gate; cp "../components/$which.wasm" app.wasm"#,
    );
    let gate = project.outside("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let open_gate = || std::fs::write(&gate, "").unwrap();

    let mut server = Server::launch(&project);
    server.expect_building(&project, &[]);
    server.wait_for_stderr("took 1");
    project.choose_version(2);
    // Nobody opens the gate for the first build: it would never end by itself.
    server.expect_building(&project, &["which.txt"]);
    server.wait_for_stderr("took 2");
    open_gate();
    server.expect("built");
    server.expect("ready");
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    server.stop().assert_no_more_events();
}

#[test]
fn many_changes_during_a_build_are_one_reason_to_build() {
    let project = Project::with_build(
        r#"which=$(cat which.txt); echo "took $which" >&2; cat ../gate; cp "../components/$which.wasm" app.wasm"#,
    );
    let gate = project.outside("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let open_gate = || std::fs::write(&gate, "").unwrap();

    let mut server = Server::launch(&project);
    server.wait_for_stderr("took 1");
    let mut names: Vec<_> = (0..200).map(|number| format!("src/file{number:03}.txt")).collect();
    for name in &names {
        project.write(name, name);
    }
    project.choose_version(2);
    names.push("which.txt".to_owned());
    // How many builds are ended depends on how long the writing took; never one for each file.
    let (mut builds, mut changed) = (0, std::collections::BTreeSet::new());
    while changed.len() < names.len() {
        let event = server.wait_for("building");
        changed.extend(event["changed"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()));
        builds += 1;
    }
    assert!(builds <= 6, "{builds}");
    server.wait_for_stderr("took 2");
    open_gate();
    server.expect("built");
    server.expect("ready");
    server.stop().assert_no_more_events();
}
