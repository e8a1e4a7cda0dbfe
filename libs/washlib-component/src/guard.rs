//! Keeps a panic in somebody else's reader from ending the program.
//!
//! The decoder of WIT trusts that a valid component holds only what tools write, and panics over some that hold anything
//! else. Here such a panic becomes an error, and is not printed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The reader met what it does not expect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the file holds what no known tool writes")]
pub struct UnexpectedError;

/// Runs a reader whose panics are to be errors. What it was working on must not be used afterwards.
///
/// # Errors
///
/// When it panicked.
pub fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, UnexpectedError> {
    quieten();
    let before = IS_GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(before);
    result.map_err(|_| UnexpectedError)
}

/// Wraps the process's hook once: elsewhere a panic is reported as ever.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                report(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guarded(|| 1), Ok(1));
        let nothing: [u32; 0] = [];
        assert_eq!(guarded(|| nothing[nothing.len()]), Err(UnexpectedError));
        assert!(!IS_GUARDED.get());
    }
}
