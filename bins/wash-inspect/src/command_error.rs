//! Every error that a library gives `wash inspect`, with the hint that helps and the exit code.

use std::io;
use std::path::Path;
use std::str::Utf8Error;

use washlib_build::BuildError;
use washlib_cli::CommandError;
use washlib_component::{CompareError, DecodeError, InvalidError, Stopped, UnrecognizedError};
use washlib_config::{ConfigError, DiscoverError};
use washlib_registry::{PullError, Reference};
use washlib_wit::PackageId;

use crate::archive::ArchiveError;
use crate::host_profile::ProfileError;
use crate::output::Problem;
use crate::source::SourceError;

/// An error that says which of several files it is about.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {what}")]
struct About<E: std::error::Error + 'static> {
    name: String,
    what: &'static str,
    #[source]
    source: E,
}

fn about<E: std::error::Error + Send + Sync + 'static>(name: &str, what: &'static str, source: E) -> CommandError {
    CommandError::failure(About { name: name.to_owned(), what, source })
}

pub(crate) fn source(err: SourceError) -> CommandError {
    let hint = match &err {
        SourceError::NotFound { .. } => Some("`wash inspect --help` tells what REF can be".to_owned()),
        _ => None,
    };
    match err {
        err @ SourceError::Nameless => CommandError::usage(err).hint("leave it out to look at the project here"),
        err => CommandError::failure(err).hint_if_some(hint),
    }
}

pub(crate) fn pull(err: PullError) -> CommandError {
    let hint = match &err {
        PullError::Registry { source, .. } => source.hint(),
        _ => None,
    };
    CommandError::failure(err).hint_if_some(hint)
}

pub(crate) fn package(package: &PackageId, err: washlib_wit::SourceError) -> CommandError {
    use washlib_wit::SourceError as E;
    let hint = match &err {
        E::Interrupted => return CommandError::interrupted(),
        // What helps a project that fetches does not help here.
        E::Unreachable { .. } | E::Offline { .. } => None,
        E::NoRegistry { namespace } => Some(format!(
            "if it is a file, there is none here; a registry for `{namespace}` is named in `wit.registries` of .wash/config.yaml"
        )),
        err => err.hint(),
    };
    about(&package.to_string(), "the package cannot be had", err).hint_if_some(hint)
}

pub(crate) fn cached(reference: &Reference, err: io::Error) -> CommandError {
    CommandError::failure(format!("cannot read what was pulled of {reference}: {err}"))
}

pub(crate) fn discover(err: DiscoverError) -> CommandError {
    match err {
        DiscoverError::NotFound { .. } => CommandError::usage(err)
            .hint("name a file: `wash inspect hello.wasm`; or a project: `wash -C <dir> inspect`"),
        other => CommandError::failure(other),
    }
}

