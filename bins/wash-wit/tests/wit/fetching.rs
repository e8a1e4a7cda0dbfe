//! `fetch`: what it brings, what it leaves alone, and what it does not ask for again.

use std::fs;
use std::path::Path;

use crate::packages::{package, wasi_at};
use crate::workbench::{WORLD, Workbench};

#[test]
fn everything_that_the_sources_need_arrives() {
    let bench = Workbench::new(WORLD);
    let output = bench.wit(["fetch", "-o", "json"]).assert_success();
    let names = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];
    let expected: Vec<String> = names.iter().map(|name| format!("wasi-{name}-0.2.12")).collect();
    assert_eq!(bench.entries(), expected);
    bench.assert_resolves();

    let data = &output.json()["data"];
    assert_eq!(data["wit_dir"], bench.app().join("wit").to_str().unwrap());
    assert_eq!(data["lock_file"], bench.app().join("wkg.lock").to_str().unwrap());
    assert_eq!(data["added"].as_array().unwrap().len(), 7);
    // Only what the sources name is locked; the rest is inside of it.
    let lock = bench.read("wkg.lock");
    assert_eq!(lock.matches("[[packages.versions]]").count(), 2, "{lock}");
    assert!(
        lock.contains("name = \"wasi:cli\"\nregistry = \"test.registry\"")
            && lock.contains("requirement = \"=0.2.12\"")
    );
    // Nothing else is left behind.
    let wit: Vec<_> = fs::read_dir(bench.app().join("wit")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(wit.len(), 2, "{wit:?}");
}

#[test]
fn nothing_is_written_when_everything_is_in_place() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.snapshot();
    bench.wit(["fetch"]).assert_success().assert_stderr_has("Fresh");
    bench.wit(["fetch", "--frozen"]).assert_success();
    bench.remove_registry();
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn unchanged_packages_keep_their_files() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.snapshot();
    bench.publish(&[package("package acme:log@1.0.0; interface log { log: func(text: string); }", &[])]);
    bench.wit(["add", "acme:log/log@1.0.0"]).assert_success();
    let after = bench.snapshot();
    for (path, (_, inode, ..)) in before.iter().filter(|(path, _)| path.starts_with(bench.deps())) {
        assert_eq!(after[path].1, *inode, "{}", path.display());
    }
    assert!(bench.entries().contains(&"acme-log-1.0.0".to_owned()));
}

#[test]
fn what_is_no_longer_needed_goes() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    bench.write("app/wit/world.wit", "package acme:app;\nworld app { import wasi:random/random@0.2.12; }\n");
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["wasi-random-0.2.12"]);
    assert!(!bench.read("wkg.lock").contains("wasi:http"));
}

#[test]
fn packages_that_were_put_there_by_hand_are_left_alone() {
    let bench = Workbench::new(WORLD);
    bench.write("app/wit/deps/mine/types.wit", "package acme:mine@0.1.0;\ninterface types { type id = u64; }\n");
    bench.write("app/wit/deps/README.md", "not ours");
    let world = "package acme:app;\nworld app { import acme:mine/types@0.1.0; import wasi:random/random@0.2.12; }\n";
    bench.write("app/wit/world.wit", world);
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["README.md", "mine", "wasi-random-0.2.12"]);
    assert!(!bench.read("wkg.lock").contains("acme:mine"));
    bench.assert_resolves();
    bench.wit(["fetch", "--clean"]).assert_success();
    assert_eq!(bench.entries(), ["README.md", "mine", "wasi-random-0.2.12"]);
    bench.wit(["clean"]).assert_success().assert_stderr_has("2 entries that wkg.lock does not own: README.md, mine");
    assert_eq!(bench.entries(), ["README.md", "mine"]);
}

#[test]
fn what_looks_fetched_but_is_in_no_lock_is_left_alone() {
    let world = "package acme:app;\nworld app { import acme:mine/types@0.1.0; import wasi:random/random@0.2.12; }\n";
    let bench = Workbench::new(world);
    let text = "package acme:mine@0.1.0;\ninterface types { type id = u64; }\n";
    bench.write("app/wit/deps/acme-mine-0.1.0/package.wit", text);
    bench.wit(["fetch"]).assert_success();
    for arguments in [vec!["fetch", "--clean"], vec!["clean"]] {
        let output = bench.wit(arguments).assert_success();
        assert!(output.stderr.contains("1 entry that wkg.lock does not own: acme-mine-0.1.0"), "{}", output.stderr);
        assert_eq!(bench.read("wit/deps/acme-mine-0.1.0/package.wit"), text);
    }
    assert_eq!(bench.entries(), ["acme-mine-0.1.0"]);
    // Without a lock nothing is owned.
    bench.wit(["fetch"]).assert_success();
    fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    let before = bench.texts();
    let json = bench.wit(["clean", "-o", "json"]).assert_success().json();
    assert_eq!(json["data"]["kept"], serde_json::json!(["acme-mine-0.1.0", "wasi-random-0.2.12"]));
    assert_eq!(bench.texts(), before);
}

