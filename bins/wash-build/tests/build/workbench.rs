//! A project called `hello` in a sandbox, with fixtures beside it and stand-ins for toolchains on `PATH`.
//!
//! Knows where things are; what `wash build` should do with them is the tests' business.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use washlib_test::{Output, Sandbox};

use crate::fixtures;

pub(crate) struct Workbench {
    sandbox: Sandbox,
}

impl Workbench {
    /// An empty folder `hello`, with every fixture in the folder `fixtures` beside it.
    pub(crate) fn new() -> Self {
        let workbench = Self { sandbox: Sandbox::new() };
        fs::create_dir(workbench.root()).unwrap();
        for (name, bytes) in [
            ("component.wasm", fixtures::component()),
            ("command.wasm", fixtures::command_module()),
            ("reactor.wasm", fixtures::reactor_module()),
            ("pure.wasm", fixtures::pure_module()),
            ("incomplete.wasm", fixtures::incomplete_module()),
            ("no-world.wasm", fixtures::module_without_world()),
            ("wit.wasm", fixtures::wit_package()),
        ] {
            workbench.sandbox.write(Path::new("fixtures").join(name), bytes);
        }
        workbench
    }

    /// A project with this `.wash/config.yaml`.
    pub(crate) fn with_config(yaml: &str) -> Self {
        let workbench = Self::new();
        workbench.write(".wash/config.yaml", yaml);
        workbench
    }

    /// A project whose build is this command, and whose component is `out.wasm`.
    pub(crate) fn with_command(command: &str) -> Self {
        Self::with_config(&format!("build:\n  command: |\n    {command}\n  component_path: out.wasm\n"))
    }

    pub(crate) fn with_variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.sandbox = self.sandbox.with_variable(name, value);
        self
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.sandbox.work().join("hello")
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        self.sandbox.write(Path::new("hello").join(path), content)
    }

    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
    }

    /// `wash build` in the project's folder.
    pub(crate) fn command(&self) -> Command {
        self.command_in("hello")
    }

    /// `wash build` in a folder that is named relative to the sandbox's.
    pub(crate) fn command_in(&self, folder: impl AsRef<Path>) -> Command {
        let mut command = self.sandbox.command("wash-build");
        command.current_dir(self.sandbox.work().join(folder));
        command
    }

    /// Runs `wash build` in the project's folder.
    pub(crate) fn build<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        Output::of(self.command().args(arguments))
    }

    /// Runs `wash build` without arguments in a folder that is named relative to the sandbox's.
    pub(crate) fn build_in(&self, folder: impl AsRef<Path>) -> Output {
        Output::of(&mut self.command_in(folder))
    }

    /// Puts a shell script on `PATH`, before everything else there. It begins by adding its name and its arguments to
    /// the file `calls`, each in a line of its own.
    pub(crate) fn stand_in(self, program: &str, script: &str) -> Self {
        let calls = self.sandbox.work().join("calls");
        let text = format!("#!/bin/sh\nprintf '%s\\n' {program} \"$@\" >> '{}'\n{script}\n", calls.display());
        let path = self.sandbox.write(Path::new("bin").join(program), text);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let others = env::var("PATH").unwrap();
        let folder = path.parent().unwrap().display().to_string();
        self.with_variable("PATH", format!("{folder}:{others}"))
    }

    /// The names and arguments that the stand-ins were called with.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sandbox.work().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Makes a file of the project as old as this many seconds.
    pub(crate) fn set_age(&self, path: impl AsRef<Path>, seconds: u64) {
        let file = File::open(self.path(path)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }
}
