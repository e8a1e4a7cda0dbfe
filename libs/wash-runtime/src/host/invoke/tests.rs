//! Calls that fit and calls that do not, on a component of each type.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::engine::Engine;
use crate::host::{HostApi, HostBuilder};
use crate::types::{Component, Workload, WorkloadStartRequest};

/// Functions without memory, and some that return their only argument.
const COMPONENT: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (global $end (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $end) (i32.const 7)) (i32.const -8)))
            (global.set $end (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func (export "echo") (param i32 i32) (result i32)
            (i32.store (i32.const 16) (local.get 0))
            (i32.store (i32.const 20) (local.get 1))
            (i32.const 16))
        (func (export "trap") unreachable)
        (func (export "spin") (loop (br 0)))
        (func (export "maybe") (param i32 i32) (result i32) (local.get 0)))
    (core instance $i (instantiate $m))
    (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func $echo (param "text" string) (result string)
        (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc"))))
    (func $bytes (param "bytes" (list u8)) (result (list u8))
        (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc"))))
    (func $trap (canon lift (core func $i "trap")))
    (func $spin (canon lift (core func $i "spin")))
    (func $maybe (param "value" (option u32)) (result bool) (canon lift (core func $i "maybe")))
    (func $judge (param "a" u32) (param "b" u32) (result (result)) (canon lift (core func $i "maybe")))
    (instance $ops (export "add" (func $add)) (export "twice" (func $echo)))
    (export "example:math/ops@1.2.0" (instance $ops))
    (instance $more (export "add" (func $add)))
    (export "example:other/more" (instance $more))
    (export "echo" (func $echo))
    (export "bytes" (func $bytes))
    (export "trap" (func $trap))
    (export "spin" (func $spin))
    (export "maybe" (func $maybe))
    (export "judge" (func $judge)))"#;

async fn host() -> Arc<Host> {
    let host = HostBuilder::new().with_engine(Engine::builder().build().unwrap()).build().unwrap();
    let host = host.start().await.unwrap();
    let component = Component {
        name: "math".to_string(),
        bytes: Bytes::from(wat::parse_str(COMPONENT).unwrap()),
        ..Component::default()
    };
    let workload = Workload { name: "w".to_string(), components: vec![component], ..Workload::default() };
    host.workload_start(WorkloadStartRequest { workload_id: "w".to_string(), workload }).await.unwrap();
    host
}

#[tokio::test]
async fn calls_return_values() {
    let host = host().await;
    for (call, wave, json) in [
        ("example:math/ops@1.2.0#add(1, 2)", "3", json!(3)),
        ("example:math/ops#add(1,2)", "3", json!(3)),
        ("ops#add( 40 , 2 )", "42", json!(42)),
        ("twice(\"a\\nb\")", "\"a\\nb\"", json!("a\nb")),
        ("  echo(\"(ü)\")  ", "\"(ü)\"", json!("(ü)")),
        ("bytes([1, 2, 255])", "[1, 2, 255]", json!([1, 2, 255])),
        ("maybe(some(7))", "true", json!(true)),
        ("maybe()", "false", json!(false)),
        ("judge(0, 9)", "ok", json!({"ok": null})),
    ] {
        let outcome = host.invoke("w", call, None).await.unwrap_or_else(|err| panic!("{call}: {err}"));
        assert_eq!((outcome.wave().as_deref(), outcome.json()), (Some(wave), json), "{call}");
        assert!(!outcome.is_error());
    }
    let outcome = host.invoke("w", "judge(1, 0)", None).await.unwrap();
    assert_eq!((outcome.wave().as_deref(), outcome.is_error()), (Some("err"), true));
}

#[tokio::test]
async fn calls_that_do_not_fit_say_why() {
    let host = host().await;
    for (call, message) in [
        ("", "`` is not a call"),
        ("add", "`add` is not a call"),
        ("(1)", "`(1)` is not a call"),
        ("ops#(1)", "`ops#(1)` is not a call"),
        ("ad(1, 2)", "no component exports a function `ad`"),
        ("add(1, 2)", "`add` could be each of example:math/ops@1.2.0#add of math, example:other/more#add of math"),
        ("ops#add(1)", "wrong arguments for `example:math/ops@1.2.0#add`: "),
        ("ops#add(1, 2, 3)", "wrong arguments for `example:math/ops@1.2.0#add`: "),
        ("ops#add(1, -2)", "wrong arguments for `example:math/ops@1.2.0#add`: "),
        ("ops#add(1, \"2\")", "wrong arguments for `example:math/ops@1.2.0#add`: "),
        ("ops#add(1, 2) x", "`ops#add(1, 2) x` is not a call"),
        ("echo(\"open)", "wrong arguments for `echo`: "),
        ("echo(ü)", "wrong arguments for `echo`: "),
    ] {
        let err = host.invoke("w", call, None).await.expect_err(call).to_string();
        assert!(err.starts_with(message), "{call}: {err}");
    }
    let Err(InvokeError::UnknownFunction { nearest, exports, .. }) = host.invoke("w", "ops#twise()", None).await else {
        panic!("the function should be unknown")
    };
    assert_eq!(nearest.as_deref(), Some("example:math/ops@1.2.0#twice"));
    assert!(exports.contains(&"example:math/ops@1.2.0#add: func(a: u32, b: u32) -> u32".to_string()), "{exports:?}");
    assert_eq!(host.exported_functions("w"), exports);
    let err = host.invoke("other", "add(1, 2)", None).await.unwrap_err();
    assert_eq!(err.to_string(), "no workload `other` is running");
    let deep = format!("echo({})", "[".repeat(100_000));
    assert!(host.invoke("w", &(deep + ")"), None).await.is_err());
}

#[tokio::test]
async fn calls_that_fail_say_how() {
    let host = host().await;
    let err = host.invoke("w", "trap()", None).await.unwrap_err();
    assert_eq!(err.to_string(), "`trap` failed");
    assert!(matches!(err, InvokeError::Failed { .. }));
    let err = host.invoke("w", "spin()", Some(Duration::from_millis(100))).await.unwrap_err();
    assert_eq!(err.to_string(), "`spin` took longer than 100ms");
    // The next call has an instance of its own.
    assert!(host.invoke("w", "ops#add(1, 1)", None).await.is_ok());
}
