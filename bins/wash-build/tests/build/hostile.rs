//! Files that are made to hurt whoever reads them: the build says no, and ends as any other that failed.

use washlib_test::hostile::bombs;

use crate::workbench::Workbench;

/// The validator would overflow the stack of the main thread with some of these, and take gigabytes for others.
#[test]
fn a_result_that_asks_for_too_much_is_refused() {
    let mut names = Vec::new();
    for bomb in bombs().into_iter().take(10) {
        let workbench = Workbench::with_command("cp ../bomb.wasm out.wasm");
        workbench.sandbox().write("bomb.wasm", &bomb.bytes);
        let output = workbench.build_in("hello").assert_code(1);
        assert_eq!(output.stdout, "", "{}", bomb.name);
        output
            .assert_stderr_has("out.wasm is not a component")
            .assert_stderr_has("beyond what is accepted, at byte 0x");
        names.push(bomb.name);
    }
    assert!(names.iter().any(|name| name.contains("nested 1,000 deep")), "{names:?}");
    assert!(names.iter().any(|name| name.contains("nested 5,000 deep")), "{names:?}");
}

/// Reading these would never end.
#[test]
fn a_result_that_is_no_file_is_refused() {
    for command in ["ln -s /dev/zero out.wasm", "mkfifo out.wasm"] {
        let workbench = Workbench::with_command(command);
        let output = workbench.build_in("hello").assert_code(1);
        assert_eq!(output.stdout, "", "{command}");
    }
}
