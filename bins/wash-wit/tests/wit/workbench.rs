//! A project in a sandbox, with a registry in wasm-pkg's local layout that serves `wasi` and `acme`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use washlib_test::{Output, Sandbox};

use crate::packages::{Package, WASI_PACKAGES};

pub(crate) struct Workbench {
    pub(crate) sandbox: Sandbox,
}

/// A world that needs `wasi:http` and `wasi:cli`, and with them everything else of WASI.
pub(crate) const WORLD: &str = "\
package acme:app@1.0.0;

/// What the application is.
world app {
  // Answers requests.
  export wasi:http/incoming-handler@0.2.12;

  import wasi:cli/environment@0.2.12; // settings
}
";

impl Workbench {
    /// With this world, and WASI 0.2.12 in the registry.
    pub(crate) fn new(world: &str) -> Self {
        let bench = Self::without_packages(world);
        bench.publish(&WASI_PACKAGES);
        bench
    }

    /// With this world, and nothing in the registry.
    pub(crate) fn without_packages(world: &str) -> Self {
        let sandbox = Sandbox::new();
        let bench = Self { sandbox };
        bench.write("app/wit/world.wit", world);
        bench.write("app/.wash/config.yaml", "build:\n  command: 'true'\n");
        let registry = bench.registry();
        fs::create_dir_all(&registry).unwrap();
        let config = format!(
            "[namespace_registries]\nwasi = \"test.registry\"\nacme = \"test.registry\"\n\
             [registry.\"test.registry\".local]\nroot = \"{}\"\n",
            registry.display()
        );
        bench.write_config(&config);
        bench
    }

    /// Replaces wasm-pkg's configuration.
    pub(crate) fn write_config(&self, text: &str) {
        let path = self.sandbox.home().join(".config/wasm-pkg/config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The folder of the local registry.
    pub(crate) fn registry(&self) -> PathBuf {
        self.sandbox.work().join("registry")
    }

    pub(crate) fn publish(&self, packages: &[Package]) {
        for package in packages {
            let folder = self.registry().join(&package.namespace).join(&package.name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{}.wasm", package.version)), &package.bytes).unwrap();
        }
    }

    /// The project's folder.
    pub(crate) fn app(&self) -> PathBuf {
        self.sandbox.work().join("app")
    }

    pub(crate) fn deps(&self) -> PathBuf {
        self.app().join("wit/deps")
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        self.sandbox.write(path, text)
    }

    /// A file of the project.
    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.app().join(path);
        fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
    }

    pub(crate) fn world(&self) -> String {
        self.read("wit/world.wit")
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.sandbox.command("wash-wit");
        command.current_dir(self.app()).args(arguments);
        command
    }

    /// Runs `wash wit` in the project.
    #[must_use]
    pub(crate) fn wit<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        Output::of(&mut self.command(arguments))
    }

    /// The names in `wit/deps`.
    pub(crate) fn entries(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.deps()) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every file below the project: its text, inode and time of change.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (Vec<u8>, u64, i64, i64)> {
        let mut files = BTreeMap::new();
        collect(&self.app(), &mut files);
        files
    }

    /// The texts alone.
    pub(crate) fn texts(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.snapshot().into_iter().map(|(path, (text, ..))| (path, text)).collect()
    }

    /// Forgets what was fetched before.
    pub(crate) fn remove_cache(&self) {
        let _ = fs::remove_dir_all(self.sandbox.home().join(".cache"));
    }

    /// Takes the registry away.
    pub(crate) fn remove_registry(&self) {
        fs::remove_dir_all(self.registry()).unwrap();
    }

    /// Resolves the project as any toolchain would.
    pub(crate) fn assert_resolves(&self) {
        let mut resolve = wit_parser::Resolve { all_features: true, ..wit_parser::Resolve::default() };
        resolve.push_dir(self.app().join("wit")).unwrap_or_else(|err| panic!("{}", resolve_error(&err)));
    }
}

fn resolve_error(err: &impl std::fmt::Debug) -> String {
    format!("{err:?}")
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, (Vec<u8>, u64, i64, i64)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            collect(&path, files);
        } else {
            let text = fs::read(&path).unwrap_or_default();
            files.insert(path, (text, metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
        }
    }
}
