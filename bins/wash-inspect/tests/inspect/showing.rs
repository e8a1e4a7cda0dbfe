//! What `wash inspect` shows of files of every kind.

use std::process::Stdio;

use serde_json::json;
use snapbox::str;
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect, module, package, wasm};

#[test]
fn a_component_shows_its_wit_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let output = inspect(&sandbox, &["shop.wasm"]).assert_success();
    assert_eq!(output.stderr, "");
    assert!(output.stdout.starts_with("package root:component;\n\nworld root {\n"), "{}", output.stdout);
    assert!(output.stdout.contains("export demo:shop/shop@1.2.0;"), "{}", output.stdout);
    let again = inspect(&sandbox, &["--wit", "shop.wasm"]).assert_success();
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn the_summary_is_one_screen() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let output = inspect(&sandbox, &["--summary", "shop.wasm"]).assert_success();
    snapbox::assert_data_eq!(
        output.stdout,
        str![[r#"
file       shop.wasm
kind       a component
size       [..] kB, [..] gzip
made by    wit-component [..]
parts      1 core module (main [..]), 1 component
imports    log
           demo:shop@1.2.0  types
exports    demo:shop@1.2.0  shop

"#]]
    );
}

#[test]
fn packages_modules_and_texts() {
    let sandbox = Sandbox::new();
    sandbox.write("package.wasm", package(WIT));
    sandbox.write("module.wasm", module(WIT));
    sandbox.write("shop.wit", WIT);
    let text = inspect(&sandbox, &["shop.wit"]).assert_success().stdout;
    assert_eq!(inspect(&sandbox, &["package.wasm"]).assert_success().stdout, text);
    assert!(text.starts_with("package demo:shop@1.2.0;\n"), "{text}");
    let module = inspect(&sandbox, &["module.wasm"]).assert_success().stdout;
    assert!(module.contains("export demo:shop/shop@1.2.0;"), "{module}");
    let kind = |file: &str| inspect(&sandbox, &["-o", "json", file]).assert_success().json()["data"]["kind"].clone();
    assert_eq!(
        [kind("package.wasm"), kind("module.wasm"), kind("shop.wit")],
        [json!("wit-package"), json!("core-module"), json!("wit-package")]
    );
}

#[test]
fn a_folder_of_wit_with_what_it_depends_on() {
    let sandbox = Sandbox::new();
    sandbox.write("wit/world.wit", "package a:b; world w { import demo:shop/shop@1.2.0; }");
    sandbox.write("wit/deps/shop/shop.wit", WIT);
    let output = inspect(&sandbox, &["wit"]).assert_success();
    assert!(output.stdout.starts_with("package a:b;"), "{}", output.stdout);
    assert!(output.stdout.contains("package demo:shop@1.2.0 {"), "{}", output.stdout);
    sandbox.write("wit/world.wit", "package a:b; world w { import demo:shop/none@1.2.0; }");
    let broken = inspect(&sandbox, &["wit"]).assert_code(1);
    assert!(broken.stderr.contains("none") && broken.stderr.contains("world.wit"), "{}", broken.stderr);
}

#[test]
fn standard_input() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("shop.wasm", component(WIT));
    let mut command = sandbox.command("wash-inspect");
    command.arg("-").stdin(Stdio::from(std::fs::File::open(path).unwrap()));
    let piped = washlib_test::Output::of(&mut command).assert_success();
    assert_eq!(piped.stdout, inspect(&sandbox, &["shop.wasm"]).stdout);
}

#[test]
fn json_holds_worlds_interfaces_functions_and_types() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wit", WIT);
    sandbox.write("shop.wasm", component(WIT));
    let document = inspect(&sandbox, &["-o", "json", "shop.wasm"]).assert_success().json();
    assert_eq!(document["success"], true);
    let data = &document["data"];
    assert_eq!(data["exports"], json!([{ "package": "demo:shop", "version": "1.2.0", "items": ["shop"] }]));
    assert!(data["wit"].as_str().unwrap().starts_with("package root:component;"));
    assert!(data["digest"].as_str().unwrap().starts_with("sha256:"));
    let world = &data["worlds"][0];
    let log = world["imports"].as_array().unwrap().iter().find(|item| item["name"] == "log").unwrap();
    assert_eq!(log["signature"], "func(text: string)");
    let position = world["exports"][0]["interface"].as_u64().unwrap();
    let shop = &data["interfaces"][usize::try_from(position).unwrap()];
    assert_eq!(shop["name"], "demo:shop/shop@1.2.0");
    assert_eq!(shop["types"][0]["used_from"], "demo:shop/types@1.2.0");
    assert_eq!(shop["functions"][1]["signature"], "func(name: string) -> result<item, string>");
    assert_eq!(shop["functions"][1]["params"], json!([["name", "string"]]));
    // The text has the documentation too.
    let text = inspect(&sandbox, &["-o", "json", "shop.wit"]).assert_success().json();
    let interfaces = text["data"]["interfaces"].as_array().unwrap();
    assert!(interfaces.iter().any(|interface| interface["docs"] == "What a shop offers."), "{interfaces:?}");
    let cart = interfaces.iter().flat_map(|interface| interface["functions"].as_array().unwrap());
    let cart: Vec<_> = cart.filter(|function| function["resource"] == "cart").collect();
    assert_eq!(cart[0]["kind"], "constructor");
    assert_eq!((cart[1]["kind"].clone(), cart[1]["params"].clone()), (json!("method"), json!([["item", "item"]])));
}

