//! What becomes of the project's service, as it happens.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use wash_runtime::host::events::HostEvent;

use super::event::milliseconds;
use super::{Event, Report};

/// Tells of services until the host is gone.
pub(crate) async fn tell_of_services(report: Report, mut events: Receiver<HostEvent>) {
    loop {
        match events.recv().await {
            Ok(HostEvent::ServiceRestarting { restarts, after, reason, .. }) => {
                report.service_restarting(restarts, after, &reason)
            }
            Ok(HostEvent::ServiceCompleted { .. }) => report.service_completed(),
            Ok(HostEvent::ServiceFailed { reason, .. }) => report.service_failed(&reason),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

impl Report {
    fn service_restarting(&self, restarts: u64, after: Duration, message: &str) {
        let line = reason(message);
        self.ui.warn(&format!("the service failed: {line}"));
        self.ui.status("Restarting", &format!("the service in {after:?}, time {restarts}"));
        self.event(&Event::ServiceRestarting { restarts, after_ms: milliseconds(after), message });
    }

    fn service_completed(&self) {
        self.ui.status("Completed", "the service has finished");
        self.event(&Event::ServiceCompleted);
    }

    fn service_failed(&self, message: &str) {
        let line = reason(message);
        self.ui.warn(&format!("the service failed and is not started again before the next change: {line}"));
        self.event(&Event::ServiceFailed { message });
    }
}

/// The line of a failure that says most: a trap's own words stand below the places that led to it.
fn reason(message: &str) -> &str {
    let mut lines = message.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    if !first.ends_with("wasm backtrace:") {
        return first;
    }
    let last = lines.rfind(|line| !line.is_empty()).unwrap_or(first);
    last.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':').trim_start()
}
