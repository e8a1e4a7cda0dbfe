//! What a REF on the command line is, and how its bytes are read: a file, standard input, a project, a folder of WIT, a
//! reference in a registry, or the name of a published package.
//!
//! The only module that opens anything to read. Looks into no bytes.

mod wit_folder;

use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use washlib_build::{BuildError, BuildRequest, CancelToken, Purpose, Reporter};
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_component::Decoded;
use washlib_config::{Config, Project, Sources};
use washlib_registry::Reference;
use washlib_wit::PackageId;

use crate::registry::{self, RegistryFlags};
use crate::{command_error, package};

use wit_folder::holds_wit;
pub(crate) use wit_folder::{WitError, wit_folder};

/// The largest file that is read, in bytes: what a module may be at most.
const MAX_SIZE: u64 = 1 << 30;

/// Where a run begins, and what its command line says about reaching others.
pub(crate) struct Place<'a> {
    pub(crate) global: &'a GlobalArgs,
    pub(crate) registries: RegistryFlags,
    pub(crate) features: Features,
}

/// What of a folder of WIT counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Features {
    /// What is stable, as for `wasm-tools component wit`.
    Stable,
    /// All of it, as in a published package.
    All,
}

/// Why a REF cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SourceError {
    #[error("the name of what to look at is empty")]
    Nameless,
    #[error("there is no file or folder {}", path.display())]
    NotFound { path: PathBuf },
    #[error("{name} has more than {MAX_SIZE} bytes")]
    TooLarge { name: String },
    #[error("cannot read {name}")]
    Read {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("the WIT in {} cannot be read", path.display())]
    Wit { path: PathBuf, source: WitError },
}

/// What was read.
pub(crate) enum Content {
    /// A file.
    Bytes(Vec<u8>),
    /// A folder of WIT.
    Wit(Box<Decoded>),
}

/// What a REF stands for.
pub(crate) struct Source {
    /// What to call it: as it was given, or the path of a project's component.
    pub(crate) name: String,
    /// The file, where it is one.
    pub(crate) path: Option<PathBuf>,
    pub(crate) content: Content,
}

/// Reads what a REF stands for; without one, the project that the start folder belongs to. Paths are relative to that
/// folder. A project's component is built if there is none.
pub(crate) fn read(reference: Option<&str>, place: &Place<'_>, ui: &Ui) -> Result<Source, CommandError> {
    let start = place.global.start_dir().map_err(CommandError::usage)?;
    let Some(reference) = reference else { return project(&start, place, ui) };
    if reference == "-" {
        let bytes = read_all(io::stdin().lock(), 0, "standard input").map_err(command_error::source)?;
        return Ok(Source { name: "-".to_owned(), path: None, content: Content::Bytes(bytes) });
    }
    // Joined to the start folder, it would mean that.
    if reference.is_empty() {
        return Err(command_error::source(SourceError::Nameless));
    }
    let path = start.join(reference);
    match fs_err::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => folder(reference, &path, place, ui),
        Ok(_) => file(reference.to_owned(), path).map_err(command_error::source),
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            if Reference::is_likely(reference) {
                let bytes = registry::pull(reference, place, ui)?;
                return Ok(Source { name: reference.to_owned(), path: None, content: Content::Bytes(bytes) });
            }
            if let Ok(named) = reference.parse::<PackageId>() {
                let (package, bytes) = package::fetch(&named, place, ui)?;
                return Ok(Source { name: package.to_string(), path: None, content: Content::Bytes(bytes) });
            }
            Err(command_error::source(SourceError::NotFound { path: PathBuf::from(reference) }))
        }
        Err(source) => Err(command_error::source(SourceError::Read { name: reference.to_owned(), source })),
    }
}

fn file(name: String, path: PathBuf) -> Result<Source, SourceError> {
    let failed = |source| SourceError::Read { name: name.clone(), source };
    let opened = fs_err::File::open(&path).map_err(failed)?;
    // A buffer of the file's size: growing one would hold it twice.
    let size = opened.metadata().map_err(failed)?.len().min(MAX_SIZE);
    // The system's own file, which fills a buffer that nobody has cleared before.
    let bytes = read_all(opened.into_file(), size, &name)?;
    Ok(Source { name, path: Some(path), content: Content::Bytes(bytes) })
}

