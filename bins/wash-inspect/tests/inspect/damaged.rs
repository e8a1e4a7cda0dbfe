//! Files that are cut off, altered or made to harm: what can be read is shown, and nothing ends in a panic.

use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect, wasm};

#[test]
fn a_cut_file_shows_what_could_be_read_and_where_it_stopped() {
    let sandbox = Sandbox::new();
    let whole = component(WIT);
    let cut = whole.len() * 3 / 4;
    sandbox.write("cut.wasm", &whole[..cut]);
    let output = inspect(&sandbox, &["cut.wasm"]).assert_code(1);
    assert!(output.stdout.contains("kind       a component"), "{}", output.stdout);
    assert!(output.stderr.contains(&format!("byte {cut:#x}")), "{}", output.stderr);
    let json = inspect(&sandbox, &["-o", "json", "cut.wasm"]).assert_code(1).json();
    assert_eq!(json["success"], false);
    assert_eq!(json["data"]["problem"]["offset"], cut);
    assert!(!json["data"]["parts"].as_array().unwrap().is_empty());
    inspect(&sandbox, &["validate", "cut.wasm"]).assert_code(1).assert_stderr_has("not valid");
    for command in ["size", "deps", "metadata", "graph"] {
        inspect(&sandbox, &[command, "cut.wasm"]).assert_code(1).assert_stderr_has("cut.wasm");
    }
}

#[test]
fn validate_tells_valid_from_invalid() {
    let sandbox = Sandbox::new();
    sandbox.write("good.wasm", component(WIT));
    let mut bad = wasm(r#"(module (func (export "f") (result i32) (i32.const 1)))"#);
    let length = bad.len();
    // There is nothing to drop.
    bad[length - 3] = 0x1a;
    sandbox.write("bad.wasm", &bad);
    inspect(&sandbox, &["validate", "good.wasm"]).assert_success();
    inspect(&sandbox, &["validate", "bad.wasm"]).assert_code(1).assert_stderr_has("not valid");
    let json = inspect(&sandbox, &["-o", "json", "validate", "bad.wasm"]).assert_code(1).json();
    assert_eq!((json["success"].as_bool(), json["data"]["valid"].as_bool()), (Some(false), Some(false)));
    assert!(json["data"]["problem"]["offset"].is_u64());
}

/// A section of a component.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    [bytes, content.to_vec()].concat()
}

fn nested_components(depth: usize) -> Vec<u8> {
    (0..depth).fold(b"\0asm\x0d\0\x01\0".to_vec(), |inner, _| [&b"\0asm\x0d\0\x01\0"[..], &section(4, &inner)].concat())
}

fn nested_types(depth: usize) -> Vec<u8> {
    let types = [&[0x01][..], &[0x41, 0x01, 0x01].repeat(depth), &[0x41, 0x00]].concat();
    [&b"\0asm\x0d\0\x01\0"[..], &section(7, &types)].concat()
}

#[test]
fn nesting_is_bounded_for_every_command() {
    let sandbox = Sandbox::new();
    sandbox.write("components.wasm", nested_components(5_000));
    sandbox.write("types.wasm", nested_types(200_000));
    let brackets =
        format!("package a:b; interface i {{ type t = {}u8{}; }}", "list<".repeat(50_000), ">".repeat(50_000));
    sandbox.write("deep.wit", &brackets);
    sandbox.write("wit/deep.wit", &brackets);
    for file in ["components.wasm", "types.wasm", "deep.wit", "wit"] {
        inspect(&sandbox, &[file]).assert_code(1).assert_stderr_has("nested");
        inspect(&sandbox, &["diff", file, file]).assert_code(1);
        inspect(&sandbox, &["check", file, "--host", "wash"]).assert_code(1);
    }
    for file in ["components.wasm", "types.wasm"] {
        for command in ["validate", "wat", "graph", "size", "deps", "metadata"] {
            // Some of these read no types; whatever they say, they say it in order.
            let output = inspect(&sandbox, &[command, file]);
            assert!(matches!(output.code, Some(0 | 1)), "{command} {file}: {:?} {}", output.code, output.stderr);
            assert!(!output.stderr.contains("panicked"), "{command} {file}: {}", output.stderr);
        }
    }
}

#[test]
fn names_cannot_command_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write("evil.wasm", wasm("(module $\"a\\1b[2Jb\")"));
    let output = inspect(&sandbox, &["--summary", "evil.wasm"]).assert_success();
    assert!(output.stdout.contains("a\u{fffd}[2Jb") && !output.stdout.contains('\u{1b}'), "{:?}", output.stdout);
}
