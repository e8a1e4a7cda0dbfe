//! The main way: push, look, pull.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::{Place, component};

#[test]
fn the_tutorials_steps() {
    let place = Place::new();
    place.component("dist/http-hello-world.wasm", 1000);
    let reference = place.reference("cosmonic-labs/components/hello:0.2.0");
    let pushed = place.oci(&["push", &reference, "./dist/http-hello-world.wasm"]).assert_success();
    let digest = pushed.stdout.trim();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    let pulled = place.oci(&["pull", &reference]).assert_success();
    assert_eq!(pulled.stdout, "component.wasm\n");
    assert_eq!(fs::read(place.sandbox.work().join("component.wasm")).unwrap(), component(1000));
    // By what it was said to be, and relative to another folder.
    fs::create_dir(place.sandbox.work().join("else")).unwrap();
    let by_digest = place.reference(&format!("cosmonic-labs/components/hello@{digest}"));
    place.oci(&["-C", "else", "pull", &by_digest, "mine.wasm"]).assert_success();
    assert_eq!(fs::read(place.sandbox.work().join("else/mine.wasm")).unwrap(), component(1000));
}

#[test]
fn json_has_the_public_fields() {
    let place = Place::new();
    place.component("hello.wasm", 10);
    let reference = place.reference("hello:v1");
    let pushed = place.oci(&["-o", "json", "push", &reference, "hello.wasm", "-t", "latest"]).assert_success().json();
    assert_eq!((&pushed["success"], &pushed["data"]["content"]), (&true.into(), &"sent".into()));
    assert_eq!(pushed["data"]["tags"], serde_json::json!(["v1", "latest"]));
    assert_eq!(pushed["data"]["annotations"]["org.opencontainers.image.version"], "1.2.0");
    let pulled = place.oci(&["-o", "json", "pull", &reference, "out.wasm"]).assert_success().json();
    assert_eq!(pulled["data"]["digest"], pushed["data"]["digest"]);
    assert_eq!(pulled["data"]["output_path"], "out.wasm");
    assert_eq!(pulled["data"]["bytes"], component(10).len());
    assert_eq!((&pulled["data"]["kind"], &pulled["data"]["layout"]), (&"component".into(), &"wasm".into()));
}

#[test]
fn the_same_bytes_give_the_same_digest_and_are_not_sent_again() {
    let place = Place::new();
    let first = place.push(1000);
    let again = place.oci(&["-o", "json", "push", &place.reference("hello:v1"), "hello.wasm"]).assert_success().json();
    assert_eq!((&again["data"]["digest"], &again["data"]["content"]), (&first.clone().into(), &"existed".into()));
    let dry = place.oci(&["push", "nowhere.example/hello:v1", "hello.wasm", "--dry-run"]).assert_success();
    assert_eq!(dry.stdout.trim(), first);
    let mut dated = place.sandbox.command("wash-oci");
    dated.args(["push", &place.reference("hello:dated"), "hello.wasm"]).env("SOURCE_DATE_EPOCH", "86400");
    let dated = washlib_test::Output::of(&mut dated).assert_success();
    assert_ne!(dated.stdout.trim(), first);
    let info = place.oci(&["info", &place.reference("hello:dated")]).assert_success();
    assert!(info.stdout.contains("1970-01-02T00:00:00Z"), "{}", info.stdout);
}

#[test]
fn another_repository_of_the_registry_is_sent_nothing_that_the_registry_has() {
    let place = Place::new();
    let digest = place.push(100_000);
    let other = place.reference("acme/other:v1");
    let pushed = place.oci(&["-o", "json", "push", &other, "hello.wasm"]).assert_success().json();
    assert_eq!((&pushed["data"]["digest"], &pushed["data"]["content"]), (&digest.into(), &"mounted".into()));
    place.oci(&["pull", &other]).assert_success();
    assert_eq!(fs::read(place.sandbox.work().join("component.wasm")).unwrap(), component(100_000));
    // What was seen in a repository is forgotten with the rest of the cache.
    place.oci(&["cache", "clean"]).assert_success();
    let third = place.reference("acme/third:v1");
    let pushed = place.oci(&["-o", "json", "push", &third, "hello.wasm"]).assert_success().json();
    assert_eq!(pushed["data"]["content"], "sent");
}

