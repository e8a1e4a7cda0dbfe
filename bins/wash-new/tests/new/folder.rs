//! Templates that are folders on disk.

use std::fs;
use std::os::unix::fs::symlink;

use snapbox::assert_data_eq;

use crate::sandbox::Sandbox;

#[test]
fn a_folder_is_copied_byte_for_byte() {
    let sandbox = Sandbox::new();
    sandbox
        .write("template", &[("src/main.js", "// template http-hello-world\n"), (".hidden/x", "x"), ("run.sh", "#!")]);
    fs::write(sandbox.path("template/image"), [0, 159, 146, 150]).unwrap();
    fs::create_dir(sandbox.path("template/empty")).unwrap();
    sandbox.make_executable("template/run.sh");
    let outcome = sandbox.run(&["./template", "--name", "mine"]).succeeded();
    assert_data_eq!(outcome.stdout, "mine\n");
    let tree = [".hidden/", ".hidden/x", "empty/", "image", "run.sh*", "src/", "src/main.js"];
    assert_eq!(sandbox.tree("mine"), tree);
    assert_eq!(sandbox.read("mine/src/main.js"), "// template http-hello-world\n");
    assert_eq!(fs::read(sandbox.path("mine/image")).unwrap(), [0, 159, 146, 150]);
}

#[test]
fn the_folders_own_ignore_files_count_and_no_others() {
    let sandbox = Sandbox::new();
    sandbox.write(".", &[(".gitignore", "*.js\n")]);
    sandbox.write(
        "template",
        &[
            (".gitignore", "target/\n*.log\n"),
            ("target/big", ""),
            ("a.log", ""),
            ("kept.js", ""),
            ("sub/.gitignore", "!b.log\nsecret\n"),
            ("sub/b.log", ""),
            ("sub/secret", ""),
        ],
    );
    sandbox.run(&["template", "--name", "mine"]).succeeded();
    assert_eq!(sandbox.tree("mine"), [".gitignore", "kept.js", "sub/", "sub/.gitignore", "sub/b.log"]);

    sandbox.run(&["template", "--subfolder", "sub"]).succeeded();
    assert_eq!(sandbox.tree("sub"), [".gitignore", "b.log"]);
}

#[test]
fn what_is_not_safe_is_left_out_with_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write(".", &[("secret", "s")]);
    sandbox.write("template", &[("file", "f"), (".git/hooks/pre-commit", "evil"), ("sub/.GIT/config", "evil")]);
    for (link, target) in [
        ("inside", "sub/../file"),
        ("sub/up", "../file"),
        ("dangling", "later"),
        ("outside", "../secret"),
        ("absolute", "/etc/passwd"),
        ("parent", ".."),
        ("sub/root", ".."),
        ("sub/trick", "root/../secret"),
    ] {
        symlink(target, sandbox.path("template").join(link)).unwrap();
    }
    assert!(sandbox.command("mkfifo").arg("template/fifo").status().unwrap().success());

    let outcome = sandbox.run(&["template", "--name", "mine"]).succeeded();
    let tree = ["dangling -> later", "file", "inside -> sub/../file", "sub/", "sub/root -> ..", "sub/up -> ../file"];
    assert_eq!(sandbox.tree("mine"), tree);
    for left_out in ["`.git`", "`sub/.GIT`", "`fifo`", "`outside`", "`absolute`", "`parent`", "`sub/trick`"] {
        outcome.warned(&format!("{left_out} is left out: "));
    }
    let json = sandbox.run(&["template", "--name", "second", "-o", "json"]).succeeded().json();
    assert_eq!(json["data"]["warnings"].as_array().unwrap().len(), 7);
    assert_eq!(json["data"]["repository"], sandbox.path("template").to_str().unwrap());
    assert_eq!(json["data"]["template"], serde_json::Value::Null);
}

#[test]
fn a_template_can_become_a_project_inside_itself() {
    let sandbox = Sandbox::new();
    sandbox.write(".", &[("file", "f")]);
    sandbox.run(&[".", "--name", "copy"]).succeeded();
    assert_eq!(sandbox.tree("."), ["copy/", "copy/file", "file"]);
}

#[test]
fn the_name_of_the_folder_is_the_default() {
    let sandbox = Sandbox::new();
    sandbox.write("templates/service", &[("file", "f"), ("nested/deep/file", "f")]);
    sandbox.run(&["templates/service/"]).succeeded();
    assert_eq!(sandbox.read("service/file"), "f");
    sandbox.run(&["templates/service", "--subfolder", "nested/deep/"]).succeeded();
    assert_eq!(sandbox.tree("deep"), ["file"]);
}

#[test]
fn folders_that_give_no_template_are_errors() {
    let sandbox = Sandbox::new();
    sandbox.write(".", &[("file", "f")]);
    sandbox.write("template", &[("file", "f")]);
    fs::create_dir(sandbox.path("empty")).unwrap();
    symlink("/etc", sandbox.path("template/link")).unwrap();
    sandbox.run(&["./nowhere"]).failed(2, &["there is no folder"]);
    sandbox.run(&["file"]).failed(2, &["is not a folder"]);
    sandbox.run(&["empty", "--name", "x"]).failed(1, &["the template has no files"]);
    sandbox.run(&["template", "--subfolder", "link", "--name", "x"]).failed(1, &["no folder `link`"]);
    sandbox.run(&["template", "--subfolder", "file", "--name", "x"]).failed(1, &["no folder `file`"]);
    sandbox.run(&["template", "--subfolder", "/etc", "--name", "x"]).failed(2, &["not a path inside"]);
    sandbox.run(&["template", "--git-ref", "main", "--name", "x"]).failed(2, &["not a Git repository"]);
    sandbox.assert_untouched(&["empty", "file", "template"]);
}

#[test]
fn a_template_with_too_many_files_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("template")).unwrap();
    for index in 0..=10_000 {
        fs::File::create(sandbox.path("template").join(index.to_string())).unwrap();
    }
    sandbox.run(&["template", "--name", "x"]).failed(1, &["more than 10000 files"]);
    sandbox.assert_untouched(&["template"]);
}

#[test]
fn a_template_with_too_many_bytes_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("template", &[("a", "a")]);
    // Sparse; with the other file, one byte too many.
    let big = fs::File::create(sandbox.path("template/b")).unwrap();
    big.set_len(256 * 1024 * 1024).unwrap();
    sandbox.run(&["template", "--name", "x"]).failed(1, &["more than 256 MiB"]);
    sandbox.assert_untouched(&["template"]);
}
