//! `wasi:logging`: messages of components in the host's own record.
//!
//! It writes nowhere itself: messages become events of `tracing`, and the embedder's subscriber decides what becomes of
//! them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance};

use super::guest_text::printable;
use super::token_bucket::TokenBucket;
use super::{Attachment, HostPlugin, wasmtime_error};
use crate::engine::Ctx;
use crate::engine::workload::WorkloadItem;
use crate::wit::{WitInterface, WitWorld};

/// The target of the events, by which a subscriber can tell them from the host's own.
pub const TARGET: &str = "guest";

/// One interface with and without a version; guests of both kinds are in use.
const INTERFACES: [&str; 2] = ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

/// Bytes of a message that are recorded.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Bytes of a context that are recorded.
const LONGEST_CONTEXT: usize = 256;

/// Messages that a component may log at once, beyond which one per interval is recorded.
const BURST: u32 = 1_000;

const INTERVAL: Duration = Duration::from_millis(2);

/// Records the messages of components as events of `tracing` under the target [`TARGET`].
///
/// An event has the fields `workload`, `namespace`, `component` and, if the guest gave one, `context`. A message is one
/// line of at most 16 KiB: control characters are escaped. `critical` is recorded as an error with the field
/// `critical = true`. A component that logs more than 500 messages in a second, after a burst of 1,000, loses the rest;
/// how many is recorded.
///
/// ```
/// let logger = wash_runtime::plugin::wasi_logging::TracingLogger::default();
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TracingLogger {}

#[async_trait]
impl HostPlugin for TracingLogger {
    fn id(&self) -> &'static str {
        "wasi-logging"
    }

    fn world(&self) -> WitWorld {
        let exports = INTERFACES.iter().filter_map(|interface| interface.parse().ok()).collect();
        WitWorld { exports, ..WitWorld::default() }
    }

    fn attachment(&self, _: &HashSet<WitInterface>) -> Attachment {
        Attachment::Restorable
    }

    async fn on_workload_item_bind<'a>(
        &self,
        item: &mut WorkloadItem<'a>,
        _interfaces: HashSet<WitInterface>,
    ) -> anyhow::Result<()> {
        item.set_binding(Flow::new(Instant::now()));
        let imports = item.component().imports();
        for interface in INTERFACES.into_iter().filter(|interface| imports.iter().any(|import| import == interface)) {
            let mut instance = item.linker().instance(interface).map_err(wasmtime_error)?;
            add_to_linker(&mut instance).map_err(wasmtime_error)?;
        }
        Ok(())
    }
}

/// How much one component logs, over all its instances.
struct Flow {
    bucket: TokenBucket,
    suppressed: AtomicU64,
}

impl Flow {
    fn new(now: Instant) -> Self {
        Self { bucket: TokenBucket::new(BURST, INTERVAL, now), suppressed: AtomicU64::new(0) }
    }

    /// Whether a message may be recorded now, and if so how many before it were not.
    fn admit(&self, now: Instant) -> Option<u64> {
        if self.bucket.take(now) {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[derive(Clone, Copy, ComponentType, Debug, Eq, Lift, PartialEq)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the derived code makes them from their numbers")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl Level {
    /// Whether anyone listens. A message that nobody records costs no share of the flow.
    fn is_enabled(self) -> bool {
        match self {
            Self::Trace => tracing::event_enabled!(target: TARGET, tracing::Level::TRACE),
            Self::Debug => tracing::event_enabled!(target: TARGET, tracing::Level::DEBUG),
            Self::Info => tracing::event_enabled!(target: TARGET, tracing::Level::INFO),
            Self::Warn => tracing::event_enabled!(target: TARGET, tracing::Level::WARN),
            Self::Error | Self::Critical => tracing::event_enabled!(target: TARGET, tracing::Level::ERROR),
        }
    }
}

fn add_to_linker(interface: &mut LinkerInstance<'_, Ctx>) -> wasmtime::Result<()> {
    interface.func_wrap("log", |store: StoreContextMut<'_, Ctx>, (level, context, message): (Level, String, String)| {
        log(store.data(), level, &context, &message);
        Ok(())
    })
}

fn log(ctx: &Ctx, level: Level, context: &str, message: &str) {
    if !level.is_enabled() {
        return;
    }
    let Some(flow) = ctx.binding::<Flow>() else { return };
    let Some(suppressed) = flow.admit(Instant::now()) else { return };
    if suppressed > 0 {
        record(ctx, Level::Warn, "", &format!("{suppressed} messages of this component were too many to record"));
    }
    record(ctx, level, &printable(context, LONGEST_CONTEXT), &printable(message, LONGEST_MESSAGE));
}

fn record(ctx: &Ctx, level: Level, context: &str, message: &str) {
    let (workload, namespace, component) = (ctx.workload_name(), ctx.workload_namespace(), ctx.component_id());
    let context = (!context.is_empty()).then_some(context);
    // The macros need each level as a constant.
    macro_rules! event {
        ($level:ident $(, $field:ident = $value:expr)?) => {
            tracing::event!(
                target: TARGET,
                tracing::Level::$level,
                workload,
                namespace,
                component,
                context,
                $($field = $value,)?
                "{message}"
            )
        };
    }
    match level {
        Level::Trace => event!(TRACE),
        Level::Debug => event!(DEBUG),
        Level::Info => event!(INFO),
        Level::Warn => event!(WARN),
        Level::Error => event!(ERROR),
        Level::Critical => event!(ERROR, critical = true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let start = Instant::now();
        let flow = Flow::new(start);
        let recorded = (0..5_000).filter(|_| flow.admit(start).is_some()).count();
        assert_eq!(recorded, 1_000);
        assert_eq!(flow.admit(start + INTERVAL), Some(4_000));
        assert_eq!(flow.admit(start + 2 * INTERVAL), Some(0));
    }
}
