//! An environment of its own for each test: the front-end in a scratch folder, shell scripts as tools, and no variable
//! but those that the test sets.

#![expect(clippy::unwrap_used, reason = "a test environment that cannot be set up fails the test")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::RwLock;

use tempfile::TempDir;

/// Held for writing while a program is written and for reading while one is started: a child that is born in between
/// would keep the file open for writing, and the kernel would refuse to run it.
static PROGRAMS: RwLock<()> = RwLock::new(());

/// A scratch folder with the front-end in `bin/` and an empty `path/`, which is all of `PATH`.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        // On the file system of the built program, so that it can be linked instead of copied.
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let sandbox = Self { root };
        sandbox.install_front_end("bin");
        sandbox.folder("path");
        sandbox
    }

    /// A path in the scratch folder, with every symlink on the way to it resolved.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    /// Makes a folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Puts the front-end into a folder.
    pub(crate) fn install_front_end(&self, folder: &str) -> PathBuf {
        let path = self.folder(folder).join("wash");
        // Not a symlink: that leads back to where the build put the program, and to the real tools beside it.
        fs::hard_link(env!("CARGO_BIN_EXE_wash"), &path).unwrap();
        path
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _guard = PROGRAMS.write().unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Writes a tool that runs these shell commands.
    pub(crate) fn script(&self, name: &str, commands: &str) -> PathBuf {
        self.file(name, format!("#!/bin/sh\n{commands}\n"), 0o755)
    }

    /// Writes a tool that prints its path within the scratch folder, then its arguments, one on each line.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.script(name, &format!("printf '%s\\n' '{name}' \"$@\""))
    }

    /// The front-end in `bin/`, ready to start.
    pub(crate) fn wash(&self) -> Run {
        self.front_end("bin/wash")
    }

    /// The front-end somewhere else, ready to start.
    pub(crate) fn front_end(&self, name: &str) -> Run {
        let mut command = Command::new(self.path(name));
        command.env_clear().env("PATH", self.path("path")).current_dir(self.root.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Run { command }
    }

    /// What the front-end says, with the scratch folder written as `[ROOT]`.
    pub(crate) fn redact(&self, bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap().replace(self.path("").to_str().unwrap(), "[ROOT]/")
    }
}

/// A command line of the front-end.
pub(crate) struct Run {
    command: Command,
}

impl Run {
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub(crate) fn spawn(mut self) -> Child {
        let _guard = PROGRAMS.read().unwrap();
        self.command.spawn().unwrap()
    }

    #[must_use]
    pub(crate) fn output(self) -> Outcome {
        Outcome { output: self.spawn().wait_with_output().unwrap() }
    }
}

/// What a run left behind.
pub(crate) struct Outcome {
    pub(crate) output: Output,
}

impl Outcome {
    #[must_use]
    pub(crate) fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    #[must_use]
    pub(crate) fn signal(&self) -> Option<i32> {
        self.output.status.signal()
    }

    /// Stdout of a run that must have succeeded, silently on stderr.
    #[must_use]
    pub(crate) fn stdout(&self) -> &str {
        assert_eq!(str::from_utf8(&self.output.stderr).unwrap(), "");
        assert_eq!(self.code(), Some(0));
        str::from_utf8(&self.output.stdout).unwrap()
    }

    /// Stderr of a run that must have failed with this code, silently on stdout.
    #[must_use]
    pub(crate) fn stderr(&self, code: i32) -> &str {
        let stderr = str::from_utf8(&self.output.stderr).unwrap();
        assert_eq!(self.code(), Some(code), "{stderr}");
        assert_eq!(str::from_utf8(&self.output.stdout).unwrap(), "");
        stderr
    }
}
