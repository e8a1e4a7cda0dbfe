//! Which components are loaded, so that workloads with the same bytes share one copy of the code.
//!
//! It neither compiles nor reads; it decides who does, and makes the others wait for the result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use wasmtime::Module;
use wasmtime::component::Component;

use super::digest::ComponentDigest;

/// How often the use of a component is noted on disk: far more often than caches fill up.
const TOUCH_INTERVAL: Duration = Duration::from_secs(600);

/// A component's code in memory, as long as somebody holds it.
pub(super) struct LoadedComponent {
    pub(super) digest: ComponentDigest,
    pub(super) component: Component,
    /// Core modules that the component imports because they were compiled apart from it.
    pub(super) modules: Vec<ApartModule>,
    touched: Mutex<Instant>,
    /// Where it is listed.
    list: Weak<LoadedComponents>,
}

/// A core module that was compiled apart from its component.
pub(super) struct ApartModule {
    /// The name under which the component imports it.
    pub(super) import: String,
    pub(super) module: Module,
    /// While this is held, the module is compiled once for all components that have it.
    pub(super) _holder: Arc<LoadedComponent>,
}

/// Code, as it was loaded.
pub(super) struct Code {
    pub(super) component: Component,
    pub(super) modules: Vec<ApartModule>,
}

impl From<Component> for Code {
    fn from(component: Component) -> Self {
        Self { component, modules: Vec::new() }
    }
}

/// One component of an engine.
#[derive(Default)]
struct Slot {
    /// Locked for as long as one thread loads the component. Others that want the same wait here.
    component: Mutex<Weak<LoadedComponent>>,
}

/// The loaded components of an engine.
#[derive(Default)]
pub(super) struct LoadedComponents {
    slots: Mutex<HashMap<ComponentDigest, Arc<Slot>>>,
}

/// Where the component was.
pub(super) enum Found<T> {
    Here(Arc<LoadedComponent>),
    Loaded(Arc<LoadedComponent>, T),
}

impl LoadedComponents {
    /// The component, which `load` provides if nobody holds it. At most one thread loads a component at a time.
    pub(super) fn get_or_load<C: Into<Code>, T, E>(
        self: &Arc<Self>,
        digest: ComponentDigest,
        load: impl FnOnce() -> Result<(C, T), E>,
    ) -> Result<Found<T>, E> {
        let slot = Arc::clone(self.lock().entry(digest).or_default());
        let mut shared = slot.lock();
        if let Some(component) = shared.upgrade() {
            return Ok(Found::Here(component));
        }
        match load() {
            Ok((code, extra)) => {
                let Code { component, modules } = code.into();
                let (touched, list) = (Mutex::new(Instant::now()), Arc::downgrade(self));
                let component = Arc::new(LoadedComponent { digest, component, modules, touched, list });
                *shared = Arc::downgrade(&component);
                Ok(Found::Loaded(component, extra))
            }
            Err(err) => {
                drop(shared);
                drop(slot);
                self.forget(digest);
                Err(err)
            }
        }
    }

    /// Whether somebody holds the component, or loads it.
    pub(super) fn contains(&self, digest: &ComponentDigest) -> bool {
        self.lock().contains_key(digest)
    }

    /// Unlists the component if nobody holds it and nobody is about to.
    fn forget(&self, digest: ComponentDigest) {
        let mut slots = self.lock();
        // A slot is taken only under the lock of the list: if the list holds the only share, nobody is loading.
        let unused = slots.get_mut(&digest).and_then(Arc::get_mut).is_some_and(|slot| slot.lock().strong_count() == 0);
        if unused {
            slots.remove(&digest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ComponentDigest, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// A compiler that panicked leaves the slot as it was: empty.
    fn lock(&self) -> MutexGuard<'_, Weak<LoadedComponent>> {
        self.component.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoadedComponent {
    /// Whether its use is to be noted on disk again; says so once in an interval.
    pub(super) fn is_due_for_touch(&self) -> bool {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let due = touched.elapsed() >= TOUCH_INTERVAL;
        if due {
            *touched = Instant::now();
        }
        due
    }
}

impl Drop for LoadedComponent {
    fn drop(&mut self) {
        if let Some(list) = self.list.upgrade() {
            list.forget(self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn component() -> Component {
        Component::new(&wasmtime::Engine::default(), b"\0asm\x0d\0\x01\0").unwrap()
    }

    fn digest() -> ComponentDigest {
        ComponentDigest::of(b"component")
    }

    #[test]
    fn what_several_threads_want_at_once_is_loaded_once() {
        let list = Arc::new(LoadedComponents::default());
        let loads = AtomicUsize::new(0);
        let start = std::sync::Barrier::new(8);
        let load = || {
            start.wait();
            let load = || {
                loads.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>((component(), ()))
            };
            match list.get_or_load(digest(), load).unwrap() {
                Found::Here(component) | Found::Loaded(component, ()) => component,
            }
        };
        let held: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(loads.into_inner(), 1);
        assert!(held.iter().all(|component| Arc::ptr_eq(component, &held[0])));
    }

    #[test]
    fn what_nobody_holds_is_not_listed() {
        let list = Arc::new(LoadedComponents::default());
        let held = list.get_or_load(digest(), || Ok::<_, Infallible>((component(), ()))).map_err(drop);
        assert_eq!(list.lock().len(), 1);
        drop(held);
        assert_eq!(list.lock().len(), 0);
        assert!(list.get_or_load(digest(), || Err::<(Component, ()), _>("broken")).is_err());
        assert_eq!(list.lock().len(), 0);
    }

    #[test]
    fn a_load_that_panics_does_not_block_the_next() {
        let list = Arc::new(LoadedComponents::default());
        let load = || list.get_or_load(digest(), || -> Result<(Component, ()), Infallible> { panic!("compiler bug") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)).is_err());
        assert!(matches!(
            list.get_or_load(digest(), || Ok::<_, Infallible>((component(), ()))),
            Ok(Found::Loaded(_, ()))
        ));
    }
}
