//! The command line of `wash inspect`. Its comments are the help, the man page and the reference.
//!
//! Depends on clap and the shared arguments alone, because the generator of man pages and completions includes it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use washlib_cli::{GlobalArgs, RegistryArgs};

/// See, compare and judge a component without running it
///
/// Prints the WIT of a component, of a WIT package or of a core module that carries its world: exactly what `wasm-tools
/// component wit` prints, so that it can be piped. On a terminal, a summary of one screen stands above it. `-o json` holds
/// all that is known.
///
/// REF is a file, `-` for standard input, a project's folder (its component, which is built if there is none), a folder of
/// WIT, a reference in a registry, or a published package (`wasi:http@0.2.0`; the newest without a version); without it,
/// the project that this folder belongs to. Modules and providers of wasmCloud 1.x show their claims, and whether the
/// signature verifies. Nothing that is read is run.
#[derive(Debug, Parser)]
#[command(
    name = "wash-inspect",
    bin_name = "wash inspect",
    version,
    override_usage = "wash inspect [OPTIONS] [REF]\n       wash inspect [OPTIONS] <COMMAND>",
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
pub(crate) struct Inspect {
    /// What to look at: a file, `-`, a project's folder, a folder of WIT, a reference, or a package [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// Print the summary alone
    #[arg(long, conflicts_with = "wit")]
    pub(crate) summary: bool,

    /// Print the WIT alone, on a terminal too
    #[arg(long)]
    pub(crate) wit: bool,

    #[command(subcommand)]
    pub(crate) command: Option<InspectCommand>,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InspectCommand {
    Diff(Diff),
    Check(Check),
    Size(Size),
    Deps(Deps),
    Metadata(Box<Metadata>),
    Validate(Validate),
    Strip(Strip),
    Wat(Wat),
    Graph(Graph),
}

/// Compare two components or WIT packages, and tell whom the change breaks
///
/// Lists interfaces, functions and types that were added, removed or changed, with both signatures, and gives a verdict:
/// patch, minor or breaking, for callers (of a component: whoever calls its exports; of a package or world: components
/// that were written against it) and for hosts (whoever provides its imports). Files, projects, folders of WIT, references
/// and published packages mix freely.
#[derive(Args, Debug)]
#[command(after_help = DIFF_AFTER_HELP)]
pub(crate) struct Diff {
    /// The older one
    #[arg(value_name = "OLD")]
    pub(crate) old: String,

    /// The newer one
    #[arg(value_name = "NEW")]
    pub(crate) new: String,

    /// The world of a package to compare
    #[arg(long, value_name = "WORLD")]
    pub(crate) world: Option<String>,
}

/// Tell whether a host can run a component, and what to add
///
/// Lists each import that the host lacks, offers in another version, or offers only when told to, with the entry of
/// `hostInterfaces` or the flag to add. `wash inspect check --list-hosts` names the hosts that are known.
#[derive(Args, Debug)]
#[command(after_help = CHECK_AFTER_HELP)]
pub(crate) struct Check {
    /// What to check [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// The host: a known one's name, or a file that describes one
    #[arg(long, value_name = "HOST", required_unless_present_any = ["world", "list_hosts"])]
    pub(crate) host: Option<String>,

    /// The world that the component must fit: `namespace:package/world`, or a world's name alone; with `--host`, the one of
    /// a WIT package that the host is to run
    #[arg(long, value_name = "WORLD")]
    pub(crate) world: Option<String>,

    /// Where the world is defined: a folder of WIT, a file, a reference or a package [default: the project's WIT folder]
    #[arg(long, value_name = "REF", requires = "world", conflicts_with = "host")]
    pub(crate) wit: Option<String>,

