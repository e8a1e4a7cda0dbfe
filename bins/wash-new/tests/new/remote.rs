//! Templates in repositories behind a URL, from servers that behave and servers that do not.

use std::net::TcpListener;
use std::time::Duration;

use crate::http::{serve_repositories, serve_response, serve_silence};
use crate::sandbox::{Outcome, Sandbox, interrupt, wait};

/// Serves `repos/tool.git` with two commits on `main` and a tag on the first; returns its URL and the commits.
fn served(sandbox: &Sandbox) -> (String, [String; 2]) {
    sandbox.write("origin", &[("file", "first"), ("sub/inner", "inner")]);
    let first = sandbox.commit("origin", "first");
    sandbox.git("origin", &["tag", "--annotate", "v1", "--message", "v1"]);
    sandbox.write("origin", &[("file", "second")]);
    let second = sandbox.commit("origin", "second");
    sandbox.git(".", &["clone", "--quiet", "--bare", "origin", "repos/tool.git"]);
    let mut backend = sandbox.command("git");
    backend.arg("http-backend");
    let root = serve_repositories(sandbox.path("repos"), backend);
    (format!("{root}/tool.git"), [first, second])
}

#[test]
fn a_repository_is_fetched_without_the_git_program() {
    let sandbox = Sandbox::new();
    let (url, _) = served(&sandbox);
    let mut command = sandbox.wash_new(&[&url, "-o", "json"]);
    let outcome = Outcome::of(command.env("PATH", "/nonexistent").output().unwrap()).succeeded();
    assert_eq!(sandbox.tree("tool"), ["file", "sub/", "sub/inner"]);
    assert_eq!(sandbox.read("tool/file"), "second");
    assert_eq!(outcome.json()["data"]["repository"], url);
    sandbox.assert_untouched(&["origin", "repos", "tool"]);
}

#[test]
fn references_and_subfolders_select_the_template() {
    let sandbox = Sandbox::new();
    let (url, [first, second]) = served(&sandbox);
    let references = [
        ("main", "second"),
        ("v1", "first"),
        ("refs/heads/main", "second"),
        (&first, "first"),
        (&second[..7], "second"),
    ];
    for (index, (reference, content)) in references.into_iter().enumerate() {
        let name = format!("project-{index}");
        sandbox.run(&[&url, "--git-ref", reference, "--name", &name]).succeeded();
        assert_eq!(sandbox.read(&format!("{name}/file")), content, "{reference}");
    }
    sandbox.run(&[&url, "--subfolder", "sub"]).succeeded();
    assert_eq!(sandbox.tree("sub"), ["inner"]);
}

#[test]
fn a_commit_that_no_reference_points_to_is_found_in_the_history() {
    let sandbox = Sandbox::new();
    let (url, [first, _]) = served(&sandbox);
    sandbox.git("repos/tool.git", &["tag", "--delete", "v1"]);
    for (index, length) in [40, 8].into_iter().enumerate() {
        let name = format!("project-{index}");
        sandbox.run(&[&url, "--git-ref", &first[..length], "--name", &name]).succeeded();
        assert_eq!(sandbox.read(&format!("{name}/file")), "first");
    }
}

#[test]
fn a_reference_that_does_not_exist_is_an_error_that_names_those_that_do() {
    let sandbox = Sandbox::new();
    let (url, _) = served(&sandbox);
    for reference in ["v2", "deadbeef", "0123456789012345678901234567890123456789", "refs/heads/nothing", "a..b"] {
        let outcome = sandbox.run(&[&url, "--git-ref", reference]);
        outcome.failed(1, &["has no branch, tag or commit", "these exist: ", "main", "v1"]);
    }
    sandbox.assert_untouched(&["origin", "repos"]);
}

#[test]
fn a_repository_that_does_not_exist_is_an_error() {
    let sandbox = Sandbox::new();
    let (url, _) = served(&sandbox);
    let missing = url.replace("tool", "nothing");
    sandbox.run(&[&missing]).failed(1, &["there is no repository at", &missing]);
    sandbox.assert_untouched(&["origin", "repos"]);
}

#[test]
fn an_empty_repository_is_an_error() {
    let sandbox = Sandbox::new();
    let (url, _) = served(&sandbox);
    sandbox.git(".", &["init", "--quiet", "--bare", "repos/empty.git"]);
    sandbox.run(&[&url.replace("tool", "empty")]).failed(1, &["has no commits yet"]);
}

