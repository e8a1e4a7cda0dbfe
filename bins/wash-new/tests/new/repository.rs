//! Templates in repositories on this machine.

use std::os::unix::fs::symlink;

use crate::sandbox::{Outcome, Sandbox};

/// A repository with two commits on `main`, a tag on the first, and another branch.
fn repository(sandbox: &Sandbox) -> (String, String) {
    sandbox.write("template", &[("file", "first"), ("run.sh", "#!"), ("sub/inner", "inner")]);
    sandbox.make_executable("template/run.sh");
    symlink("sub/inner", sandbox.path("template/link")).unwrap();
    symlink("../outside", sandbox.path("template/leaves")).unwrap();
    let first = sandbox.commit("template", "first");
    sandbox.git("template", &["tag", "--annotate", "v1", "--message", "v1"]);
    sandbox.git("template", &["branch", "feature/x"]);
    sandbox.write("template", &[("file", "second")]);
    let second = sandbox.commit("template", "second");
    sandbox.write("template", &[("file", "uncommitted")]);
    (first, second)
}

#[test]
fn a_reference_selects_the_commit() {
    let sandbox = Sandbox::new();
    let (first, second) = repository(&sandbox);
    let references = [
        ("main", "second"),
        ("v1", "first"),
        ("feature/x", "first"),
        ("refs/tags/v1", "first"),
        (&first, "first"),
        (&second[..8], "second"),
        ("HEAD~1", "first"),
    ];
    for (index, (reference, content)) in references.into_iter().enumerate() {
        let name = format!("project-{index}");
        let outcome = sandbox.run(&["template", "--git-ref", reference, "--name", &name]).succeeded();
        outcome.warned("`leaves` is left out");
        assert_eq!(sandbox.tree(&name), ["file", "link -> sub/inner", "run.sh*", "sub/", "sub/inner"], "{reference}");
        assert_eq!(sandbox.read(&format!("{name}/file")), content, "{reference}");
    }
}

#[test]
fn without_a_reference_a_checkout_is_a_folder() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    let outcome = sandbox.run(&["template", "--name", "mine"]).succeeded();
    outcome.warned("`.git` is left out");
    assert_eq!(sandbox.read("mine/file"), "uncommitted");
}

#[test]
fn a_reference_that_does_not_exist_is_an_error_that_names_those_that_do() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    let outcome = sandbox.run(&["template", "--git-ref", "v2", "--name", "x"]);
    outcome.failed(1, &["has no branch, tag or commit `v2`", "these exist: v1, main, feature/x"]);
    for reference in ["0123456789012345678901234567890123456789", "-x", "", "a..b"] {
        let outcome = sandbox.run(&["template", &format!("--git-ref={reference}"), "--name", "x"]);
        outcome.failed(1, &["has no branch, tag or commit"]);
    }
    sandbox.assert_untouched(&["template"]);
}

#[test]
fn bare_repositories_and_file_urls_are_read_as_git() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    sandbox.git(".", &["clone", "--quiet", "--bare", "template", "bare.git"]);
    sandbox.run(&["bare.git"]).succeeded();
    assert_eq!(sandbox.read("bare/file"), "second");

    let url = format!("file://{}", sandbox.path("template").display());
    let json = sandbox.run(&[&url, "--name", "from-url", "-o", "json"]).succeeded().json();
    assert_eq!(sandbox.read("from-url/file"), "second");
    assert_eq!(json["data"]["repository"], sandbox.path("template").to_str().unwrap());

    sandbox.run(&[&url, "--subfolder", "sub", "--git-ref", "v1"]).succeeded();
    assert_eq!(sandbox.tree("sub"), ["inner"]);

    sandbox.run(&["file:///nonexistent/x"]).failed(2, &["there is no folder"]);
    sandbox.run(&[&url, "--subfolder", "file", "--name", "x"]).failed(1, &["no folder `file`"]);
    sandbox.run(&[&url, "--subfolder", "sub/nowhere", "--name", "x"]).failed(1, &["no folder `sub/nowhere`"]);
}

#[test]
fn a_repository_is_read_without_the_git_program_and_its_hooks() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    let marker = sandbox.path("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", marker.display());
    for program in [".git/hooks/post-checkout", ".git/hooks/pre-receive", "bin/git"] {
        sandbox.write("template", &[(program, &script)]);
        sandbox.make_executable(&format!("template/{program}"));
    }
    let filter = format!("touch {}", marker.display());
    for key in ["filter.evil.smudge", "core.fsmonitor", "core.sshCommand", "uploadpack.packObjectsHook"] {
        sandbox.git("template", &["config", key, &filter]);
    }
    sandbox.write("template", &[(".git/info/attributes", "* filter=evil\n")]);
    let mut command = sandbox.wash_new(&["template", "--git-ref", "main", "--name", "mine"]);
    Outcome::of(command.env("PATH", sandbox.path("template/bin")).output().unwrap()).succeeded();
    assert_eq!(sandbox.read("mine/file"), "second");
    assert!(!marker.exists());
}

#[test]
fn submodules_are_left_out_with_a_warning() {
    let sandbox = Sandbox::new();
    let (first, _) = repository(&sandbox);
    sandbox.git("template", &["update-index", "--add", "--cacheinfo", &format!("160000,{first},module")]);
    sandbox.git("template", &["commit", "--quiet", "--message", "submodule"]);
    let outcome = sandbox.run(&["template", "--git-ref", "main", "--name", "mine"]).succeeded();
    outcome.warned("`module` is left out: it is a Git submodule");
    assert!(!sandbox.path("mine/module").exists());
}

#[test]
fn trees_that_no_honest_git_writes_are_refused() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    let blob = sandbox.git("template", &["rev-parse", "HEAD:file"]);
    let tree = |name: &str| -> String {
        let mut tree = format!("100644 {name}\0").into_bytes();
        tree.extend((0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()));
        std::fs::write(sandbox.path("tree"), tree).unwrap();
        sandbox.git("template", &["hash-object", "--literally", "-t", "tree", "-w", "../tree"])
    };
    for name in ["..", ".", "a/b", "../escaped", "/absolute"] {
        let id = tree(name);
        let outcome = sandbox.run(&["template", "--git-ref", &id, "--name", "x"]);
        outcome.failed(1, &["unsafe path"]);
    }
    let outcome = sandbox.run(&["template", "--git-ref", &tree(".git"), "--name", "x"]);
    outcome.failed(1, &["the template has no files"]);
    std::fs::remove_file(sandbox.path("tree")).unwrap();
    sandbox.assert_untouched(&["template"]);
}

#[test]
fn a_repository_without_commits_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.git(".", &["init", "--quiet", "--bare", "empty.git"]);
    sandbox.run(&["empty.git"]).failed(1, &["has no commits yet"]);
}

#[test]
fn missing_objects_are_an_error_and_leave_nothing_behind() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    let blob = sandbox.git("template", &["rev-parse", "HEAD:sub/inner"]);
    std::fs::remove_file(sandbox.path("template/.git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    sandbox.run(&["template", "--git-ref", "main", "--name", "x"]).failed(1, &["cannot read"]);
    sandbox.assert_untouched(&["template"]);
}