    /// List the known hosts
    #[arg(long, conflicts_with_all = ["reference", "host", "world"])]
    pub(crate) list_hosts: bool,
}

/// Tell what a component's bytes are made of
///
/// Bytes for each core module, section, function, crate (by names and DWARF) and data segment, and what stripping would
/// save.
#[derive(Args, Debug)]
#[command(after_help = SIZE_AFTER_HELP)]
pub(crate) struct Size {
    /// What to measure [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// Show what changed since another build
    #[arg(long, value_name = "OLD")]
    pub(crate) diff: Option<String>,

    /// Write a page with a map of the bytes, which needs no other file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) treemap: Option<PathBuf>,

    /// How many functions and crates to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
}

/// List the crates and packages that a component was made of
///
/// Reads what the binary records: cargo-auditable's list in every module that is nested in it, and its producers.
#[derive(Args, Debug)]
#[command(after_help = DEPS_AFTER_HELP)]
pub(crate) struct Deps {
    /// What to look at [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// Print a bill of materials
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) sbom: Option<SbomFormat>,
}

/// The format of a bill of materials.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SbomFormat {
    /// CycloneDX 1.6
    #[value(name = "cyclonedx")]
    CycloneDx,
    /// SPDX 2.3
    Spdx,
}

/// Show or set what a component says of itself
///
/// Without an option, shows name, version, authors, description, licences, source, home page, revision and producers. With
/// one, writes the changed component to the file that `--to` names, or in its place. An empty value removes a field.
#[derive(Args, Debug)]
#[command(after_help = METADATA_AFTER_HELP)]
pub(crate) struct Metadata {
    /// What to look at [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    #[command(flatten, next_help_heading = "Fields to set")]
    pub(crate) fields: MetadataFields,

    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Args, Debug)]
pub(crate) struct MetadataFields {
    /// Its name
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,

    /// Its own version
    #[arg(long = "set-version", value_name = "TEXT")]
    pub(crate) component_version: Option<String>,

    /// Who is responsible
    #[arg(long, value_name = "TEXT")]
    pub(crate) authors: Option<String>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// Its licences, as an SPDX expression
    #[arg(long, value_name = "SPDX")]
    pub(crate) licenses: Option<String>,

    /// Where its source is
    #[arg(long, value_name = "URL")]
    pub(crate) source: Option<String>,

    /// Where to read more
    #[arg(long, value_name = "URL")]
    pub(crate) homepage: Option<String>,

    /// The revision of its source
    #[arg(long, value_name = "TEXT")]
    pub(crate) revision: Option<String>,
}

/// Where a changed binary goes.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The file to write, or `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    pub(crate) to: Option<PathBuf>,

    /// Replace the file that was read
    #[arg(long)]
    pub(crate) in_place: bool,
}

/// Check that a file is a valid component or module
#[derive(Args, Debug)]
#[command(after_help = VALIDATE_AFTER_HELP)]
pub(crate) struct Validate {
    /// What to check [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,
}

/// Remove what a component does not need to run
///
/// Removes custom sections, such as debugging information, at every level; keeps names, worlds and what dynamic linking
/// needs.
#[derive(Args, Debug)]
#[command(after_help = STRIP_AFTER_HELP)]
pub(crate) struct Strip {
    /// What to strip [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// Remove all custom sections, names too
    #[arg(long, conflicts_with = "delete")]
    pub(crate) all: bool,

    /// Remove custom sections of this name alone; `*` at its end stands for any ending
    #[arg(long, value_name = "NAME")]
    pub(crate) delete: Vec<String>,

    #[command(flatten)]
    pub(crate) target: Target,
}

/// Print a component in the text format
#[derive(Args, Debug)]
#[command(after_help = WAT_AFTER_HELP)]
pub(crate) struct Wat {
    /// What to print [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// Leave out function bodies and data
    #[arg(long)]
    pub(crate) skeleton: bool,
}

/// Draw which instances a component consists of, and what satisfies what
#[derive(Args, Debug)]
#[command(after_help = GRAPH_AFTER_HELP)]
pub(crate) struct Graph {
    /// What to draw [default: this project]
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// The language of the drawing
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: GraphFormat,
}

