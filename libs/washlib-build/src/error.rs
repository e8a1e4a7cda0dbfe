//! Why a build gave no component.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use washlib_component::{EncodeError, InvalidError};
use washlib_config::Origin;

/// Why a build gave no component. Each variant carries what a hint needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing says how to build the project.
    #[error("no build command is configured for {}, and no known toolchain fits the project", root.display())]
    NoToolchain {
        /// The project's folder.
        root: PathBuf,
    },
    /// The toolchain is known but the project lacks something that it needs.
    #[error("{problem} ({})", file.display())]
    Unbuildable {
        /// What is missing, as a clause.
        problem: String,
        /// The file that shows it.
        file: PathBuf,
        /// What to do about it, where that is known.
        advice: Option<String>,
    },
    /// A program that the build needs is not installed.
    #[error("the program `{program}` was not found")]
    ProgramNotFound {
        /// Its name, as it was looked up.
        program: String,
    },
    /// A program did not start.
    #[error("cannot run `{program}`")]
    Spawn {
        /// Its name.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// What a program prints could not be read.
    #[error("cannot read what `{command}` prints")]
    ReadOutput {
        /// Its command line.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// Cargo could not describe the project.
    #[error("cannot read the Cargo project in {}", root.display())]
    CargoMetadata {
        /// The project's folder.
        root: PathBuf,
        /// Cargo's own message.
        source: Box<cargo_metadata::Error>,
    },
    /// The build ran and failed.
    #[error("the build command `{command}` failed: {}", describe(status))]
    Failed {
        /// Its command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The compilation target that is not installed, when that is why.
        missing_target: Option<String>,
    },
    /// Somebody cancelled the build.
    #[error("the build was interrupted")]
    Cancelled,
    /// The build succeeded but there is nothing at the path where the component should be.
    #[error("the build command `{command}` succeeded, but there is no component at {}", path.display())]
    Missing {
        /// The command line that ran.
        command: String,
        /// Where the component should be.
        path: PathBuf,
        /// WebAssembly files that the project does hold.
        found: Vec<PathBuf>,
    },
    /// The build left more than one file that could be the component.
    #[error("the build command `{command}` left several components: {}", list(candidates))]
    Ambiguous {
        /// The command line that ran.
        command: String,
        /// The files.
        candidates: Vec<PathBuf>,
    },
    /// Without a build there is nothing at the path where the component should be.
    #[error("the project has not been built: there is no component at {}", path.display())]
    NotBuilt {
        /// Where the component should be.
        path: PathBuf,
        /// WebAssembly files that the project does hold.
        found: Vec<PathBuf>,
    },
    /// Without a build nothing says which of several files is the component.
    #[error("the component could be any of {}", list(candidates))]
    SeveralBuilt {
        /// The files.
        candidates: Vec<PathBuf>,
    },
    /// The build succeeded without making the component that its sources ask for.
    #[error(
        "the build command `{command}` succeeded, but {} is stale: {} is newer", path.display(), newer.display()
    )]
    Stale {
        /// The command line that ran.
        command: String,
        /// The component that the build did not touch.
        path: PathBuf,
        /// A source file that has changed since.
        newer: PathBuf,
    },
    /// The configuration names a component outside the project.
    #[error("the component's path {} ({origin}) is outside the project {}", path.display(), root.display())]
    OutsideProject {
        /// The path, absolute.
        path: PathBuf,
        /// Where it was set.
        origin: Origin,
        /// The project's folder.
        root: PathBuf,
    },
    /// There is a file, but it is no component.
    #[error("{} is not a component", path.display())]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        source: EncodeError,
    },
    /// The file system refused.
    #[error("cannot use the build's result")]
    Io(#[source] io::Error),
}

fn describe(status: &ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl BuildError {
    /// What is likely to help: a command to run or a key to set. `None` where the message says all there is.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoToolchain { .. } => Some("set `build.command` in .wash/config.yaml".to_owned()),
            Self::Unbuildable { advice, .. } => advice.clone(),
            Self::ProgramNotFound { program } => Some(how_to_install(program)),
            Self::Failed { missing_target: Some(target), .. } => Some(format!("run `rustup target add {target}`")),
            Self::Failed { status, .. } if status.code() == Some(127) => {
                Some("a program that the command calls is not installed, or not on PATH".to_owned())
            }
            Self::Missing { found, .. } => match found.first() {
                Some(path) => Some(format!("if {} is the component, set `build.component_path` to it", path.display())),
                None => Some("set `build.component_path` to the file that the command builds".to_owned()),
            },
            Self::NotBuilt { .. } => Some("run `wash build` first".to_owned()),
            Self::Ambiguous { .. } | Self::SeveralBuilt { .. } => {
                Some("set `build.component_path` to one of them".to_owned())
            }
            Self::Stale { path, .. } => Some(format!(
                "check that `build.component_path` names what the command builds; `rm {}` forces a new one",
                path.display()
            )),
            Self::OutsideProject { .. } => Some(
                "a path of your own choice goes into the environment variable WASH_BUILD_COMPONENT_PATH".to_owned(),
            ),
            Self::NotAComponent { path, source } => Some(hint_for_artifact(path, source)),
            Self::Failed { .. }
            | Self::Spawn { .. }
            | Self::ReadOutput { .. }
            | Self::CargoMetadata { .. }
            | Self::Cancelled
            | Self::Io(_) => None,
        }
    }
}

fn how_to_install(program: &str) -> String {
    match program {
        "cargo" | "rustc" => "install Rust with rustup: see https://rustup.rs".to_owned(),
        "npm" | "node" => "install Node.js: see https://nodejs.org".to_owned(),
        "go" => "install Go: see https://go.dev/doc/install".to_owned(),
        "tinygo" => "install TinyGo: see https://tinygo.org/getting-started/install".to_owned(),
        "componentize-py" => "run `pip install componentize-py`".to_owned(),
        other => format!("install `{other}`, or add its folder to PATH"),
    }
}

fn hint_for_artifact(path: &Path, source: &EncodeError) -> String {
    match source {
        EncodeError::NoWorld | EncodeError::Unfit { .. } => {
            "build for `wasm32-wasip2`, or embed the component's world with wit-bindgen or `wasm-tools component embed`"
                .to_owned()
        }
        EncodeError::Invalid(InvalidError::Excessive { .. }) => {
            "no toolchain leaves such a component by itself: look at what the build puts together".to_owned()
        }
        EncodeError::Invalid(_) => format!("run `rm {}` and build again", path.display()),
        _ => "set `build.component_path` to the component that the command builds".to_owned(),
    }
}
