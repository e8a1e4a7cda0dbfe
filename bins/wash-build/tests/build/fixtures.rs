//! WebAssembly files of every kind, made from text.
//!
//! Only makes bytes; nothing here knows about projects.

use wit_component::{DecodedWasm, StringEncoding};
use wit_parser::Resolve;

/// The smallest component: eight bytes of header.
pub(crate) fn component() -> Vec<u8> {
    wat::parse_str("(component)").unwrap()
}

/// A component with something in it, so that it can be cut in two.
pub(crate) fn larger_component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#,
    )
    .unwrap()
}

/// A core module that says nothing about the component it is meant for.
pub(crate) fn module_without_world() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "f")))"#).unwrap()
}

/// A WASI preview-1 program.
pub(crate) fn command_module() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const 0))))"#,
    )
    .unwrap()
}

/// A library that uses WASI preview 1 and carries its world.
pub(crate) fn reactor_module() -> Vec<u8> {
    with_world(
        r#"(module
            (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
            (memory (export "memory") 1)
            (func (export "greet") (drop (call $yield))))"#,
    )
}

/// A library that carries its world and uses no WASI at all.
pub(crate) fn pure_module() -> Vec<u8> {
    with_world(r#"(module (func (export "greet")))"#)
}

/// A library whose world asks for an export that it does not have.
pub(crate) fn incomplete_module() -> Vec<u8> {
    with_world("(module)")
}

fn with_world(text: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package =
        resolve.push_str("world.wit", "package test:greeter; world greeter { export greet: func(); }").unwrap();
    let world = resolve.select_world(&[package], Some("greeter")).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// A WIT package in binary form.
pub(crate) fn wit_package() -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("p.wit", "package test:greeting@1.2.3; interface i { f: func(); }").unwrap();
    wit_component::encode(&resolve, package).unwrap()
}

/// The names of what a component exports.
///
/// # Panics
/// If the bytes are no component.
pub(crate) fn exports(component: &[u8]) -> Vec<String> {
    match wit_component::decode(component).unwrap() {
        DecodedWasm::Component(resolve, world) => {
            resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect()
        }
        DecodedWasm::WitPackage(..) => panic!("a WIT package"),
    }
}
