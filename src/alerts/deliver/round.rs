//! The result of a round of deliveries.
//!
//! Owns: the numbers. Must never know: how anything is delivered.

use jiff::Timestamp;

/// The result of one round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Alerts that were delivered.
    pub delivered: u64,
    /// Digests among the delivered messages.
    pub digests: u64,
    /// Alerts that will be retried.
    pub retried: u64,
    /// Alerts given up.
    pub dead: u64,
    /// More alerts are due now: start the next round at once.
    pub is_unfinished: bool,
    /// When the next delivery is due; none if nothing is pending.
    pub next_at: Option<Timestamp>,
}

impl Round {
    /// Adds the counts of another round.
    pub(super) fn count(&mut self, other: &Round) {
        self.delivered += other.delivered;
        self.digests += other.digests;
        self.retried += other.retried;
        self.dead += other.dead;
        self.is_unfinished |= other.is_unfinished;
    }
}
