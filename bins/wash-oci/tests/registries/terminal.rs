//! What a person at a terminal sees and types.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use washlib_test::{Registry, RegistryOptions, Sandbox};

use crate::Place;

/// Both ends of a terminal.
struct Terminal {
    person: File,
    program: File,
    seen: String,
}

impl Terminal {
    fn open() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let program = File::options().read(true).write(true).open(name).unwrap();
        Self { person: person.into(), program, seen: String::new() }
    }

    /// Starts a command at it. By value: the terminal closes with its last holder.
    fn start(&self, mut command: Command) -> Child {
        let end = || Stdio::from(self.program.try_clone().unwrap());
        command.env("TERM", "xterm").stdin(end()).stdout(Stdio::null()).stderr(end()).spawn().unwrap()
    }

    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        while !self.seen.contains(text) {
            let count = self.person.read(&mut buffer).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// All that is shown until the command ends.
    fn watch(self) -> String {
        let Self { mut person, program, mut seen } = self;
        drop(program);
        let mut rest = Vec::new();
        // The end of a terminal is an error on Linux.
        let _ = person.read_to_end(&mut rest);
        seen.push_str(&String::from_utf8_lossy(&rest));
        seen
    }

    fn shows_what_is_typed(&self) -> bool {
        tcgetattr(&self.program).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

#[test]
fn an_interrupt_at_a_password_prompt_leaves_the_terminal_as_it_was() {
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT] {
        let sandbox = Sandbox::new();
        let mut terminal = Terminal::open();
        let mut command = sandbox.command("wash-oci");
        command.args(["login", "localhost:1", "--user", "ada"]);
        let mut child = terminal.start(command);
        terminal.wait_for("Password: ");
        assert!(!terminal.shows_what_is_typed());
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal:?}");
        assert!(terminal.shows_what_is_typed(), "{signal:?}");
        terminal.wait_for("error: interrupted");
    }
}

#[test]
fn a_password_is_typed_unseen() {
    let place = Place::with(&RegistryOptions { password: true, ..RegistryOptions::default() });
    let mut terminal = Terminal::open();
    let mut command = place.sandbox.command("wash-oci");
    command.args(["login", place.registry.address(), "--user", Registry::USER]);
    let mut child = terminal.start(command);
    terminal.wait_for("Password: ");
    terminal.person.write_all(format!("{}\n", Registry::PASSWORD).as_bytes()).unwrap();
    let seen = terminal.watch();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{seen}");
    assert!(!seen.contains(Registry::PASSWORD), "{seen}");
}

#[test]
fn a_bar_says_what_it_is_about_from_the_beginning() {
    let place = Place::new();
    place.component("hello.wasm", 2_000_000);
    let reference = place.reference("hello:v1");
    let push = ["push", reference.as_str(), "hello.wasm"];
    let pull = ["pull", reference.as_str(), "-"];
    for (arguments, label) in [(push, "sending"), (pull, "pulling")] {
        let terminal = Terminal::open();
        let mut command = place.sandbox.command("wash-oci");
        command.args(arguments);
        let mut child = terminal.start(command);
        let seen = terminal.watch();
        assert!(child.wait().unwrap().success(), "{seen}");
        assert!(seen.contains(label) && !seen.contains("0/0"), "{seen:?}");
    }
}
