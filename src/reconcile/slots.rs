//! How many polls may be in flight in the whole process.
//!
//! Owns: the limit, and that accounts with hanging requests leave slots for the others. Must never know: what a poll
//! is.

use tokio::sync::{Semaphore, SemaphorePermit};

/// The slots of the process. Half of them are for the only poll of an account, so that every other account still gets
/// its turn, however many hanging requests a few accounts have.
pub(super) struct Slots {
    for_only: Semaphore,
    for_more: Semaphore,
    is_single: bool,
}

impl Slots {
    /// A limit of `most` polls, and of at least one.
    pub(super) fn new(most: usize) -> Slots {
        let for_only = most.div_ceil(2).max(1);
        let for_more = most.saturating_sub(for_only);
        Slots {
            for_only: Semaphore::new(for_only),
            for_more: Semaphore::new(for_more),
            is_single: for_more == 0,
        }
    }

    /// Waits for a slot, which is free again when the permit is dropped. None when the process ends.
    pub(super) async fn acquire(&self, is_only: bool) -> Option<SemaphorePermit<'_>> {
        let slots = if is_only || self.is_single { &self.for_only } else { &self.for_more };
        slots.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn the_bound_holds_however_many_accounts_ask_for_their_only_poll() {
        for (most, expected) in [(0, 1), (1, 1), (2, 2), (5, 5), (256, 256)] {
            let slots = Slots::new(most);
            let mut held = Vec::new();
            for number in 0..1000 {
                held.extend(slots.acquire(number % 3 > 0).now_or_never());
            }
            assert_eq!(held.len(), expected, "{most}");
        }
    }

    #[test]
    fn accounts_with_many_polls_leave_places_for_the_only_poll_of_others() {
        let slots = Slots::new(4);
        let held: Vec<_> = (0..10).filter_map(|_| slots.acquire(false).now_or_never()).collect();
        assert_eq!(held.len(), 2);
        assert!(slots.acquire(true).now_or_never().is_some());
    }
}
