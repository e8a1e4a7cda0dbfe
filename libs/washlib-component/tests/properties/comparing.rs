//! What holds for a comparison of any two files: nothing differs from itself, and both ways are one change.
//!
//! The generator's tests and the fuzz target `diff` both run this, so that neither knows less than the other.

use washlib_component::{Action, Decoded, Difference, Impact, Subject, compare, decode, parse_wit};

/// Compares two files in every way, and says whether both could be read.
pub(crate) fn check(old: &[u8], new: &[u8]) -> bool {
    let [old, new] = [old, new].map(read);
    [&old, &new].into_iter().flatten().for_each(check_self);
    let (Some(old), Some(new)) = (old, new) else { return false };
    match (compare(&old, &new, None), compare(&new, &old, None)) {
        (Ok(forth), Ok(back)) => check_ways(&forth, &back),
        (forth, back) => assert!(forth.is_err() && back.is_err(), "{forth:?}\n{back:?}"),
    }
    true
}

/// A binary or a text.
fn read(bytes: &[u8]) -> Option<Decoded> {
    decode(bytes).ok().or_else(|| parse_wit("any.wit", std::str::from_utf8(bytes).ok()?).ok())
}

fn check_self(decoded: &Decoded) {
    let difference = compare(decoded, &decoded.clone(), None).expect("one file has one world, or is a package");
    assert_eq!(difference.changes, []);
    assert_eq!(difference.verdict(), Impact::Patch);
}

fn check_ways(forth: &Difference, back: &Difference) {
    let count =
        |difference: &Difference, action| difference.changes.iter().filter(|change| change.action == action).count();
    for (there, here) in
        [(Action::Added, Action::Removed), (Action::Removed, Action::Added), (Action::Changed, Action::Changed)]
    {
        assert_eq!(count(forth, there), count(back, here), "{forth:?}\n{back:?}");
    }
    let worse = forth.callers().max(forth.hosts());
    match forth.subject {
        Subject::Component => assert_eq!(forth.verdict(), worse),
        Subject::Contract => assert_eq!(forth.verdict(), forth.callers()),
    }
}
