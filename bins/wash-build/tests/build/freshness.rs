//! A component that the build left untouched is right when nothing changed, and an error when a source did.

use washlib_test::Output;

use crate::fixtures;
use crate::workbench::Workbench;

/// A project whose command does nothing, with a component that is 100 seconds old.
fn untouched() -> Workbench {
    with_old_component("true")
}

fn with_old_component(command: &str) -> Workbench {
    let workbench = Workbench::with_command(command);
    workbench.write("out.wasm", fixtures::component());
    workbench.set_age("out.wasm", 100);
    workbench
}

fn write_aged(workbench: &Workbench, path: &str, content: impl AsRef<[u8]>, seconds: u64) {
    workbench.write(path, content);
    workbench.set_age(path, seconds);
}

fn assert_stale(workbench: &Workbench, output: Output, source: &str) {
    let output = output.assert_code(1);
    assert_eq!(output.stdout, "");
    let artifact = workbench.path("out.wasm").display().to_string();
    let source = workbench.path(source).display().to_string();
    output.assert_stderr_has(&format!("succeeded, but {artifact} is stale: {source} is newer")).assert_stderr_has(
        &format!(
            "hint: check that `build.component_path` names what the command builds; `rm {artifact}` forces a new one"
        ),
    );
}

#[test]
fn unchanged_sources_make_an_untouched_component_right() {
    let workbench = untouched();
    write_aged(&workbench, "src/lib.rs", "", 200);
    let output = workbench.build_in("hello").assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path("out.wasm").display()));
}

#[test]
fn a_newer_source_makes_an_untouched_component_stale() {
    for source in ["src/lib.rs", "main.go", "wit/world.wit", "src/app.ts", "app.py", "lib/code.c"] {
        let workbench = untouched();
        // What stands in it is read only where it is WIT.
        write_aged(&workbench, source, "package test:source;\n", 50);
        let output = workbench.build_in("hello");
        assert_stale(&workbench, output, source);
    }
}

#[test]
fn a_component_that_the_build_wrote_is_never_stale() {
    let workbench = with_old_component("cp ../fixtures/component.wasm out.wasm");
    write_aged(&workbench, "src/lib.rs", "", 50);
    workbench.build_in("hello").assert_success();
}

/// As `cp -p` and archives do: the content is new, the time is not.
#[test]
fn a_component_with_an_old_time_and_new_content_is_not_stale() {
    let workbench = with_old_component("cp -p ../hello/given out.wasm");
    write_aged(&workbench, "given", fixtures::larger_component(), 500);
    write_aged(&workbench, "src/lib.rs", "", 50);
    workbench.build_in("hello").assert_success();
}

#[test]
fn files_that_do_not_go_into_a_component_do_not_count() {
    let files =
        ["README.md", "tests/it.rs", "src/main_test.go", "node_modules/a/index.js", "target/x.rs", "dist/out.js"];
    for file in files {
        let workbench = untouched();
        write_aged(&workbench, file, "", 50);
        workbench.build_in("hello").assert_success();
    }
    let workbench = untouched();
    write_aged(&workbench, ".gitignore", "generated/\n", 200);
    write_aged(&workbench, "generated/x.rs", "", 50);
    workbench.build_in("hello").assert_success();
}

/// What the build itself generates is its result, not a reason to build. The file system's clock runs in steps of some
/// milliseconds, and a quick build's file once seemed older than the build.
#[test]
fn a_source_that_the_build_wrote_does_not_count() {
    let workbench = with_old_component("mkdir -p src; echo > src/generated.rs");
    for _ in 0..20 {
        workbench.build_in("hello").assert_success();
        std::fs::remove_file(workbench.path("src/generated.rs")).unwrap();
    }
}

/// Cargo's dep-info names every input: with it, nothing else counts, and a file anywhere does.
#[test]
fn recorded_inputs_are_the_only_ones_that_count() {
    let workbench = untouched();
    write_aged(&workbench, "src/lib.rs", "", 50);
    write_aged(&workbench, "listed.rs", "", 200);
    let [artifact, listed] = ["out.wasm", "listed.rs"].map(|path| workbench.path(path).display().to_string());
    workbench.write("out.d", format!("{artifact}: {listed}\n"));
    workbench.build_in("hello").assert_success();

    write_aged(&workbench, "listed.rs", "", 50);
    let output = workbench.build_in("hello");
    assert_stale(&workbench, output, "listed.rs");
}

#[test]
fn recorded_inputs_may_have_blanks_in_their_names() {
    let workbench = untouched();
    write_aged(&workbench, "data/a b.txt", "", 50);
    let listed = workbench.path("data/a b.txt").display().to_string().replace(' ', "\\ ");
    workbench.write("out.d", format!("out.wasm: /nowhere.rs {listed}\n"));
    let output = workbench.build_in("hello");
    assert_stale(&workbench, output, "data/a b.txt");
}

/// A pipe in place of the record once made the build wait for ever.
#[test]
fn a_record_that_is_no_file_is_no_record() {
    let workbench = with_old_component("test -p out.d || mkfifo out.d");
    write_aged(&workbench, "src/lib.rs", "", 50);
    let output = workbench.build_in("hello");
    assert_stale(&workbench, output, "src/lib.rs");
}

#[test]
fn a_discovered_component_can_be_stale_too() {
    let workbench = Workbench::with_config("build:\n  command: 'true'\n");
    write_aged(&workbench, "dist/x.wasm", fixtures::component(), 100);
    write_aged(&workbench, "src/lib.rs", "", 200);
    let output = workbench.build_in("hello").assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path("dist/x.wasm").display()));
    workbench.set_age("src/lib.rs", 50);
    workbench.build_in("hello").assert_code(1).assert_stderr_has("x.wasm is stale: ");
}
