//! Bad input: each kind is told from the others, and leaves the project as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use crate::packages::package;
use crate::workbench::{WORLD, Workbench};

/// Runs `fetch`, and checks that it changes nothing.
fn refused(bench: &Workbench, code: i32) -> String {
    let before = bench.texts();
    let output = bench.wit(["fetch"]).assert_code(code);
    assert_eq!(bench.texts(), before, "the project has changed");
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    output.stderr
}

#[test]
fn syntax_errors_come_with_their_place() {
    let bench = Workbench::new("package acme:app;\n\nworld app {\n  import wasi:cli;\n}\n");
    let stderr = refused(&bench, 2);
    assert!(
        stderr.contains("wit/world.wit:4:15") && stderr.contains("import wasi:cli;") && stderr.contains('^'),
        "{stderr}"
    );
}

#[test]
fn what_never_ends_is_not_read() {
    for (place, is_dependency) in [("wit/x.wit", false), ("wit/deps/x.wit", true), ("wit/deps/x.wasm", true)] {
        for is_pipe in [true, false] {
            let bench = Workbench::new(WORLD);
            let path = bench.app().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if is_pipe {
                assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            } else {
                std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            }
            let output = bench.wit(["fetch"]).assert_code(1);
            assert!(output.stderr.contains("is no regular file"), "{}", output.stderr);
            assert_eq!(bench.deps().exists(), is_dependency);
        }
    }
}

#[test]
fn cycles_are_named() {
    let bench = Workbench::new("package acme:app;\nworld app { import acme:a/x; }\n");
    bench.write("app/wit/deps/a/a.wit", "package acme:a;\ninterface x { use acme:b/y.{t}; }\n");
    bench.write("app/wit/deps/b/b.wit", "package acme:b;\ninterface y { use acme:a/x.{t}; }\n");
    let stderr = refused(&bench, 2);
    assert!(stderr.contains("creates a dependency cycle"), "{stderr}");
}

#[test]
fn two_definitions_of_one_package_are_shown() {
    let bench = Workbench::new("package acme:app;\nworld app { import acme:a/x; }\n");
    bench.write("app/wit/deps/one/a.wit", "package acme:a;\ninterface x { type t = u8; }\n");
    bench.write("app/wit/deps/two/a.wit", "package acme:a;\ninterface x { type t = u16; }\n");
    let stderr = refused(&bench, 2);
    assert!(
        stderr.contains("two different locations")
            && stderr.contains("deps/one/a.wit")
            && stderr.contains("deps/two/a.wit"),
        "{stderr}"
    );
}

#[test]
fn packages_that_contradict_each_other_are_named() {
    let bench =
        Workbench::without_packages("package acme:app;\nworld app { import acme:a/x@1.0.0; import acme:b/x@1.0.0; }\n");
    let user = |name: &str| {
        format!("package acme:{name}@1.0.0;\ninterface x {{ use acme:io/s@1.0.0.{{t}}; f: func() -> t; }}\n")
    };
    bench.publish(&[
        package(&user("a"), &["package acme:io@1.0.0;\ninterface s { record t { a: u8 } }\n"]),
        package(&user("b"), &["package acme:io@1.0.0;\ninterface s { record t { b: string } }\n"]),
    ]);
    let stderr = refused(&bench, 1);
    assert!(stderr.contains("contradicts"), "{stderr}");
}

#[test]
fn a_lock_of_a_newer_version_is_refused() {
    let bench = Workbench::new(WORLD);
    bench.write("app/wkg.lock", "version = 2\nnew = true\n");
    let stderr = refused(&bench, 2);
    assert!(stderr.contains("format version 2") && !stderr.contains("wash update"), "{stderr}");
}

#[test]
fn a_malformed_lock_is_refused() {
    let bench = Workbench::new(WORLD);
    for text in ["version = 1\n[[packages]]\nname = 3\n", "<<<<<<< HEAD\nversion = 1\n", "\u{0}"] {
        bench.write("app/wkg.lock", text);
        let stderr = refused(&bench, 2);
        assert!(stderr.contains("malformed"), "{stderr}");
    }
}

