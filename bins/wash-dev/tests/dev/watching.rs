//! What counts as a change of the sources, and what does not.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

use crate::connection::Answer;
use crate::project::{Project, greeting};
use crate::server::Server;

/// Makes a real change after others, and checks that the build after it came for this alone.
fn expect_only_the_real_change(server: &mut Server, project: &Project) {
    project.choose_version(2);
    server.expect_swap(project, &["which.txt"]);
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
}

#[test]
fn ignored_files_are_no_sources() {
    let project = Project::new();
    project.write(".gitignore", "*.log\ngenerated/\n");
    let mut server = Server::start(&project);
    project.replace("trace.log", "noise");
    project.replace("generated/code.rs", "noise");
    expect_only_the_real_change(&mut server, &project);
    server.stop().assert_no_more_events();
}

#[test]
fn a_project_in_an_ignored_folder_has_sources() {
    for pattern in ["*", "app/", "**"] {
        let project = Project::new();
        fs::write(project.outside(".gitignore"), pattern).unwrap();
        let mut server = Server::start(&project);
        expect_only_the_real_change(&mut server, &project);
        server.stop().assert_no_more_events();
    }
}

#[test]
fn the_folders_of_tools_hold_no_sources() {
    let project = Project::new();
    // A folder of this name is Cargo's beside a manifest.
    project.write("deep/Cargo.toml", "");
    let mut server = Server::start(&project);
    for file in ["target/debug/build.rs", "node_modules/left/index.js", ".git/index", "deep/target/x.rs"] {
        project.replace(file, "noise");
    }
    expect_only_the_real_change(&mut server, &project);
    server.stop().assert_no_more_events();
}

#[test]
fn the_component_itself_is_no_source() {
    let project = Project::new();
    let mut server = Server::start(&project);
    // The same content by somebody else is not even a new component.
    project.replace("app.wasm", std::fs::read(project.path("app.wasm")).unwrap());
    expect_only_the_real_change(&mut server, &project);
    server.stop().assert_no_more_events();
}

#[test]
fn a_component_at_the_default_place_is_no_source() {
    let project = Project::new();
    project.configure("build:\n  command: cp ../components/$(cat which.txt).wasm app.wasm\n");
    let mut server = Server::start(&project);
    expect_only_the_real_change(&mut server, &project);
    server.stop().assert_no_more_events();
}

#[test]
fn a_file_that_is_only_touched_has_not_changed() {
    let project = Project::new();
    project.write("src/lib.rs", "content");
    let mut server = Server::start(&project);
    let file = File::options().append(true).open(project.path("src/lib.rs")).unwrap();
    file.set_modified(SystemTime::now()).unwrap();
    // The same content in a new file, too.
    project.replace("src/lib.rs", "content");
    expect_only_the_real_change(&mut server, &project);
    server.stop().assert_no_more_events();
}

#[test]
fn a_file_written_in_place_has_changed() {
    let project = Project::new();
    project.offer_version(2);
    let mut server = Server::start(&project);
    // As long as before, so that neither length nor inode tells.
    OpenOptions::new().write(true).open(project.path("which.txt")).unwrap().write_all(b"2").unwrap();
    server.expect_swap(&project, &["which.txt"]);
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    server.stop().assert_no_more_events();
}

#[test]
fn a_file_in_a_new_folder_is_a_source() {
    let project = Project::new();
    let mut server = Server::start(&project);
    // The folders appear one after the other, and the file right after them.
    project.write("src/new/deep/lib.rs", "one");
    project.choose_version(2);
    let mut changed = BTreeSet::new();
    while server.get("/") != Answer::ok(greeting(2)) || changed.len() < 2 {
        changed.extend(changes(&server.wait_for("building")));
        server.expect("built");
        server.next();
    }
    assert_eq!(changed, ["src/new/deep/lib.rs", "which.txt"].map(|path| in_project(&project, path)).into());

    // The new folder is watched from now on.
    project.replace("src/new/deep/lib.rs", "two");
    server.expect_building(&project, &["src/new/deep/lib.rs"]);
    server.expect("built");
    server.expect("unchanged");
    server.stop().assert_no_more_events();
}