#[test]
fn a_vendored_package_takes_the_place_of_the_one_inside_another() {
    let bench = Workbench::new("package acme:app;\nworld app { import wasi:cli/stdout@0.2.12; }\n");
    bench.wit(["fetch"]).assert_success();
    // The very text, but as somebody would keep it by hand.
    fs::rename(bench.deps().join("wasi-io-0.2.12"), bench.deps().join("io")).unwrap();
    bench.wit(["fetch"]).assert_success();
    assert!(bench.entries().contains(&"io".to_owned()) && !bench.entries().contains(&"wasi-io-0.2.12".to_owned()));
    bench.assert_resolves();
}

#[test]
fn dependencies_that_are_all_there_need_no_lock_and_no_registry() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    bench.remove_registry();
    bench.remove_cache();
    let before = bench.snapshot();
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_fresh_clone_with_its_dependencies_needs_no_registry() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    bench.remove_cache();
    bench.remove_registry();
    let before = bench.snapshot();
    let output = bench.wit(["fetch", "--frozen", "-o", "json"]).assert_success();
    assert_eq!(output.json()["data"]["verified"], false);
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn a_warm_cache_is_enough() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let fetched = bench.texts();
    bench.remove_registry();
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch", "--frozen"]).assert_success();
    assert_eq!(bench.texts(), fetched);
    // Without the lock, too.
    fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch", "--offline"]).assert_success();
    assert_eq!(bench.texts(), fetched);
}

#[test]
fn changed_dependencies_are_restored() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let fetched = bench.texts();
    fs::write(bench.deps().join("wasi-io-0.2.12/package.wit"), "package wasi:io@0.2.12;\n").unwrap();
    fs::remove_dir_all(bench.deps().join("wasi-http-0.2.12")).unwrap();
    bench.wit(["check"]).assert_code(1);
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.texts(), fetched);
}

#[test]
fn a_locked_project_does_not_change_its_lock() {
    let bench = Workbench::new(WORLD);
    let before = bench.texts();
    bench.wit(["fetch", "--locked"]).assert_code(1).assert_stderr_has("wasi:http 0.2.12 is new");
    assert_eq!(bench.texts(), before);
    bench.wit(["fetch"]).assert_success();
    bench.wit(["fetch", "--locked"]).assert_success();
}

#[test]
fn a_change_of_the_lock_alone_is_told() {
    let types = "package acme:types@1.0.0;\ninterface levels { enum level { low, high } }\n";
    let user =
        "package acme:log@1.0.0;\ninterface logging { use acme:types/levels@1.0.0.{level}; log: func(l: level); }\n";
    let world = "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n";
    let bench = Workbench::without_packages(world);
    bench.publish(&[package(types, &[]), package(user, &[types])]);
    bench.wit(["fetch"]).assert_success();
    let deps = bench.entries();
    // What was inside of another package is named by the sources as well.
    bench.write("app/wit/world.wit", &world.replace(" }", " import acme:types/levels@1.0.0; }"));
    bench.wit(["fetch"]).assert_success().assert_stderr_has("Locked acme:types 1.0.0 is new in wkg.lock");
    assert_eq!(bench.entries(), deps);
}

#[test]
fn what_killed_processes_left_goes() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.texts();
    for command in ["fetch", "update", "clean"] {
        bench.write("app/wit/.deps-a1B2c3/wasi-io-0.2.12/package.wit", "");
        bench.write("app/wit/.world.wit-a1B2c3", "");
        bench.write("app/.wkg.lock-a1B2c3", "");
        bench.wit([command]).assert_success();
        let left: Vec<_> =
            fs::read_dir(bench.app().join("wit")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "deps" || name == "world.wit"), "{command}: {left:?}");
        bench.wit(["fetch"]).assert_success();
        assert_eq!(bench.texts(), before, "{command}");
    }
}

