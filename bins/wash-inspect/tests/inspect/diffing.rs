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
