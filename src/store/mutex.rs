//! The store's locks.
//!
//! Owns: what a panic while a lock is held means. Must never know: what is locked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex even if it is poisoned. Half-done work does no harm: after a panic the store is broken anyway.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