pub(crate) fn config(err: ConfigError) -> CommandError {
    let hint = err.hint();
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn build(err: BuildError) -> CommandError {
    let hint = err.hint();
    match err {
        BuildError::Cancelled => CommandError::interrupted(),
        err @ (BuildError::NoToolchain { .. } | BuildError::OutsideProject { .. }) => {
            CommandError::usage(err).hint_if_some(hint)
        }
        err => CommandError::failure(err).hint_if_some(hint),
    }
}

pub(crate) fn unrecognized(name: &str, err: UnrecognizedError) -> CommandError {
    let hint = match &err {
        UnrecognizedError::NotWasm { description } if *description == "WebAssembly in its text form" => {
            Some(format!("`wasm-tools parse {name} -o out.wasm` makes it a binary"))
        }
        _ => None,
    };
    about(name, "not recognised", err).hint_if_some(hint)
}

pub(crate) fn decode(name: &str, err: DecodeError) -> CommandError {
    match err {
        DecodeError::NoWit => no_wit(name),
        err => about(name, "its WIT cannot be read", err),
    }
}

pub(crate) fn no_wit(name: &str) -> CommandError {
    CommandError::failure(format!("{name} has no WIT"))
        .hint(format!("`wash inspect --summary {name}` tells what it is"))
        .hint("a compiler's core module becomes a component by `wash build` or `wasm-tools component new`")
}

pub(crate) fn not_text(name: &str, err: Utf8Error) -> CommandError {
    about(name, "not a text", err)
}

pub(crate) fn not_binary(name: &str, what: &str) -> CommandError {
    CommandError::failure(format!("{name} is {what}, and this needs a WebAssembly binary"))
}

pub(crate) fn archive(name: &str, err: ArchiveError) -> CommandError {
    match err {
        err @ ArchiveError::NoClaims { .. } => about(name, "not recognised", err),
        err => about(name, "a tar archive that cannot be read", err),
    }
}

pub(crate) fn partly(name: &str, problem: &Problem) -> CommandError {
    let place = problem.offset.map(|offset| format!(" after byte {offset:#x}")).unwrap_or_default();
    CommandError::failure(format!("{name} can be read only in part{place}: {}", problem.reason))
}

pub(crate) fn stopped(name: &str, err: Stopped) -> CommandError {
    about(name, "damaged", err).hint(format!("`wash inspect --summary {name}` shows what can be read"))
}

pub(crate) fn invalid(name: &str, err: InvalidError) -> CommandError {
    about(name, "not valid", err)
}

pub(crate) fn compare(err: CompareError) -> CommandError {
    let hint = match &err {
        CompareError::WhichWorld { worlds, .. } if !worlds.is_empty() => Some(add_world(worlds)),
        CompareError::NoSuchWorld { worlds, .. } if !worlds.is_empty() => Some(has_worlds(worlds)),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

fn add_world(worlds: &[String]) -> String {
    format!("add `--world`: {}", worlds.join(", "))
}

fn has_worlds(worlds: &[String]) -> String {
    format!("it has: {}", worlds.join(", "))
}

/// A package of which none or several worlds could run on a host.
pub(crate) fn which_world(name: &str, worlds: &[String]) -> CommandError {
    if worlds.is_empty() {
        return CommandError::usage(format!("{name} has no world, and a host runs nothing else"));
    }
    CommandError::usage(format!("{name} has {} worlds: name one of them", worlds.len())).hint(add_world(worlds))
}

pub(crate) fn no_such_world(name: &str, asked: &str, worlds: &[String]) -> CommandError {
    let hint = (!worlds.is_empty()).then(|| has_worlds(worlds));
    CommandError::usage(format!("{name} has no world `{asked}`")).hint_if_some(hint)
}

pub(crate) fn own_world(name: &str) -> CommandError {
    CommandError::usage(format!(
        "with `--host`, `--world` chooses among the worlds of a WIT package, and {name} has one of its own"
    ))
}

pub(crate) fn profile(err: ProfileError) -> CommandError {
    let hint = match &err {
        ProfileError::Unknown { .. } => Some("`wash inspect check --list-hosts` names those that are known"),
        _ => None,
    };
    CommandError::usage(err).hint_if_some(hint)
}

pub(crate) fn no_wit_folder(world: &str) -> CommandError {
    CommandError::usage(format!("the world `{world}` is looked for in a project's WIT folder, and there is none here"))
        .hint("say where it is with `--wit <folder>`")
}

pub(crate) fn other_package(asked: &str, packages: &[String]) -> CommandError {
    CommandError::usage(format!("the package `{asked}` is not in that WIT"))
        .hint(format!("it holds: {}", packages.join(", ")))
}

pub(crate) fn misplaced() -> CommandError {
    CommandError::usage("REF, `--summary` and `--wit` do not go with a command")
        .hint("write REF behind the command: `wash inspect size hello.wasm`")
}

pub(crate) fn one_standard_input() -> CommandError {
    CommandError::usage("standard input can be only one of the two")
}

pub(crate) fn no_target() -> CommandError {
    CommandError::usage("no target was named").hint("add `--to <FILE>` or `--in-place`")
}

pub(crate) fn write(path: &Path, err: io::Error) -> CommandError {
    CommandError::failure(format!("cannot write {}: {err}", path.display()))
}

pub(crate) fn incomplete_bill(name: &str, problem: &str) -> CommandError {
    CommandError::failure(format!("{name}: the bill of materials would be incomplete: {problem}"))
}

/// A tool of the wasm-tools family refused, in its own words.
pub(crate) fn refused(name: &str, what: &str, reason: impl std::fmt::Display) -> CommandError {
    CommandError::failure(format!("{name}: cannot {what}: {reason}"))
}
