//! The set-up command that a template may bring along: finding, showing and running it.
//!
//! Whether it may run is not decided here.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use washlib_cli::Ui;
use washlib_config::{Config, Environment, Project, Sources};

/// How often a running command and the interrupt flag are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long an interrupted command gets to clean up before it is killed.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// Because someone interrupted it.
    Interrupted,
}

/// The `new.command` of the project at `root`. A configuration that cannot be read has none, after a warning: the
/// project is there all the same.
pub(crate) fn find(root: &Path, ui: &Ui) -> Option<String> {
    let project = match Project::open(root) {
        Ok(project) => project,
        Err(err) => {
            ui.warn(&err.to_string());
            return None;
        }
    };
    // The template speaks for itself: neither the user's configuration nor the environment can bring it a command.
    let environment = Environment::default();
    let sources = Sources { user_config: None, environment: &environment, flags: Config::default() };
    match washlib_config::load(&project, sources) {
        Ok(loaded) => Some(loaded.config.new.command?.into_value()).filter(|command| !command.trim().is_empty()),
        Err(err) => {
            ui.warn(&format!("the template's configuration is not usable: {err}"));
            None
        }
    }
}

/// `command` as a person must see it before deciding: nothing in it can hide the rest from the eye.
pub(crate) fn shown(command: &str) -> String {
    let is_invisible = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
    };
    command
        .trim()
        .chars()
        .map(|c| if is_invisible(c) { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// Runs `command` with `sh` in `folder`; what it prints goes to stderr. When `interrupted` becomes true the command is
/// told, and killed if it does not listen.
pub(crate) fn run(command: &str, folder: &Path, interactive: bool, interrupted: &AtomicBool) -> io::Result<Ended> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).current_dir(folder).stdout(io::stderr());
    // At a terminal the command may ask questions, which only the foreground process group can; there, the terminal
    // itself interrupts everyone.
    if !interactive {
        shell.stdin(Stdio::null()).process_group(0);
    }
    let mut child = shell.spawn()?;
    while !interrupted.load(Ordering::Relaxed) {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Exited(status));
        }
        thread::sleep(POLL_INTERVAL);
    }
    stop(&mut child, interactive)?;
    Ok(Ended::Interrupted)
}

fn stop(child: &mut Child, interactive: bool) -> io::Result<()> {
    let signal = |child: &Child, signal| {
        let Some(pid) = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()) else { return };
        // It may have ended already.
        let _ = if interactive { kill_process(pid, signal) } else { kill_process_group(pid, signal) };
    };
    signal(child, Signal::INT);
    let deadline = Instant::now() + GRACE_PERIOD;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            signal(child, Signal::KILL);
            child.wait()?;
            break;
        }
        thread::sleep(POLL_INTERVAL);
    }
    if !interactive {
        // What the shell left behind in its group.
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        let _ = pid.map(|pid| kill_process_group(pid, Signal::KILL));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_a_part_of_a_command() {
        assert_eq!(shown("npm install && make\n"), "npm install && make");
        assert_eq!(shown("true\r\x1b[2Kecho ok\nrm -rf x"), "true\\r\\u{1b}[2Kecho ok\\nrm -rf x");
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
    }
}
