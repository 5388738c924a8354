//! What a round of deliveries came to.
//!
//! Owns: the numbers. Must never know: how anything is delivered.

use jiff::Timestamp;

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Alerts that arrived.
    pub delivered: u64,
    /// Messages among them that told several alerts at once.
    pub digests: u64,
    /// Alerts to be tried again.
    pub retried: u64,
    /// Alerts given up.
    pub dead: u64,
    /// More is owed now: begin the next round at once.
    pub is_unfinished: bool,
    /// When the next delivery is due; none: nothing is owed.
    pub next_at: Option<Timestamp>,
}

impl Round {
    /// Adds what another did.
    pub(super) fn count(&mut self, other: &Round) {
        self.delivered += other.delivered;
        self.digests += other.digests;
        self.retried += other.retried;
        self.dead += other.dead;
        self.is_unfinished |= other.is_unfinished;
    }

    /// When another must be looked at again.
    pub(super) fn wait_for(&mut self, other: &Round) {
        self.next_at = [self.next_at, other.next_at].into_iter().flatten().min();
    }
}
