//! `wash inspect diff` through its command line.

use snapbox::str;
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect, package};

#[test]
fn what_changed_with_both_signatures_and_the_verdict() {
    let sandbox = Sandbox::new();
    sandbox.write("old.wasm", component(WIT));
    let new = WIT.replace("price: u32", "price: u64").replace("import log: func(text: string);", "");
    sandbox.write("new.wasm", component(&new));
    let output = inspect(&sandbox, &["diff", "old.wasm", "new.wasm"]).assert_code(1);
    assert_eq!(output.stderr, "");
    snapbox::assert_data_eq!(
        output.stdout,
        str![[r#"
import demo:shop/types@1.2.0
  ~ type item  [breaking]
      before: record { name: string, price: u32 }
      after:  record { name: string, price: u64 }
  ~ function cart.add  [breaking]
      func(item: item)
      (a type that it uses changed)

import
  - function log
      func(text: string)

export demo:shop/shop@1.2.0
  ~ type item  [breaking]
      item
      (a type that it uses changed)
  ~ function items  [breaking]
      func() -> list<item>
      (a type that it uses changed)
  ~ function buy  [breaking]
      func(name: string) -> result<item, string>
      (a type that it uses changed)

verdict: breaking (breaking for callers, breaking for hosts)

"#]]
    );
    let json = inspect(&sandbox, &["-o", "json", "diff", "old.wasm", "new.wasm"]).assert_code(1).json();
    assert_eq!((json["success"].as_bool(), json["data"]["verdict"].as_str()), (Some(false), Some("breaking")));
    let log = json["data"]["changes"].as_array().unwrap().iter().find(|change| change["name"] == "log").unwrap();
    assert_eq!((log["action"].as_str(), log["hosts"].as_str()), (Some("removed"), Some("patch")));
}

#[test]
fn what_breaks_nobody_is_a_success() {
    let sandbox = Sandbox::new();
    sandbox.write("old.wasm", component(WIT));
    sandbox.write("new.wasm", component(&WIT.replace("items: func()", "count: func() -> u32; items: func()")));
    let output = inspect(&sandbox, &["diff", "old.wasm", "new.wasm"]).assert_success();
    assert!(output.stdout.ends_with("verdict: minor (minor for callers, patch for hosts)\n"), "{}", output.stdout);
    let same = inspect(&sandbox, &["diff", "old.wasm", "old.wasm"]).assert_success();
    assert_eq!(same.stdout, "verdict: patch (patch for callers, patch for hosts)\n");
}

#[test]
fn files_folders_and_packages_mix() {
    let sandbox = Sandbox::new();
    sandbox.write("wit/shop.wit", WIT);
    sandbox.write("package.wasm", package(WIT));
    sandbox.write("shop.wasm", component(WIT));
    for [old, new] in [["wit", "package.wasm"], ["package.wasm", "shop.wasm"], ["shop.wasm", "wit"]] {
        let output = inspect(&sandbox, &["diff", old, new]).assert_success();
        assert!(output.stdout.contains("verdict: patch"), "{old} {new}: {}", output.stdout);
    }
    sandbox.write("two/two.wit", format!("{WIT} world other {{}}"));
    let output = inspect(&sandbox, &["diff", "two", "shop.wasm"]).assert_code(2);
    assert!(output.stderr.contains("hint: add `--world`: store, other"), "{}", output.stderr);
    inspect(&sandbox, &["diff", "two", "shop.wasm", "--world", "store"]).assert_success();
}

/// Published packages have their unstable parts, so a folder's count too.
#[test]
fn unstable_parts_of_a_folder_are_compared() {
    let sandbox = Sandbox::new();
    let wit = "package a:b@1.0.0; interface i { @unstable(feature = new) f: func(); g: func(); }";
    sandbox.write("wit/a.wit", wit);
    let mut resolve = wit_parser::Resolve { all_features: true, ..wit_parser::Resolve::default() };
    let id = resolve.push_str("a.wit", wit).unwrap();
    sandbox.write("package.wasm", wit_component::encode(&resolve, id).unwrap());
    let output = inspect(&sandbox, &["diff", "wit", "package.wasm"]).assert_success();
    assert_eq!(output.stdout, "verdict: patch (patch for components, patch for hosts)\n");
}

/// A registry in wasm-pkg's local layout, which serves the namespace `demo`.
fn registry(sandbox: &Sandbox, releases: &[(&str, &str)]) {
    for (version, wit) in releases {
        let path = format!("registry/demo/shop/{version}.wasm");
        sandbox.write(path, package(&wit.replace("@1.2.0", &format!("@{version}"))));
    }
    let config = sandbox.home().join(".config/wasm-pkg/config.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let root = sandbox.work().join("registry");
    let text = format!(
        "[namespace_registries]\ndemo = \"test.registry\"\n[registry.\"test.registry\".local]\nroot = \"{}\"\n",
        root.display()
    );
    std::fs::write(config, text).unwrap();
}

#[test]
fn published_packages_are_compared_by_their_names() {
    let sandbox = Sandbox::new();
    let newer = WIT.replace("items: func()", "count: func() -> u32; items: func()");
    registry(&sandbox, &[("1.2.0", WIT), ("1.3.0", &newer), ("2.0.0-rc.1", WIT)]);
    sandbox.write("wit/shop.wit", WIT);
    // Whoever exports the interface has to provide one function more.
    let output = inspect(&sandbox, &["diff", "demo:shop@1.2.0", "demo:shop@1.3.0"]).assert_code(1);
    assert!(output.stdout.contains("+ function count  [breaking]"), "{}", output.stdout);
    inspect(&sandbox, &["diff", "wit", "demo:shop@1.2.0"]).assert_success();
    // The newest release, beside a folder.
    let json = inspect(&sandbox, &["-o", "json", "diff", "wit", "demo:shop"]).assert_code(1).json();
    assert_eq!((json["data"]["old"].as_str(), json["data"]["new"].as_str()), (Some("wit"), Some("demo:shop@1.3.0")));
    assert!(inspect(&sandbox, &["demo:shop@1.2.0"]).assert_success().stdout.starts_with("package demo:shop@1.2.0;"));

    let missing = inspect(&sandbox, &["diff", "wit", "demo:shop@9.0.0"]).assert_code(1);
    assert!(missing.stderr.contains("hint: there is 2.0.0-rc.1, 1.3.0, 1.2.0"), "{}", missing.stderr);
    inspect(&sandbox, &["diff", "wit", "other:shop@1.0.0"]).assert_code(1).assert_stderr_has("no registry is known");
    // What was fetched once needs no registry.
    std::fs::remove_dir_all(sandbox.work().join("registry")).unwrap();
    inspect(&sandbox, &["diff", "demo:shop@1.2.0", "demo:shop@1.2.0"]).assert_success();
    let unknown = inspect(&sandbox, &["diff", "demo:shop@1.2.0", "demo:shop"]).assert_code(1);
    assert_eq!(unknown.stdout, "");
}
