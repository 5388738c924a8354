//! Locks of the store.
//!
//! Owns: what a panic behind a lock means. Must never know: what is locked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder cannot leave half-done work behind: after a panic the store is broken anyway.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
