//! Components that somebody else than the build replaces, or spoils.

use crate::connection::Answer;
use crate::project::{Project, greeting};
use crate::server::Server;

/// The template's component in another version.
fn version(project: &Project, version: usize) -> Vec<u8> {
    project.offer_version(version);
    std::fs::read(project.outside(&format!("components/{version}.wasm"))).unwrap()
}

#[test]
fn a_new_component_takes_over_without_a_build() {
    let project = Project::new();
    let mut server = Server::start(&project);
    let second = version(&project, 2);
    project.replace("app.wasm", second);
    let swapped = server.expect("swapped");
    assert!(swapped["since_written_ms"].as_u64().is_some(), "{swapped}");
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    // In place, too.
    std::fs::write(project.path("app.wasm"), version(&project, 3)).unwrap();
    server.expect("swapped");
    assert_eq!(server.get("/"), Answer::ok(greeting(3)));
    // The same content is no news.
    std::fs::write(project.path("app.wasm"), version(&project, 3)).unwrap();
    project.choose_version(4);
    server.expect_swap(&project, &["which.txt"]);
    server.stop().assert_no_more_events();
}

#[test]
fn a_component_beside_the_main_one_takes_over_without_a_build() {
    let more = "dev:\n  components:\n    - name: task-leet\n      file: elsewhere/leet.wasm\n";
    let project = Project::of_parts(&["http-api"], more);
    project.write("elsewhere/leet.wasm", crate::project::build_of_guide("task-leet", 1));
    let mut server = Server::start(&project);
    project.replace("elsewhere/leet.wasm", crate::project::build_of_guide("task-leet", 2));
    assert_eq!(server.expect("swapped")["components"], serde_json::json!(["task-leet"]));
    assert_eq!(server.send("POST", "/task", r#"{"payload":"Hello"}"#), Answer::ok("H3110"));
    server.wait_for_stderr("leet-build-02 got a message");
    server.stop().assert_no_more_events();
}

#[test]
fn a_component_that_is_written_slowly_is_not_read_before_its_end() {
    use std::io::Write as _;
    let project = Project::new();
    let mut server = Server::start(&project);
    let second = version(&project, 2);
    let mut file = std::fs::File::create(project.path("app.wasm")).unwrap();
    for part in second.chunks(second.len() / 7) {
        file.write_all(part).unwrap();
        file.flush().unwrap();
        assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    }
    drop(file);
    server.expect("swapped");
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    server.stop().assert_no_more_events();
}

#[test]
fn a_component_that_disappears_or_is_none_leaves_the_last_good_version() {
    let project = Project::new();
    let mut server = Server::start(&project);
    let second = version(&project, 2);
    let whole = second.len();
    type Spoil<'a> = Box<dyn Fn() + 'a>;
    let spoils: [(Spoil<'_>, &str); 4] = [
        (Box::new(|| std::fs::remove_file(project.path("app.wasm")).unwrap()), "there is no file"),
        (Box::new(|| project.replace("app.wasm", "this is a text file")), "cannot compile"),
        (Box::new(|| put_pipe(&project)), "is no file"),
        (Box::new(|| project.replace("app.wasm", &second[..whole / 2])), "cannot compile"),
    ];
    for (spoil, message) in spoils {
        spoil();
        let failed = server.expect("build-failed");
        let text = format!("{} {}", failed["message"], failed["causes"]);
        assert!(text.contains(message), "{failed}");
        assert_eq!(server.get("/"), Answer::ok(greeting(1)));
        assert_eq!(server.header("/", "x-wash-dev-stale").as_deref(), Some("1"));
    }
    project.replace("app.wasm", &second);
    server.expect("swapped");
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    assert_eq!(server.header("/", "x-wash-dev-stale"), None);
    server.stop().assert_no_more_events();
}

/// Puts a pipe that nobody writes to in the place of the component.
fn put_pipe(project: &Project) {
    let pipe = project.outside("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::rename(pipe, project.path("app.wasm")).unwrap();
}
