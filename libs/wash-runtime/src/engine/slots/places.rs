//! How many instances there may be at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

/// As many instances live as may.
#[derive(Debug, Error)]
#[error("the engine runs {most} instances, and no more at once")]
pub(crate) struct NoPlace {
    most: usize,
}

/// Places for the instances of an engine.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: AtomicUsize,
}

/// Places that the instances of one store have. They are free when this is dropped.
#[derive(Debug)]
pub(crate) struct StorePlaces {
    places: Arc<Places>,
    number: AtomicUsize,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn take(&self) -> Result<(), NoPlace> {
        let is_free = |taken: usize| (taken < self.most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_free);
        taken.map(drop).map_err(|_| NoPlace { most: self.most })
    }
}

impl StorePlaces {
    /// The place of a store's first instance.
    pub(super) fn first(places: &Arc<Places>) -> Result<Self, NoPlace> {
        places.take()?;
        Ok(Self { places: Arc::clone(places), number: AtomicUsize::new(1) })
    }

    /// One more, for another instance in the same store.
    pub(crate) fn take(&self) -> Result<(), NoPlace> {
        self.places.take()?;
        self.number.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for StorePlaces {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(*self.number.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_and_become_free() {
        let places = Places::new(3);
        let one = StorePlaces::first(&places).unwrap();
        one.take().unwrap();
        let other = StorePlaces::first(&places).unwrap();
        assert!(StorePlaces::first(&places).is_err() && one.take().is_err());
        drop(one);
        other.take().unwrap();
        assert_eq!(places.taken(), 2);
        drop(other);
        assert_eq!(places.taken(), 0);
    }
}
