//! What `wash help` and `wash help completion` print.
//!
//! The help of a tool is the tool's own: see [`crate::exec`].

use crate::completion::SHELLS;
use crate::known;
use crate::options::{self, OptionSpec};
use crate::output::printable;
use crate::search::FoundTool;

const BEFORE_COMMANDS: &str = "\
Wasm Shell: create, build and serve WebAssembly components

Usage: wash [OPTIONS] <COMMAND> [ARGUMENTS]...

Every command is a program of its own: `wash build` runs `wash-build`.
";

const AFTER_OPTIONS: &str = "
Where a command's program is searched, first one first:
  1. the folders in $WASH_EXEC_PATH, separated by colons
  2. the folder of wash itself, then ../libexec/wash and ../libexec beside it
  3. the folders in $PATH

Examples:
  wash new http-hello-world --name hello   Create a project
  wash -C hello build                      Build it from outside its folder
  wash -o json build                       The same, with the result as JSON
  wash help build                          What `wash build` can do
  wash --list                              Which commands there are, and where

Exit status:
  0    Done
  1    The answer could not be printed
  2    The command line is wrong
  126  The command's program was found but cannot be run
  127  There is no such command
  Once the command runs, its exit status is that of wash.
";

const COMPLETION: &str = "\
Print a completion script for a shell

Usage: wash completion <SHELL>

";

const DRAIN: &str = "\
Clean the caches that tools keep: of artifacts (oci), WIT packages (wit), compiled code (host), or all

Usage: wash drain <CACHE>

Each tool cleans its own: `wash drain oci` runs `wash oci cache clean`.

Exit status:
  0    Done
  2    The cache is missing or unknown
  Otherwise that of the tool.
";

const AFTER_COMPLETION: &str = "
Examples:
  source <(wash completion bash)                               In bash, for this session
  wash completion zsh > ~/.zfunc/_wash                         In zsh, with ~/.zfunc in $fpath
  wash completion fish > ~/.config/fish/completions/wash.fish  In fish, for good

Exit status:
  0    Done
  2    The shell is missing or unknown
";

/// The help of `wash`, with the commands that were found: the family's own first, in the order of the work.
pub(crate) fn of_front_end(tools: &[FoundTool]) -> String {
    let is_found = |name: &str| tools.iter().any(|tool| tool.command == name);
    let own = known::KNOWN.iter().filter(|tool| is_found(tool.name)).map(|tool| (tool.name.into(), tool.summary));
    let built_in = [
        ("completion".into(), "Print a completion script for a shell"),
        ("drain".into(), "Clean the caches that tools keep"),
        ("help".into(), "Print this help, or that of a command"),
    ];
    let mut help = String::from(BEFORE_COMMANDS);
    section(&mut help, "Commands", own.chain(built_in).collect());
    let others = tools.iter().filter(|tool| !known::is_known(&tool.command));
    let others: Vec<(String, &str)> = others.map(|tool| (printable(&tool.command), "")).collect();
    if !others.is_empty() {
        section(&mut help, "Other commands found", others);
    }
    section(&mut help, "Global options, passed on to the command", options::GLOBAL.iter().map(option_row).collect());
    section(&mut help, "Options", options::OWN.iter().map(option_row).collect());
    help.push_str(AFTER_OPTIONS);
    help
}

/// The help of `wash completion`.
pub(crate) fn of_completion() -> String {
    let shells: Vec<&str> = SHELLS.iter().map(|(name, _)| *name).collect();
    format!("{COMPLETION}Arguments:\n  <SHELL>  One of {}\n{AFTER_COMPLETION}", shells.join(", "))
}

/// The help of `wash drain`.
pub(crate) fn of_drain() -> String {
    DRAIN.to_owned()
}

fn section(help: &mut String, title: &str, rows: Vec<(String, &str)>) {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    help.push_str(&format!("\n{title}:\n"));
    for (name, summary) in rows {
        let line = format!("  {name:width$}  {summary}");
        help.push_str(line.trim_end());
        help.push('\n');
    }
}

fn option_row(option: &OptionSpec) -> (String, &'static str) {
    let short = option.short.map_or("  ".into(), |short| format!("-{short}"));
    let separator = if option.short.is_some() && option.long.is_some() { ", " } else { "  " };
    let long = option.long.map(|long| format!("--{long}")).unwrap_or_default();
    let value = option.value_name.map(|value| format!("<{value}>")).unwrap_or_default();
    let names = format!("{short}{separator}{long}");
    (format!("{} {value}", names.trim_end()).trim_end().to_owned(), option.summary)
}
