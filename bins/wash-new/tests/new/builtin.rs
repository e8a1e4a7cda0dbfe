//! Built-in templates, names, and the folder a project goes to.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use serde_json::json;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Outcome, Sandbox};

#[test]
fn the_help_shows_examples_and_exit_codes() {
    let help = Sandbox::new().run(&["--help"]).succeeded().stdout;
    for text in ["Create a project from a template", "wash new --list", "--allow-commands", "Examples:", "Exit status:"]
    {
        assert!(help.contains(text), "{text:?} is missing: {help}");
    }
}

#[test]
fn the_list_is_a_table() {
    let outcome = Sandbox::new().run(&["--list"]).succeeded();
    assert_data_eq!(
        outcome.stdout,
        str![[r#"
http-hello-world  Rust  An HTTP server in Rust that greets whoever asks.

"#]]
    );
}

#[test]
fn the_list_as_json() {
    let outcome = Sandbox::new().run(&["--list", "-o", "json"]).succeeded();
    assert_data_eq!(
        outcome.stdout,
        str![[r#"
{
  "message": "Built-in templates",
  "success": true,
  "data": {
    "templates": [
      {
        "name": "http-hello-world",
        "language": "Rust",
        "description": "An HTTP server in Rust that greets whoever asks."
      }
    ]
  }
}

"#]]
    );
}

#[test]
fn a_builtin_template_takes_on_the_projects_name() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["http-hello-world", "--name", "my-greeter"]).succeeded();
    assert_data_eq!(outcome.stdout, "my-greeter\n");
    assert_data_eq!(
        outcome.stderr,
        str![[r#"
     Created project `my-greeter` from http-hello-world
hint: cd my-greeter && wash dev

"#]]
    );
    let files = [
        ".gitignore",
        ".wash/",
        ".wash/config.yaml",
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "src/",
        "src/lib.rs",
        "wit/",
        "wit/deps/",
        "wit/deps/wasi-cli-0.2.12/",
        "wit/deps/wasi-cli-0.2.12/package.wit",
        "wit/deps/wasi-clocks-0.2.12/",
        "wit/deps/wasi-clocks-0.2.12/package.wit",
        "wit/deps/wasi-http-0.2.12/",
        "wit/deps/wasi-http-0.2.12/package.wit",
        "wit/deps/wasi-io-0.2.12/",
        "wit/deps/wasi-io-0.2.12/package.wit",
        "wit/deps/wasi-random-0.2.12/",
        "wit/deps/wasi-random-0.2.12/package.wit",
        "wit/world.wit",
    ];
    assert_eq!(sandbox.tree("my-greeter"), files);

    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/http-hello-world");
    for file in files.iter().filter(|file| !file.ends_with('/') && **file != "Cargo.lock") {
        let original = fs::read_to_string(template.join(file)).unwrap();
        let expected = original.replace("http-hello-world", "my-greeter").replace("http_hello_world", "my_greeter");
        assert_eq!(sandbox.read(&format!("my-greeter/{file}")), expected, "{file}");
    }
    assert!(sandbox.read("my-greeter/.wash/config.yaml").contains("release/my_greeter.wasm"));
    assert!(sandbox.read("my-greeter/src/lib.rs").contains(r"Hello from wasmCloud!\n"));
    sandbox.assert_untouched(&["my-greeter"]);
}

#[test]
fn the_lock_file_stays_valid_under_the_new_name() {
    let sandbox = Sandbox::new();
    sandbox.run(&["http-hello-world", "--name", "zebra"]).succeeded();
    let lock = sandbox.read("zebra/Cargo.lock");
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert!(names.contains(&"\"zebra\""));
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn the_result_as_json() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["-o", "json", "http-hello-world", "--name", "hello"]).succeeded();
    let expected = json!({
        "message": "Successfully created project hello",
        "success": true,
        "data": {
            "name": "hello",
            "repository": null,
            "subfolder": null,
            "output_dir": sandbox.path("hello"),
            "template": "http-hello-world",
            "command": null,
            "command_run": false,
            "warnings": [],
        },
    });
    assert_eq!(outcome.json(), expected);
}

#[test]
fn the_project_goes_below_the_folder_asked_for_and_not_to_an_enclosing_project() {
    let sandbox = Sandbox::new();
    sandbox.write("outer", &[(".wash/config.yaml", "build:\n  command: 'true'\n"), ("inner/file", "")]);
    let outcome = sandbox.run(&["http-hello-world", "-C", "outer/inner"]).succeeded();
    assert_data_eq!(outcome.stdout, "outer/inner/http-hello-world\n");
    assert!(sandbox.path("outer/inner/http-hello-world/Cargo.toml").is_file());

    let missing = sandbox.run(&["http-hello-world", "-C", "nowhere"]);
    missing.failed(2, &["nowhere"]);
}

#[test]
fn a_home_that_does_not_exist_does_not_matter() {
    let sandbox = Sandbox::new();
    let output = sandbox.wash_new(&["http-hello-world"]).env("HOME", "/nonexistent/home").output().unwrap();
    Outcome::of(output).succeeded();
}

#[test]
fn without_a_source_the_hint_names_the_list() {
    let outcome = Sandbox::new().run(&[]);
    outcome.failed(2, &["no template was named", "`wash new --list`"]);
}

#[test]
fn an_unknown_source_says_what_was_tried_and_what_is_near() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["http-helo-world"]);
    outcome.failed(2, &["neither a built-in template", "`wash new http-hello-world`", "`wash new --list`"]);
    sandbox.run(&["owner/repo"]).failed(2, &["`owner/repo` is neither", "https://"]);
    sandbox.run(&["ext::sh -c id"]).failed(2, &["`ext`"]);
    sandbox.run(&["ftp://bob:s3cret@example.org/x"]).failed(2, &["`ftp`"]);
    sandbox.run(&["--", "--upload-pack=touch owned"]).failed(2, &["cannot begin with `-`"]);
    sandbox.run(&["-x://example.org/x"]).failed(2, &["unexpected argument"]);
    sandbox.assert_untouched(&[]);
}

#[test]
fn bad_names_are_refused() {
    let sandbox = Sandbox::new();
    for name in ["", ".", "..", "../hello", "/tmp/hello", "a/b", ".hidden", "a\nb", &"a".repeat(101)] {
        let outcome = sandbox.run(&["http-hello-world", "--name", name]);
        outcome.failed(2, &["the name of a project"]);
    }
    sandbox.run(&["http-hello-world", "--name=-rf"]).failed(2, &["begins with `-`"]);
    sandbox.assert_untouched(&[]);
}

#[test]
fn a_rust_template_needs_a_name_that_cargo_accepts() {
    let sandbox = Sandbox::new();
    for (name, suggestion) in [("2fast", "app-2fast"), ("my app", "my-app"), ("self", "self-app"), ("wstd", "wstd-app")]
    {
        let hint = format!("`--name {suggestion}` would work");
        sandbox.run(&["http-hello-world", "--name", name]).failed(2, &[&hint]);
    }
    sandbox.assert_untouched(&[]);
}

#[test]
fn what_exists_is_never_touched() {
    let sandbox = Sandbox::new();
    sandbox.write(".", &[("file", "kept"), ("folder/file", "kept")]);
    fs::create_dir(sandbox.path("empty")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("link")).unwrap();
    let before = sandbox.tree(".");
    for name in ["file", "folder", "empty", "link"] {
        let outcome = sandbox.run(&["http-hello-world", "--name", name]);
        outcome.failed(1, &["already exists", "--name"]);
    }
    assert_eq!(sandbox.tree("."), before);
    assert_eq!(sandbox.read("file"), "kept");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let sandbox = Sandbox::new();
    sandbox.open_to_everyone();
    fs::create_dir(sandbox.path("read-only")).unwrap();
    fs::set_permissions(sandbox.path("read-only"), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    // The program itself may be where only its owner can look.
    let program = sandbox.path("wash-new");
    fs::copy(env!("CARGO_BIN_EXE_wash-new"), &program).unwrap();
    let mut command = sandbox.command(&program);
    if rustix::process::geteuid().is_root() {
        // Permissions do not bind the administrator.
        command.uid(65534).gid(65534);
    }
    let outcome = Outcome::of(command.args(["http-hello-world", "-C", "read-only"]).output().unwrap());
    let folder = sandbox.path("read-only").display().to_string();
    outcome.failed(1, &["cannot create a folder in", &folder, "ermission denied"]);
    assert_eq!(sandbox.tree("read-only"), [""; 0]);
}

#[test]
fn a_subfolder_of_a_builtin_template_works_as_well() {
    let sandbox = Sandbox::new();
    sandbox.run(&["http-hello-world", "--subfolder", "src"]).succeeded();
    assert_eq!(sandbox.tree("src"), ["lib.rs"]);
    sandbox.run(&["http-hello-world", "--subfolder", "nowhere"]).failed(1, &["no folder `nowhere`"]);
    sandbox.run(&["http-hello-world", "--subfolder", "../x"]).failed(2, &["`../x` is not a path inside"]);
    sandbox.run(&["http-hello-world", "--git-ref", "main"]).failed(2, &["not a Git repository", "--git-ref"]);
}
