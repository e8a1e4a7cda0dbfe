//! Man pages and shell completions, from the very command lines that the tools parse; schemas, from the very types that
//! they print.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, Command, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

use crate::process::{say, workspace_root};
use crate::schemas;

// The files are included instead of the tools being linked, so that `cargo xtask` need not wait for a wasm compiler.
#[path = "../../bins/wash-build/src/cli.rs"]
mod wash_build;
#[path = "../../bins/wash-dev/src/cli.rs"]
mod wash_dev;
#[path = "../../bins/wash-host/src/cli.rs"]
mod wash_host;
#[path = "../../bins/wash-inspect/src/cli.rs"]
mod wash_inspect;
#[path = "../../bins/wash-new/src/cli.rs"]
mod wash_new;
#[path = "../../bins/wash-oci/src/cli.rs"]
mod wash_oci;
#[path = "../../bins/wash-wit/src/cli.rs"]
mod wash_wit;

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
    // The front-end's commands are programs with pages of their own.
    manual_page(&front_end().disable_help_subcommand(true), &mut files)?;
    for (_, tool) in tools() {
        manual_pages(tool.disable_help_subcommand(true), &mut files)?;
    }
    for (name, schema) in schemas::all()? {
        files.push((workspace_root().join("schemas").join(format!("{name}.schema.json")), schema));
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

/// The page of a command and those of all commands below it.
fn manual_pages(mut command: Command, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    // Commands below learn their full names and the options that all share when they are built.
    command.build();
    manual_page(&command, files)?;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        manual_pages(below.clone().disable_help_subcommand(true), files)?;
    }
    Ok(())
}

fn manual_page(command: &Command, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    let name = command.get_display_name().unwrap_or(command.get_name());
    files.push((workspace_root().join("man").join(format!("{name}.1")), text));
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    Ok(fs_err::write(path, text)?)
}

/// The tools' command lines, by the names they go by as commands of the front-end.
fn tools() -> [(&'static str, Command); 7] {
    [
        ("build", wash_build::Build::command()),
        ("dev", wash_dev::Dev::command()),
        ("host", wash_host::Host::command()),
        ("inspect", wash_inspect::Inspect::command()),
        ("new", wash_new::New::command()),
        ("oci", wash_oci::Oci::command()),
        ("wit", wash_wit::Wit::command()),
    ]
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
    let cache = clap::Arg::new("cache").required(true).value_parser(["all", "host", "oci", "wit"]);
    let drain = Command::new("drain").about("Clean the caches that tools keep").arg(cache);
    command = command.subcommand(drain);
    let shell = clap::Arg::new("shell").required(true).value_parser(["bash", "elvish", "fish", "powershell", "zsh"]);
    command.subcommand(Command::new("completion").about("Print the completion script of a shell").arg(shell))
}
