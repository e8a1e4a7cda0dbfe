//! Thousands of malformed binaries, and small ones that are made to hurt: each gets an answer, in little stack, little
//! memory and little time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "properties/comparing.rs"]
mod comparing;
#[path = "properties/decoding.rs"]
mod decoding;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use washlib_component::{Excess, InvalidError, MAX_NESTING, check_bounds, validate};
use washlib_test::hostile::{Generator, bombs, nested_components, nested_types, seeds, with_small_stack};

const INSTANCE_TYPE: u8 = 0x42;
/// Debug builds on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(30);

fn in_time<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = run();
    assert!(begun.elapsed() < PATIENCE, "{what} took {:?}", begun.elapsed());
    result
}

#[test]
fn seeds_are_valid() {
    for seed in seeds() {
        validate(&seed.bytes).unwrap_or_else(|err| panic!("{}: {err}", seed.name));
    }
}

#[test]
fn no_bytes_make_it_panic_or_overflow_the_stack() {
    with_small_stack(|| {
        let (mut accepted, mut refused) = (0, 0);
        for bytes in Generator::new(0x9E37_79B9_7F4A_7C15).take(6_000) {
            *if decoding::check(&bytes) { &mut accepted } else { &mut refused } += 1;
        }
        // A generator that only makes rubbish or only copies tries nothing.
        assert!(accepted > 300 && refused > 3_000, "{accepted} accepted, {refused} refused");
    });
}

#[test]
fn nothing_differs_from_itself_and_both_ways_are_one_change() {
    with_small_stack(|| {
        let mut both = 0;
        let mut before = Vec::new();
        for bytes in Generator::new(0xD1B5_4A32_D192_ED03).take(2_000) {
            both += usize::from(comparing::check(&before, &bytes));
            // The last that could be read: most cannot.
            if comparing::check(&bytes, &bytes) {
                before = bytes;
            }
        }
        assert!(both > 30, "{both}");
        let wit = "package a:b@0.2.0; interface i { type t = u8; f: func(a: t); } world w { import i; }";
        assert!(comparing::check(wit.as_bytes(), wit.replace("u8", "u16").as_bytes()));
    });
}

#[test]
fn what_asks_for_too_much_is_refused_at_once() {
    let mut answers = BTreeMap::new();
    for bomb in bombs() {
        in_time(&bomb.name, || with_small_stack(|| decoding::check(&bomb.bytes)));
        answers.insert(bomb.name, check_bounds(&bomb.bytes));
    }
    for (name, expected) in [
        ("instance types nested 1,000 deep", Excess::NestedTypes),
        ("component types nested 1,000 deep", Excess::NestedTypes),
        ("instance types nested 1,000,000 deep", Excess::NestedTypes),
        ("components nested 5,000 deep", Excess::NestedComponents),
        ("components that instantiate each other twice, 40 deep", Excess::Instances),
        ("a component that instantiates what it is given, 40 deep", Excess::UnknownComponent),
        ("2,000 core modules", Excess::Modules),
        ("2,000 components", Excess::Components),
        ("900 memories of 16 MiB with two bytes", Excess::Contents),
        ("90,000 tables of a million entries", Excess::Contents),
    ] {
        let answer = &answers[name];
        assert!(
            matches!(answer, Err(InvalidError::Excessive { excess, .. }) if *excess == expected),
            "{name}: {answer:?}"
        );
    }
}

/// In a process of its own (nextest) nothing else takes memory meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn nothing_takes_much_memory() {
    use washlib_test::hostile::{forget_peak, peak_memory, resident_memory};

    const LIMIT: u64 = 512 << 20;
    for bomb in bombs() {
        forget_peak();
        let before = resident_memory();
        decoding::check(&bomb.bytes);
        let more = peak_memory().saturating_sub(before);
        assert!(more < LIMIT, "{} took {} MiB", bomb.name, more >> 20);
    }
}

/// What is just within a bound is judged, with the stack that a thread has; what is just beyond is not.
#[test]
fn bounds_are_where_they_are_said_to_be() {
    with_small_stack(|| {
        for kind in [0x41, INSTANCE_TYPE] {
            validate(&nested_types(kind, MAX_NESTING)).unwrap();
            let beyond = validate(&nested_types(kind, MAX_NESTING + 1));
            assert!(matches!(beyond, Err(InvalidError::Excessive { excess: Excess::NestedTypes, .. })), "{beyond:?}");
        }
        validate(&nested_components(MAX_NESTING)).unwrap();
        let beyond = validate(&nested_components(MAX_NESTING + 1));
        assert!(matches!(beyond, Err(InvalidError::Excessive { excess: Excess::NestedComponents, .. })), "{beyond:?}");
    });
}

/// Composition tools nest and instantiate components too: what they make is within all bounds.
#[test]
fn components_of_components_are_within_bounds() {
    let mut text = "(component (import \"host\" (component $wanted))\n".to_string();
    for index in 0..100 {
        text += &format!(
            "(component $c{index}
                (core module $m (memory 17) (data (i32.const 1048576) \"x\") (table 1000 funcref))
                (core instance (instantiate $m))
                (core instance (instantiate $m))
                (component $shim (export \"m\" (core module $m)))
                (instance (instantiate $shim)))
            (instance (instantiate $c{index}))
            (export $again{index} \"again{index}\" (component $c{index}))
            (instance (instantiate $again{index}))\n"
        );
    }
    text += "(instance (instantiate $wanted)))";
    let bytes = wat::parse_str(text).unwrap();
    check_bounds(&bytes).unwrap();
    validate(&bytes).unwrap();
}

#[test]
fn a_bound_is_told_in_words() {
    let err = validate(&nested_types(INSTANCE_TYPE, 1_000)).unwrap_err();
    assert_eq!(err.to_string(), "beyond what is accepted, at byte 0x138: types are nested more than 100 deep");
}
