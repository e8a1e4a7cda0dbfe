//! The command line of `wash new`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use std::path::PathBuf;

use clap::Parser;
use washlib_cli::GlobalArgs;

/// Create a project from a template
///
/// The template is a built-in one, a Git repository or a folder. A built-in template works without a network and takes
/// on the project's name; others are copied as they are, without the `git` program for https, http and local
/// repositories. The project is created at once or not at all, never over something that exists. Its path is printed on
/// stdout.
///
/// Symbolic links that leave the template, device files, submodules and `.git` are left out with a warning. A template
/// may bring a command to set the project up (`new.command` in its `.wash/config.yaml`): it is shown, and runs only when
/// you agree at a terminal or with `--allow-commands`.
#[derive(Debug, Parser)]
#[command(
    name = "wash-new",
    bin_name = "wash new",
    version,
    override_usage = "wash new [OPTIONS] <SOURCE>\n       wash new --list",
    after_help = AFTER_HELP
)]
pub(crate) struct New {
    /// The template: a built-in one's name, a Git URL, or a folder
    #[arg(value_name = "SOURCE", required = false, conflicts_with = "list")]
    pub(crate) source: Option<String>,

    /// The name of the project and its folder [default: that of the subfolder, repository, folder or template]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// The folder inside the source that is the template
    #[arg(long, value_name = "PATH")]
    pub(crate) subfolder: Option<PathBuf>,

    /// The branch, tag or commit of the repository [default: its default branch]
    #[arg(long, value_name = "REF")]
    pub(crate) git_ref: Option<String>,

    /// List the built-in templates
    #[arg(long)]
    pub(crate) list: bool,

    /// Run the template's own set-up command without asking
    #[arg(long)]
    pub(crate) allow_commands: bool,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

const AFTER_HELP: &str = "\
Examples:
  wash new --list                                List the built-in templates
  wash new http-hello-world --name hello         Create `hello` from a built-in template
  wash new https://github.com/wasmCloud/wasmCloud.git --subfolder templates/http-client
  wash new ../our-templates --subfolder service --git-ref v2
  wash new git@example.org:team/template.git     Fetch over ssh, with the `ssh` program

Exit status:
  0    the project is there
  1    the template could not be reached or used, or its set-up command failed
  2    the command line is wrong
  130  interrupted; no half-made project is left";
