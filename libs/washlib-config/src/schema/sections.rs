//! The sections `new`, `build` and `wit`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Secret;
use crate::deserialize::section;
use crate::origin::Sourced;

section! {
    /// What a template does when a project is made from it.
    Snake New {
        /// A command for `sh -c`, run in the new project's folder if the user agrees.
        command: Option<Sourced<String>>,
    }
}

section! {
    /// How the component is built.
    Snake Build {
        /// The command for `sh -c`, run in the project's root.
        command: Option<Sourced<String>>,
        /// Environment variables that the command gets besides the ones wash has itself.
        env: BTreeMap<String, Sourced<String>>,
        /// Where the command leaves the component; relative to the project's root.
        component_path: Option<Sourced<PathBuf>>,
    }
}

section! {
    /// Where WIT dependencies come from and where they are kept.
    Snake Wit {
        /// Registries to ask for packages, the first one first.
        registries: Option<Sourced<Vec<Registry>>>,
        /// Whether a build leaves the WIT folder as it is; see [`Wit::skip_fetch_or_default`].
        skip_fetch: Option<Sourced<bool>>,
        /// The folder of the project's WIT; relative to its root. See [`Wit::wit_dir_or_default`].
        wit_dir: Option<Sourced<PathBuf>>,
        /// Where to take a package from instead: `namespace`, `namespace:package` or `namespace:package@version` to a
        /// folder, a Git repository or a URL.
        sources: BTreeMap<String, Sourced<String>>,
    }
}

impl Wit {
    /// The folder of a project's WIT when none is configured.
    pub const DEFAULT_WIT_DIR: &'static str = "./wit";

    /// The folder of the project's WIT, relative to its root.
    pub fn wit_dir_or_default(&self) -> Sourced<&Path> {
        match &self.wit_dir {
            Some(wit_dir) => wit_dir.as_ref().map(PathBuf::as_path),
            None => Sourced::from_default(Path::new(Self::DEFAULT_WIT_DIR)),
        }
    }

    /// Whether a build leaves the WIT folder as it is; by default it does not.
    pub fn skip_fetch_or_default(&self) -> Sourced<bool> {
        self.skip_fetch.clone().unwrap_or_default()
    }
}

section! {
    /// A registry for WIT packages.
    Snake Registry {
        /// Its address.
        url: Sourced<String>,
        /// The user to log in as.
        username: Option<Sourced<String>>,
        /// The token or password to log in with.
        token: Option<Sourced<Secret>>,
    }
}
