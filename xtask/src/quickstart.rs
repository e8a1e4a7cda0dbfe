//! The main job from nothing: scaffold, build, serve. What a newcomer runs first, and CI last.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::guest_toolchain::GuestToolchain;
use crate::process::{cargo, execute, print, say, target_folder};
use crate::setup;

/// What the template answers.
const GREETING: &str = "Hello from wasmCloud!\n";

#[derive(Args)]
pub(crate) struct Options {
    /// Send one request, print the answer, and end; an error unless it is the template's greeting
    #[arg(long)]
    once: bool,
}

/// Builds the tools, then runs the main job.
pub(crate) fn run(options: &Options) -> Result<()> {
    execute(&mut cargo(["build", "--workspace", "--bins"]))?;
    main_job(options)
}

/// Runs the main job once with the tools that the tests have built. Tests resolve the features of dependencies another
/// way, so building the tools alone would compile most of them again.
pub(crate) fn check() -> Result<()> {
    main_job(&Options { once: true })
}

fn main_job(options: &Options) -> Result<()> {
    let toolchain = setup::for_rust(&setup::Options::default())?;
    let scratch = tempfile::Builder::new().prefix("wash-quickstart-").tempdir()?;
    let wash = Wash { binary: target_folder().join("debug/wash"), toolchain };
    execute(wash.command(scratch.path()).args(["new", "http-hello-world", "--name", "hello"]))?;
    let project = scratch.path().join("hello");
    execute(wash.command(&project).arg("build"))?;
    if options.once { serve_once(&wash, &project) } else { serve(&wash, &project) }
}

/// The front-end of this workspace, as a user would call it.
struct Wash {
    binary: PathBuf,
    toolchain: GuestToolchain,
}

impl Wash {
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        // The workspace's own target folder is no place for a user's project.
        command.current_dir(folder).env_remove("CARGO_TARGET_DIR");
        self.toolchain.apply(&mut command);
        command
    }
}

fn serve(wash: &Wash, project: &Path) -> Result<()> {
    say(&format!("\nthe component's source: {}", project.join("src/lib.rs").display()));
    say("in another terminal: curl http://127.0.0.1:8000\nEdit the source and ask again; Ctrl-C ends it.\n");
    execute(wash.command(project).args(["dev", "--address", "127.0.0.1:8000"]))
}

fn serve_once(wash: &Wash, project: &Path) -> Result<()> {
    let mut command = wash.command(project);
    // Port 0: whatever else runs on this machine keeps its port.
    let arguments = ["-o", "json", "dev", "--address", "127.0.0.1:0"];
    let mut server = Server(command.args(arguments).stdout(Stdio::piped()).spawn()?);
    let stdout = server.0.stdout.take().context("the server has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let address = loop {
        let Some(line) = lines.next() else { bail!("`wash dev` ended before it was ready") };
        let event: serde_json::Value = serde_json::from_str(&line?)?;
        if event["type"] == "ready" {
            break event["address"].as_str().context("the ready event has no address")?.to_owned();
        }
    };
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).build().into();
    let answer = agent.get(format!("http://{address}/")).call()?.body_mut().read_to_string()?;
    print(answer.trim_end());
    ensure!(answer == GREETING, "the answer should be {GREETING:?}");
    Ok(())
}

/// Ends the server however the task ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM lets it stop what it started; kill(1) because std can only send SIGKILL.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
