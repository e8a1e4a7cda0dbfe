//! Where the component is found, and what is said about a file that is none.

use std::fs;

use crate::fixtures;
use crate::workbench::Workbench;

fn assert_found(workbench: &Workbench, path: &str) {
    let output = workbench.build_in("hello").assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path(path).display()));
}

#[test]
fn a_command_that_writes_nothing_is_an_error() {
    let workbench = Workbench::with_command("true");
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    let path = workbench.path("out.wasm").display().to_string();
    output
        .assert_stderr_has(&format!("succeeded, but there is no component at {path}"))
        .assert_stderr_has("hint: set `build.component_path` to the file that the command builds");
}

#[test]
fn a_component_elsewhere_than_configured_is_suggested_but_not_taken() {
    let workbench = Workbench::with_command("mkdir dist && cp ../fixtures/component.wasm dist/other.wasm");
    let found = workbench.path("dist/other.wasm").display().to_string();
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("there is no component at ")
        .assert_stderr_has(&format!("hint: if {found} is the component, set `build.component_path` to it"));
}

#[test]
fn an_unconfigured_component_is_discovered_where_toolchains_leave_it() {
    let folders = ["build", "dist", "target/wasm32-wasip2/release", "target/wasm32-wasip1/debug"];
    for folder in folders {
        let workbench = Workbench::with_config(&format!(
            "build:\n  command: mkdir -p {folder} && cp ../fixtures/component.wasm {folder}/thing.wasm\n"
        ));
        assert_found(&workbench, &format!("{folder}/thing.wasm"));
        // And again, when the command writes the same once more.
        assert_found(&workbench, &format!("{folder}/thing.wasm"));
    }
    let workbench = Workbench::with_config("build:\n  command: cp ../fixtures/component.wasm other-name.wasm\n");
    assert_found(&workbench, "other-name.wasm");
}

#[test]
fn the_folders_name_comes_first() {
    let workbench = Workbench::with_config(
        "build:\n  command: mkdir dist; cp ../fixtures/component.wasm hello.wasm; cp hello.wasm dist/other.wasm\n",
    );
    assert_found(&workbench, "hello.wasm");
}

#[test]
fn of_several_files_the_one_that_the_build_wrote_counts() {
    let workbench = Workbench::with_config("build:\n  command: cp ../fixtures/component.wasm dist/new.wasm\n");
    workbench.write("dist/old.wasm", fixtures::component());
    workbench.set_age("dist/old.wasm", 100);
    assert_found(&workbench, "dist/new.wasm");
}

#[test]
fn several_new_files_are_ambiguous() {
    let workbench = Workbench::with_config(
        "build:\n  command: mkdir dist; for n in a b; do cp ../fixtures/component.wasm dist/$n.wasm; done\n",
    );
    let output = workbench.build_in("hello").assert_code(1);
    assert_eq!(output.stdout, "");
    let [a, b] = ["dist/a.wasm", "dist/b.wasm"].map(|path| workbench.path(path).display().to_string());
    output
        .assert_stderr_has(&format!("left several components: {a}, {b}"))
        .assert_stderr_has("hint: set `build.component_path` to one of them");
}

