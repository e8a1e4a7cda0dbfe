use wit_parser::Resolve;

use super::*;
use crate::{Decoded, Root, parse_wit};

fn package(text: &str) -> Decoded {
    parse_wit("test.wit", text).unwrap_or_else(|err| panic!("{err}\n{text}"))
}

/// The world `w` as a component would have it.
fn component(text: &str) -> Decoded {
    let Decoded { resolve, root } = package(text);
    let Root::Package(id) = root else { panic!() };
    let world = resolve.packages[id].worlds["w"];
    Decoded { resolve, root: Root::Component(world) }
}

fn lines(difference: &Difference) -> Vec<String> {
    let line = |change: &Change| {
        let place = [change.world.as_deref(), change.interface.as_deref(), change.name.as_deref()];
        let place: Vec<_> = place.into_iter().flatten().collect();
        format!(
            "{:?} {:?} {:?} {}: {:?}/{:?}",
            change.direction,
            change.item,
            change.action,
            place.join(" "),
            change.callers,
            change.hosts
        )
    };
    difference.changes.iter().map(line).collect()
}

const BASE: &str = "package a:b@0.2.0;
    interface types { record point { x: u32, y: u32 } resource r { get: func() -> point; } }
    interface api { use types.{point}; move: func(p: point) -> point; }
    world w { import types; export api; import log: func(text: string); }";

#[test]
fn equal_files_do_not_differ() {
    let difference = compare(&component(BASE), &component(BASE), None).unwrap();
    assert_eq!(difference.changes, []);
    assert_eq!(difference.verdict(), Impact::Patch);
    assert_eq!(compare(&package(BASE), &package(BASE), None).unwrap().changes, []);
}

#[test]
fn a_component_that_offers_more_and_needs_more() {
    let new = BASE
        .replace("move: func(p: point) -> point;", "move: func(p: point) -> point; stop: func();")
        .replace("import log: func(text: string);", "import log: func(text: string); import now: func() -> u64;");
    let difference = compare(&component(BASE), &component(&new), None).unwrap();
    assert_eq!(
        lines(&difference),
        ["Import Function Added now: Patch/Breaking", "Export Function Added a:b/api@0.2.0 stop: Minor/Patch"]
    );
    assert_eq!((difference.callers(), difference.hosts()), (Impact::Minor, Impact::Breaking));
    // The other way round nobody needs more, and somebody may miss something.
    let back = compare(&component(&new), &component(BASE), None).unwrap();
    assert_eq!((back.callers(), back.hosts()), (Impact::Breaking, Impact::Patch));
}

#[test]
fn a_changed_type_shows_with_all_that_uses_it() {
    let new = BASE.replace("y: u32", "y: u64");
    let difference = compare(&component(BASE), &component(&new), None).unwrap();
    assert_eq!(
        lines(&difference),
        [
            "Import Type Changed a:b/types@0.2.0 point: Patch/Breaking",
            "Import Function Changed a:b/types@0.2.0 r.get: Patch/Breaking",
            "Export Type Changed a:b/api@0.2.0 point: Breaking/Patch",
            "Export Function Changed a:b/api@0.2.0 move: Breaking/Patch",
        ]
    );
    let point = &difference.changes[0];
    assert_eq!(point.before.as_deref(), Some("record { x: u32, y: u32 }"));
    assert_eq!(point.after.as_deref(), Some("record { x: u32, y: u64 }"));
    assert!(!point.follows && difference.changes[1].follows);
}

#[test]
fn compatible_versions_are_one_interface_and_others_are_not() {
    let patch = compare(&component(BASE), &component(&BASE.replace("0.2.0", "0.2.7")), None).unwrap();
    assert_eq!(patch.verdict(), Impact::Minor);
    assert!(patch.changes.iter().all(|change| change.item == Item::Version), "{:?}", lines(&patch));
    let track = compare(&component(BASE), &component(&BASE.replace("0.2.0", "0.3.0")), None).unwrap();
    assert_eq!((track.callers(), track.hosts()), (Impact::Breaking, Impact::Breaking));
}

#[test]
fn to_a_contract_additions_are_offers_and_removals_break() {
    let added = BASE.replace("interface api {", "interface more { f: func(); } interface api { stop: func();");
    let difference = compare(&package(BASE), &package(&added), None).unwrap();
    assert_eq!(
        lines(&difference),
        [
            // A component of the old world does not export it.
            "Export Function Added w a:b/api@0.2.0 stop: Breaking/Minor",
            "Definition Function Added a:b/api@0.2.0 stop: Minor/Breaking",
            "Definition Interface Added a:b/more@0.2.0: Minor/Minor",
        ]
    );
    assert_eq!(difference.verdict(), Impact::Breaking);

    let import = BASE.replace("resource r { get", "now: func() -> u64; resource r { get");
    let offered = compare(&package(BASE), &package(&import), None).unwrap();
    assert_eq!((offered.verdict(), offered.hosts()), (Impact::Minor, Impact::Breaking));
    assert_eq!(compare(&package(&import), &package(BASE), None).unwrap().verdict(), Impact::Breaking);
}