#[test]
fn a_lock_that_was_removed_is_written_anew() {
    let bench = Workbench::new(WORLD);
    bench.write("app/wit/deps/acme-mine-0.1.0/package.wit", "package acme:mine@0.1.0;\n");
    bench.wit(["fetch"]).assert_success();
    let before = bench.texts();
    bench.write("app/wkg.lock", "<<<<<<< HEAD\n");
    bench.wit(["check"]).assert_code(2).assert_stderr_has("remove it: `wash wit fetch` writes a new one");
    for remnant in [None, Some("")] {
        fs::remove_file(bench.app().join("wkg.lock")).unwrap();
        remnant.map(|text| bench.write("app/wkg.lock", text));
        let output = bench.wit(["check"]).assert_code(1);
        assert!(output.stdout.contains("wkg.lock: wasi:http 0.2.12 is new"), "{}", output.stdout);
        bench.wit(["fetch", "--locked"]).assert_code(1);
        bench.wit(["fetch"]).assert_success().assert_stderr_has("wasi:http 0.2.12 is new");
        assert_eq!(bench.texts(), before);
        bench.wit(["check", "--frozen"]).assert_success();
    }
}

#[test]
fn what_differs_from_every_release_is_not_locked() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let path = bench.deps().join("wasi-random-0.2.12/package.wit");
    let text = format!("{}// mine\n", fs::read_to_string(&path).unwrap());
    fs::write(&path, &text).unwrap();
    fs::remove_file(bench.app().join("wkg.lock")).unwrap();
    let deps = || -> Vec<_> { bench.texts().into_iter().filter(|(path, _)| path.starts_with(bench.deps())).collect() };
    let before = deps();
    bench.wit(["fetch"]).assert_success();
    bench.wit(["check"]).assert_success();
    bench.wit(["fetch"]).assert_success();
    assert!(deps() == before, "{:?}", bench.entries());
    // What refers to it would own it.
    let lock = fs::read_to_string(bench.app().join("wkg.lock")).unwrap_or_default();
    assert!(!lock.contains("wasi:http") && !lock.contains("wasi:random"), "{lock}");
}

#[test]
fn a_lock_with_a_wrong_digest_is_refused() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let lock = bench.read("wkg.lock");
    let digest = lock.split("sha256:").nth(1).unwrap().get(..64).unwrap().to_owned();
    bench.write("app/wkg.lock", &lock.replace(&digest, &"0".repeat(64)));
    let stderr = refused(&bench, 1);
    assert!(stderr.contains("the lock says") && stderr.contains("but the cache, which has it from"), "{stderr}");
    // Without the cache it is the registry that says so.
    bench.remove_cache();
    fs::remove_dir_all(bench.deps()).unwrap();
    let stderr = refused(&bench, 1);
    assert!(stderr.contains("the lock says"), "{stderr}");
}

#[test]
fn a_corrupt_cache_entry_is_fetched_again() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let fetched = bench.texts();
    let cache = bench.sandbox.home().join(".cache/wash/wit");
    let mut corrupted = 0;
    for folder in ["content", "renderings"] {
        for entry in fs::read_dir(cache.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
            corrupted += 1;
        }
    }
    assert_eq!(corrupted, 3);
    fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.texts(), fetched);
}

#[test]
fn a_package_of_another_name_is_refused() {
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:a/x@1.0.0; }\n");
    let mut other = package("package acme:other@1.0.0; interface x { f: func(); }", &[]);
    other.name = "a".to_owned();
    bench.publish(&[other.clone()]);
    let stderr = refused(&bench, 1);
    assert!(stderr.contains("`acme:a@1.0.0` was asked for") && stderr.contains("acme:other@1.0.0"), "{stderr}");
    let mut version = package("package acme:a@1.0.1; interface x { f: func(); }", &[]);
    version.version = "1.0.0".to_owned();
    bench.publish(&[version]);
    assert!(refused(&bench, 1).contains("acme:a@1.0.1"));
}

#[test]
fn a_reference_without_the_version_says_which() {
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:a/x; }\n");
    bench.publish(&[package("package acme:a@1.0.0; interface x { f: func(); }", &[])]);
    let stderr = refused(&bench, 1);
    assert!(stderr.contains("`acme:a/<interface>@1.0.0`"), "{stderr}");
}