/// A file of somebody else's, as events name it.
fn elsewhere(project: &Project, path: &str) -> String {
    let path = project.outside(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "one").unwrap();
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

fn expect_fruitless_build(server: &mut Server, project: &Project, changed: &str) {
    server.expect_building(project, &[changed]);
    server.expect("built");
    server.expect("unchanged");
}

#[test]
fn what_links_lead_to_is_a_source() {
    let project = Project::new();
    project.write(".gitignore", "/ignored\n");
    project.write("src/lib.rs", "one");
    let file = elsewhere(&project, "lone/file.txt");
    let neighbour = elsewhere(&project, "lone/neighbour.txt");
    let deep = elsewhere(&project, "shared/deep/file.txt");
    let ignored = elsewhere(&project, "ignored/file.txt");
    symlink(&file, project.path("src/file.txt")).unwrap();
    symlink(project.outside("shared"), project.path("src/shared")).unwrap();
    symlink(project.outside("ignored"), project.path("ignored")).unwrap();
    // These lead round in circles.
    symlink(project.root(), project.outside("shared/back")).unwrap();
    symlink(project.outside("shared"), project.outside("shared/again")).unwrap();
    symlink(project.outside(""), project.path("src/above")).unwrap();
    let mut server = Server::start(&project);
    for noise in [&neighbour, &ignored] {
        project.replace(noise, "noise");
    }
    // That is how Emacs locks a file.
    symlink("me@here.1", project.path("src/.#lib.rs")).unwrap();
    for changed in [&file, &deep, &file] {
        project.replace(changed, format!("{:?}", SystemTime::now()));
        expect_fruitless_build(&mut server, &project, changed);
    }
    server.stop().assert_no_more_events();
}

#[test]
fn links_come_and_go() {
    let project = Project::new();
    project.write("src/lib.rs", "one");
    let file = elsewhere(&project, "shared/file.txt");
    let mut server = Server::start(&project);
    symlink(project.outside("shared"), project.path("src/shared")).unwrap();
    expect_fruitless_build(&mut server, &project, "src/shared");
    project.replace(&file, "two");
    expect_fruitless_build(&mut server, &project, &file);
    fs::remove_file(project.path("src/shared")).unwrap();
    expect_fruitless_build(&mut server, &project, "src/shared");
    project.replace(&file, "three");
    expect_only_the_real_change(&mut server, &project);
    server.stop().assert_no_more_events();
}

#[test]
fn a_removed_file_is_a_change() {
    let project = Project::new();
    project.write("src/lib.rs", "content");
    let mut server = Server::start(&project);
    fs::remove_file(project.path("src/lib.rs")).unwrap();
    server.expect_building(&project, &["src/lib.rs"]);
    server.expect("built");
    server.expect("unchanged");
    server.stop().assert_no_more_events();
}

#[test]
fn a_folder_that_is_moved_in_is_one_reason_to_build() {
    let project = Project::new();
    for number in 0..300 {
        let name = format!("branch/file{number:03}.txt");
        fs::create_dir_all(project.outside("branch")).unwrap();
        fs::write(project.outside(&name), name).unwrap();
    }
    let mut server = Server::start(&project);
    fs::rename(project.outside("branch"), project.path("src")).unwrap();
    let names: Vec<_> = (0..300).map(|number| format!("src/file{number:03}.txt")).collect();
    server.expect_building(&project, &names.iter().map(String::as_str).collect::<Vec<_>>());
    server.expect("built");
    server.expect("unchanged");
    server.stop().assert_no_more_events();
}

#[test]
fn many_files_at_once_are_few_reasons_to_build() {
    let project = Project::new();
    let mut server = Server::start(&project);
    for number in 0..300 {
        project.write(&format!("src/file{number:03}.txt"), "content");
    }
    let (mut builds, mut changed) = (0, BTreeSet::new());
    while changed.len() < 300 {
        changed.extend(changes(&server.wait_for("building")));
        builds += 1;
    }
    // How many depends on how long the writing took; never one for each file.
    assert!(builds <= 10, "{builds}");
    server.stop();
}

/// A build that writes among the sources each time; after a few builds it must come to rest, and hear of real changes.
fn expect_rest(write: &str) {
    const MANY: usize = 10;
    let project = Project::with_build(&format!(r#"{write}; cp "../components/$(cat which.txt).wasm" app.wasm"#));
    let mut server = Server::launch(&project);
    server.wait_for("ready");
    server.wait_for_stderr("every build changes");
    project.choose_version(2);
    let mut builds = 0;
    loop {
        let event = server.wait_for("building");
        builds += 1;
        assert!(builds < MANY, "{event}");
        if changes(&event) == [in_project(&project, "which.txt")] {
            break;
        }
    }
    server.expect("built");
    server.expect("swapped");
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    // At rest again.
    server.wait_for_stderr("every build changes");
    let end = server.stop();
    let builds = end.events.iter().filter(|event| event["type"] == "building").count();
    assert!(builds < MANY, "{builds}");
}

#[test]
fn a_build_that_always_writes_a_source_does_not_loop() {
    expect_rest("echo again >> src.txt");
}

#[test]
fn a_build_that_always_writes_another_file_does_not_loop() {
    expect_rest("mktemp src.XXXXXX");
}

#[test]
fn edits_during_many_builds_in_a_row_are_not_lost() {
    // Each build takes a version, and is told by an edit of the same file that there is another one.
    let project = Project::with_build(
        r#"which=$(cat which.txt); echo "took $which" >&2; cat ../gate; cp "../components/$which.wasm" app.wasm"#,
    );
    let gate = project.outside("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let mut server = Server::launch(&project);
    const LAST: usize = 4;
    // The first edits end the build that is running; then one is let to its end, and the edit is built after it.
    for version in 1..LAST {
        server.wait_for_stderr(&format!("took {version}"));
        project.choose_version(version + 1);
        if version == LAST - 1 {
            fs::write(&gate, "").unwrap();
        }
    }
    server.wait_for_stderr(&format!("took {LAST}"));
    fs::write(&gate, "").unwrap();
    server.wait_for("swapped");
    assert_eq!(server.get("/"), Answer::ok(greeting(LAST)));
    server.stop().assert_no_more_events();
}

fn changes(building: &serde_json::Value) -> Vec<String> {
    building["changed"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}

fn in_project(project: &Project, path: &str) -> String {
    project.path(path).to_str().unwrap().to_owned()
}
