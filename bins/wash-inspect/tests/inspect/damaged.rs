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
    let good = inspect(&sandbox, &["validate", "good.wasm"]).assert_success();
    assert_eq!(good.stdout, "good.wasm is a valid component\n");
    sandbox.write("module.wasm", wasm("(module)"));
    let json = inspect(&sandbox, &["-o", "json", "validate", "module.wasm"]).assert_success().json();
    assert_eq!(json["data"]["kind"], "core-module");
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

/// A chain of interfaces, each of which uses a type of the one before, and a world that has the last.
fn chain(length: usize) -> String {
    let links: String = (1..length).map(|i| format!("interface i{i} {{ use i{}.{{t}}; }}\n", i - 1)).collect();
    format!("package a:b; interface i0 {{ type t = u8; }}\n{links} world w {{ import i{}; }}", length - 1)
}

#[test]
fn a_chain_of_uses_is_bounded() {
    let sandbox = Sandbox::new();
    sandbox.write("long.wit", chain(20_000));
    sandbox.write("folder/long.wit", chain(20_000));
    // Together too long.
    sandbox.write("together/a.wit", "package x:y; world w { import a:b/i1499; }");
    sandbox.write("together/deps/b.wit", chain(1_500));
    sandbox.write("together/deps/c/c.wit", chain(1_500).replace("package a:b", "package c:d"));
    for name in ["long.wit", "folder", "together"] {
        inspect(&sandbox, &[name]).assert_code(1).assert_stderr_has("`use` stands more than 2000 times");
        inspect(&sandbox, &["diff", name, name]).assert_code(1);
        inspect(&sandbox, &["check", name, "--host", "wash"]).assert_code(1);
    }
    sandbox.write("short.wit", chain(1_900));
    inspect(&sandbox, &["short.wit"]).assert_success();
}

#[test]
fn a_cut_component_shows_the_interfaces_before_the_cut() {
    let sandbox = Sandbox::new();
    let whole = component(WIT);
    sandbox.write("whole.wasm", &whole);
    let expected = inspect(&sandbox, &["-o", "json", "whole.wasm"]).assert_success().json();
    sandbox.write("cut.wasm", &whole[..whole.len() - 1]);
    let json = inspect(&sandbox, &["-o", "json", "cut.wasm"]).assert_code(1).json();
    assert_eq!(json["data"]["problem"]["offset"], whole.len() - 1);
    for field in ["imports", "exports", "worlds", "interfaces", "wit"] {
        assert_eq!(json["data"][field], expected["data"][field], "{field}");
    }
    let shown = inspect(&sandbox, &["--summary", "cut.wasm"]).assert_code(1).stdout;
    assert!(shown.contains("exports    demo:shop@1.2.0  shop\n"), "{shown}");
    // In the middle of the code: what it imports is known, and what it exports is not.
    let module = whole.windows(4).skip(8).position(|window| window == b"\0asm").unwrap() + 8;
    sandbox.write("cut.wasm", &whole[..module + 40]);
    let json = inspect(&sandbox, &["-o", "json", "cut.wasm"]).assert_code(1).json();
    assert_eq!(json["data"]["imports"], expected["data"]["imports"]);
    assert_eq!(json["data"]["exports"], serde_json::json!([]));
    for length in (8..whole.len()).step_by(7) {
        sandbox.write("cut.wasm", &whole[..length]);
        let output = inspect(&sandbox, &["cut.wasm"]);
        assert!(matches!(output.code, Some(0 | 1)), "{length}: {:?} {}", output.code, output.stderr);
    }
}

#[test]
fn names_behind_damage_are_read() {
    let sandbox = Sandbox::new();
    // A type that is none, then an import of it.
    let import = [&[1, 0, 3][..], b"a:b/c", &[5, 0]].concat();
    let import = [&import[..2], &[5], &import[3..]].concat();
    let bytes = [&b"\0asm\x0d\0\x01\0"[..], &section(7, &[1, 0x99]), &section(10, &import)].concat();
    sandbox.write("bad.wasm", bytes);
    let output = inspect(&sandbox, &["bad.wasm"]).assert_code(1).stdout;
    assert!(output.contains("imports    a:b  c\n"), "{output}");
}

