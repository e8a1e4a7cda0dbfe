//! Log records on stderr, filtered by `-l` or `RUST_LOG`.
//!
//! Records are for finding out what a tool did; what a person is told comes from [`crate::Ui`].

use std::env;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{LogLevel, Ui};

/// Something else than stderr that log records go to.
pub type RecordLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging. Our own crates log from `level` on. Others log warnings, and only for somebody who asks for detail:
/// what of theirs concerns a user comes back to us as an error, and is told once. `RUST_LOG` overrides both.
///
/// `more` gets the records too, by a choice of its own.
pub(crate) fn init(level: LogLevel, ui: &Ui, more: Option<RecordLayer>) {
    let from_environment = env::var("RUST_LOG").ok().filter(|directives| !directives.is_empty());
    let targets = match from_environment.as_deref().map(Targets::from_str) {
        Some(Ok(targets)) => targets,
        Some(Err(err)) => {
            ui.warn(&format!("RUST_LOG is ignored: {err}"));
            default_targets(level)
        }
        None => default_targets(level),
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(ui.clone()).with_ansi(ui.colors_stderr()).without_time();
    // A second subscriber in one process is a test's, and it may keep the first.
    let _ = tracing_subscriber::registry().with(more).with(layer.with_filter(targets)).try_init();
}

fn default_targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = if level >= LevelFilter::DEBUG { LevelFilter::WARN } else { LevelFilter::OFF };
    // Every crate of the family has a name that begins so; what components log goes by the last one.
    let targets = Targets::new().with_default(others).with_target("wash_", level).with_target("washlib_", level);
    targets.with_target("guest", level)
}