#[test]
fn a_component_against_a_package_needs_a_world() {
    let one = compare(&package(BASE), &component(BASE), None).unwrap();
    assert_eq!(one.changes, []);
    let two = format!("{BASE} world other {{}}");
    let err = compare(&package(&two), &component(BASE), None).unwrap_err();
    assert_eq!(err, CompareError::WhichWorld { package: "a:b@0.2.0".into(), worlds: vec!["w".into(), "other".into()] });
    assert_eq!(compare(&package(&two), &component(BASE), Some("w")).unwrap().changes, []);
    assert!(matches!(compare(&package(&two), &component(BASE), Some("x")), Err(CompareError::NoSuchWorld { .. })));
}

/// What `wit-component` says: whether a component of `new` can be used where one of `old` was.
fn oracle(old: &Decoded, new: &Decoded) -> bool {
    let (Some(old_world), Some(new_world)) = (old.world(), new.world()) else { panic!() };
    let mut resolve: Resolve = old.resolve.clone();
    // Packages of one name and version would be merged into one, which the versions keep apart.
    let mut other = new.resolve.clone();
    for (_, package) in other.packages.iter_mut() {
        if let Some(version) = &mut package.name.version {
            version.patch += 100;
        }
    }
    let names: Vec<_> = other.packages.iter().map(|(id, package)| (package.name.clone(), id)).collect();
    other.package_names = names.into_iter().collect();
    let remap = resolve.merge(other).unwrap();
    let new_world = remap.map_world(new_world, Default::default()).unwrap();
    wit_component::semver_check(resolve, new_world, old_world).is_ok()
}

#[test]
fn verdicts_on_components_agree_with_semver_check() {
    let base = "package a:b@0.2.0;
        interface types { record point { x: u32, y: u32 } enum e { p, q } resource r { get: func(e: e) -> point; constructor(); } }
        interface api { use types.{point}; move: func(p: point) -> point; size: func() -> u32; variant v { none, some(string) } choose: func() -> v; }
        interface extra { f: func(a: list<tuple<string, option<u8>>>); }
        world w { import types; import extra; export api; import log: func(text: string); export run: func(); }";
    let edits: [(&str, &str); 20] = [
        ("y: u32", "y: u64"),
        ("y: u32", "y: u32, z: u32"),
        ("x: u32, y: u32", "y: u32, x: u32"),
        ("enum e { p, q }", "enum e { p, q, s }"),
        ("enum e { p, q }", "enum e { q, p }"),
        ("size: func() -> u32;", ""),
        ("size: func() -> u32;", "size: func() -> u32; more: func();"),
        ("size: func() -> u32", "size: func(a: u8) -> u32"),
        ("move: func(p: point)", "move: func(q: point)"),
        ("import extra; ", ""),
        ("import log: func(text: string); ", ""),
        ("export run: func();", ""),
        ("export run: func();", "export run: func(); export stop: func();"),
        ("import log:", "import other: func(); import log:"),
        ("log: func(text: string)", "log: func(text: string, level: u8)"),
        ("some(string)", "some(u8)"),
        ("variant v { none, some(string) }", "variant v { none, some(string), more }"),
        ("option<u8>", "option<s8>"),
        ("f: func(a:", "g: func(); f: func(a:"),
        ("constructor(); ", ""),
    ];
    let old = component(base);
    let (mut fit, mut broken) = (0, 0);
    for (from, to) in edits {
        let text = base.replace(from, to);
        assert_ne!(text, base, "{from}");
        let new = component(&text);
        for (one, other, way) in [(&old, &new, "forth"), (&new, &old, "back")] {
            let difference = compare(one, other, None).unwrap();
            let fits = difference.verdict() != Impact::Breaking;
            assert_eq!(fits, oracle(one, other), "{from:?} → {to:?} ({way}): {:?}", lines(&difference));
            // A contract is the same question the other way round.
            let contract = compare(&package_of(one), &package_of(other), Some("w")).unwrap();
            let fits_contract = contract.verdict() != Impact::Breaking;
            assert_eq!(fits_contract, oracle(other, one), "contract {from:?} → {to:?} ({way}): {:?}", lines(&contract));
            if fits { fit += 1 } else { broken += 1 }
        }
    }
    assert!(fit > 5 && broken > 20, "{fit} fit, {broken} broken");
}

fn package_of(decoded: &Decoded) -> Decoded {
    let package = decoded.package().unwrap();
    Decoded { resolve: decoded.resolve.clone(), root: Root::Package(package) }
}