/// Reads to the end; a device that has none is given up.
fn read_all(reader: impl Read, expected: u64, name: &str) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default() + 1);
    read_at_most(MAX_SIZE, reader, name, &mut bytes)?;
    Ok(bytes)
}

fn read_at_most(limit: u64, mut reader: impl Read, name: &str, bytes: &mut Vec<u8>) -> Result<(), SourceError> {
    let failed = |source| SourceError::Read { name: name.to_owned(), source };
    reader.by_ref().take(limit + 1).read_to_end(bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::TooLarge { name: name.to_owned() });
    }
    Ok(())
}

fn folder(reference: &str, path: &Path, place: &Place<'_>, ui: &Ui) -> Result<Source, CommandError> {
    let is_project =
        Project::discover(path).is_ok_and(|project| path.canonicalize().is_ok_and(|path| path == project.root()));
    if !is_project && holds_wit(path) {
        let decoded = wit_folder(path, place.features)
            .map_err(|source| command_error::source(SourceError::Wit { path: PathBuf::from(reference), source }))?;
        return Ok(Source { name: reference.to_owned(), path: None, content: Content::Wit(Box::new(decoded)) });
    }
    project(path, place, ui)
}

fn project(folder: &Path, place: &Place<'_>, ui: &Ui) -> Result<Source, CommandError> {
    let project = Project::discover(folder).map_err(command_error::discover)?;
    let config = configuration(&project, place, ui)?;
    let request = BuildRequest::new(&project, &config, Purpose::Release);
    let cancel = CancelToken::new();
    let path = match washlib_build::find_component(&request, &cancel) {
        Ok(path) => path,
        Err(BuildError::NotBuilt { .. }) => {
            let cancel_on_interrupt = cancel.clone();
            washlib_cli::on_interrupt(move |_| cancel_on_interrupt.cancel()).map_err(CommandError::failure)?;
            ui.status("Building", &format!("{} ({})", project.name(), project.root().display()));
            washlib_build::build(&request, &cancel, &UiReporter(ui)).map_err(command_error::build)?.component_path
        }
        Err(err) => return Err(command_error::build(err)),
    };
    file(path.display().to_string(), path).map_err(command_error::source)
}

/// The folder with a project's own WIT: where the start folder is in a project that has one.
pub(crate) fn project_wit(place: &Place<'_>) -> Option<PathBuf> {
    let project = Project::discover(&place.global.start_dir().ok()?).ok()?;
    Some(project.root().join("wit")).filter(|folder| holds_wit(folder))
}

/// The project around the start folder, or that folder as one that has nothing configured.
pub(crate) fn surroundings(place: &Place<'_>) -> Result<Project, CommandError> {
    let start = place.global.start_dir().map_err(CommandError::usage)?;
    Project::discover(&start).or_else(|_| Project::open(&start)).map_err(command_error::discover)
}

pub(crate) fn configuration(project: &Project, place: &Place<'_>, ui: &Ui) -> Result<Config, CommandError> {
    let environment = env::vars_os().collect();
    let sources = Sources {
        user_config: place.global.user_config.as_deref(),
        environment: &environment,
        flags: Config::default(),
    };
    let loaded = washlib_config::load(project, sources).map_err(command_error::config)?;
    for warning in &loaded.warnings {
        ui.warn(&warning.to_string());
    }
    Ok(loaded.config)
}

/// Tells a person what a build does.
struct UiReporter<'a>(&'a Ui);

impl Reporter for UiReporter<'_> {
    fn running(&self, command_line: &str) {
        self.0.status("Running", &format!("`{command_line}`"));
    }

    fn wrapped(&self, adapter: washlib_build::Adapter) {
        self.0.status("Wrapped", &format!("the core module in a component (WASI preview-1 adapter: {adapter})"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_not_read_to_the_end() {
        let err = read_at_most(1 << 16, io::repeat(0), "zeros", &mut Vec::new()).unwrap_err();
        assert!(matches!(err, SourceError::TooLarge { .. }), "{err}");
    }
}