#[test]
fn pipes_on_both_sides() {
    let place = Place::new();
    let reference = place.reference("hello:v1");
    let mut push = place.sandbox.command("wash-oci");
    push.args(["push", &reference, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut push = push.spawn().unwrap();
    push.stdin.take().unwrap().write_all(&component(10)).unwrap();
    assert!(push.wait().unwrap().success());
    let mut pull = place.sandbox.command("wash-oci");
    let pulled = pull.args(["pull", &reference, "-"]).output().unwrap();
    assert_eq!(pulled.stdout, component(10));
}

#[test]
fn core_modules_and_wit_packages_are_pushed_too() {
    let place = Place::new();
    place.sandbox.write("module.wasm", wat::parse_str("(module)").unwrap());
    let reference = place.reference("module:v1");
    let pushed = place.oci(&["-o", "json", "push", &reference, "module.wasm"]).assert_success().json();
    assert_eq!(pushed["data"]["kind"], "core-module");
    let info = place.oci(&["-o", "json", "info", &reference]).assert_success().json();
    assert_eq!(info["data"]["config"]["os"], "wasip1");
    let pulled = place.oci(&["-o", "json", "pull", &reference]).assert_success().json();
    assert_eq!(pulled["data"]["kind"], "core-module");
}

#[test]
fn info_tells_what_there_is_without_the_content() {
    let place = Place::new();
    let digest = place.push(1000);
    let info = place.oci(&["info", &place.reference("hello:v1")]).assert_success();
    for part in [
        digest.as_str(),
        "wasi:http/proxy@0.2.0",
        "export         wasi:http/incoming-handler@0.2.0",
        "author         Ada",
    ] {
        assert!(info.stdout.contains(part), "`{part}` in\n{}", info.stdout);
    }
    // The manifest is the registry's own bytes.
    let json = place.oci(&["-o", "json", "info", &place.reference("hello:v1")]).assert_success().json();
    assert_eq!(json["data"]["digest"], digest);
    assert_eq!(json["data"]["manifest"]["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
}

#[test]
fn tags_are_listed_given_and_deleted() {
    let place = Place::new();
    let digest = place.push(10);
    let reference = place.reference("hello:v1");
    let tagged = place.oci(&["tag", &reference, "v1.10.0", "v1.9.0", "latest"]).assert_success();
    assert_eq!(tagged.stdout.trim(), digest);
    let list = place.oci(&["list", &place.reference("hello")]).assert_success();
    assert_eq!(list.stdout, "v1.10.0\nv1.9.0\nv1\nlatest\n");
    let list = place.oci(&["list", &place.reference("hello"), "--limit", "1"]).assert_success();
    assert_eq!(list.stdout, "v1.10.0\n");
    // This registry deletes artifacts, not tags, and says so.
    let refused = place.oci(&["delete", &reference]);
    assert_eq!(refused.code, Some(1));
    place.oci(&["delete", &place.reference(&format!("hello@{digest}"))]).assert_success();
    place.oci(&["pull", &reference]).assert_code(1).assert_stderr_has("has no");
}

#[test]
fn an_image_layout_is_written_and_copied_from() {
    let place = Place::new();
    place.component("hello.wasm", 1000);
    let written = place.oci(&["push", "ghcr.io/acme/hello:v1", "hello.wasm", "--layout", "layout"]).assert_success();
    let target = place.reference("acme/hello:v1");
    let copied = place.oci(&["copy", "layout:layout:v1", &target]).assert_success();
    assert_eq!(copied.stdout, written.stdout);
    place.oci(&["pull", &target]).assert_success();
    // The registry has it, so that it need not come from the layout a second time.
    let third = place.reference("third/hello:v1");
    let third = place.oci(&["-o", "json", "copy", "layout:layout:v1", &third]).assert_success().json();
    assert_eq!(third["data"]["blobs_sent"], 0);
    let back = place.oci(&["copy", &target, "layout:again"]).assert_success();
    assert_eq!(back.stdout, written.stdout);
    let known = place.oci(&["-o", "json", "copy", &target, &place.reference("other/hello")]).assert_success().json();
    assert_eq!((&known["data"]["blobs_sent"], &known["data"]["tags"]), (&0.into(), &serde_json::json!(["v1"])));
}

#[test]
fn a_pipe_or_standard_output_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let place = Place::new();
    place.push(100_000);
    let reference = place.reference("hello:v1");
    let pipe = place.sandbox.work().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    place.oci(&["pull", &reference, "pipe"]).assert_success();
    // Checked first: were it replaced, its reader would wait for ever.
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), component(100_000));
    let mut pull = place.sandbox.command("wash-oci");
    let pulled = pull.args(["pull", &reference, "/dev/stdout"]).output().unwrap();
    assert!(pulled.status.success());
    assert_eq!(pulled.stdout, component(100_000));
}

#[test]
fn the_name_of_the_file_does_not_change_the_digest() {
    let place = Place::new();
    let first = place.push(1000);
    place.component("other.wasm", 1000);
    let other = place.oci(&["push", &place.reference("hello:v2"), "other.wasm"]).assert_success();
    assert_eq!(other.stdout.trim(), first);
    let mut push = place.sandbox.command("wash-oci");
    push.args(["push", &place.reference("hello:v3"), "-"]);
    let file = fs::File::open(place.sandbox.work().join("other.wasm")).unwrap();
    let piped = washlib_test::Output::of(push.stdin(file)).assert_success();
    assert_eq!(piped.stdout.trim(), first);
    let info = place.oci(&["-o", "json", "info", &place.reference("hello:v3")]).assert_success().json();
    let layer = &info["data"]["manifest"]["layers"][0];
    assert_eq!(layer["annotations"]["org.opencontainers.image.title"], "component.wasm");
}
