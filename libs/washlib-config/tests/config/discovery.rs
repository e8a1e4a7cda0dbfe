//! Which folder is the project.

use std::error::Error as _;
use std::os::unix::fs::symlink;

use washlib_config::{ConfigError, DiscoverError, ManifestKind, Project};

use crate::workbench::Workbench;

#[test]
fn each_config_file_is_found_from_a_folder_inside_the_project() {
    for file_name in ["config.yaml", "config.yml", "config.json", "config.toml"] {
        let workbench = Workbench::with_config(file_name, "");
        workbench.write("project/src/deep/lib.rs", "");
        let project = Project::discover(&workbench.path("project/src/deep")).unwrap();
        assert_eq!(project.root(), workbench.path("project"), "{file_name}");
        assert_eq!(project.config_file(), Some(&*workbench.path("project/.wash").join(file_name)));
        assert_eq!(project.name(), "project");
    }
}

#[test]
fn each_manifest_is_a_project_and_the_telling_one_comes_first() {
    let cases = [
        ("Cargo.toml", ManifestKind::Cargo),
        ("package.json", ManifestKind::Npm),
        ("go.mod", ManifestKind::Go),
        ("pyproject.toml", ManifestKind::Python),
        ("requirements.txt", ManifestKind::Python),
        ("Makefile", ManifestKind::Make),
    ];
    for (file_name, kind) in cases {
        let workbench = Workbench::new();
        workbench.write(&format!("project/{file_name}"), "");
        workbench.write("project/inside/file", "");
        let project = Project::discover(&workbench.path("project/inside")).unwrap();
        assert_eq!(project.manifest(), Some(kind), "{file_name}");
        assert_eq!(project.manifests(), [(kind, workbench.path("project").join(file_name))]);
        assert_eq!(project.config_file(), None);
    }
    let workbench = Workbench::new();
    workbench.write("project/Makefile", "");
    workbench.write("project/go.mod", "");
    assert_eq!(workbench.project().manifest(), Some(ManifestKind::Go));
}

#[test]
fn a_config_further_up_beats_a_manifest_nearer_by() {
    let workbench = Workbench::with_config("config.toml", "");
    workbench.write("project/crates/one/Cargo.toml", "");
    let project = Project::discover(&workbench.path("project/crates/one")).unwrap();
    assert_eq!(project.root(), workbench.path("project"));
    assert_eq!(project.manifest(), None);
}

#[test]
fn the_nearest_config_and_the_nearest_manifest_win_among_their_like() {
    let workbench = Workbench::with_config("config.yaml", "");
    workbench.write("project/inner/.wash/config.json", "{}");
    let project = Project::discover(&workbench.path("project/inner")).unwrap();
    assert_eq!(project.root(), workbench.path("project/inner"));

    let workbench = Workbench::new();
    workbench.write("project/Cargo.toml", "");
    workbench.write("project/inner/package.json", "");
    let project = Project::discover(&workbench.path("project/inner")).unwrap();
    assert_eq!(project.manifest(), Some(ManifestKind::Npm));
}

#[test]
fn a_wash_folder_without_a_config_is_no_project() {
    let workbench = Workbench::new();
    workbench.write("project/Cargo.toml", "");
    workbench.write("project/inner/.wash/cache/file", "");
    let project = Project::discover(&workbench.path("project/inner")).unwrap();
    assert_eq!(project.root(), workbench.path("project"));

    // A file of that name is no project either.
    workbench.write("project/other/.wash", "");
    let project = Project::discover(&workbench.path("project/other")).unwrap();
    assert_eq!(project.root(), workbench.path("project"));
}

#[test]
fn a_link_into_a_project_leads_to_the_project_itself() {
    let workbench = Workbench::with_config("config.yaml", "");
    workbench.write("project/src/lib.rs", "");
    symlink(workbench.path("project/src"), workbench.path("link")).unwrap();
    let project = Project::discover(&workbench.path("link")).unwrap();
    assert_eq!(project.root(), workbench.path("project"));
}

#[test]
fn no_project_and_no_such_folder_name_the_start() {
    let workbench = Workbench::new();
    let start = workbench.path("project");
    let err = Project::discover(&start).unwrap_err();
    assert!(matches!(&err, DiscoverError::NotFound { start: named } if *named == start), "{err:?}");
    assert_eq!(err.to_string(), format!("no project found in {} or above it", start.display()));

    let missing = workbench.path("nowhere");
    let err = Project::discover(&missing).unwrap_err();
    assert_eq!(err.to_string(), format!("cannot look for a project in {}", missing.display()));
    assert!(err.source().is_some());
}

#[test]
fn an_unreadable_config_is_an_error_that_names_it() {
    // A dangling link is found, because passing over it would quietly use another configuration.
    let workbench = Workbench::new();
    workbench.write("project/Cargo.toml", "");
    workbench.write("project/.wash/keep", "");
    symlink("nowhere", workbench.path("project/.wash/config.yaml")).unwrap();
    let err = workbench.load().unwrap_err();
    assert_eq!(err.to_string(), "cannot read the project configuration");
    let source = err.source().unwrap().to_string();
    assert!(source.contains(workbench.path("project/.wash/config.yaml").to_str().unwrap()), "{source}");

    let workbench = Workbench::new();
    workbench.write("project/.wash/config.yaml/file", "");
    let err = workbench.load().unwrap_err();
    assert!(matches!(&err, ConfigError::NotRegular { path } if path.ends_with(".wash/config.yaml")), "{err:?}");
}

#[test]
fn relative_paths_start_at_the_root() {
    let workbench = Workbench::new();
    let project = workbench.project();
    assert_eq!(project.resolve("target/out.wasm".as_ref()), workbench.path("project/target/out.wasm"));
    assert_eq!(project.resolve("/out.wasm".as_ref()), std::path::Path::new("/out.wasm"));
}
