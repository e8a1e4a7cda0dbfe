//! Versions that are unified along semantic versioning where the world allows, and stay as written where not.

use crate::packages::{package, wasi_at};
use crate::workbench::Workbench;

const IO: [&str; 3] = ["0.2.0", "0.2.3", "0.3.0"];

fn io(version: &str) -> String {
    format!("package acme:io@{version};\ninterface streams {{ resource pipe {{ read: func() -> u8; }} }}\n")
}

fn user(name: &str, version: &str) -> String {
    format!(
        "package acme:{name}@1.0.0;\ninterface api {{\n  use acme:io/streams@{version}.{{pipe}};\n  open: func() -> pipe;\n}}\n"
    )
}

/// Two packages that were published against different versions of a third.
pub(crate) fn bench(world: &str) -> Workbench {
    let bench = Workbench::without_packages(&format!("package acme:app;\nworld app {{\n{world}}}\n"));
    bench.publish(&IO.map(|version| package(&io(version), &[])));
    for (name, version) in [("a", IO[0]), ("b", IO[1]), ("c", IO[2])] {
        bench.publish(&[package(&user(name, version), &[&io(version)])]);
    }
    bench
}

#[test]
fn compatible_versions_inside_packages_become_one() {
    let bench = bench("  import acme:a/api@1.0.0;\n  import acme:b/api@1.0.0;\n");
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-a-1.0.0", "acme-b-1.0.0", "acme-io-0.2.3"]);
    assert!(bench.read("wit/deps/acme-a-1.0.0/package.wit").contains("acme:io/streams@0.2.3"));
    bench.assert_resolves();
    bench.wit(["check", "--frozen"]).assert_success();
}

#[test]
fn what_the_world_names_stays_as_written() {
    let bench = bench("  import acme:io/streams@0.2.0;\n  import acme:a/api@1.0.0;\n  import acme:b/api@1.0.0;\n");
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-a-1.0.0", "acme-b-1.0.0", "acme-io-0.2.0", "acme-io-0.2.3"]);
    assert!(bench.read("wit/deps/acme-a-1.0.0/package.wit").contains("acme:io/streams@0.2.0"));
    bench.assert_resolves();
}

#[test]
fn incompatible_versions_stand_side_by_side() {
    let bench = bench("  import acme:a/api@1.0.0;\n  import acme:c/api@1.0.0;\n");
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-a-1.0.0", "acme-c-1.0.0", "acme-io-0.2.0", "acme-io-0.3.0"]);
    bench.assert_resolves();
}

#[test]
fn a_newer_version_that_lacks_something_cannot_stand_for_the_older() {
    let bench = Workbench::without_packages(
        "package acme:app;\nworld app { import acme:a/api@1.0.0; import acme:b/api@1.0.0; }\n",
    );
    let newer = "package acme:io@0.2.3;\ninterface other { resource pipe; }\n";
    let b = "package acme:b@1.0.0;\ninterface api { use acme:io/other@0.2.3.{pipe}; open: func() -> pipe; }\n";
    bench.publish(&[package(&user("a", "0.2.0"), &[&io("0.2.0")]), package(b, &[newer])]);
    bench.wit(["fetch"]).assert_success();
    assert_eq!(bench.entries(), ["acme-a-1.0.0", "acme-b-1.0.0", "acme-io-0.2.0", "acme-io-0.2.3"]);
    bench.assert_resolves();
}

#[test]
fn wasi_of_two_releases_works_together() {
    let world = "package acme:app;\nworld app {\n  export wasi:http/incoming-handler@0.2.3;\n  import wasi:cli/stdout@0.2.12;\n}\n";
    let bench = Workbench::new(world);
    bench.publish(&wasi_at("0.2.3"));
    bench.wit(["fetch"]).assert_success();
    bench.assert_resolves();
    let entries = bench.entries();
    assert!(
        entries.contains(&"wasi-io-0.2.12".to_owned()) && !entries.contains(&"wasi-io-0.2.3".to_owned()),
        "{entries:?}"
    );
}
