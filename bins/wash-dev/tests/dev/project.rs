//! A project whose sources are a text file and whose build copies the component that the file names.
//!
//! The components stand beside the project, outside the folder that `wash dev` watches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use washlib_test::Sandbox;

/// What the template answers; every version's greeting is as long.
const GREETING: &str = "Hello from wasmCloud!";

/// Copies `<which.txt>.wasm` from the shelf of components.
const BUILD: &str = r#"cp "../components/$(cat which.txt).wasm" app.wasm"#;

/// Copies, for each file in `parts`, the component of the shelf that it names to `target/<its name>.wasm`.
const BUILD_PARTS: &str = r#"mkdir -p target; for part in parts/*; do name=$(basename "$part"); cp "../components/$(cat "$part").wasm" target/draft && mv target/draft "target/$name.wasm"; done"#;

/// The components of the guides, by name.
static GUIDES: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/guides");
    washlib_test::guest::build_examples(&folder.canonicalize().unwrap())
});

pub(crate) struct Project {
    sandbox: Sandbox,
}

impl Project {
    /// A project that serves version 1 of the template's component.
    pub(crate) fn new() -> Self {
        Self::with_build(BUILD)
    }

    /// The same with more to its build command.
    pub(crate) fn with_build(command: &str) -> Self {
        let project = Self::empty();
        project.configure(&format!("build:\n  command: {}\n  component_path: app.wasm\n", quoted(command)));
        project.offer_version(1);
        project.choose("1");
        project
    }

    /// The same with more keys in its configuration.
    pub(crate) fn with_config(more: &str) -> Self {
        let project = Self::new();
        project.configure(&(config() + more));
        project
    }

    /// A project that serves the component whose paths are ways to behave.
    pub(crate) fn probe(more: &str) -> Self {
        let project = Self::with_config(more);
        project.offer("probe", probe());
        project.choose("probe");
        project
    }

    /// A project that serves the component that sends requests as it is told.
    pub(crate) fn fetcher(more: &str) -> Self {
        let project = Self::with_config(more);
        project.offer("fetcher", runtime_guest("fetcher"));
        project.choose("fetcher");
        project
    }

    /// A project of several parts, each in its first build. The first is what the build is known to leave.
    pub(crate) fn of_parts(parts: &[&str], more: &str) -> Self {
        let project = Self::empty();
        let component = parts[0];
        project.configure(&format!(
            "build:\n  command: {}\n  component_path: target/{component}.wasm\n{more}",
            quoted(BUILD_PARTS)
        ));
        for part in parts {
            project.choose_build(part, 1);
        }
        project
    }

    /// Lets a part have another build after the next one of the project. The part's own text says which it is.
    pub(crate) fn choose_build(&self, part: &str, build: usize) {
        let name = format!("{part}-{build}");
        self.offer(&name, build_of_guide(part, build));
        self.replace(&format!("parts/{part}"), name);
    }

    /// A folder with nothing in it.
    pub(crate) fn empty() -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.work().join("app")).unwrap();
        Self { sandbox }
    }

    /// A copy of the template.
    pub(crate) fn template() -> Self {
        let project = Self::empty();
        for part in ["Cargo.lock", "Cargo.toml", ".gitignore", ".wash", "src", "wit"] {
            project.copy_of_template(part);
        }
        project
    }

    fn copy_of_template(&self, path: &str) {
        let from = template_dir().join(path);
        if !from.is_dir() {
            return self.write(path, fs::read(from).unwrap());
        }
        for entry in fs::read_dir(from).unwrap() {
            self.copy_of_template(&format!("{path}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.sandbox.work().join("app")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// A place that `wash dev` does not watch.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.sandbox.work().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        self.sandbox.write(Path::new("app").join(path), content);
    }

    /// Writes a file of whoever runs `wash dev`.
    pub(crate) fn write_home(&self, path: &str, content: impl AsRef<[u8]>) {
        self.sandbox.write(Path::new("../home").join(path), content);
    }

    /// Writes a file so that it appears at once with all of its content, as editors do.
    pub(crate) fn replace(&self, path: &str, content: impl AsRef<[u8]>) {
        let draft = self.sandbox.write("draft", content);
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::rename(draft, self.path(path)).unwrap();
    }

    pub(crate) fn configure(&self, yaml: &str) {
        self.replace(".wash/config.yaml", yaml);
    }

    /// Names the component that the next build copies.
    pub(crate) fn choose(&self, component: &str) {
        self.replace("which.txt", component);
    }

    /// Puts a component on the shelf, where it does not count as a source.
    pub(crate) fn offer(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.sandbox.write(format!("components/{name}.wasm"), bytes);
    }

    /// Puts the version of the template that greets as `greeting(version)` on the shelf, under its number.
    pub(crate) fn offer_version(&self, version: usize) {
        self.offer(&version.to_string(), version_of_template(version));
    }

    pub(crate) fn choose_version(&self, version: usize) {
        self.offer_version(version);
        self.choose(&version.to_string());
    }

    /// `wash dev` in the project, on a free port.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.bare_command();
        command.args(["--address", "127.0.0.1:0"]);
        command
    }

    /// `wash dev` in the project, without arguments.
    pub(crate) fn bare_command(&self) -> Command {
        let mut command = self.sandbox.command("wash-dev");
        command.current_dir(self.root());
        command
    }
}

/// The configuration of a project that has nothing but a build.
pub(crate) fn config() -> String {
    format!("build:\n  command: {}\n  component_path: app.wasm\n", quoted(BUILD))
}

/// What a version of the component answers to `GET /`.
pub(crate) fn greeting(version: usize) -> String {
    format!("Hello from version{version:02}!\n")
}

/// The version that gave an answer.
pub(crate) fn version_in(answer: &str) -> usize {
    let version = answer.strip_prefix("Hello from version").and_then(|rest| rest.strip_suffix("!\n"));
    version.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{answer:?} should be a greeting"))
}

fn quoted(command: &str) -> String {
    format!("'{}'", command.replace('\'', "''"))
}

fn template_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/http-hello-world").canonicalize().unwrap()
}

/// The template's component with another greeting of the same length in its data.
fn version_of_template(version: usize) -> Vec<u8> {
    let mut bytes = fs::read(washlib_test::guest::build(&template_dir())).unwrap();
    let greeting = greeting(version);
    let greeting = greeting.trim_end().as_bytes();
    assert_eq!(greeting.len(), GREETING.len());
    let at = bytes.windows(GREETING.len()).position(|window| window == GREETING.as_bytes()).unwrap();
    bytes[at..at + greeting.len()].copy_from_slice(greeting);
    bytes
}

/// A component of the guides with another number in its data, if it has one.
pub(crate) fn build_of_guide(part: &str, build: usize) -> Vec<u8> {
    let mut bytes = fs::read(&GUIDES[part]).unwrap();
    let marker = b"-build-";
    // A compiler may have written the text more than once.
    let windows = bytes.windows(marker.len()).enumerate();
    let places: Vec<_> = windows.filter(|(_, window)| window == marker).map(|(at, _)| at + marker.len()).collect();
    for at in places {
        bytes[at..at + 2].copy_from_slice(format!("{build:02}").as_bytes());
    }
    bytes
}

fn probe() -> Vec<u8> {
    runtime_guest("probe")
}

/// A component that the runtime's own tests use.
fn runtime_guest(name: &str) -> Vec<u8> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libs/wash-runtime/tests/guests");
    let project = guests.join(name);
    fs::read(washlib_test::guest::build(&project.canonicalize().unwrap())).unwrap()
}
