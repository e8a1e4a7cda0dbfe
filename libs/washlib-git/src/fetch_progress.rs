//! How far a fetch is, for whoever wants to show it.
//!
//! The transport's workers only update counters here; the thread that waits for them reads the counters and reports, so
//! that an implementation of [`FetchProgress`] is never called from elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gix::progress::{Count, Id, MessageLevel, NestedProgress, Progress, Step, StepShared, UNKNOWN, Unit};

use crate::cause::without_control_characters;

// The identifiers that gix documents for the phases of a fetch.
const REMOTE_SAYS: &Id = b"FERP";
const RECEIVED_BYTES: &Id = b"BWRB";
const RESOLVED_OBJECTS: &Id = b"IWRO";

/// Receives what is being done and how far it is.
pub trait FetchProgress {
    /// A new phase begins.
    fn message(&self, text: &str);
    /// The current phase has done `done` steps, of `total` when that is known.
    fn position(&self, done: u64, total: Option<u64>);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilentProgress;

impl FetchProgress for SilentProgress {
    fn message(&self, _text: &str) {}
    fn position(&self, _done: u64, _total: Option<u64>) {}
}

/// The tasks of one fetch, shared between the transport's threads and the one that waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskBoard {
    tasks: Arc<Mutex<Vec<Weak<TaskState>>>>,
}

#[derive(Debug)]
struct TaskState {
    id: Id,
    name: Mutex<String>,
    max: Mutex<Option<Step>>,
    done: StepShared,
}

impl TaskBoard {
    /// The task that gix is given to report to.
    pub(crate) fn root(&self) -> Task {
        self.task(String::new(), UNKNOWN)
    }

    /// Tells `progress` about the task that began last among those a person can make sense of.
    pub(crate) fn report(&self, progress: &dyn FetchProgress) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| task.strong_count() > 0);
        let alive: Vec<Arc<TaskState>> = tasks.iter().filter_map(Weak::upgrade).collect();
        drop(tasks);
        let shown = alive.iter().rev().find_map(|task| Some((task, task.label()?)));
        if let Some((task, label)) = shown {
            progress.message(&label);
            let max = *task.max.lock().unwrap_or_else(PoisonError::into_inner);
            progress.position(task.done.load(Ordering::Relaxed) as u64, max.map(|max| max as u64));
        }
    }

    /// How many bytes of objects the remote has sent in the pack that is being received.
    pub(crate) fn received_bytes(&self) -> u64 {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let receiving = tasks.iter().filter_map(Weak::upgrade).filter(|task| &task.id == RECEIVED_BYTES);
        receiving.map(|task| task.done.load(Ordering::Relaxed) as u64).sum()
    }

    fn task(&self, name: String, id: Id) -> Task {
        let state = TaskState { id, name: Mutex::new(name), max: Mutex::new(None), done: Arc::default() };
        let state = Arc::new(state);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&state));
        Task { state, board: self.clone() }
    }
}

impl TaskState {
    fn label(&self) -> Option<String> {
        if self.done.load(Ordering::Relaxed) == 0 {
            return None;
        }
        match &self.id {
            REMOTE_SAYS => {
                let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
                Some(format!("Remote: {}", without_control_characters(&name)))
            }
            RECEIVED_BYTES => Some("Receiving the repository, bytes".to_owned()),
            RESOLVED_OBJECTS => Some("Unpacking the repository, objects".to_owned()),
            _ => None,
        }
    }
}

/// One task on the board, in the shape that gix asks for.
#[derive(Debug)]
pub(crate) struct Task {
    state: Arc<TaskState>,
    board: TaskBoard,
}

impl Count for Task {
    fn set(&self, step: Step) {
        self.state.done.store(step, Ordering::Relaxed);
    }

    fn step(&self) -> Step {
        self.state.done.load(Ordering::Relaxed)
    }

    fn inc_by(&self, step: Step) {
        self.state.done.fetch_add(step, Ordering::Relaxed);
    }

    fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.state.done)
    }
}

impl Progress for Task {
    fn init(&mut self, max: Option<Step>, _unit: Option<Unit>) {
        self.set_max(max);
    }

    fn max(&self) -> Option<Step> {
        *self.state.max.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_max(&mut self, max: Option<Step>) -> Option<Step> {
        std::mem::replace(&mut *self.state.max.lock().unwrap_or_else(PoisonError::into_inner), max)
    }

    fn set_name(&mut self, name: String) {
        *self.state.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    fn name(&self) -> Option<String> {
        Some(self.state.name.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn id(&self) -> Id {
        self.state.id
    }

    // Messages are summaries of finished phases; a bar that disappears has no place for them.
    fn message(&self, _level: MessageLevel, _message: String) {}
}

impl NestedProgress for Task {
    type SubProgress = Self;

    fn add_child(&mut self, name: impl Into<String>) -> Self {
        self.board.task(name.into(), UNKNOWN)
    }

    fn add_child_with_id(&mut self, name: impl Into<String>, id: Id) -> Self {
        self.board.task(name.into(), id)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Default)]
    struct Recorded(RefCell<Vec<String>>);

    impl FetchProgress for Recorded {
        fn message(&self, text: &str) {
            self.0.borrow_mut().push(text.to_owned());
        }
        fn position(&self, done: u64, total: Option<u64>) {
            self.0.borrow_mut().push(format!("{done}/{total:?}"));
        }
    }

    #[test]
    fn the_last_phase_is_reported_without_control_characters() {
        let (board, recorded) = (TaskBoard::default(), Recorded::default());
        let mut root = board.root();
        let mut remote = root.add_child_with_id("Counting\x1b[31m objects", *REMOTE_SAYS);
        remote.init(Some(7), None);
        remote.set(3);
        board.report(&recorded);
        drop(remote);
        // A finished phase is not reported any more.
        root.add_child_with_id("read pack", *RECEIVED_BYTES).inc_by(5);
        board.report(&recorded);
        assert_eq!(*recorded.0.borrow(), ["Remote: Counting [31m objects", "3/Some(7)"]);
    }

    #[test]
    fn received_bytes_are_counted_while_they_arrive() {
        let board = TaskBoard::default();
        let mut root = board.root();
        let receiving = root.add_child("fetch").add_child_with_id("read pack", *RECEIVED_BYTES);
        receiving.inc_by(5);
        receiving.counter().fetch_add(2, Ordering::Relaxed);
        root.add_child_with_id("index objects", *RESOLVED_OBJECTS).inc_by(100);
        assert_eq!(board.received_bytes(), 7);
    }
}