#[test]
fn what_is_no_package_is_refused() {
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:a/x@1.0.0; }\n");
    let component = b"\0asm\x0d\0\x01\0".to_vec();
    let module = b"\0asm\x01\0\0\0".to_vec();
    let good = package("package acme:a@1.0.0; interface x { f: func(); }", &[]).bytes;
    let cut = good[..good.len() / 2].to_vec();
    for bytes in [b"<html>".to_vec(), Vec::new(), component, module, cut] {
        let mut broken = package("package acme:a@1.0.0; interface x { f: func(); }", &[]);
        broken.bytes = bytes;
        bench.publish(&[broken]);
        let stderr = refused(&bench, 1);
        assert!(stderr.contains("something else than the WIT package `acme:a@1.0.0`"), "{stderr}");
    }
}

#[test]
fn every_damage_of_a_package_is_an_error_or_harmless() {
    let good = package("package acme:a@1.0.0; interface x { record r { a: u8 } f: func(r: r) -> string; }", &[]).bytes;
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:a/x@1.0.0; }\n");
    // Every one would take long; which ones changes with the length of the package.
    for position in (0..good.len()).step_by(7) {
        let mut damaged = package("package acme:a@1.0.0; interface x { f: func(); }", &[]);
        damaged.bytes = good.clone();
        damaged.bytes[position] ^= 0x5a;
        bench.publish(&[damaged]);
        let output = bench.wit(["check"]);
        assert!(matches!(output.code, Some(1 | 2)), "byte {position}: {output:?}");
        assert!(!output.stderr.contains("panicked"), "byte {position}: {}", output.stderr);
    }
}

#[test]
fn a_project_that_cannot_be_written_to_is_named() {
    let bench = Workbench::new(WORLD);
    let work = bench.sandbox.work();
    let wit = bench.app().join("wit");
    fs::set_permissions(&wit, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write everywhere, so it lets somebody else try, who must be able to reach the program.
    let program = work.join("wash-wit");
    fs::copy(washlib_test::sandbox::tool_path("wash-wit"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    bench.sandbox.set_environment(&mut command);
    command.current_dir(bench.app()).arg("fetch");
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(work.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(bench.sandbox.home(), fs::Permissions::from_mode(0o777)).unwrap();
        command.uid(65534).gid(65534);
    }
    let before = bench.texts();
    let output = washlib_test::Output::of(&mut command).assert_code(1);
    fs::set_permissions(&wit, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(
        output.stderr.contains("cannot change `") && output.stderr.contains("ermission denied"),
        "{}",
        output.stderr
    );
    assert_eq!(bench.texts(), before);
}

#[test]
fn a_lock_that_cannot_be_written_undoes_everything() {
    let bench = Workbench::new(WORLD);
    // A folder in the lock's place: no right could help here, root's neither.
    fs::create_dir_all(bench.app().join("wkg.lock/x")).unwrap();
    let output = bench.wit(["fetch"]);
    assert_ne!(output.code, Some(0));
    assert!(!bench.deps().exists(), "{:?}", bench.entries());
}

#[test]
fn a_malformed_manifest_is_named() {
    let bench = Workbench::new(WORLD);
    bench.write("app/wkg.toml", "[dependencies]\n");
    assert!(refused(&bench, 2).contains("wkg.toml"));
    bench.write("app/wkg.toml", "[workspace]\nmembers = [\"x\"]\n");
    assert!(refused(&bench, 2).contains("workspace"));
}

#[test]
fn wrong_configuration_is_named_with_its_line() {
    let bench = Workbench::new(WORLD);
    for (text, expected) in [
        ("wit:\n  sources:\n    \"Wasi\": ./x\n", "config.yaml line 3"),
        ("wit:\n  sources:\n    wasi: ftp://x/y\n", "no scheme"),
        ("wit:\n  registries:\n    - url: https://r.example\n      token: ${NOT_SET_ANYWHERE}\n", "NOT_SET_ANYWHERE"),
    ] {
        bench.write("app/.wash/config.yaml", text);
        let stderr = refused(&bench, 2);
        assert!(stderr.contains(expected), "{stderr}");
    }
    bench.write("app/.wash/config.yaml", "");
    bench.write_config("surprise = 1\n");
    assert!(refused(&bench, 2).contains("config.toml"));
}
