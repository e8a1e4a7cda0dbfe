//! The set-up command of a template: shown always, run only when someone said so.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::sandbox::{Sandbox, interrupt, wait};

fn with_template(command: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let config = serde_json::json!({ "new": { "command": command } }).to_string();
    sandbox.write("template", &[("file", "f"), (".wash/config.json", &config)]);
    sandbox
}

#[test]
fn without_a_person_the_command_does_not_run() {
    let sandbox = with_template("touch ran");
    for (name, flags) in [("first", &[][..]), ("second", &["--non-interactive"])] {
        let outcome = sandbox.run(&[&["template", "--name", name], flags].concat()).succeeded();
        outcome.warned("the template brings a command to set the project up: `touch ran`");
        assert!(outcome.stderr.contains(&format!("to run it: cd {name} && touch ran")), "{outcome:?}");
        assert!(!sandbox.path(name).join("ran").exists());
    }
    let json = sandbox.run(&["template", "--name", "third", "-o", "json"]).succeeded().json();
    assert_eq!(json["data"]["command"], "touch ran");
    assert_eq!(json["data"]["command_run"], false);
}

#[test]
fn allow_commands_runs_it_in_the_project_with_its_output_on_stderr() {
    let sandbox = with_template("pwd && cat && touch ran");
    let outcome = sandbox.run(&["template", "--name", "mine", "--allow-commands", "-o", "json"]).succeeded();
    assert_eq!(outcome.json()["data"]["command_run"], true);
    assert!(outcome.stderr.contains(sandbox.path("mine").to_str().unwrap()), "{outcome:?}");
    assert!(sandbox.path("mine/ran").exists());
}

#[test]
fn a_command_that_fails_leaves_the_project_and_says_so() {
    let sandbox = with_template("touch ran; exit 7");
    let outcome = sandbox.run(&["template", "--name", "mine", "--allow-commands"]);
    outcome.failed(1, &["failed with exit code 7", "the project is complete but for that: see `mine`"]);
    assert_eq!(sandbox.tree("mine"), [".wash/", ".wash/config.json", "file", "ran"]);
}

#[test]
fn an_interrupt_reaches_everything_the_command_started() {
    let sandbox = with_template("echo started; sleep 600 & wait");
    let mut child = sandbox.wash_new(&["template", "--name", "mine", "--allow-commands"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "started"));
    interrupt(&child);
    assert_eq!(wait(child).code, Some(130));
    // The pipe closes when its last holder ends, which is the sleep.
    let (sender, closed) = mpsc::channel();
    thread::spawn(move || {
        lines.for_each(drop);
        sender.send(())
    });
    closed.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_malformed_configuration_is_only_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("template", &[("file", "f"), (".wash/config.yaml", "new: [command\n")]);
    let outcome = sandbox.run(&["template", "--name", "mine", "--allow-commands"]).succeeded();
    outcome.warned("the template's configuration is not usable");
    assert!(sandbox.path("mine/file").exists());
}

#[test]
fn a_command_cannot_hide_a_part_of_itself() {
    let sandbox = with_template("echo ok\r\u{1b}[2K\u{202e}");
    let outcome = sandbox.run(&["template", "--name", "mine"]).succeeded();
    assert!(outcome.stderr.contains(r"`echo ok\r\u{1b}[2K\u{202e}`"), "{outcome:?}");
    assert!(!outcome.stderr.contains('\u{1b}') && !outcome.stderr.contains('\u{202e}'));
}

#[test]
fn a_person_at_a_terminal_decides() {
    for (answer, ran) in [("y", true), ("n", false), ("\r", false)] {
        let sandbox = with_template("touch ran");
        let code = at_a_terminal(&sandbox, &["template", "--name", "mine"], answer);
        assert_eq!(code, Some(0), "{answer:?}");
        assert!(sandbox.path("mine/file").exists());
        assert_eq!(sandbox.path("mine/ran").exists(), ran, "{answer:?}");
    }
}

/// Runs `wash new` at a terminal, types `answer` when the question appears, and returns the exit code.
fn at_a_terminal(sandbox: &Sandbox, args: &[&str], answer: &str) -> Option<i32> {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let mut command = sandbox.wash_new(args);
    command.env("TERM", "xterm").stdin(terminal.try_clone().unwrap()).stdout(Stdio::null()).stderr(terminal);
    let child = command.spawn().unwrap();
    // The terminal closes with its last holder.
    drop(command);
    let mut person = File::from(person);
    let (mut seen, mut buffer) = (String::new(), [0; 1024]);
    let mut answered = false;
    while let Ok(count @ 1..) = person.read(&mut buffer) {
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if !answered && seen.contains("Run `touch ran`") {
            person.write_all(answer.as_bytes()).unwrap();
            answered = true;
        }
    }
    assert!(answered, "no question: {seen}");
    wait(child).code
}