#[test]
fn offline_says_what_is_missing() {
    let bench = Workbench::new(WORLD);
    // A registry that would have to be asked over the network.
    bench.write_config("[namespace_registries]\nwasi = \"127.0.0.1:1\"\n");
    let before = bench.texts();
    bench.wit(["fetch", "--offline"]).assert_code(1).assert_stderr_has("the network must not be used");
    assert_eq!(bench.texts(), before);
}

#[test]
fn nested_packages_belong_to_the_project() {
    let world = "package acme:app;\n\npackage acme:inner@0.1.0 {\n  interface types { type id = u64; }\n}\n\n\
                 package acme:other {\n  interface uses { use wasi:random/random@0.2.12.{}; }\n}\n\n\
                 world app { import acme:inner/types@0.1.0; }\n";
    // An empty list of names is no WIT.
    let world = world.replace(
        "  interface uses { use wasi:random/random@0.2.12.{}; }\n",
        "  world w { import wasi:random/random@0.2.12; }\n",
    );
    let bench = Workbench::new(&world);
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["wasi-random-0.2.12"]);
    bench.assert_resolves();
}

#[test]
fn two_processes_at_once_do_no_harm() {
    let bench = Workbench::new(WORLD);
    let children: Vec<_> =
        (0..4).map(|_| bench.command(["fetch"]).stderr(std::process::Stdio::piped()).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    bench.wit(["check", "--frozen"]).assert_success();
    let left: Vec<_> = fs::read_dir(bench.app().join("wit")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn links_lead_to_where_dependencies_are_kept() {
    let bench = Workbench::new(WORLD);
    let elsewhere = bench.sandbox.work().join("kept");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bench.deps()).unwrap();
    bench.wit(["fetch"]).assert_success();
    assert!(bench.deps().is_symlink());
    assert!(elsewhere.join("wasi-http-0.2.12/package.wit").is_file());
}

#[test]
fn a_release_of_another_registry_is_another_release() {
    let bench = Workbench::new("package acme:app;\nworld app { import wasi:random/random@0.2.12; }\n");
    bench.wit(["fetch"]).assert_success();
    let other = bench.sandbox.work().join("other");
    fs::create_dir_all(other.join("wasi/random")).unwrap();
    let text = "package wasi:random@0.2.12; interface random { other: func(); }";
    fs::write(other.join("wasi/random/0.2.12.wasm"), package(text, &[]).bytes).unwrap();
    bench.write_config(&format!(
        "[namespace_registries]\nwasi = \"other.registry\"\n[registry.\"other.registry\".local]\nroot = \"{}\"\n",
        other.display()
    ));
    fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch"]).assert_success();
    assert!(bench.read("wit/deps/wasi-random-0.2.12/package.wit").contains("other: func()"));
    assert!(Path::new(&bench.deps()).is_dir());
}

#[test]
fn versions_of_a_whole_set_stand_side_by_side() {
    let bench = Workbench::new(
        "package acme:app;\nworld app { import wasi:random/random@0.2.12; import wasi:random/insecure@0.2.3; }\n",
    );
    bench.publish(&wasi_at("0.2.3"));
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["wasi-random-0.2.12", "wasi-random-0.2.3"]);
    assert_eq!(bench.read("wkg.lock").matches("name = \"wasi:random\"").count(), 1);
    bench.assert_resolves();
    bench.wit(["check", "--frozen"]).assert_success();
}

#[test]
fn the_cache_is_pruned_and_cleaned() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let folder = bench.sandbox.home().join(".cache/wash/wit");
    // No project is needed.
    let cache = |arguments: &[&str]| bench.sandbox.run("wash-wit", [&["-o", "json", "cache"], arguments].concat());
    assert_eq!(cache(&["path"]).assert_success().json()["data"]["directory"], folder.to_str().unwrap());
    assert_eq!(cache(&["prune"]).assert_success().json()["data"]["entries"], 0);
    let wrong = bench.sandbox.run("wash-wit", ["cache", "prune", "--unused-for", "long"]);
    wrong.assert_code(2).assert_stderr_has("30days");
    let pruned = cache(&["prune", "--max-size", "0"]).assert_success().json();
    assert!(pruned["data"]["entries"].as_u64().unwrap() >= 3 && pruned["data"]["bytes"].as_u64().unwrap() > 10_000);
    bench.wit(["fetch", "--clean"]).assert_success();
    assert!(cache(&["clean"]).assert_success().json()["data"]["entries"].as_u64().unwrap() >= 3);
    assert_eq!(cache(&["clean"]).assert_success().json()["data"]["entries"], 0);
}
