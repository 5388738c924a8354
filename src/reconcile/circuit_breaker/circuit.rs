//! One circuit: what has failed in a row, and since when only probes are sent.
//!
//! Owns: which failures count. Must never know: other circuits, what is reported.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::payments::object::ObjectRef;
use crate::time::later;

/// How many different objects must fail in a row to trip a circuit.
pub const DIFFERENT: usize = 3;
/// The longest wait between probes of refused credentials.
pub const LONGEST_PROBE_WAIT: Duration = Duration::from_secs(30 * 60);
/// The waits between probes of a provider that does not answer: the first and the longest.
pub(super) const UNANSWERED_WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// An answer as recent as this shows that the credentials are good when an object that was never observed is refused.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// After a shorter series of failures, nothing needs to be made due again: the objects are due soon anyway.
pub(super) const OUTAGE: Duration = Duration::from_secs(60);
/// How many failed objects a circuit remembers since its last answer.
const REMEMBERED: usize = 512;

/// How a request failed, in a way that can be due to the provider or the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The credentials or the account are refused.
    Refused,
    /// There is no answer, or it cannot be read.
    Unanswered,
}

/// A request that failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedRequest<'a> {
    /// The object of the request.
    pub object: &'a ObjectRef,
    /// How it failed.
    pub cause: Cause,
    /// The object's requests had failed before this one, without an answer since.
    pub was_in_trouble: bool,
    /// The provider has shown the object before.
    pub was_seen: bool,
    /// When the object was due.
    pub due_at: Timestamp,
    /// When the request was sent.
    pub sent_at: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Circuit {
    /// The objects that have failed since the last answer, the latest last, with the time at which each was due.
    pub(super) failed: VecDeque<(ObjectRef, Timestamp)>,
    pub(super) first_failed_at: Option<Timestamp>,
    /// The different objects whose failures count, by cause.
    pub(super) refused: Vec<ObjectRef>,
    pub(super) unanswered: Vec<ObjectRef>,
    /// When a failure was last counted. Failures of requests that were sent before then do not count: a burst counts
    /// once.
    pub(super) counted_at: Option<Timestamp>,
    pub(super) answered_at: Option<Timestamp>,
    pub(super) tripped: Option<Tripped>,
}

#[derive(Debug, Clone)]
pub(super) struct Tripped {
    pub(super) cause: Cause,
    pub(super) since: Timestamp,
    pub(super) wait: Duration,
    pub(super) next_probe_at: Timestamp,
    /// It has been reported that only this kind is refused.
    pub(super) is_reported: bool,
}

impl Circuit {
    /// Whether the failure is the object's own: others have been answered since the object began to fail.
    pub(super) fn is_own_trouble(&self, request: &FailedRequest<'_>, now: Timestamp) -> bool {
        if self.failed.iter().any(|(one, _)| one == request.object) {
            return false;
        }
        let Some(answered_at) = self.answered_at else { return false };
        let is_recent = answered_at <= now && now < later(answered_at, RECENT);
        let may_be_foreign = request.cause == Cause::Refused && !request.was_seen && is_recent;
        request.was_in_trouble || may_be_foreign
    }

    pub(super) fn remember(&mut self, request: &FailedRequest<'_>, now: Timestamp) {
        self.first_failed_at.get_or_insert(now);
        let known = self.failed.iter().position(|(one, _)| one == request.object);
        let due_at = match known.and_then(|place| self.failed.remove(place)) {
            Some((_, due_at)) => due_at,
            None => request.due_at,
        };
        if self.failed.len() == REMEMBERED {
            self.failed.pop_front();
        }
        self.failed.push_back((request.object.clone(), due_at));
    }

    /// Adds the object to those whose failure counts, unless the request belongs to a burst.
    pub(super) fn count(&mut self, request: &FailedRequest<'_>, now: Timestamp) {
        let objects = match request.cause {
            Cause::Refused => &mut self.refused,
            Cause::Unanswered => &mut self.unanswered,
        };
        let is_known = objects.contains(request.object);
        let is_of_the_burst =
            self.counted_at.is_some_and(|counted_at| request.sent_at < counted_at && counted_at <= now);
        if !is_of_the_burst && objects.len() < DIFFERENT && !is_known {
            objects.push(request.object.clone());
            self.counted_at = Some(now);
        }
    }
}

impl Tripped {
    /// Whether the next probe must wait. A wait longer than any possible wait means that the clock was set back.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        now < self.next_probe_at && self.next_probe_at <= later(now, self.wait)
    }

    /// Records that a request failed. Returns true when it was a probe: then the next one waits longer.
    pub(super) fn probed(&mut self, sent_at: Timestamp, now: Timestamp) -> bool {
        if sent_at < self.since && self.since <= now {
            return false;
        }
        let longest = match self.cause {
            Cause::Refused => LONGEST_PROBE_WAIT,
            Cause::Unanswered => UNANSWERED_WAITS.1,
        };
        self.wait = self.wait.saturating_mul(2).min(longest.max(self.wait));
        self.next_probe_at = later(now, self.wait);
        true
    }
}
