//! Components and packages from WIT, for all tests.

use washlib_test::{Output, Sandbox};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, PackageId, Resolve};

/// A small world with a resource, a record and a version.
pub(crate) const WIT: &str = "package demo:shop@1.2.0;
    interface types { record item { name: string, price: u32 } resource cart { constructor(); add: func(item: item); } }
    /// What a shop offers.
    interface shop { use types.{item}; items: func() -> list<item>; buy: func(name: string) -> result<item, string>; }
    world store { import types; export shop; import log: func(text: string); }";

/// A WIT text, parsed.
pub(crate) fn parsed(wit: &str) -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    (resolve, package)
}

/// A core module that carries the text's only world, with functions that do nothing.
pub(crate) fn module(wit: &str) -> Vec<u8> {
    let (resolve, package) = parsed(wit);
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// A component of the text's only world.
pub(crate) fn component(wit: &str) -> Vec<u8> {
    ComponentEncoder::default().module(&module(wit)).unwrap().validate(true).encode().unwrap()
}

/// A WIT package in binary form.
pub(crate) fn package(wit: &str) -> Vec<u8> {
    let (resolve, package) = parsed(wit);
    wit_component::encode(&resolve, package).unwrap()
}

/// Runs `wash inspect` with these arguments.
pub(crate) fn inspect(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.run("wash-inspect", arguments)
}

/// A binary from its text format.
pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
