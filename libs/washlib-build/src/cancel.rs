//! Stops a running build from another thread: its whole process group, politely first.
//!
//! Installs no signal handler: who cancels, and why, is the caller's business.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a build may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Cancels a build. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    /// The process group that runs now. Set only while its leader has not been reaped, so that the number cannot have
    /// passed to somebody else.
    group: Option<Pid>,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the running program, and all that it started, to end: as Ctrl-C does. What has not ended after five seconds,
    /// or when this is called a second time, is killed. A build that has not started yet never does.
    pub fn cancel(&self) {
        let mut state = self.lock();
        let first = !state.cancelled;
        state.cancelled = true;
        let Some(group) = state.group else { return };
        if first {
            self.ask_to_end(group);
        } else {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Tells which group runs now. When the token has been cancelled meanwhile, asks it to end: its programs may have
    /// begun, and are to clean up.
    pub(crate) fn started(&self, group: Pid) {
        let mut state = self.lock();
        state.group = Some(group);
        if state.cancelled {
            self.ask_to_end(group);
        }
    }

    /// Tells that the group's leader has ended and is about to be reaped. After a cancellation, kills what is left.
    pub(crate) fn ended(&self) {
        let mut state = self.lock();
        if let (Some(group), true) = (state.group.take(), state.cancelled) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.shared.changed.notify_all();
    }

    fn ask_to_end(&self, group: Pid) {
        // Failure means that the group has just ended, which is what was wanted.
        let _ = kill_process_group(group, Signal::INT);
        self.kill_after_grace();
    }

    fn kill_after_grace(&self) {
        let token = self.clone();
        let watch = move || {
            let state = token.lock();
            let waited = token.shared.changed.wait_timeout_while(state, GRACE, |state| state.group.is_some());
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if let Some(group) = state.group {
                let _ = kill_process_group(group, Signal::KILL);
            }
        };
        // Without a thread to wait on, the second call is what kills.
        let _ = thread::Builder::new().name("cancel-build".into()).spawn(watch);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half-changed.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
