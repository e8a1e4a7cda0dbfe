use wasmtime::Store;
use wasmtime::component::Linker;

use super::*;
use crate::engine::{Builds, Engine};

/// Two modules that share a memory and a variable, with data and a start function; `greeting` is five bytes long.
fn component(greeting: &str, variable: i32) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $library
                (type $get (func (result i32)))
                (memory (export "memory") 1 4)
                (global $count (mut i32) (i32.const {variable}))
                (table (export "table") 1 funcref)
                (data (i32.const 16) "{greeting}")
                (data (i32.const 1024) "\00\01")
                (elem (i32.const 0) $next)
                (func $grow (drop (memory.grow (i32.const 1))))
                (func $next (export "next") (type $get)
                    (global.set $count (i32.add (global.get $count) (i32.const 1)))
                    (global.get $count))
                (func (export "first") (type $get) (i32.load8_u (i32.const 16)))
                (func (export "pages") (type $get) (memory.size))
                (start $grow))
            (core module $program
                (import "library" "next" (func $next (result i32)))
                (import "library" "memory" (memory 1))
                (func (export "twice") (result i32) (drop (call $next)) (call $next))
                (func (export "last") (result i32) (i32.load8_u (i32.const 20))))
            (core instance $library (instantiate $library))
            (core instance $renamed (export "next" (func $library "next")) (export "memory" (memory $library "memory")))
            (core instance $program (instantiate $program (with "library" (instance $renamed))))
            (func (export "twice") (result u32) (canon lift (core func $program "twice")))
            (func (export "last") (result u32) (canon lift (core func $program "last")))
            (func (export "first") (result u32) (canon lift (core func $library "first")))
            (func (export "pages") (result u32) (canon lift (core func $library "pages"))))"#
    );
    wat::parse_str(text).unwrap()
}

/// What the functions of the component return.
fn results(builds: Builds, component: &[u8]) -> [u32; 4] {
    let engine = Engine::builder().with_pooling_allocator(false).with_builds(builds).build().unwrap();
    let compiled = engine.compile(component).unwrap();
    let mut linker = Linker::<()>::new(engine.inner());
    for apart in compiled.modules() {
        linker.root().module(&apart.import, &apart.module).unwrap();
    }
    let mut store = Store::new(engine.inner(), ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate(&mut store, compiled.inner()).unwrap();
    ["twice", "first", "last", "pages"].map(|name| {
        let function = instance.get_typed_func::<(), (u32,)>(&mut store, name).unwrap();
        function.call(&mut store, ()).unwrap().0
    })
}

#[test]
fn a_component_taken_apart_does_the_same() {
    let component = component("hello", 40);
    let expected = [42, u32::from(b'h'), u32::from(b'o'), 2];
    assert_eq!(results(Builds::Unrelated, &component), expected);
    assert_eq!(results(Builds::Successive, &component), expected);
}

#[test]
fn what_data_and_variables_change_is_not_compiled() {
    let one = split(&component("hello", 40)).unwrap();
    let other = split(&component("world", 7)).unwrap();
    assert_eq!(one.modules.len(), 2);
    assert_eq!(one.modules, other.modules);
    assert_ne!(one.component, other.component);
}

#[test]
fn a_build_with_the_same_code_shares_it() {
    let engine = Engine::builder().with_pooling_allocator(false).with_builds(Builds::Successive).build().unwrap();
    let one = engine.compile(&component("hello", 40)).unwrap();
    let other = engine.compile(&component("world", 7)).unwrap();
    for (one, other) in one.modules().iter().zip(other.modules()) {
        assert!(std::ptr::eq(one.module.text(), other.module.text()));
    }
}

#[test]
fn what_is_not_understood_stays_whole() {
    let whole = |text: &str| {
        let component = wat::parse_str(text).unwrap();
        assert!(split(&component).is_none(), "{text}");
    };
    whole("(component)");
    whole(r#"(component (import "m" (core module)) (core module $x) (core instance (instantiate $x)))"#);
    whole(r#"(component (core module $x) (export "x" (core module $x)))"#);
    whole("(component (core type (module)) (core module $x))");
    whole("(component $outer (core module $x) (component (alias outer $outer $x (core module))))");
}

#[test]
fn modules_that_cannot_leave_their_data_keep_it() {
    let code = |module: &str| {
        let component = wat::parse_str(format!("(component (core module {module}))")).unwrap();
        let skeleton = split(&component).unwrap();
        let module = wat::parse_str(format!("(module {module})")).unwrap();
        skeleton.modules[0].1 == module
    };
    assert!(code(r#"(memory 1) (data "passive") (func (data.drop 0))"#));
    assert!(code(r#"(import "a" "b" (memory 1)) (data (i32.const 0) "x")"#));
    assert!(code(r#"(import "a" "b" (global i32)) (memory 1) (data (global.get 0) "x")"#));
    assert!(code("(memory 1)"));
    assert!(!code(r#"(memory 1) (data (i32.const 0) "x")"#));
}

#[test]
fn hostile_bytes_are_no_trouble() {
    let component = component("hello", 40);
    for end in 0..component.len() {
        _ = split(&component[..end]);
    }
    for position in 0..component.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = component.clone();
            changed[position] = value;
            _ = split(&changed);
        }
    }
    _ = split(b"text");
}

#[test]
fn a_real_component_comes_apart() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/http-hello-world");
    let component = std::fs::read(washlib_test::guest::build(&project.canonicalize().unwrap())).unwrap();
    let skeleton = split(&component).unwrap();
    let left: usize = skeleton.component.len();
    assert!(left < component.len() / 2, "{left} of {} bytes", component.len());
    let mut features = wasmparser::WasmFeatures::default();
    features.insert(wasmparser::WasmFeatures::COMPONENT_MODEL);
    wasmparser::Validator::new_with_features(features).validate_all(&skeleton.component).unwrap();
}
