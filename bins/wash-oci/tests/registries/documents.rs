//! Documents that are attached to an artifact.

use crate::Place;

#[test]
fn a_bill_of_materials_is_attached_listed_and_copied_along() {
    let place = Place::new();
    place.push(10);
    let reference = place.reference("hello:v1");
    place.sandbox.write("sbom.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    let attached = place.oci(&["attach", &reference, "sbom.json"]).assert_success();
    let digest = attached.stdout.trim();
    let listed = place.oci(&["referrers", &reference]).assert_success();
    assert_eq!(listed.stdout, format!("{digest}  application/spdx+json\n"));
    let none = place.oci(&["referrers", &reference, "--type", "a/b"]).assert_success();
    assert_eq!(none.stdout, "");
    assert!(place.oci(&["info", &reference]).assert_success().stdout.contains(digest));
    // What refers to an artifact is no version of it.
    assert_eq!(place.oci(&["list", &place.reference("hello")]).assert_success().stdout, "v1\n");
    let target = place.reference("other:v1");
    place.oci(&["copy", &reference, &target, "--referrers"]).assert_success();
    assert_eq!(place.oci(&["referrers", &target]).assert_success().stdout, listed.stdout);
    // And through a layout.
    place.oci(&["copy", &reference, "layout:all", "--referrers"]).assert_success();
    let third = place.reference("third:v1");
    place.oci(&["copy", "layout:all:v1", &third, "--referrers"]).assert_success();
    assert_eq!(place.oci(&["referrers", &third]).assert_success().stdout, listed.stdout);
    // The document itself comes back as it was.
    place.oci(&["pull", &place.reference(&format!("hello@{digest}")), "back.json", "--raw"]).assert_success();
    let back = std::fs::read_to_string(place.sandbox.work().join("back.json")).unwrap();
    assert_eq!(back, r#"{"spdxVersion":"SPDX-2.3"}"#);
}

#[test]
fn a_document_of_an_unknown_kind_must_be_named() {
    let place = Place::new();
    place.push(10);
    place.sandbox.write("notes.bin", "x");
    let reference = place.reference("hello:v1");
    place.oci(&["attach", &reference, "notes.bin"]).assert_code(2).assert_stderr_has("--type");
    place.oci(&["attach", &reference, "notes.bin", "--type", "nonsense"]).assert_code(2);
    place.oci(&["attach", &reference, "notes.bin", "--type", "application/x-notes"]).assert_success();
}
