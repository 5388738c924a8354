//! Work on several values at once, on all processors.
//!
//! Owns: the threads. Must never know: what is worked on.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The results for all values, in their order.
pub(super) fn in_parallel<T: Sync, R: Send>(values: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..processors.min(values.len()) {
            scope.spawn(|| {
                while let Some((place, value)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    values.get(place).map(|value| (place, value))
                } {
                    let result = work(value);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_their_values() {
        let values: Vec<u64> = (0..1000).collect();
        assert_eq!(
            in_parallel(&values, |value| value * 2),
            (0..1000).map(|value| value * 2).collect::<Vec<_>>()
        );
        assert!(in_parallel(&[0; 0], |value| *value).is_empty());
    }
}
