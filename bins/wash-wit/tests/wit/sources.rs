//! `wit.sources` and overrides: every kind of place, and what can be wrong with it.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http_server::{Answer, HttpServer};
use crate::packages::package;
use crate::workbench::Workbench;

const WORLD: &str = "package acme:app;\nworld app { import acme:log/logging@1.0.0; }\n";
const LOG: &str = "package acme:log@1.0.0;\n\n/// Writes.\ninterface logging { use acme:types/levels@1.0.0.{level}; log: func(level: level); }\n";
const TYPES: &str = "package acme:types@1.0.0;\ninterface levels { enum level { low, high } }\n";

/// A project that takes the namespace `acme` from `source`.
fn bench(source: &str) -> Workbench {
    let bench = Workbench::without_packages(WORLD);
    configure(&bench, source);
    bench
}

fn configure(bench: &Workbench, source: &str) {
    bench.write("app/.wash/config.yaml", &format!("wit:\n  sources:\n    acme: \"{source}\"\n"));
}

fn assert_fetched(bench: &Workbench) {
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-log-1.0.0", "acme-types-1.0.0"]);
    bench.assert_resolves();
    bench.wit(["check", "--frozen"]).assert_success();
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
    let output = command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn folders_of_this_machine_are_used_as_they_are() {
    let bench = bench("../shared");
    bench.write("shared/log/log.wit", LOG);
    bench.write("shared/types/types.wit", TYPES);
    assert_fetched(&bench);
    // A path of this machine means nothing to others.
    assert!(bench.read("wkg.lock").contains("source = \"path\"\n") && !bench.read("wkg.lock").contains("shared"));
    let tree = bench.wit(["tree"]).assert_success().stdout;
    assert!(tree.contains("acme:log@1.0.0 (") && tree.contains("shared"), "{tree}");
    // A change is seen at once.
    bench.write("shared/log/log.wit", &LOG.replace("Writes", "Writes soon"));
    bench.wit(["check"]).assert_code(1);
    bench.wit(["fetch"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Writes soon"));

    let absolute = bench.sandbox.work().join("shared").display().to_string();
    for source in [absolute.clone(), format!("file://{absolute}"), "../shared/".to_owned()] {
        configure(&bench, &source);
        assert_fetched(&bench);
    }
    let home = bench.sandbox.home();
    std::os::unix::fs::symlink(bench.sandbox.work().join("shared"), home.join("shared")).unwrap();
    configure(&bench, "~/shared");
    assert_fetched(&bench);
}

#[test]
fn overrides_of_the_manifest_count() {
    let bench = Workbench::without_packages(WORLD);
    bench.write("shared/log.wit", LOG);
    bench.write("shared/types.wit", TYPES);
    bench.write(
        "app/wkg.toml",
        "[overrides]\n\"acme:log\" = { path = \"../shared/log.wit\" }\n\"acme:types\" = { path = \"../shared/types.wit\" }\n",
    );
    assert_fetched(&bench);
    // Whether the lock mentions paths makes no difference: wkg's does not.
    for text in ["version = 1\npackages = []\n", &bench.read("wkg.lock")] {
        bench.write("app/wkg.lock", text);
        let before = bench.snapshot();
        bench.wit(["check"]).assert_success();
        bench.wit(["fetch", "--locked"]).assert_success();
        bench.wit(["fetch"]).assert_success().assert_stderr_has("Fresh");
        assert_eq!(bench.snapshot(), before);
    }
}

#[test]
fn a_place_without_the_package_says_what_it_has() {
    let bench = bench("../shared");
    bench.write("shared/types/types.wit", TYPES);
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("there is no package `acme:log@1.0.0`, but acme:types@1.0.0");
    configure(&bench, "../nowhere");
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("there is nothing at");
    assert!(bench.entries().is_empty());
}

#[test]
fn archives_are_fetched_once_and_locked() {
    let server = HttpServer::start();
    server
        .answer("/a.tar.gz", Answer::ok(archive(&[("repo-1/wit/log.wit", LOG), ("repo-1/wit/deps/types.wit", TYPES)])));
    let bench = bench(&server.url("/a.tar.gz"));
    assert_fetched(&bench);
    let lock = bench.read("wkg.lock");
    assert!(lock.contains("[[sources]]") && lock.contains("a.tar.gz"), "{lock}");
    let asked = server.asked().len();
    std::fs::remove_dir_all(bench.deps()).unwrap();
    assert_fetched(&bench);
    assert_eq!(server.asked().len(), asked);

    // What is locked does not change by itself.
    server.answer(
        "/a.tar.gz",
        Answer::ok(archive(&[
            ("repo-1/wit/log.wit", &LOG.replace("Writes", "Other")),
            ("repo-1/wit/deps/types.wit", TYPES),
        ])),
    );
    bench.remove_cache();
    std::fs::remove_dir_all(bench.deps()).unwrap();
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("wash wit update acme:log");
    bench.wit(["update", "acme:log"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Other"));
}

#[test]
fn an_archive_can_be_pinned_and_narrowed() {
    let server = HttpServer::start();
    let bytes =
        archive(&[("r/one/log.wit", LOG), ("r/one/t/types.wit", TYPES), ("r/two/log.wit", "package acme:log@1.0.0;")]);
    let digest = washlib_digest(&bytes);
    server.answer("/a.tgz", Answer::ok(bytes));
    let bench = bench(&format!("{}#sha256={digest}&path=one", server.url("/a.tgz")));
    assert_fetched(&bench);
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Writes"));
    configure(&bench, &format!("{}#path=three", server.url("/a.tgz")));
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("there is no folder `three` in the archive");
    configure(&bench, &format!("{}#sha256={}", server.url("/a.tgz"), "0".repeat(64)));
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("was expected");
}

/// The digest as the program itself prints it.
fn washlib_digest(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn archives_that_are_none_or_dangerous_are_refused() {
    let server = HttpServer::start();
    let bench = bench(&server.url("/a.tar.gz"));
    let before = bench.texts();
    let good = archive(&[("r/log.wit", LOG), ("r/types.wit", TYPES)]);
    let mut outside = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..8].copy_from_slice(b"../x.wit");
    header.set_size(0);
    header.set_cksum();
    outside.append(&header, std::io::empty()).unwrap();
    let outside = outside.into_inner().unwrap().finish().unwrap();
    for (answer, expected) in [
        (Answer::ok("<html>no</html>"), "cannot be unpacked"),
        (Answer::ok(outside), "outside of it"),
        (Answer::status(404), "404"),
        (Answer::status(401), "401"),
        (Answer::status(403), "403"),
        (Answer::ok(good[..good.len() / 2].to_vec()), "acme:log"),
    ] {
        server.answer("/a.tar.gz", answer.clone());
        let output = bench.wit(["fetch"]).assert_code(1);
        assert!(output.stderr.contains(expected), "{expected} in:\n{}", output.stderr);
        assert_eq!(bench.texts(), before);
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    let server = HttpServer::start();
    let bench = bench(&server.url("/a.tar.gz"));
    for answer in [Answer::status(500), Answer::status(429), Answer::half(archive(&[("r/log.wit", LOG)]))] {
        let asked = server.asked().len();
        server.answer("/a.tar.gz", answer.clone());
        bench.wit(["fetch"]).assert_code(1);
        // Two packages, several attempts each.
        assert!(server.asked().len() - asked >= 4, "{answer:?}: {:?}", server.asked());
    }
    bench.wit(["fetch", "--offline"]).assert_code(1).assert_stderr_has("the network must not be used");
}

#[test]
fn git_repositories_are_read_at_a_reference() {
    let bench = Workbench::without_packages(WORLD);
    let repository = bench.sandbox.work().join("repository");
    bench.write("repository/interfaces/log.wit", LOG);
    bench.write("repository/interfaces/deps/types.wit", TYPES);
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "-m", "first"]);
    git(&repository, &["tag", "v1"]);
    bench.write("repository/interfaces/log.wit", &LOG.replace("Writes", "Later"));
    git(&repository, &["commit", "--quiet", "-am", "second"]);

    let url = format!("git+file://{}", repository.display());
    configure(&bench, &format!("{url}#v1:interfaces"));
    assert_fetched(&bench);
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Writes"));
    assert!(bench.read("wkg.lock").contains("revision = "));
    configure(&bench, &url);
    assert_fetched(&bench);
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Later"));

    // The lock keeps the commit that the branch pointed to.
    bench.write("repository/interfaces/log.wit", &LOG.replace("Writes", "Latest"));
    git(&repository, &["commit", "--quiet", "-am", "third"]);
    bench.remove_cache();
    std::fs::remove_dir_all(bench.deps()).unwrap();
    assert_fetched(&bench);
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Later"));
    bench.wit(["update", "acme:log"]).assert_success();
    assert!(bench.read("wit/deps/acme-log-1.0.0/package.wit").contains("Latest"));

    configure(&bench, &format!("{url}#no-such-tag"));
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("no branch, tag or commit `no-such-tag`");
    configure(&bench, &format!("{url}#main:nowhere"));
    bench.wit(["fetch"]).assert_code(1).assert_stderr_has("nowhere");
}

#[test]
fn another_registry_can_be_named() {
    let bench = Workbench::without_packages("package acme:app;\nworld app { import acme:types/levels@1.0.0; }\n");
    let other = bench.sandbox.work().join("other");
    std::fs::create_dir_all(other.join("acme/types")).unwrap();
    std::fs::write(other.join("acme/types/1.0.0.wasm"), package(TYPES, &[]).bytes).unwrap();
    bench.write_config(&format!("[registry.\"other.registry\".local]\nroot = \"{}\"\n", other.display()));
    configure(&bench, "registry+other.registry");
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-types-1.0.0"]);
}
