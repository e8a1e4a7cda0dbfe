//! The command line of `wash wit`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use washlib_cli::{GlobalArgs, PruneArgs};

/// Manage the WIT dependencies of a project
///
/// Dependencies are what the `.wit` files of the project refer to. They are fetched into `wit/deps`, and `wkg.lock`
/// keeps which releases they are, by digest. Both have the form that `wkg` gives them, so that a project can be used with
/// either. Packages that were put into `wit/deps` by hand are used and left alone.
#[derive(Debug, Parser)]
#[command(name = "wash-wit", bin_name = "wash wit", version, after_help = AFTER_HELP)]
pub(crate) struct Wit {
    #[command(subcommand)]
    pub(crate) command: WitCommand,

    #[command(flatten)]
    pub(crate) dependencies: DependencyArgs,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Options that every command below accepts.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Dependency options")]
pub(crate) struct DependencyArgs {
    /// The folder of the project's `.wit` files, relative to the project [default: ./wit]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) wit_dir: Option<PathBuf>,

    /// Send no packet: use what is in `wit/deps` and on this machine
    #[arg(long, global = true)]
    pub(crate) offline: bool,

    /// Fail if `wkg.lock` would change
    #[arg(long, global = true)]
    pub(crate) locked: bool,

    /// `--offline` and `--locked` in one
    #[arg(long, global = true)]
    pub(crate) frozen: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WitCommand {
    /// Fetch what the sources refer to into `wit/deps`
    Fetch(Fetch),
    /// Add an interface or a world to the project's world, and fetch it
    Add(Add),
    /// Remove a dependency from the sources
    Remove(Remove),
    /// Write newer versions into the sources, and fetch them
    Update(Update),
    /// Remove fetched dependencies from `wit/deps`
    Clean,
    /// Build the project's WIT into a package in the binary form
    Build(Build),
    /// Check that sources, lock and `wit/deps` agree; changes nothing
    Check,
    /// Show the packages and where they come from
    Tree(Tree),
    /// List dependencies that have newer versions
    Outdated,
    /// Show how the project comes to depend on a package
    Why(Why),
    /// Copy the locked packages into a folder that `wash` and `wkg` can use as a registry
    Vendor(Vendor),
    /// Build the project's WIT and publish it to a registry
    Publish(Publish),
    /// Look after the cache of packages, which all projects share
    #[command(subcommand)]
    Cache(CacheCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Remove what was not used for long
    Prune(PruneArgs),
    /// Remove everything
    #[command(alias = "clear")]
    Clean,
    /// Print where it is
    Path,
}

/// Fetch what the sources refer to into `wit/deps`
///
/// What the lock confirms and this machine has is not asked for again. Without anything to do, nothing is written.
#[derive(Args, Debug)]
pub(crate) struct Fetch {
    /// Remove fetched dependencies first: what `wkg.lock` owns of `wit/deps` does not count
    #[arg(long)]
    pub(crate) clean: bool,
}

/// Add an interface or a world to the project's world, and fetch it
///
/// Without a version, the newest release. With a package alone, its interfaces and worlds are offered; where nobody can
/// be asked, its only one is taken, or its world `imports`. A failure leaves the sources as they were.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// What to add: `namespace:package[/interface][@version]`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,

    /// Export the interface instead of importing it
    #[arg(long)]
    pub(crate) export: bool,

    /// The world of the project to add to, if it has several
    #[arg(long, value_name = "NAME")]
    pub(crate) world: Option<String>,
}

/// Remove a dependency from the sources
///
/// Removes its imports, exports and includes. What the sources still `use` is an error.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// What to remove: `namespace:package[/interface][@version]`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
}

/// Write newer versions into the sources, and fetch them
///
/// Compatible versions only, unless told otherwise. Sources of `wit.sources` are looked at anew.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// The package to update; all of them without
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: Option<String>,

    /// The version to change to, whatever others there are
    #[arg(long, value_name = "VERSION", requires = "package", conflicts_with = "breaking")]
    pub(crate) precise: Option<String>,

    /// Change to versions that are not compatible, too
    #[arg(long)]
    pub(crate) breaking: bool,
}

/// Build the project's WIT into a package in the binary form
#[derive(Args, Debug)]
pub(crate) struct Build {
    /// The file to write [default: <namespace>:<name>@<version>.wasm with dashes, in the project]
    #[arg(long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
}

/// Show the packages and where they come from
#[derive(Args, Debug)]
pub(crate) struct Tree {
    /// Show who refers to a package instead of what it refers to
    #[arg(short, long, value_name = "PACKAGE")]
    pub(crate) invert: Option<String>,
}

/// Show how the project comes to depend on a package
#[derive(Args, Debug)]
pub(crate) struct Why {
    /// The package, with or without a version
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
}

/// Copy the locked packages into a folder that `wash` and `wkg` can use as a registry
#[derive(Args, Debug)]
pub(crate) struct Vendor {
    /// The folder, relative to the project
    #[arg(value_name = "DIR", default_value = "wit/vendor")]
    pub(crate) folder: PathBuf,
}

/// Build the project's WIT and publish it to a registry
///
/// A version that exists is never replaced. The package is compared with the compatible versions that are published:
/// nothing that they promise may be missing or different.
#[derive(Args, Debug)]
pub(crate) struct Publish {
    /// The registry, instead of the one that is configured for the namespace
    #[arg(long, value_name = "REGISTRY")]
    pub(crate) registry: Option<String>,

    /// Check everything, publish nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER_HELP: &str = "\
Examples:
  wash wit fetch                                 Fetch what the sources refer to
  wash wit add wasi:keyvalue/store@0.2.0-draft   Import an interface
  wash wit update wasi:http                      Change to the newest compatible version
  wash wit check --locked                        In CI: does everything agree?
  wash wit tree -o json                          Read the packages with a program

Exit status:
  0    done
  1    it failed, or the answer is no
  2    the command line, the configuration or a `.wit` file is wrong
  130  interrupted; the project is as it was";
