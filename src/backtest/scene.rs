//! What passes between the course of events and the policies that live through it.
//!
//! Owns: the values and the trait of a policy at work. Must never know: how events are ordered, how any policy decides.

use std::time::Duration;

use jiff::Timestamp;

use super::course::Course;
use super::past::Past;
use crate::apis::pace::Quota;

/// One object, with times since the beginning.
pub(super) struct Thing<'a> {
    pub(super) past: &'a Past,
    pub(super) course: Course,
    /// The place of its operation.
    pub(super) operation: usize,
    pub(super) created: Duration,
    pub(super) known: Duration,
    pub(super) ended: Option<Duration>,
}

impl Thing<'_> {
    /// Whether it is money going back.
    pub(super) fn is_refund(&self) -> bool {
        self.past.object.kind.as_str() == "refund"
    }
}

/// What all policies are told about a workload.
pub(super) struct Scene<'a> {
    pub(super) things: Vec<Thing<'a>>,
    /// Operations by place: name and quota.
    pub(super) operations: Vec<(&'static str, Quota)>,
    /// The place of the operation that shows what a charge belongs to.
    pub(super) permission: usize,
    pub(super) beginning: Timestamp,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ask {
    /// About which object.
    pub(super) who: usize,
    /// By which operation.
    pub(super) operation: usize,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    /// Too many requests.
    Throttled,
    /// Nothing that could be read.
    Unanswered,
    /// It has not come to its end.
    Open,
    /// It has.
    Ended,
}

/// A policy at work.
pub(super) trait Client {
    /// An object is known from now on.
    fn learn(&mut self, who: usize, now: Duration);
    /// Adds what is to be sent now; says when to be called next if nothing happens before.
    fn turn(&mut self, now: Duration, send: &mut Vec<Ask>) -> Option<Duration>;
    /// An answer is back.
    fn hear(&mut self, ask: Ask, heard: Heard, now: Duration);
}
