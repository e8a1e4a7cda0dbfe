//! Runs a project's build and turns what it left into a validated component.
//!
//! The toolchain itself is the language's own (cargo, npm, go, componentize-py, or whatever `build.command` says): this
//! crate finds it, runs it, stops it, and judges the result. It prints nothing; what happens is told to a [`Reporter`].

mod artifact;
mod build;
mod cancel;
mod error;
mod process;
mod request;
mod sources;
mod toolchain;

pub use build::{Built, build, find_component};
pub use cancel::CancelToken;
pub use error::BuildError;
pub use request::{BuildRequest, Purpose};
pub use toolchain::Toolchain;
pub use washlib_component::Adapter;

/// What a build tells while it runs.
pub trait Reporter: Sync {
    /// A program is about to run, in the project's folder.
    fn running(&self, command_line: &str);
    /// Whether [`Self::output`] takes what the programs print. Otherwise it goes to our stderr as it comes.
    fn takes_output(&self) -> bool {
        false
    }
    /// A line that a program printed, without its line feed. There may be escape sequences in it.
    fn output(&self, line: &str) {
        _ = line;
    }
    /// The result was a core module and is now a component.
    fn wrapped(&self, adapter: Adapter);
}
