//! How much memory guests may have: each instance for itself, and all instances of an engine together.
//!
//! What counts as memory, [`super::ctx`] says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::slots::{NoPlace, StorePlaces};
use super::unused_memory::UnusedMemory;

/// Linear memory that all instances of an engine have together.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    used: AtomicUsize,
}

impl MemoryBudget {
    /// Three quarters of the machine's memory (of the control group's, where that is less), so that guests that take
    /// all they can get do not take the host's own.
    pub(crate) fn of_this_machine() -> Self {
        let limit = sysinfo::System::new().map_or(0, |mut system| {
            system.refresh_memory();
            system.cgroup_limits().map_or(system.total_memory(), |limits| limits.total_memory)
        });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // A system that does not tell is taken to have enough.
        Self::new(if limit == 0 { usize::MAX } else { limit / 4 * 3 })
    }

    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Bytes that instances have at the moment.
    #[cfg(test)]
    fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.limit)
        });
        taken.is_ok()
    }
}

/// One store's part of the budget. The store has it, and so has whoever drops the store: when both are gone, it is given
/// back, and to the system too.
#[derive(Debug)]
pub(crate) struct BudgetShare {
    budget: Arc<MemoryBudget>,
    used: AtomicUsize,
    unused: Option<Arc<UnusedMemory>>,
    /// None where wasmtime counts instances.
    places: Option<StorePlaces>,
}

impl BudgetShare {
    pub(crate) fn new(
        budget: Arc<MemoryBudget>,
        unused: Option<Arc<UnusedMemory>>,
        places: Option<StorePlaces>,
    ) -> Arc<Self> {
        Arc::new(Self { budget, used: AtomicUsize::new(0), unused, places })
    }

    /// Takes a place for one more instance in the store.
    pub(crate) fn add_instance(&self) -> Result<(), NoPlace> {
        self.places.as_ref().map_or(Ok(()), StorePlaces::take)
    }

    /// Takes more, unless the engine's guests together would have too much, or this store more than half of it all.
    pub(crate) fn grow(&self, bytes: usize) -> bool {
        // Only the store's own thread takes any.
        let used = self.used.load(Ordering::Relaxed).saturating_add(bytes);
        if used > self.budget.limit / 2 || !self.budget.take(bytes) {
            return false;
        }
        self.used.store(used, Ordering::Relaxed);
        true
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        let used = *self.used.get_mut();
        if let Some(unused) = &self.unused {
            unused.add(used);
        }
        self.budget.used.fetch_sub(used, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_and_none_takes_more_than_half() {
        let budget = Arc::new(MemoryBudget::new(100));
        let one = BudgetShare::new(Arc::clone(&budget), None, None);
        let other = BudgetShare::new(Arc::clone(&budget), None, None);
        assert!(!one.grow(51));
        assert!(one.grow(50));
        assert!(!one.grow(1));
        assert!(other.grow(40));
        assert_eq!(budget.used(), 90);
        drop(one);
        assert_eq!(budget.used(), 40);
    }
}
