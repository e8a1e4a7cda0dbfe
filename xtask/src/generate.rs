//! Man pages and shell completions, from the very command lines that the tools parse.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::{Args, Command, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

use crate::process::{say, workspace_root};

// The files are included instead of the tools being linked, so that `cargo xtask` need not wait for a wasm compiler.
#[path = "../../bins/wash-build/src/cli.rs"]
mod wash_build;
#[path = "../../bins/wash-dev/src/cli.rs"]
mod wash_dev;
#[path = "../../bins/wash-new/src/cli.rs"]
mod wash_new;

#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; an error when a file is not up to date
    #[arg(long)]
    check: bool,
}

impl Options {
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// Writes or checks all generated files.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut files = Vec::new();
    for shell in Shell::value_variants() {
        let mut text = Vec::new();
        clap_complete::generate(*shell, &mut front_end(), "wash", &mut text);
        let name = clap_complete::Generator::file_name(shell, "wash");
        files.push((workspace_root().join("completions").join(name), text));
    }
    for command in std::iter::once(front_end()).chain(tools().map(|(_, tool)| tool)) {
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_mangen::Man::new(command.disable_help_subcommand(true)).render(&mut text)?;
        files.push((workspace_root().join("man").join(format!("{name}.1")), text));
    }
    let mut stale = Vec::new();
    for (path, text) in &files {
        if fs_err::read(path).ok().as_ref() == Some(text) {
            continue;
        }
        stale.push(path.strip_prefix(workspace_root()).unwrap_or(path).display().to_string());
        if !options.check {
            write(path, text)?;
        }
    }
    ensure!(!options.check || stale.is_empty(), "run `cargo xtask generate`: {} out of date", stale.join(", "));
    say(&format!("{} generated files, {} written", files.len(), stale.len()));
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    Ok(fs_err::write(path, text)?)
}

/// The tools' command lines, by the names they go by as commands of the front-end.
fn tools() -> [(&'static str, Command); 3] {
    [("build", wash_build::Build::command()), ("dev", wash_dev::Dev::command()), ("new", wash_new::New::command())]
}

/// The front-end's command line. It parses without clap, so this is its second description; a test holds them together.
fn front_end() -> Command {
    let mut command = Command::new("wash")
        .about("Wasm Shell: create, build and serve WebAssembly components")
        .version(env!("CARGO_PKG_VERSION"))
        .arg(clap::Arg::new("list").long("list").action(clap::ArgAction::SetTrue).help("List the commands found"));
    command = washlib_cli::GlobalArgs::augment_args(command);
    for (name, tool) in tools() {
        command = command.subcommand(tool.name(name));
    }
    let shell = clap::Arg::new("shell").required(true).value_parser(["bash", "elvish", "fish", "powershell", "zsh"]);
    command.subcommand(Command::new("completion").about("Print the completion script of a shell").arg(shell))
}
