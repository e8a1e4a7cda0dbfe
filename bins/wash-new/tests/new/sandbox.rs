//! A folder of its own for each test, and programs that see nothing of the machine but that folder.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;
use tempfile::TempDir;

/// The name and the content of files to create.
pub(crate) type Files<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("wash-new-test-").tempdir().unwrap();
        for folder in ["work", "home", "tmp"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    /// The folder that `wash new` starts in.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap().join("work")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.work().join(path)
    }

    /// `program` with an environment of its own.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let root = self.root.path();
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", root.join("home"))
            .env("TMPDIR", root.join("tmp"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn wash_new(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_wash-new"));
        command.args(args);
        command
    }

    #[must_use]
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.wash_new(args).output().unwrap())
    }

    pub(crate) fn write(&self, folder: &str, files: Files<'_>) {
        for (path, content) in files {
            let path = self.path(folder).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    pub(crate) fn make_executable(&self, path: &str) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o4755)).unwrap();
    }

    pub(crate) fn git(&self, folder: &str, args: &[&str]) -> String {
        let mut git = self.command("git");
        git.current_dir(self.path(folder)).args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]);
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Test")
                .env(format!("GIT_{who}_EMAIL"), "test@example.org")
                .env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
        }
        let output = git.args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything in `folder`, which becomes a repository if it is none, and returns the commit.
    pub(crate) fn commit(&self, folder: &str, message: &str) -> String {
        if !self.path(folder).join(".git").exists() {
            self.git(folder, &["init", "--quiet"]);
        }
        self.git(folder, &["add", "--all"]);
        self.git(folder, &["commit", "--quiet", "--message", message]);
        self.git(folder, &["rev-parse", "HEAD"])
    }

    /// Everything in `folder`, sorted: `dir/`, `file`, `file*` when executable, `link -> target`.
    pub(crate) fn tree(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path(folder), Path::new(""), &mut found);
        found.sort();
        found
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// That nothing is left of a run that failed: neither in the target folder nor among temporary files.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, expected: &[&str]) {
        let list = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = entries.collect();
            names.sort();
            names
        };
        assert_eq!(list(&self.work()), expected);
        assert_eq!(list(&self.root.path().join("tmp")), [""; 0]);
    }

    /// The root of everything, for what must be reachable by another user.
    pub(crate) fn open_to_everyone(&self) {
        for folder in ["", "work", "home", "tmp"] {
            let path = self.root.path().join(folder);
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }
}

fn walk(root: &Path, inside: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(inside)).unwrap() {
        let entry = entry.unwrap();
        let path = inside.join(entry.file_name());
        let shown = path.display();
        let metadata = entry.path().symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.push(format!("{shown}/"));
            walk(root, &path, found);
        } else if metadata.is_symlink() {
            found.push(format!("{shown} -> {}", fs::read_link(entry.path()).unwrap().display()));
        } else {
            let mode = metadata.permissions().mode();
            assert_eq!(mode & 0o7000, 0, "{shown} has special permissions");
            found.push(format!("{shown}{}", if mode & 0o100 == 0 { "" } else { "*" }));
        }
    }
}

/// How a run of `wash new` ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// That it ended with `code` and said each of `texts` on stderr.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is missing: {self:#?}");
        }
        assert_eq!(self.stdout, "");
        self
    }

    #[track_caller]
    pub(crate) fn warned(&self, text: &str) {
        assert!(self.stderr.contains(&format!("warning: {text}")), "{text:?} is missing: {self:#?}");
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Waits for `child` and collects what it printed; a child that does not end fails the test.
pub(crate) fn wait(mut child: Child) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the program does not end");
        thread::sleep(Duration::from_millis(5));
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut stdout).unwrap();
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut stderr).unwrap();
    }
    Outcome { code: status.code(), stdout, stderr }
}

/// What Ctrl-C sends.
pub(crate) fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}
