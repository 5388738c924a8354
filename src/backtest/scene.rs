//! What passes between the engine and the policies.
//!
//! Owns: the values and the trait of a policy at work. Must never know: how events are ordered, how a policy decides.

use std::time::Duration;

use jiff::Timestamp;

use super::course::Course;
use super::past::Past;
use crate::apis::pace::Quota;

/// One object, with times since the beginning.
pub(super) struct PastObject<'a> {
    pub(super) past: &'a Past,
    pub(super) course: Course,
    /// The index of its operation.
    pub(super) operation: usize,
    pub(super) created: Duration,
    pub(super) known: Duration,
    pub(super) ended: Option<Duration>,
}

impl PastObject<'_> {
    /// Whether money goes back to the buyer.
    pub(super) fn is_refund(&self) -> bool {
        self.past.object.kind.as_str() == "refund"
    }
}

/// What every policy may know about a workload.
pub(super) struct Scene<'a> {
    pub(super) objects: Vec<PastObject<'a>>,
    /// Operations: name and quota.
    pub(super) operations: Vec<(&'static str, Quota)>,
    /// The index of the operation that reads what a charge belongs to.
    pub(super) permission: usize,
    pub(super) beginning: Timestamp,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ask {
    /// The object.
    pub(super) who: usize,
    /// The operation.
    pub(super) operation: usize,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    /// Too many requests.
    Throttled,
    /// No readable answer.
    Unanswered,
    /// The object has not ended.
    Open,
    /// The object has ended.
    Ended,
}

/// A policy at work.
pub(super) trait Client {
    /// An object becomes known.
    fn learn(&mut self, who: usize, now: Duration);
    /// Adds the requests to send now; returns when to call it next if nothing happens before.
    fn turn(&mut self, now: Duration, send: &mut Vec<Ask>) -> Option<Duration>;
    /// An answer arrived.
    fn hear(&mut self, ask: Ask, heard: Heard, now: Duration);
}
