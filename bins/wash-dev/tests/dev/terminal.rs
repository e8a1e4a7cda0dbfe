//! What is different with a person at a terminal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::connection::{Answer, Connection};
use crate::project::{Project, greeting};
use crate::server::Server;

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// `wash dev` with a terminal that `script` makes; its events come as from any other, past the terminal.
fn at_a_terminal(project: &Project, address: SocketAddr) -> Command {
    let tool = project.bare_command();
    let line = format!("exec '{}' -o json --address {address} >&3", tool.get_program().to_str().unwrap());
    let script = if cfg!(target_os = "linux") {
        r#"exec script -qefc "$1" /dev/null 3>&1 >/dev/null"#
    } else {
        r#"exec script -q /dev/null sh -c "$1" 3>&1 >/dev/null"#
    };
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &line]);
    command.env_clear().envs(tool.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // A pipe that stays open: the end of its input would be a keypress.
    command.current_dir(project.root()).stdin(Stdio::piped());
    command
}

#[test]
fn a_first_build_that_fails_waits_for_a_change() {
    let project = Project::new();
    project.choose("missing");
    let mut server = Server::spawn(at_a_terminal(&project, ANY));
    server.expect("building");
    let failed = server.expect("build-failed");
    assert!(failed["message"].as_str().unwrap().contains("exit code 1"), "{failed}");
    project.choose("1");
    server.expect_building(&project, &["which.txt"]);
    server.expect("built");
    server.expect("ready");
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    // The terminal goes away.
    server.signal(Signal::TERM);
    server.end();
}

#[test]
fn requests_before_the_first_component_are_told_why() {
    let project = Project::new();
    project.choose("missing");
    // Nobody is told an address before there is a component, so the test must know it.
    let address = TcpListener::bind(ANY).unwrap().local_addr().unwrap();
    let mut server = Server::spawn(at_a_terminal(&project, address));
    server.wait_for("build-failed");
    let answer = Connection::open(address).get("/");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("exit code 1"), "{answer:?}");
    server.signal(Signal::TERM);
    server.end();
}

#[test]
fn a_missing_toolchain_ends_it_even_so() {
    let project = Project::with_build("no-such-tool");
    let mut server = Server::spawn(at_a_terminal(&project, ANY));
    server.expect("building");
    let error = server.expect("error");
    assert!(error["hints"][0].as_str().unwrap().contains("not on PATH"), "{error}");
    assert_eq!(server.end().code, Some(1));
}

#[test]
fn keys_build_again_and_end_it() {
    let project = Project::new();
    let mut server = Server::spawn(at_a_terminal(&project, ANY));
    server.wait_for("ready");
    server.press("r");
    server.expect_building(&project, &[]);
    server.expect("built");
    server.expect("unchanged");
    // Others do nothing.
    server.press("x\n");
    project.choose_version(2);
    server.expect_swap(&project, &["which.txt"]);
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    server.press("q");
    server.ended_well().assert_no_more_events();
}
