//! A place of its own for a test that runs the real programs: home, configuration, temporary files and environment.
//!
//! Nothing of the developer's own settings gets in. It panics where something is wrong, as a test would.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Variables that a toolchain needs to find itself and its downloaded packages; nothing else is inherited.
const INHERITED: [&str; 4] = ["CARGO_HOME", "PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// A temporary folder with a home and a work folder, removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// A fresh, empty one.
    ///
    /// # Panics
    /// If the temporary folder cannot be made.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("wash-test-").tempdir().expect("a temporary folder");
        for name in ["home", "tmp", "work"] {
            fs::create_dir(root.path().join(name)).expect("a folder in the temporary folder");
        }
        Self { root, variables: BTreeMap::new() }
    }

    /// The folder that programs start in, without symbolic links in its path.
    ///
    /// # Panics
    /// If the folder is gone.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work").canonicalize().expect("the work folder")
    }

    /// The home of whoever runs the programs.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Writes a file below the work folder, and the folders on its way.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("a file in the work folder")).expect("the file's folder");
        fs::write(&path, content).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        path
    }

    /// Sets a variable for all programs.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// A program of this workspace, ready to run in the work folder, without a terminal.
    pub fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool_path(tool));
        command.current_dir(self.work()).stdin(Stdio::null());
        self.set_environment(&mut command);
        command
    }

    /// Gives any program the sandbox's environment.
    ///
    /// # Panics
    /// If there is no home to find the toolchain in.
    pub fn set_environment(&self, command: &mut Command) {
        command.env_clear();
        for name in INHERITED {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        // Toolchains that were installed in the developer's home are found without it being ours.
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if env::var_os(name).is_none() {
                let home = env::var_os("HOME").expect("HOME, where the Rust toolchain is");
                command.env(name, Path::new(&home).join(folder));
            }
        }
        if let Some(toolchain) = env::var_os("WASH_GUEST_TOOLCHAIN") {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        command
            .env("HOME", self.home())
            .env("TMPDIR", self.root.path().join("tmp"))
            .env("CARGO_NET_OFFLINE", "true")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .envs(&self.variables);
    }

    /// Runs a program to its end.
    ///
    /// # Panics
    /// If it cannot be run.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, tool: &str, arguments: impl IntoIterator<Item = A>) -> Output {
        let mut command = self.command(tool);
        command.args(arguments);
        Output::of(&mut command)
    }
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be run or prints something that is not UTF-8.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
        Self {
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
            code: output.status.code(),
        }
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// If it is another one; the message shows what the program printed.
    pub fn assert_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that the exit code is 0.
    ///
    /// # Panics
    /// If it is another one.
    pub fn assert_success(self) -> Self {
        self.assert_code(0)
    }

    /// Checks that a text stands on standard error.
    ///
    /// # Panics
    /// If it does not.
    pub fn assert_stderr_has(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` should be in stderr:\n{}", self.stderr);
        self
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|err| panic!("{err} in:\n{}", self.stdout))
    }
}

/// Where cargo put a binary of this workspace.
///
/// # Panics
/// If it has not been built.
pub fn tool_path(tool: &str) -> PathBuf {
    let test = env::current_exe().expect("a test should know its own path");
    let folders = test.ancestors().skip(1).take(3);
    let found = folders.map(|folder| folder.join(tool)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{tool} is not built: run `cargo build --workspace --bins` first"))
}
