//! `wash inspect check` through its command line.

use snapbox::str;
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect, package};

/// A world that imports what hosts have, have on request, have in other versions and do not have.
const MIXED: &str = "package demo:app;
    world app {
        import wasi:random/random@0.2.0;
        import wasi:keyvalue/store@0.2.0-draft;
        import wasi:config/store@0.2.0-rc.1;
        import wasi:clocks/monotonic-clock@0.3.0;
        import wasi:cli/stdout@0.1.0;
        import demo:other/api;
        export wasi:http/incoming-handler@0.2.0;
    }
    package wasi:random@0.2.0 { interface random { get: func() -> u64; } }
    package wasi:keyvalue@0.2.0-draft { interface store { open: func(); } }
    package wasi:config@0.2.0-rc.1 { interface store { get: func(); } }
    package wasi:cli@0.1.0 { interface stdout { get: func() -> u64; } }
    package wasi:clocks@0.3.0 { interface monotonic-clock { now: func() -> u64; } }
    package demo:other { interface api { f: func(); } }
    package wasi:http@0.2.0 { interface incoming-handler { handle: func(); } }";

#[test]
fn each_import_and_what_to_add() {
    let sandbox = Sandbox::new();
    sandbox.write("app.wasm", component(MIXED));
    let output = inspect(&sandbox, &["check", "app.wasm", "--host", "wash"]).assert_code(1);
    snapbox::assert_data_eq!(
        output.stdout,
        str![[r#"
missing         demo:other/api
does not match  wasi:cli/stdout@0.1.0  (the host has 0.2.12, 0.3.0)
on request      wasi:keyvalue/store@0.2.0-draft
on request      wasi:config/store@0.2.0-rc.1
on request      wasi:http/incoming-handler@0.2.0  (an export, which the host calls only when it is asked for)
provided        wasi:random/random@0.2.0
provided        wasi:clocks/monotonic-clock@0.3.0

add (hostInterfaces)
  - { namespace: wasi, package: config, version: "0.2.0-rc.1", interfaces: [store] }

add (hostInterfaces)
  - { namespace: wasi, package: http, version: "0.2.0", interfaces: [incoming-handler], config: { host: <name> } }

add (hostInterfaces)
  - { namespace: wasi, package: keyvalue, version: "0.2.0-draft", interfaces: [store] }

app.wasm does not fit wash host and wash dev, of this version

"#]]
    );
    let json =
        inspect(&sandbox, &["-o", "json", "check", "app.wasm", "--host", "wasmtime-serve"]).assert_code(1).json();
    let advice: Vec<_> =
        json["data"]["advice"].as_array().unwrap().iter().map(|advice| advice["text"].clone()).collect();
    assert_eq!(advice, ["-S keyvalue", "-S config"]);
}

#[test]
fn a_host_that_calls_what_is_not_there() {
    let sandbox = Sandbox::new();
    sandbox.write("app.wasm", component("package a:b; world w { export run: func(); }"));
    inspect(&sandbox, &["check", "app.wasm", "--host", "wash"]).assert_success();
    let output = inspect(&sandbox, &["check", "app.wasm", "--host", "wasmtime-serve"]).assert_code(1);
    assert!(output.stdout.contains("not exported    wasi:http/incoming-handler@0.2.0 or"), "{}", output.stdout);
}

#[test]
fn a_host_of_the_users_own_and_an_unknown_one() {
    let sandbox = Sandbox::new();
    sandbox.write("app.wasm", component("package a:b; world w { import i; } interface i { f: func(); }"));
    sandbox.write(
        "mine.toml",
        "name = 'mine'\ntitle = 'my host'\nsource = 'me'\n[[offers]]\npackage = 'a:b'\nversions = ['']\ninterfaces = ['i']\n",
    );
    inspect(&sandbox, &["check", "app.wasm", "--host", "mine.toml"]).assert_success();
    sandbox.write("bad.toml", "name = 'x'\ncolour = 'red'\n");
    inspect(&sandbox, &["check", "app.wasm", "--host", "bad.toml"]).assert_code(2).assert_stderr_has("colour");
    inspect(&sandbox, &["check", "app.wasm", "--host", "nothing"]).assert_code(2).assert_stderr_has("--list-hosts");
    inspect(&sandbox, &["check", "app.wasm"]).assert_code(2);
    let hosts = inspect(&sandbox, &["check", "--list-hosts"]).assert_success().stdout;
    for name in ["wash ", "wasmcloud ", "wasmtime-serve ", "wasmtime-run ", "spin "] {
        assert!(hosts.contains(name), "{name} in {hosts}");
    }
}

#[test]
fn a_world_is_what_a_component_must_fit() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    sandbox.write("wit/shop.wit", WIT);
    inspect(&sandbox, &["check", "shop.wasm", "--world", "store", "--wit", "wit"]).assert_success();
    inspect(&sandbox, &["check", "shop.wasm", "--world", "demo:shop/store@1.2.0", "--wit", "wit"]).assert_success();
    // The world asks for more, offers less, and has another type.
    let other = WIT
        .replace("export shop;", "export shop; export stop: func();")
        .replace("import log: func(text: string);", "")
        .replace("buy: func(name: string)", "buy: func(number: u32)");
    sandbox.write("other/shop.wit", other);
    let output =
        inspect(&sandbox, &["check", "shop.wasm", "--world", "demo:shop/store", "--wit", "other"]).assert_code(1);
    for line in [
        "missing         log  (the world does not offer it)",
        "not exported    stop  (the world asks for this export)",
        "does not match  demo:shop/shop@1.2.0 buy",
        "world:     func(number: u32) -> result<item, string>",
        "component: func(name: string) -> result<item, string>",
    ] {
        assert!(output.stdout.contains(line), "{line} in\n{}", output.stdout);
    }
    inspect(&sandbox, &["check", "shop.wasm", "--world", "x:y/z", "--wit", "wit"]).assert_code(2);
    inspect(&sandbox, &["check", "shop.wasm", "--world", "none", "--wit", "wit"])
        .assert_code(2)
        .assert_stderr_has("store");
    inspect(&sandbox, &["check", "shop.wasm", "--world", "store"]).assert_code(2).assert_stderr_has("--wit <folder>");
}

#[test]
fn a_package_is_entered_once_whatever_its_versions() {
    let sandbox = Sandbox::new();
    let wit = "package demo:app;
        world app {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:logging/logging;
            import wasi:logging/logging@0.1.0-draft;
        }
        package wasi:keyvalue@0.2.0-draft { interface store { open: func(); } }
        package wasi:keyvalue@0.2.0-draft2 { interface store { open: func(); } interface atomics { add: func(); } }
        package wasi:logging { interface logging { log: func(); } }
        package wasi:logging@0.1.0-draft { interface logging { log: func(); } }";
    sandbox.write("app.wasm", component(wit));
    let json = inspect(&sandbox, &["-o", "json", "check", "app.wasm", "--host", "wash"]).assert_success().json();
    let advice: Vec<_> =
        json["data"]["advice"].as_array().unwrap().iter().map(|advice| advice["text"].clone()).collect();
    assert_eq!(
        advice,
        [
            "- { namespace: wasi, package: keyvalue, interfaces: [atomics, store] }",
            "- { namespace: wasi, package: logging, interfaces: [logging] }"
        ]
    );
}

/// A package has no imports of its own: that it fits would be said of anything.
#[test]
fn of_a_package_one_world_is_checked() {
    let sandbox = Sandbox::new();
    let one = "package a:b; interface i { f: func(); } world good { } ";
    let two = format!("{one} world bad {{ import i; }}");
    sandbox.write("none.wit", "package a:b; interface i { f: func(); }");
    sandbox.write("bad.wit", "package a:b; interface i { f: func(); } world bad { import i; }");
    sandbox.write("bad.wasm", package("package a:b; interface i { f: func(); } world bad { import i; }"));
    sandbox.write("folder/two.wit", &two);
    sandbox.write("two.wasm", package(&two));
    sandbox.write("one.wit", one);
    let check = |arguments: &[&str]| inspect(&sandbox, &[&["check", "--host", "wash"], arguments].concat());
    check(&["one.wit"]).assert_success();
    for bad in ["bad.wit", "bad.wasm"] {
        let output = check(&[bad]).assert_code(1);
        assert!(output.stdout.contains("missing         a:b/i"), "{}", output.stdout);
    }
    check(&["none.wit"]).assert_code(2).assert_stderr_has("has no world");
    for two in ["folder", "two.wasm"] {
        check(&[two]).assert_code(2).assert_stderr_has("add `--world`: good, bad");
        check(&[two, "--world", "good"]).assert_success();
        check(&[two, "--world", "a:b/bad"]).assert_code(1);
        check(&[two, "--world", "ugly"]).assert_code(2).assert_stderr_has("it has: good, bad");
        check(&[two, "--world", "x:y/good"]).assert_code(2);
    }
    sandbox.write("app.wasm", component("package a:b; world w { export run: func(); }"));
    check(&["app.wasm", "--world", "w"]).assert_code(2).assert_stderr_has("one of its own");
}
