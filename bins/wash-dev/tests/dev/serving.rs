//! What it serves, and what it says on which stream.

use washlib_test::Output;

use crate::connection::Answer;
use crate::project::{Project, greeting};
use crate::server::Server;

#[test]
fn announces_its_address_when_it_answers() {
    let project = Project::new();
    let mut server = Server::launch(&project);
    server.expect_building(&project, &[]);
    let built = server.expect("built");
    assert_eq!(built["component_path"], project.path("app.wasm").to_str().unwrap());
    let ready = server.expect("ready");
    let address = ready["address"].as_str().unwrap();
    assert_eq!(ready["url"], format!("http://{address}"));
    assert!(!address.ends_with(":0"));
    assert!(ready["elapsed_ms"].is_u64());
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    assert_eq!(server.get("/elsewhere").status, 404);
    server.stop().assert_no_more_events();
}

#[test]
fn says_to_people_what_happens_on_stderr_alone() {
    let project = Project::new();
    let mut server = Server::spawn(project.command());
    server.wait_for_stderr("Building");
    server.wait_for_serving_line();
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    project.choose_version(2);
    server.wait_for_stderr("Rebuilding because which.txt changed");
    server.wait_for_stderr("Swapped");
    assert_eq!(server.get("/"), Answer::ok(greeting(2)));
    // Every line of stdout would be an event, and none can be parsed.
    let end = server.stop();
    end.assert_no_more_events();
    assert!(end.stderr.contains("Stopping"), "{}", end.stderr);
}

#[test]
fn finds_the_project_from_a_folder_inside_it() {
    let project = Project::new();
    project.write("src/deep/file.txt", "");
    let mut command = project.command();
    command.args(["-o", "json"]).current_dir(project.path("src/deep"));
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    server.stop();
}

#[test]
fn serves_two_times_from_one_project() {
    // As cargo does it: whoever reads the component gets a whole one, even while somebody else builds.
    let project =
        Project::with_build(r#"cp "../components/$(cat which.txt).wasm" "../draft.$$" && mv "../draft.$$" app.wasm"#);
    let mut first = Server::start(&project);
    let mut second = Server::start(&project);
    assert_ne!(first.address(), second.address());
    project.choose_version(2);
    first.wait_for("swapped");
    second.wait_for("swapped");
    assert_eq!(first.get("/"), Answer::ok(greeting(2)));
    assert_eq!(second.get("/"), Answer::ok(greeting(2)));
    first.stop();
    assert_eq!(second.get("/"), Answer::ok(greeting(2)));
    second.stop();
}

#[test]
fn gives_the_environment_of_the_configuration_to_the_component() {
    let project = Project::probe("workload:\n  environment:\n    config:\n      VERSION: from the configuration\n");
    let server = Server::start(&project);
    assert_eq!(server.get("/version"), Answer::ok("from the configuration"));
    server.stop();
}

#[test]
fn does_not_give_its_own_environment_to_the_component() {
    let project = Project::probe("");
    let mut command = project.command();
    command.args(["-o", "json"]).env("VERSION", "a secret");
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    assert_eq!(server.get("/version"), Answer::ok(""));
    server.stop();
}

#[test]
fn keeps_what_a_guest_prints_out_of_the_events() {
    let project = Project::probe("");
    let mut server = Server::start(&project);
    assert_eq!(server.get("/print"), Answer::ok("printed"));
    server.wait_for_stderr("to standard output");
    server.wait_for_stderr("to standard error");
    server.stop().assert_no_more_events();
}

#[test]
fn keeps_what_a_build_prints_out_of_the_events() {
    let project = Project::with_build("printf 'from the %s\\n' build; cp ../components/1.wasm app.wasm");
    let mut server = Server::launch(&project);
    server.wait_for_stderr("from the build");
    server.wait_for("ready");
    server.stop().assert_no_more_events();
}

#[test]
fn needs_no_home() {
    let project = Project::new();
    let mut command = project.command();
    command.args(["-o", "json"]).env("HOME", project.outside("no/such/home"));
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    assert_eq!(server.get("/"), Answer::ok(greeting(1)));
    server.stop();
    assert!(!project.outside("no").exists());
}

#[test]
fn ends_quietly_when_nobody_reads_its_events_any_more() {
    let project = Project::new();
    let mut command = std::process::Command::new("sh");
    let tool = project.command();
    // The first event is read, and then the reader goes.
    command.args(["-c", "\"$@\" 2>err.txt | head -n 1", "sh"]).arg(tool.get_program());
    command.args(tool.get_args()).args(["-o", "json"]).current_dir(project.root());
    command.env_clear().envs(tool.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = Output::of(&mut command).assert_success();
    assert_eq!(output.stdout.lines().count(), 1, "{}", output.stdout);
    let stderr = std::fs::read_to_string(project.path("err.txt")).unwrap();
    assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{stderr}");
}

#[test]
fn help_shows_examples_and_exit_statuses() {
    let output = Output::of(Project::empty().bare_command().arg("--help")).assert_success();
    for part in ["Usage: wash dev", "Examples:", "wash dev --port 0", "Exit status:", "--address <IP:PORT>"] {
        assert!(output.stdout.contains(part), "`{part}` should be in:\n{}", output.stdout);
    }
    assert_eq!(output.stderr, "");
}
