//! The main job with a real toolchain: edit a Rust source, see it in the next response.

use crate::connection::{Answer, Connection};
use crate::project::Project;
use crate::server::Server;

fn source(project: &Project) -> String {
    std::fs::read_to_string(project.path("src/lib.rs")).unwrap()
}

#[test]
fn an_edit_of_the_template_shows_up_in_the_next_response() {
    let project = Project::template();
    let mut server = Server::start(&project);
    let mut connection = Connection::open(server.address());
    assert_eq!(connection.get("/"), Answer::ok("Hello from wasmCloud!\n"));

    let source = source(&project);
    project.write("src/lib.rs", source.replace("Hello from wasmCloud!", "Hello from the editor!"));
    server.expect_swap(&project, &["src/lib.rs"]);
    assert_eq!(connection.get("/"), Answer::ok("Hello from the editor!\n"));

    project.replace("src/lib.rs", source.replace("Response::new(", "Response::new(;"));
    server.expect_building(&project, &["src/lib.rs"]);
    let failed = server.expect("build-failed");
    assert!(failed["message"].as_str().unwrap().contains("cargo build"), "{failed}");
    server.wait_for_stderr("src/lib.rs:");
    assert_eq!(connection.get("/"), Answer::ok("Hello from the editor!\n"));

    project.replace("src/lib.rs", source.replace("Hello from wasmCloud!", "Hello from the mended one!"));
    server.expect_swap(&project, &["src/lib.rs"]);
    assert_eq!(connection.get("/"), Answer::ok("Hello from the mended one!\n"));
    server.stop().assert_no_more_events();
}

#[test]
fn a_cargo_project_needs_no_configuration() {
    let project = Project::template();
    std::fs::remove_dir_all(project.path(".wash")).unwrap();
    let mut server = Server::start(&project);
    assert_eq!(server.get("/"), Answer::ok("Hello from wasmCloud!\n"));
    let edited = source(&project).replace("Hello from wasmCloud!", "Hello again!");
    project.replace("src/lib.rs", edited);
    server.expect_swap(&project, &["src/lib.rs"]);
    assert_eq!(server.get("/"), Answer::ok("Hello again!\n"));
    server.stop().assert_no_more_events();
}
