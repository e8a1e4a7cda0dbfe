//! What holds for any bytes, whoever made them: read by everything that takes bytes of unknown origin.
//!
//! The generator's tests and the fuzz target `decode` both run this, so that neither knows less than the other.

use washlib_component::{
    Decoded, InvalidError, Outline, check_bounds, decode, encode, function_text, identify, outline, parse_wit,
    producers, type_text, unreadable, validate, value_text,
};

/// The longest line that a type may take, in bytes, with what stands for the rest.
const MAX_LINE: usize = 4_010;

/// Reads bytes in every way, and says whether they are a valid binary.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let kind = identify(bytes);
    let outline = outline(bytes);
    assert_eq!(kind.as_ref().err(), outline.as_ref().err());
    if let Ok(outline) = &outline {
        check_outline(outline, bytes);
    }
    let within_bounds = check_bounds(bytes);
    let valid = validate(bytes);
    if within_bounds.is_err() {
        assert_eq!(valid, within_bounds);
    }
    match decode(bytes) {
        Ok(decoded) => {
            assert!(within_bounds.is_ok(), "what is beyond the bounds was decoded");
            check_decoded(&decoded);
        }
        Err(err) => assert!(err.offset().is_none_or(|offset| offset <= bytes.len()), "{err}"),
    }
    // Valid or not: what cannot be encoded is an error.
    if let Ok(encoded) = encode(bytes) {
        let made = validate(&encoded.bytes);
        // An adapter may add what is too much.
        assert!(matches!(made, Ok(()) | Err(InvalidError::Excessive { .. })), "{made:?}");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(decoded) = parse_wit("any.wit", text)
    {
        check_decoded(&decoded);
    }
    valid.is_ok()
}

fn check_outline(outline: &Outline<'_>, bytes: &[u8]) {
    if let Some(stopped) = &outline.stopped {
        assert!(stopped.offset <= bytes.len(), "{stopped}");
    }
    assert_eq!(outline.root.kind, identify(bytes).expect("an outline of what was recognised"));
    for part in outline.root.all() {
        producers(part);
        unreadable(part);
        if outline.stopped.is_some() {
            continue;
        }
        assert!(part.range.end <= bytes.len(), "{:?}", part.range);
        for section in &part.sections {
            assert!(part.range.start <= section.content.start && section.content.end <= part.range.end);
            assert_eq!(bytes.get(section.content.clone()), Some(section.data));
        }
        for inner in &part.parts {
            assert!(part.range.start < inner.range.start && inner.range.end <= part.range.end);
        }
    }
}

fn check_decoded(decoded: &Decoded) {
    if let Ok(text) = decoded.wit() {
        assert!(!text.is_empty());
    }
    let resolve = &decoded.resolve;
    let is_short = |line: String| assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
    for (_, interface) in resolve.interfaces.iter() {
        for function in interface.functions.values() {
            is_short(function_text(resolve, function));
            function.params.iter().for_each(|param| is_short(value_text(resolve, &param.ty)));
        }
    }
    resolve.types.iter().for_each(|(id, _)| is_short(type_text(resolve, id)));
}
