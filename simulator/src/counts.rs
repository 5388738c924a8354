//! What the simulator counted: the server's side of the story.
//!
//! Owns: the counters. Must never know: what they are compared with.

use std::collections::BTreeMap;

use super::chat::ChatCounts;
use super::fault::FaultKind;
use super::notifications::NotificationCounts;

/// All counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By account name (or the caller's key where no account is known) and operation name.
    pub operations: BTreeMap<(String, String), OperationCounts>,
    /// Requests that no provider or receiver claims, or whose operation is not recognisable.
    pub unrecognised: u64,
    /// The simulated chat's.
    pub chat: ChatCounts,
    /// What happened to notifications, by account name.
    pub notifications: BTreeMap<String, NotificationCounts>,
}

/// The counters of one account's operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that the provider answered: within the quota and not kept from it by a fault.
    pub answered: u64,
    /// Of those, the ones answered with a 2xx status.
    pub succeeded: u64,
    /// Requests over the quota.
    pub throttled: u64,
    /// Requests beyond the quota if every request is charged to it, those that met a fault too: what a
    /// client that keeps to its quota never has.
    pub over_quota: u64,
    /// Faults injected, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
}

impl Counts {
    /// The sum over all operations of one account.
    pub fn of_account(&self, account: &str) -> OperationCounts {
        self.sum(|(name, _)| name == account)
    }

    /// The sum over everything.
    pub fn total(&self) -> OperationCounts {
        self.sum(|_| true)
    }

    fn sum(&self, is_wanted: impl Fn(&(String, String)) -> bool) -> OperationCounts {
        let mut sum = OperationCounts::default();
        for (_, counts) in self.operations.iter().filter(|(key, _)| is_wanted(key)) {
            sum.requests += counts.requests;
            sum.answered += counts.answered;
            sum.succeeded += counts.succeeded;
            sum.throttled += counts.throttled;
            sum.over_quota += counts.over_quota;
            for (kind, count) in &counts.faults {
                *sum.faults.entry(*kind).or_default() += count;
            }
        }
        sum
    }
}

impl OperationCounts {
    /// Faults of all kinds.
    pub fn injected(&self) -> u64 {
        self.faults.values().sum()
    }
}
