//! Little initial data of a module: copied into each instance, instead of mapped.
//!
//! wasmtime maps the data of a module copy-on-write. That is right for megabytes of which an instance changes little. It
//! costs every instance a page fault for each page that it writes, though, and as the mapping changes under threads on
//! other cores, an interrupt to those. Copying a few kilobytes costs less. wasmtime decides for all modules of an engine
//! at once; but it maps only what goes to constant places, so a place that is computed keeps one module's data from it.

use std::borrow::Cow;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ConstExpr, DataSection, RawSection, Section as _};
use wasmparser::{DataKind, DataSectionReader, Operator};

use super::split::{Section, Unreadable, sections};

/// Bytes of a module's data, with their places, that are copied rather than mapped.
pub(super) const MOST_COPIED: usize = 64 << 10;

/// Magic and version.
const PREAMBLE: usize = 8;

/// The first eight bytes of a core module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;
const DATA: u8 = 11;

/// A component that does the same, and whose modules with little data have them copied. Bytes that cannot be read stay
/// as they are: the compiler will say what is wrong with them.
///
/// It goes as deep as components are nested, so their bounds must have been checked.
pub(super) fn copy_little_data(component: &[u8]) -> Cow<'_, [u8]> {
    match rewritten(component) {
        Ok(Some(component)) => Cow::Owned(component),
        Ok(None) | Err(Unreadable) => Cow::Borrowed(component),
    }
}

/// `None` where nothing is to be changed.
fn rewritten(binary: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
    let is_module = binary.starts_with(MODULE);
    let mut result = binary.get(..PREAMBLE).ok_or(Unreadable)?.to_vec();
    let mut has_changed = false;
    for section in sections(binary)? {
        let (id, mut data) = (section.id, section.content);
        let inner = if !is_module && matches!(id, CORE_MODULE | COMPONENT) { rewritten(data)? } else { None };
        let segments = if is_module && id == DATA { with_computed_place(&section)? } else { None };
        has_changed |= inner.is_some() || segments.is_some();
        if let Some(segments) = segments {
            segments.append_to(&mut result);
            continue;
        }
        if let Some(inner) = &inner {
            data = inner;
        }
        RawSection { id, data }.append_to(&mut result);
    }
    Ok(has_changed.then_some(result))
}

/// The segments of a section with little data. The first place is the sum of what it was and zero.
fn with_computed_place(section: &Section<'_>) -> Result<Option<DataSection>, Unreadable> {
    if section.content.len() > MOST_COPIED {
        return Ok(None);
    }
    let mut segments = DataSection::new();
    let mut has_changed = false;
    for segment in DataSectionReader::new(section.reader())? {
        let segment = segment?;
        let place = match &segment.kind {
            DataKind::Active { memory_index: 0, offset_expr } if !has_changed => constant(offset_expr)?,
            _ => None,
        };
        match place {
            Some(place) => {
                let place = ConstExpr::i32_const(place).with_i32_const(0).with_i32_add();
                segments.active(0, &place, segment.data.iter().copied());
                has_changed = true;
            }
            None => RoundtripReencoder.parse_data(&mut segments, segment)?,
        }
    }
    Ok(has_changed.then_some(segments))
}

/// The number that an expression consists of, if that is all.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> Result<Option<i32>, Unreadable> {
    let mut operators = expression.get_operators_reader();
    let Operator::I32Const { value } = operators.read()? else { return Ok(None) };
    Ok((matches!(operators.read()?, Operator::End) && operators.eof()).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn is_changed(text: &str) -> bool {
        let component = wat::parse_str(text).unwrap();
        match copy_little_data(&component) {
            Cow::Owned(changed) => {
                wasmparser::validate(&changed).unwrap();
                assert_ne!(changed, component);
                true
            }
            Cow::Borrowed(same) => {
                assert_eq!(same, component);
                false
            }
        }
    }

    #[test]
    fn little_data_are_copied_and_much_data_stay_mapped() {
        let module = |content: &str| is_changed(&format!("(component (core module {content}))"));
        let of_size = |size: usize| module(&format!(r#"(memory 9) (data (i32.const 8) "{}")"#, "x".repeat(size)));
        assert!(of_size(1));
        assert!(of_size(60_000));
        assert!(!of_size(70_000));
        assert!(module(r#"(memory 1) (data "passive") (data (i32.const 8) "x") (data (i32.const 9) "y")"#));
        assert!(!module(r#"(memory 1) (data "passive")"#));
        assert!(!module(r#"(memory i64 1) (data (i64.const 8) "x")"#));
        assert!(!module(r#"(import "a" "b" (global i32)) (memory 1) (data (global.get 0) "x")"#));
        assert!(!module("(memory 1)"));
        assert!(is_changed(r#"(component (component (core module (memory 1) (data (i32.const 8) "x"))))"#));
        assert!(!is_changed("(component)"));
    }

    #[test]
    fn an_instance_finds_its_data_where_they_were() {
        let component = r#"(component
            (core module $m (memory 1) (data (i32.const 8) "ab") (data (i32.const 65535) "c")
                (func (export "sum") (result i32)
                    (i32.add (i32.load8_u (i32.const 9)) (i32.load8_u (i32.const 65535)))))
            (core instance $i (instantiate $m))
            (func (export "sum") (result u32) (canon lift (core func $i "sum"))))"#;
        assert!(is_changed(component));
        let engine = Engine::builder().with_pooling_allocator(false).build().unwrap();
        let compiled = engine.compile(&wat::parse_str(component).unwrap()).unwrap();
        let mut store = wasmtime::Store::new(engine.inner(), ());
        store.set_epoch_deadline(u64::MAX / 2);
        let linker = wasmtime::component::Linker::new(engine.inner());
        let instance = linker.instantiate(&mut store, compiled.inner()).unwrap();
        let sum = instance.get_typed_func::<(), (u32,)>(&mut store, "sum").unwrap();
        assert_eq!(sum.call(&mut store, ()).unwrap().0, u32::from(b'b') + u32::from(b'c'));
    }

    #[test]
    fn broken_bytes_are_no_trouble() {
        let text = r#"(component (component (core module (memory 1) (data (i32.const 8) "x"))))"#;
        let component = wat::parse_str(text).unwrap();
        for end in 0..component.len() {
            _ = copy_little_data(&component[..end]);
        }
        for (position, value) in (0..component.len()).flat_map(|at| [0, 1, 0x7f, 0xff].map(|value| (at, value))) {
            let mut changed = component.clone();
            changed[position] = value;
            _ = copy_little_data(&changed);
        }
    }
}