#[test]
fn a_core_module_without_wit_is_summed_up() {
    let sandbox = Sandbox::new();
    sandbox.write("m.wasm", wasm(r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#));
    let output = inspect(&sandbox, &["m.wasm"]).assert_success();
    assert!(output.stdout.contains("kind       a core module\n"), "{}", output.stdout);
    assert!(output.stdout.contains("WASI       preview1\n"), "{}", output.stdout);
    assert!(output.stdout.contains("imports    wasi_snapshot_preview1  proc_exit\n"), "{}", output.stdout);
    inspect(&sandbox, &["--wit", "m.wasm"]).assert_code(1).assert_stderr_has("has no WIT");
}

#[test]
fn what_is_something_else_is_called_by_its_name() {
    let sandbox = Sandbox::new();
    for (name, content, says) in [
        ("a.txt", "hello\n".as_bytes(), "a text"),
        ("empty", b"", "the file is empty"),
        ("a.html", b"<!doctype html>", "an HTML page"),
        ("a.gz", b"\x1f\x8b\x08", "a gzip archive"),
        ("a.elf", b"\x7fELF\x02\x01", "a native ELF program"),
    ] {
        sandbox.write(name, content);
        inspect(&sandbox, &[name]).assert_code(1).assert_stderr_has(says);
    }
    sandbox.write("a.wat", "(component)");
    inspect(&sandbox, &["a.wat"]).assert_code(1).assert_stderr_has("hint: `wasm-tools parse a.wat");
    inspect(&sandbox, &["none.wasm"]).assert_code(1).assert_stderr_has("there is no file or folder none.wasm");
    inspect(&sandbox, &["a.wat", "validate"]).assert_code(2).assert_stderr_has("write REF behind the command");
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let mut command = sandbox.command("wash-inspect");
    command.arg("shop.wasm").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    for arguments in [&["shop.wasm"][..], &["-o", "json", "size", "shop.wasm"], &["strip", "shop.wasm", "--to", "-"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command("wash-inspect").args(arguments).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: cannot write the result"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn standard_input_is_read_once() {
    let sandbox = Sandbox::new();
    for arguments in
        [&["diff", "-", "-"][..], &["size", "-", "--diff", "-"], &["check", "-", "--world", "w", "--wit", "-"]]
    {
        inspect(&sandbox, arguments).assert_code(2).assert_stderr_has("standard input can be only one of the two");
    }
}

#[test]
fn graph_and_text_format() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let dot = inspect(&sandbox, &["graph", "shop.wasm"]).assert_success().stdout;
    assert!(dot.starts_with("digraph component {") && dot.contains("demo:shop/shop@1.2.0"), "{dot}");
    let mermaid = inspect(&sandbox, &["graph", "shop.wasm", "--format", "mermaid"]).assert_success().stdout;
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("-->"), "{mermaid}");
    let graph = inspect(&sandbox, &["-o", "json", "graph", "shop.wasm"]).assert_success().json();
    let kinds: Vec<_> = graph["data"]["nodes"].as_array().unwrap().iter().map(|node| node["kind"].clone()).collect();
    assert!(
        kinds.contains(&json!("import")) && kinds.contains(&json!("core-module")) && kinds.contains(&json!("export"))
    );
    let wat = inspect(&sandbox, &["wat", "shop.wasm"]).assert_success().stdout;
    assert!(wat.starts_with("(component"), "{wat}");
    wat::parse_str(&wat).unwrap();
}

#[test]
fn a_folder_has_no_size_and_a_name_is_not_empty() {
    let sandbox = Sandbox::new();
    sandbox.write("wit/a.wit", "/* << */ package a:b;");
    let json = inspect(&sandbox, &["-o", "json", "wit"]).assert_success().json();
    for field in ["size", "gzip_size", "digest"] {
        assert_eq!(json["data"][field], serde_json::Value::Null, "{field}");
    }
    inspect(&sandbox, &[""]).assert_code(2).assert_stderr_has("is empty");
}
