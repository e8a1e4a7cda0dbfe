//! Thousands of malformed components, and small ones that are made to hurt: the engine refuses or compiles each, and
//! the process lives on, with the stack that threads have and little memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use wash_runtime::engine::{CompileError, Engine};
use wash_runtime::host::{HostApi, HostBuilder, StartError};
use wash_runtime::types::{Component, Workload, WorkloadStartRequest};
use washlib_test::hostile::{Generator, bombs, seeds, with_small_stack};

/// Debug builds on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(60);

fn engine() -> Engine {
    Engine::builder().with_max_instances(16).build().unwrap()
}

/// Others use proposals that the engine does not support.
#[test]
fn seeds_that_a_host_could_serve_are_compiled() {
    let engine = engine();
    let mut compiled = 0;
    for seed in seeds().into_iter().filter(|seed| ["handler.wat", "nested.wat"].contains(&seed.name.as_str())) {
        if let Err(err) = engine.compile(&seed.bytes) {
            panic!("{}: {:#}", seed.name, anyhow::Error::from(err));
        }
        compiled += 1;
    }
    assert_eq!(compiled, 2);
}

#[test]
fn no_component_crashes_the_compiler() {
    let engine = engine();
    with_small_stack(|| {
        let (mut compiled, mut refused) = (0, 0);
        for bytes in Generator::new(0xD1B5_4A32_D192_ED03).take(4_000) {
            match engine.compile(&bytes) {
                Ok(_) => compiled += 1,
                Err(_) => refused += 1,
            }
        }
        // A generator that only makes rubbish or only copies tries nothing.
        assert!(compiled > 100 && refused > 2_000, "{compiled} compiled, {refused} refused");
    });
}

#[test]
fn what_asks_for_too_much_is_answered_in_little_memory() {
    const LIMIT: u64 = 1 << 30;
    let engine = engine();
    for bomb in bombs() {
        let begun = Instant::now();
        let more = memory_for(|| with_small_stack(|| drop(engine.compile(&bomb.bytes))));
        assert!(begun.elapsed() < PATIENCE, "{} took {:?}", bomb.name, begun.elapsed());
        assert!(more < LIMIT, "{} took {} MiB", bomb.name, more >> 20);
    }
}

/// How much more memory was resident meanwhile than before.
#[cfg(target_os = "linux")]
fn memory_for(run: impl FnOnce()) -> u64 {
    use washlib_test::hostile::{forget_peak, peak_memory, resident_memory};
    forget_peak();
    let before = resident_memory();
    run();
    peak_memory().saturating_sub(before)
}

#[cfg(not(target_os = "linux"))]
fn memory_for(run: impl FnOnce()) -> u64 {
    run();
    0
}

#[test]
fn what_asks_for_too_much_is_an_error_of_its_own() {
    let engine = engine();
    for bomb in bombs().iter().take(10) {
        let answer = engine.compile(&bomb.bytes);
        assert!(matches!(answer, Err(CompileError::TooComplex(_))), "{}: {answer:?}", bomb.name);
        // The same by the way that shares buffers.
        let answer = engine.load(&Bytes::from(bomb.bytes.clone()));
        assert!(matches!(answer, Err(CompileError::TooComplex(_))), "{}: {answer:?}", bomb.name);
    }
}

/// Through the host: the start fails, and the next one does not.
#[tokio::test]
async fn a_host_outlives_components_that_hurt() {
    let host = HostBuilder::new().with_engine(engine()).build().unwrap().start().await.unwrap();
    let start = |id: usize, bytes: Bytes| {
        let component = Component { name: "component".to_string(), bytes, ..Component::default() };
        let workload = Workload {
            namespace: "test".to_string(),
            name: "hostile".to_string(),
            components: vec![component],
            ..Workload::default()
        };
        host.workload_start(WorkloadStartRequest { workload_id: id.to_string(), workload })
    };
    for (id, bomb) in bombs().into_iter().take(10).enumerate() {
        let err = start(id, bomb.bytes.into()).await.unwrap_err();
        let err = err.downcast_ref().unwrap();
        assert!(
            matches!(err, StartError::Compile { source: CompileError::TooComplex(_), .. }),
            "{}: {err:?}",
            bomb.name
        );
    }
    for (id, bytes) in Generator::new(0xA076_1D64_78BD_642F).take(200).enumerate() {
        // Started or refused: both are answers.
        let _ = start(1_000 + id, bytes.into()).await;
    }
    let harmless = wat::parse_str("(component)").unwrap();
    start(usize::MAX, harmless.into()).await.unwrap();
}