/// What the file is instead, in the error; and the file itself stays as the toolchain left it.
#[test]
fn a_file_that_is_no_component_is_called_by_its_name() {
    let cut = fixtures::larger_component();
    let cut = &cut[..cut.len() - 3];
    let files: [(&str, &[u8], &str, &str); 7] = [
        ("text", b"hello\n", "a text, not a WebAssembly binary", "set `build.component_path`"),
        ("wat", b"(component)\n", "WebAssembly in its text form", "set `build.component_path`"),
        ("empty", b"", "empty", "set `build.component_path`"),
        ("version", b"\0asm\x0a\0\x01\0", "WebAssembly of an unknown version", "set `build.component_path`"),
        ("truncated", cut, "cut off", "run `rm "),
        ("package", &fixtures::wit_package(), "the WIT package `test:greeting@1.2.3`", "set `build.component_path`"),
        ("no world", &fixtures::module_without_world(), "a core module that exports no interface", "`wasm32-wasip2`"),
    ];
    for (name, bytes, reason, hint) in files {
        let workbench = Workbench::with_command("cp ../given out.wasm");
        workbench.sandbox().write("given", bytes);
        let output = workbench.build_in("hello").assert_code(1);
        assert_eq!(output.stdout, "", "{name}");
        let path = workbench.path("out.wasm");
        output
            .assert_stderr_has(&format!("error: {} is not a component\n", path.display()))
            .assert_stderr_has(&format!("  caused by: the file is {reason}"))
            .assert_stderr_has(hint);
        assert_eq!(fs::read(path).unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_module_that_does_not_fit_its_world_says_what_is_missing() {
    let workbench = Workbench::with_command("cp ../fixtures/incomplete.wasm out.wasm");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("  caused by: the core module cannot be made a component: ")
        .assert_stderr_has("greet")
        .assert_stderr_has("hint: build for `wasm32-wasip2`");
    assert_eq!(fs::read(workbench.path("out.wasm")).unwrap(), fixtures::incomplete_module());
}

/// Whatever cannot be read to its end must not be waited for.
#[test]
fn what_is_no_file_is_no_component() {
    for command in ["mkfifo out.wasm", "mkdir out.wasm", "ln -s nowhere out.wasm", "ln -s out.wasm out.wasm"] {
        let workbench = Workbench::with_command(command);
        workbench.build_in("hello").assert_code(1).assert_stderr_has("there is no component at ");
        // The same with what is there before the build begins.
        workbench.write(".wash/config.yaml", "build:\n  command: 'true'\n  component_path: out.wasm\n");
        workbench.build_in("hello").assert_code(1).assert_stderr_has("there is no component at ");
    }
}

#[test]
fn a_link_to_a_component_is_followed() {
    let workbench = Workbench::with_command("ln -sf ../fixtures/component.wasm out.wasm");
    assert_found(&workbench, "out.wasm");
}

#[test]
fn the_projects_own_file_may_not_name_a_component_outside_the_project() {
    for path in ["../outside.wasm", "/elsewhere/outside.wasm", "src/../../outside.wasm", "../hello-2/x.wasm"] {
        let workbench = Workbench::with_config(&format!("build:\n  command: touch ran\n  component_path: {path}\n"));
        let output = workbench.build_in("hello").assert_code(2);
        assert_eq!(output.stdout, "");
        output.assert_stderr_has("(.wash/config.yaml line 3) is outside the project ").assert_stderr_has(
            "hint: a path of your own choice goes into the environment variable WASH_BUILD_COMPONENT_PATH",
        );
        assert!(!workbench.path("ran").exists(), "{path}: refused before anything ran");
    }
}

#[test]
fn a_detour_that_stays_inside_is_inside() {
    let workbench = Workbench::with_config(
        "build:\n  command: cp ../fixtures/component.wasm x.wasm\n  component_path: ../hello/a/../x.wasm\n",
    );
    assert_found(&workbench, "x.wasm");
}

#[test]
fn a_person_may_name_a_component_anywhere() {
    let outside = |workbench: &Workbench| workbench.sandbox().work().join("outside.wasm").display().to_string();
    let config = "build:\n  command: cp ../fixtures/component.wasm $WASH_COMPONENT_PATH\n";
    let assert_outside = |workbench: &Workbench| {
        let output = workbench.build_in("hello").assert_success();
        assert_eq!(output.stdout, format!("{}\n", outside(workbench)));
    };

    let workbench = Workbench::with_config(config);
    let path = outside(&workbench);
    assert_outside(&workbench.with_variable("WASH_BUILD_COMPONENT_PATH", path));
    let workbench = Workbench::with_config(config).with_variable("WASH_BUILD_COMPONENT_PATH", "../outside.wasm");
    assert_outside(&workbench);
    let workbench =
        Workbench::with_config(config).with_variable("WASH_BUILD", "{ component_path = '../outside.wasm' }");
    assert_outside(&workbench);

    let workbench = Workbench::with_config(config);
    workbench.sandbox().write("../home/.config/wash/config.yaml", "build:\n  component_path: ../outside.wasm\n");
    assert_outside(&workbench);
}

/// A member of a repository may build into the repository's common folder, which need not be a Cargo workspace's.
#[test]
fn the_enclosing_repository_is_not_outside() {
    let workbench = Workbench::with_config(
        "build:\n  command: mkdir ../build; cp ../fixtures/component.wasm ../build/x.wasm\n  component_path: ../build/x.wasm\n",
    );
    workbench.build_in("hello").assert_code(2).assert_stderr_has("is outside the project");
    workbench.sandbox().write(".git/HEAD", "ref: refs/heads/main\n");
    let output = workbench.build_in("hello").assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.sandbox().work().join("build/x.wasm").display()));
}