#[test]
fn a_login_is_never_asked_for_and_credentials_are_never_shown() {
    let sandbox = Sandbox::new();
    let root =
        serve_response("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n");
    let marker = sandbox.path("asked");
    sandbox.write(".", &[("askpass", &format!("#!/bin/sh\ntouch {}\n", marker.display()))]);
    sandbox.make_executable("askpass");
    let mut command = sandbox.wash_new(&[&format!("{root}/tool.git")]);
    command.env("GIT_ASKPASS", sandbox.path("askpass")).env("SSH_ASKPASS", sandbox.path("askpass"));
    let outcome = Outcome::of(command.output().unwrap());
    outcome.failed(1, &["does not exist, or needs a login", &root]);
    assert!(!marker.exists());

    let in_clear_text = format!("{}/tool.git", root.replace("http://", "http://bob:s3cret@"));
    for url in [in_clear_text, format!("https://bob:s3cret@{}/tool.git", closed_port())] {
        let outcome = sandbox.run(&[&url, "--log-level", "trace"]).failed(1, &["cannot fetch"]);
        assert!(!outcome.stderr.contains("s3cret") && !outcome.stderr.contains("bob"), "{outcome:?}");
    }
    sandbox.assert_untouched(&["askpass"]);
}

#[test]
fn ssh_urls_go_through_the_ssh_program() {
    let sandbox = Sandbox::new();
    served(&sandbox);
    let ssh = |script: &str| {
        sandbox.write("bin", &[("ssh", script)]);
        sandbox.make_executable("bin/ssh");
        let url = format!("git@example.org:{}", sandbox.path("repos/tool.git").display());
        let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
        Outcome::of(sandbox.wash_new(&[&url, "--git-ref", "v1"]).env("PATH", path).output().unwrap())
    };
    // Like the real one: what follows the address is the remote command.
    ssh("#!/bin/sh\nuntil [ \"$1\" = git@example.org ]; do shift; done; shift; exec sh -c \"$*\"\n").succeeded();
    assert_eq!(sandbox.read("tool/file"), "first");
    std::fs::remove_dir_all(sandbox.path("tool")).unwrap();

    let outcome = ssh("#!/bin/sh\necho 'git@example.org: Permission denied (publickey).' >&2\nexit 255\n");
    outcome.failed(1, &["does not exist, or needs a login", "ssh keys"]);
    let outcome = ssh("#!/bin/sh\necho 'ssh: Could not resolve hostname example.org' >&2\nexit 255\n");
    outcome.failed(1, &["cannot fetch", "Could not resolve hostname"]);
    sandbox.assert_untouched(&["bin", "origin", "repos"]);
}

#[test]
fn a_server_that_talks_nonsense_is_an_error() {
    let sandbox = Sandbox::new();
    for response in [
        "\x1b[31mSSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n001e# service=git-upload-pack\n0000ffff",
        "",
    ] {
        let url = format!("{}/tool.git", serve_response(response));
        let outcome = sandbox.run(&[&url]).failed(1, &["cannot fetch", &url, "caused by"]);
        assert!(!outcome.stderr.contains('\x1b') && !outcome.stderr.contains("panicked"), "{outcome:?}");
    }
    sandbox.assert_untouched(&[]);
}

#[test]
fn a_closed_port_is_an_error_for_https_too() {
    let sandbox = Sandbox::new();
    for scheme in ["http", "https", "git"] {
        let url = format!("{scheme}://{}/tool.git", closed_port());
        let outcome = sandbox.run(&[&url]).failed(1, &["cannot fetch", "onnection refused"]);
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    }
    sandbox.assert_untouched(&[]);
}

#[test]
fn an_interrupt_while_the_server_is_silent_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let (url, connected) = serve_silence();
    let child = sandbox.wash_new(&[&format!("{url}/tool.git")]).spawn().unwrap();
    connected.recv_timeout(Duration::from_secs(60)).unwrap();
    interrupt(&child);
    let outcome = wait(child);
    assert_eq!(outcome.code, Some(130), "{outcome:?}");
    sandbox.assert_untouched(&[]);
}

fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