/// The language of a drawing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz
    #[default]
    Dot,
    /// Mermaid, which many Markdown viewers draw
    Mermaid,
}

const AFTER_HELP: &str = "\
Examples:
  wash inspect                          The WIT of this project's component
  wash inspect hello.wasm > world.wit   The WIT alone
  wash inspect --summary hello.wasm     One screen: kind, imports, exports, size, tools, licence
  cat hello.wasm | wash inspect -
  wash inspect -o json hello.wasm | jq '.data.imports'

Exit status:
  0    it could be read
  1    it could not be read or decoded, or only in part, or the answer of a command is no
  2    the command line or the configuration is wrong
  130  interrupted";

const DIFF_AFTER_HELP: &str = "\
Examples:
  wash inspect diff old.wasm new.wasm
  wash inspect diff wit-before/ wit/ --world proxy
  wash inspect diff wasi:http@0.2.0 wasi:http@0.2.12
  wash inspect diff -o json old.wasm . | jq .data.verdict

Exit status:
  0    the verdict is patch or minor. Of two packages, it is about the components that are written against them: a change
       that breaks hosts alone is minor
  1    the verdict is breaking, or one of them could not be read
  2    the command line is wrong";

const CHECK_AFTER_HELP: &str = "\
Examples:
  wash inspect check --host wash                       This project on this version's own host
  wash inspect check hello.wasm --host wasmtime-serve
  wash inspect check hello.wasm --world wasi:http/proxy --wit wit/
  wash inspect check wit/ --world app --host wash      One of the worlds of a WIT package
  wash inspect check --list-hosts

Exit status:
  0    it will start, given what is listed
  1    the host or the world lacks something
  2    the command line is wrong";

const SIZE_AFTER_HELP: &str = "\
Examples:
  wash inspect size hello.wasm
  wash inspect size hello.wasm --diff before.wasm
  wash inspect size hello.wasm --treemap size.html
  wash inspect size hello.wasm --top 50

Exit status:
  0    done
  1    it could not be read
  2    the command line is wrong";

const DEPS_AFTER_HELP: &str = "\
Examples:
  wash inspect deps hello.wasm
  wash inspect deps hello.wasm --sbom cyclonedx > hello.cdx.json
  wash inspect deps hello.wasm --sbom spdx > hello.spdx.json

Exit status:
  0    done, also when the binary records nothing
  1    it could not be read, or only in part
  2    the command line is wrong";

const METADATA_AFTER_HELP: &str = "\
Examples:
  wash inspect metadata hello.wasm
  wash inspect metadata hello.wasm --set-version 1.2.0 --licenses Apache-2.0 --in-place
  wash inspect metadata hello.wasm --authors '' --to bare.wasm    Without authors

Exit status:
  0    done
  1    it could not be read, or only in part, or not be written
  2    the command line is wrong";

const VALIDATE_AFTER_HELP: &str = "\
Examples:
  wash inspect validate hello.wasm
  wash inspect validate -o json hello.wasm | jq .data.problem

Exit status:
  0    it is valid
  1    it is not, or it could not be read
  2    the command line is wrong";

const STRIP_AFTER_HELP: &str = "\
Examples:
  wash inspect strip hello.wasm --to small.wasm
  wash inspect strip hello.wasm --delete '.debug_*' --in-place
  wash inspect strip hello.wasm --to - | wc -c

Exit status:
  0    done, also when there is no section of that name
  1    it could not be read, or not be written
  2    the command line is wrong";

const WAT_AFTER_HELP: &str = "\
Examples:
  wash inspect wat hello.wasm > hello.wat
  wash inspect wat hello.wasm --skeleton

Exit status:
  0    done
  1    it could not be read
  2    the command line is wrong";

const GRAPH_AFTER_HELP: &str = "\
Examples:
  wash inspect graph composed.wasm | dot -Tsvg > composed.svg
  wash inspect graph composed.wasm --format mermaid

Exit status:
  0    done
  1    it could not be read
  2    the command line is wrong";