#[test]
fn damage_in_a_section_is_told() {
    let sandbox = Sandbox::new();
    let module = |sections: &[Vec<u8>]| [&b"\0asm\x01\0\0\0"[..], &sections.concat()].concat();
    let custom = |name: &str, content: &[u8]| {
        section(0, &[&[u8::try_from(name.len()).unwrap()], name.as_bytes(), content].concat())
    };
    for (bytes, what) in [
        (module(&[section(1, &[0xff, 0xff, 0xff, 0xff, 0x0f])]), "the section `type` cannot be read"),
        (module(&[custom("producers", &[0xff; 9])]), "the section `producers` cannot be read"),
        (module(&[custom("jwt", b"x.y.z")]), "the signed claims cannot be read"),
        (module(&[custom(".dep-v0", b"nothing")]), "the list of crates in a module cannot be read"),
    ] {
        sandbox.write("bad.wasm", bytes);
        let output = inspect(&sandbox, &["bad.wasm"]).assert_code(1).assert_stderr_has(what);
        assert!(output.stdout.contains("damaged"), "{}", output.stdout);
    }
    // The last of them.
    let output = inspect(&sandbox, &["deps", "bad.wasm"]).assert_code(1).assert_stderr_has("cannot be read");
    assert!(!output.stderr.contains("cargo auditable"), "{}", output.stderr);
    for format in ["cyclonedx", "spdx"] {
        let output = inspect(&sandbox, &["deps", "bad.wasm", "--sbom", format]).assert_code(1);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.contains("incomplete"), "{}", output.stderr);
    }
    let json = inspect(&sandbox, &["-o", "json", "deps", "bad.wasm"]).assert_code(1).json();
    assert_eq!((json["success"].as_bool(), json["data"]["problems"].as_array().unwrap().len()), (Some(false), 1));
}

#[test]
fn metadata_tells_that_producers_cannot_be_read() {
    let sandbox = Sandbox::new();
    let custom = |name: &str, content: &[u8]| {
        section(0, &[&[u8::try_from(name.len()).unwrap()], name.as_bytes(), content].concat())
    };
    let sections = [custom("version", b"1.2.3"), custom("producers", &[0xff; 9])];
    sandbox.write("bad.wasm", [&b"\0asm\x01\0\0\0"[..], &sections.concat()].concat());
    let output = inspect(&sandbox, &["metadata", "bad.wasm"]).assert_code(1);
    assert_eq!(output.stdout, "version      1.2.3\n");
    assert!(output.stderr.contains("the section `producers` cannot be read"), "{}", output.stderr);
    let json = inspect(&sandbox, &["-o", "json", "metadata", "bad.wasm"]).assert_code(1).json();
    assert_eq!((json["success"].as_bool(), json["data"]["version"].as_str()), (Some(false), Some("1.2.3")));
    assert!(json["message"].as_str().unwrap().contains("producers"), "{json}");
}

/// wasmparser takes the end of the file for the end of the module.
#[test]
fn a_cut_between_the_sections_of_a_module_is_noticed() {
    let sandbox = Sandbox::new();
    let whole = wasm("(component (core module (memory 1) (@custom \"a\" \"bcd\")))");
    sandbox.write("cut.wasm", &whole[..whole.len() - 7]);
    let json = inspect(&sandbox, &["-o", "json", "cut.wasm"]).assert_code(1).json();
    assert_eq!(json["data"]["problem"]["offset"], whole.len() - 7);
    for command in ["validate", "size", "wat", "metadata"] {
        inspect(&sandbox, &[command, "cut.wasm"]).assert_code(1);
    }
    inspect(&sandbox, &["strip", "cut.wasm", "--to", "repaired.wasm"]).assert_code(1);
    assert!(!sandbox.work().join("repaired.wasm").exists());
}

#[test]
fn a_folder_of_wit_holds_files_of_a_sensible_size() {
    let sandbox = Sandbox::new();
    let folder = |name: &str| {
        sandbox.write(format!("{name}/a.wit"), "package a:b; world w { }");
        sandbox.work().join(name)
    };
    std::os::unix::fs::symlink("/dev/zero", folder("device").join("z.wit")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder("pipe").join("p.wit"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::fs::File::create(folder("large").join("l.wit")).unwrap().set_len(3 << 30).unwrap();
    std::fs::create_dir(folder("outer").join("deps")).unwrap();
    std::fs::write(sandbox.work().join("outer/deps/broken.wasm"), b"\0asm\x0d\0\x01\0\x07\x10").unwrap();
    for (name, file, what) in [
        ("device", "z.wit", "is no regular file"),
        ("pipe", "p.wit", "is no regular file"),
        ("large", "l.wit", "has more than 16777216 bytes"),
        ("outer", "broken.wasm", "is no WIT package that can be read"),
    ] {
        inspect(&sandbox, &[name]).assert_code(1).assert_stderr_has(file).assert_stderr_has(what);
    }
}
