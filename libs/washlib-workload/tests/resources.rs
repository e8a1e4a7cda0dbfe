//! What a project's configuration gives to its components, through the library's own face.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;
use washlib_config::{Config, Environment, Project};
use washlib_workload::{Granted, ResourceError, Resources, ValueError, ValueWarning};

struct Workbench {
    folder: TempDir,
    config: Config,
    environment: Environment,
}

impl Workbench {
    fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        let config = Config::parse(Path::new("config.yaml"), yaml).unwrap();
        Self { folder, config, environment: Environment::default() }
    }

    fn with_variables(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment = variables.iter().copied().collect();
        self
    }

    fn file(&self, path: &str, text: &str, mode: u32) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self) -> Result<(Granted, Vec<ValueWarning>), ValueError> {
        let project = Project::open(self.folder.path()).unwrap();
        let mut resources = Resources::new(&project, &self.config, &self.environment);
        let components = self.config.dev.components.as_ref();
        let read = match components.and_then(|components| components.value().first()) {
            Some(component) => resources.of_component(component),
            None => resources.of_workload(),
        };
        let read = read.map_err(|err| match err {
            ResourceError::Environment { source, .. } => source,
            other => panic!("{other}"),
        })?;
        Ok((read, resources.finish().1))
    }

    fn environment(&self) -> BTreeMap<String, String> {
        self.read().unwrap().0.environment.into_iter().collect()
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn an_absent_section_means_the_same_as_an_empty_one() {
    let absent = Workbench::new("build: {}").read().unwrap().0;
    let empty = Workbench::new("workload: {}").read().unwrap().0;
    assert_eq!(absent, empty);
    assert!(absent.allowed_hosts.is_empty());
    assert_eq!(Workbench::new("workload: { allowedHosts: [] }").read().unwrap().0.allowed_hosts, ["!*"]);
}

#[test]
fn the_last_of_the_sources_counts() {
    let workbench = Workbench::new(
        "
configs:
  app: { inline: { A: inline, B: inline, C: inline, D: inline }, file: app.env, dir: app.d, fromEnv: [D] }
secrets:
  token: { inline: { E: inline, F: inline }, file: token.env, dir: token.d, fromEnv: [G] }
workload:
  environment: { config: { A: first, Z: first }, configFrom: [app], secretFrom: [token] }
  config: { VALUE: for wasi:config }
",
    )
    .with_variables(&[("D", "variable"), ("G", "variable")]);
    workbench.file("app.env", "# a comment\n\nB=file\nC=file = with signs \n", 0o644);
    workbench.file("app.d/C", "folder\n", 0o644);
    workbench.file("app.d/.hidden", "x", 0o644);
    workbench.file("token.env", "F=file\n", 0o600);
    workbench.file("token.d/H", "folder", 0o400);
    assert_eq!(
        workbench.environment(),
        map(&[
            ("A", "inline"),
            ("B", "file"),
            ("C", "folder"),
            ("D", "variable"),
            ("E", "inline"),
            ("F", "file"),
            ("G", "variable"),
            ("H", "folder"),
            ("Z", "first")
        ])
    );
    assert_eq!(workbench.read().unwrap().0.config["VALUE"], "for wasi:config");
}

#[test]
fn a_component_has_its_own_over_the_workloads() {
    let workbench = Workbench::new(
        "
workload:
  environment: { config: { A: all, B: all } }
  config: { X: all }
  allowedHosts: [all.example]
dev:
  components:
    - { name: one, file: one.wasm, environment: { config: { B: one } }, config: { X: one }, allowedHosts: [] }
",
    );
    let resources = workbench.read().unwrap().0;
    assert_eq!(workbench.environment(), map(&[("A", "all"), ("B", "one")]));
    assert_eq!(resources.config["X"], "one");
    assert_eq!(resources.allowed_hosts, ["!*"]);
}

const SECRET: &str = "
secrets: { token: { file: token.env } }
workload: { environment: { secretFrom: [token] } }
";

#[test]
fn a_file_of_secrets_must_be_private() {
    let workbench = Workbench::new(SECRET);
    for mode in [0o644, 0o640, 0o604, 0o660] {
        workbench.file("token.env", "A=swordfish", mode);
        let err = workbench.read().unwrap_err();
        assert!(matches!(err, ValueError::NotPrivate { mode: found, .. } if found == mode), "{err:?}");
        let hint = err.hint().unwrap();
        assert!(hint.contains("chmod 600"), "{hint}");
        assert!(!format!("{err:?}{err}{hint}").contains("swordfish"));
    }
    workbench.file("token.env", "A=swordfish", 0o600);
    assert_eq!(workbench.environment(), map(&[("A", "swordfish")]));
}

#[test]
fn a_file_of_secrets_must_be_no_link() {
    let workbench = Workbench::new(SECRET);
    workbench.file("elsewhere", "A=1", 0o600);
    symlink("elsewhere", workbench.folder.path().join("token.env")).unwrap();
    assert!(matches!(workbench.read(), Err(ValueError::Link { .. })));
}

#[test]
fn secrets_stand_in_no_error() {
    let workbench = Workbench::new(SECRET);
    workbench.file("token.env", "A=1\nswordfish\n", 0o600);
    let err = workbench.read().unwrap_err();
    assert!(matches!(err, ValueError::Line { line: 2, .. }), "{err:?}");
    assert!(!format!("{err:?}{err}").contains("swordfish"));
}

#[test]
fn a_file_of_secrets_that_git_sees_is_warned_of() {
    let workbench = Workbench::new(SECRET);
    workbench.file("token.env", "A=1", 0o600);
    assert!(workbench.read().unwrap().1.is_empty());
    fs::create_dir(workbench.folder.path().join(".git")).unwrap();
    assert_eq!(workbench.read().unwrap().1.len(), 1);
    workbench.file(".gitignore", "*.env\n", 0o644);
    assert!(workbench.read().unwrap().1.is_empty());
}

#[test]
fn what_cannot_be_had_is_named() {
    let yaml = |configs: &str| format!("configs: {configs}\nworkload: {{ environment: {{ configFrom: [app] }} }}");
    let fails = |configs: &str| Workbench::new(&yaml(configs)).read().unwrap_err();
    let err = fails("{ other: { inline: {} } }");
    assert_eq!(err.hint().unwrap(), "the section `configs` has other");
    assert!(matches!(fails("{ app: { fromEnv: [NO_SUCH] } }"), ValueError::NoVariable { .. }));
    assert!(matches!(fails("{ app: { file: ../outside } }"), ValueError::Outside { .. }));
    assert!(matches!(fails("{ app: { file: ~/x } }"), ValueError::NoHome { .. }));
    assert!(matches!(fails("{ app: { file: missing } }"), ValueError::Read { .. }));
    let workbench = Workbench::new(&yaml("{ app: { file: folder } }"));
    fs::create_dir(workbench.folder.path().join("folder")).unwrap();
    assert!(matches!(workbench.read(), Err(ValueError::NotAFile { .. })));
}
