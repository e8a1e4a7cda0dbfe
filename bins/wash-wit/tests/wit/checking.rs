//! `check`, `tree` and `why`: what they say about a project, without changing it.

use std::fs;

use crate::workbench::{WORLD, Workbench};

#[test]
fn a_project_that_agrees_is_told_so() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.snapshot();
    let output = bench.wit(["check", "-o", "json"]).assert_success();
    assert_eq!(
        output.json()["data"],
        serde_json::json!({"agrees": true, "verified": true, "differences": [], "not_compared": []})
    );
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn what_was_tampered_with_is_found_without_a_cache() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    bench.remove_cache();
    // What a fresh clone has, with one comment more.
    let path = bench.deps().join("wasi-io-0.2.12/package.wit");
    let published = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{published}// changed\n")).unwrap();
    let output = bench.wit(["check", "--locked"]).assert_code(1);
    assert_eq!(output.stdout, "wit/deps/wasi-io-0.2.12: differs from what was published\n");
    assert!(output.stderr.contains("do not agree"), "{}", output.stderr);
    fs::write(&path, published).unwrap();
    bench.remove_cache();
    bench.wit(["check", "--locked"]).assert_success();
}

#[test]
fn every_difference_is_named() {
    let bench = Workbench::new(WORLD);
    let output = bench.wit(["check"]).assert_code(1);
    assert!(output.stdout.contains("wkg.lock: wasi:http 0.2.12 is new"), "{}", output.stdout);
    assert!(output.stdout.contains("wit/deps/wasi-http-0.2.12: missing"), "{}", output.stdout);
    assert!(!bench.app().join("wkg.lock").exists());

    bench.wit(["fetch"]).assert_success();
    fs::write(bench.deps().join("wasi-io-0.2.12/package.wit"), "package wasi:io@0.2.12;\n").unwrap();
    let before = bench.snapshot();
    let output = bench.wit(["check", "-o", "json"]).assert_code(1).json();
    assert_eq!(output["success"], false);
    let difference = output["data"]["differences"][0].as_str().unwrap();
    assert_eq!(difference, "wit/deps/wasi-io-0.2.12: differs from what was published");
    assert_eq!(bench.snapshot(), before);

    bench.write("app/wit/world.wit", &WORLD.replace("  import wasi:cli/environment@0.2.12; // settings\n", ""));
    let output = bench.wit(["check"]).assert_code(1);
    assert!(output.stdout.contains("wkg.lock: wasi:cli 0.2.12 is no longer used"), "{}", output.stdout);
}

#[test]
fn sources_that_do_not_fit_are_shown_with_their_place() {
    let bench = Workbench::new(&WORLD.replace("environment@", "enviroment@"));
    let output = bench.wit(["check"]).assert_code(2);
    assert!(output.stderr.contains("wit/world.wit:8:19") && output.stderr.contains('^'), "{}", output.stderr);
}

#[test]
fn the_tree_says_where_everything_comes_from() {
    let bench = Workbench::new(
        "package acme:app@1.0.0;\nworld app {\n  import acme:mine/types@0.1.0;\n  import wasi:random/random@0.2.12;\n  import wasi:io/poll@0.2.12;\n}\n",
    );
    bench.write("app/wit/deps/mine/types.wit", "package acme:mine@0.1.0;\ninterface types { use wasi:clocks/wall-clock@0.2.12.{datetime}; type id = datetime; }\n");
    bench.wit(["fetch"]).assert_success();
    let output = bench.wit(["tree", "--offline"]).assert_success();
    assert_eq!(
        output.stdout,
        "\
acme:app@1.0.0
├── acme:mine@0.1.0 (vendored in wit/deps/mine)
│   └── wasi:clocks@0.2.12 (test.registry)
│       └── wasi:io@0.2.12 (test.registry)
├── wasi:io@0.2.12 (test.registry)
└── wasi:random@0.2.12 (test.registry)
"
    );
    let output = bench.wit(["tree", "-i", "wasi:io"]).assert_success();
    assert_eq!(
        output.stdout,
        "\
wasi:io@0.2.12, named by acme:app@1.0.0 (test.registry)
└── wasi:clocks@0.2.12
    └── acme:mine@0.1.0, named by acme:app@1.0.0
"
    );
    let json = bench.wit(["tree", "-o", "json"]).assert_success().json();
    let clocks =
        json["data"]["packages"].as_array().unwrap().iter().find(|package| package["package"] == "wasi:clocks@0.2.12");
    assert_eq!(clocks.unwrap()["origin"], "registry");
    bench.wit(["tree", "-i", "wasi:http"]).assert_code(1).assert_stderr_has("wasi:random@0.2.12");
}

#[test]
fn why_names_the_way_and_the_line() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let output = bench.wit(["why", "wasi:cli"]).assert_success();
    let by_http = "wasi:http@0.2.12  wit/world.wit:6\n  └ wasi:cli@0.2.12\n";
    assert_eq!(output.stdout, format!("wasi:cli@0.2.12  wit/world.wit:8\n{by_http}"));
    let output = bench.wit(["why", "wasi:random@0.2.12"]).assert_success();
    assert!(output.stdout.starts_with("wasi:cli@0.2.12  wit/world.wit:8\n  └ wasi:random@0.2.12\n"), "{output:?}");
    let json = bench.wit(["why", "wasi:random", "-o", "json"]).assert_success().json();
    assert_eq!(json["data"]["paths"][0]["places"][0], "wit/world.wit:8");
    // Every way, the shortest first.
    let output = bench.wit(["why", "wasi:clocks"]).assert_success().stdout;
    let ways: Vec<&str> = output.split("wasi:clocks@0.2.12").collect();
    assert!(ways.len() > 3, "{output}");
    assert!(output.starts_with("wasi:cli@0.2.12  wit/world.wit:8\n  └ wasi:clocks@0.2.12\n"), "{output}");
    assert!(output.contains("wasi:http@0.2.12  wit/world.wit:6\n  └ wasi:clocks@0.2.12\n"), "{output}");
    let json = bench.wit(["why", "wasi:clocks", "-o", "json"]).assert_success().json();
    assert_eq!(json["data"]["paths"].as_array().unwrap().len(), ways.len() - 1);
    bench.wit(["why", "wasi:nn"]).assert_code(1);
}
