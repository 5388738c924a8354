//! Whether a kind of an account may be polled at all, and whether a failure is an object's own. Pure.
//!
//! Owns: when failures count against the provider instead of an object, how rarely requests are sent then, which
//! objects become due again with its first answer. Must never know: the store, alerts, any provider.
//!
//! Each kind has a circuit. Failures of [`DIFFERENT`] different objects in a row trip it (refusals are counted over
//! all kinds). Then one probe at a time is sent, at growing intervals, each for another object than before. One
//! answer resets the circuit. If an object fails while others are answered, the failure is its own and trips nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::{Kind, ObjectRef};
use crate::time::later;

mod circuit;

use circuit::{Circuit, OUTAGE, Tripped, UNANSWERED_WAITS};

pub use circuit::{Cause, DIFFERENT, FailedRequest, LONGEST_PROBE_WAIT};

/// Who is responsible for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The object: others are answered.
    Object,
    /// The account or the provider, as far as is known.
    Account,
}

/// A change to report or to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The account is refused: no kind has been answered since the first refusal.
    AccountRefused {
        /// When the circuit tripped.
        since: Timestamp,
    },
    /// The account is accepted again.
    AccountAccepted {
        /// Since when it was refused.
        since: Timestamp,
    },
    /// Objects of this kind are refused while other kinds are answered.
    KindRefused {
        /// The kind.
        kind: Kind,
        /// When the circuit tripped.
        since: Timestamp,
    },
    /// A kind that was refused alone is accepted again.
    KindAccepted {
        /// The kind.
        kind: Kind,
        /// Since when it was refused.
        since: Timestamp,
    },
    /// The provider does not answer requests for this kind: only probes are sent.
    Unanswered {
        /// The kind.
        kind: Kind,
        /// When the circuit tripped.
        since: Timestamp,
    },
    /// The provider answers again.
    Answered {
        /// The kind.
        kind: Kind,
        /// Since when it had not answered.
        since: Timestamp,
    },
}

impl Transition {
    /// Whether it ends a refusal.
    pub fn is_acceptance(&self) -> bool {
        matches!(self, Transition::AccountAccepted { .. } | Transition::KindAccepted { .. })
    }
}

/// An object that may be polled.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// Its last request failed.
    pub is_in_trouble: bool,
}

/// The effects of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Changes to report.
    pub transitions: Vec<Transition>,
    /// Objects that failed through no fault of their own, with the time at which each was due. They are due again.
    pub pulled_in: Vec<(ObjectRef, Timestamp)>,
}

/// The part of a breaker that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedSince {
    /// Since when the account has been refused.
    pub account: Option<Timestamp>,
    /// Since when kinds have been refused alone.
    pub kinds: BTreeMap<Kind, Timestamp>,
}

/// The circuits of one account.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    probe_interval: Duration,
    circuits: BTreeMap<Kind, Circuit>,
    account_refused_since: Option<Timestamp>,
    answered_at: Option<Timestamp>,
}

impl CircuitBreaker {
    /// A breaker without failures. `probe_interval` is the first wait between probes of refused credentials; it
    /// doubles up to [`LONGEST_PROBE_WAIT`].
    pub fn new(probe_interval: Duration) -> CircuitBreaker {
        CircuitBreaker {
            probe_interval,
            circuits: BTreeMap::new(),
            account_refused_since: None,
            answered_at: None,
        }
    }

    /// The breaker as the last process left it. Whatever was refused then is probed at once.
    pub fn restored(
        probe_interval: Duration,
        left: &RefusedSince,
        kinds: impl Iterator<Item = Kind>,
    ) -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(probe_interval);
        breaker.account_refused_since = left.account;
        for kind in kinds {
            let alone = left.kinds.get(&kind).copied();
            let Some(since) = alone.or(left.account) else { continue };
            let tripped = Tripped {
                cause: Cause::Refused,
                since,
                wait: probe_interval,
                next_probe_at: since,
                is_reported: alone.is_some(),
            };
            breaker.circuits.insert(kind, Circuit { tripped: Some(tripped), ..Circuit::default() });
        }
        breaker
    }

    /// The part that must survive a restart.
    pub fn refused_since(&self) -> RefusedSince {
        let alone = self.circuits.iter().filter_map(|(kind, circuit)| {
            let tripped = circuit.tripped.as_ref().filter(|tripped| tripped.is_reported)?;
            Some((kind.clone(), tripped.since))
        });
        RefusedSince { account: self.account_refused_since, kinds: alone.collect() }
    }

    /// Whether the account as a whole is refused.
    pub fn is_account_refused(&self) -> bool {
        self.account_refused_since.is_some()
    }

    /// When refused requests are tried again, if not now.
    pub fn next_probe_at(&self, now: Timestamp) -> Option<Timestamp> {
        let tripped = self.circuits.values().filter_map(|circuit| circuit.tripped.as_ref());
        let probes = tripped.filter(|tripped| tripped.cause == Cause::Refused).map(|one| one.next_probe_at);
        probes.filter(|at| *at > now).min()
    }

    /// How many requests for a kind may be in flight at once (`most` while all is well), or when the next probe may
    /// be sent.
    ///
    /// # Errors
    /// The time of the next probe.
    pub fn allowance(&self, kind: &Kind, most: usize, now: Timestamp) -> Result<usize, Timestamp> {
        let circuit = self.circuits.get(kind);
        match circuit.and_then(|circuit| circuit.tripped.as_ref()) {
            Some(tripped) if tripped.is_waiting(now) => Err(tripped.next_probe_at),
            Some(_) => Ok(1),
            None if self.is_cautious(kind) => Ok(1),
            None => Ok(most),
        }
    }

    /// Whether only one request at a time is sent, for an object that [`CircuitBreaker::choose`] picks.
    pub fn is_cautious(&self, kind: &Kind) -> bool {
        let is_doubted = |circuit: &Circuit| circuit.tripped.is_some() || !circuit.refused.is_empty();
        self.account_refused_since.is_some() || self.circuits.get(kind).is_some_and(is_doubted)
    }

    /// Which of the due objects of a kind is polled next: the first that has not failed since the last answer and has
    /// no failures of its own, or else the one whose failure is longest ago.
    pub fn choose<'a>(&self, kind: &Kind, due: impl Iterator<Item = Candidate<'a>>) -> Option<usize> {
        let failed = self.circuits.get(kind).map(|circuit| &circuit.failed);
        let rank = |candidate: &Candidate<'_>| {
            let place = failed.and_then(|failed| failed.iter().position(|(one, _)| one == candidate.object));
            (candidate.is_in_trouble || place.is_some(), place)
        };
        due.enumerate().min_by_key(|(_, candidate)| rank(candidate)).map(|(position, _)| position)
    }

    /// Records that a request failed. Returns who is responsible.
    pub fn failed(&mut self, request: FailedRequest<'_>, now: Timestamp) -> (Blame, Option<Transition>) {
        let kind = &request.object.kind;
        let first_wait = match request.cause {
            Cause::Refused => self.probe_interval,
            Cause::Unanswered => UNANSWERED_WAITS.0,
        };
        let is_account_refused = self.account_refused_since.is_some();
        let circuit = self.circuits.entry(kind.clone()).or_default();
        if circuit.is_own_trouble(&request, now) {
            if let Some(tripped) = circuit.tripped.as_mut() {
                tripped.probed(request.sent_at, now);
            }
            return (Blame::Object, None);
        }
        circuit.remember(&request, now);
        circuit.count(&request, now);
        let counted = self.counted(kind, request.cause);
        let circuit = self.circuits.entry(kind.clone()).or_default();
        if let Some(tripped) = circuit.tripped.as_mut() {
            let is_worse = tripped.cause == Cause::Unanswered && request.cause == Cause::Refused;
            if !(is_worse && counted >= DIFFERENT) {
                let was_probe = tripped.probed(request.sent_at, now);
                let is_news = was_probe
                    && tripped.cause == Cause::Refused
                    && request.cause == Cause::Refused
                    && !tripped.is_reported
                    && !is_account_refused;
                tripped.is_reported |= is_news;
                let since = tripped.since;
                let transition = is_news.then(|| Transition::KindRefused { kind: kind.clone(), since });
                return (Blame::Account, transition);
            }
        }
        let first_failed_at = circuit.first_failed_at;
        if counted < DIFFERENT {
            // Refused again, while another kind is answered with the same credentials.
            let is_own = request.cause == Cause::Refused
                && request.was_in_trouble
                && self.answered_at > first_failed_at;
            return (if is_own { Blame::Object } else { Blame::Account }, None);
        }
        circuit.tripped = Some(Tripped {
            cause: request.cause,
            since: now,
            wait: first_wait,
            next_probe_at: later(now, first_wait),
            is_reported: false,
        });
        (Blame::Account, self.tripped(kind, request.cause, first_failed_at, now))
    }

    /// The number of different objects whose failures count: those of the kind, or of all kinds if they were refused
    /// and none has been answered since.
    fn counted(&self, kind: &Kind, cause: Cause) -> usize {
        let of_kind = self.circuits.get(kind).map_or(0, |circuit| match cause {
            Cause::Refused => circuit.refused.len(),
            Cause::Unanswered => circuit.unanswered.len(),
        });
        let since = self.circuits.values().filter(|circuit| circuit.first_failed_at > self.answered_at);
        let of_account = since.map(|circuit| circuit.refused.len()).sum();
        if cause == Cause::Refused { of_kind.max(of_account) } else { of_kind }
    }

    /// The transition to report for a circuit that has just tripped.
    fn tripped(
        &mut self,
        kind: &Kind,
        cause: Cause,
        first_failed_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Transition> {
        if cause == Cause::Unanswered {
            return Some(Transition::Unanswered { kind: kind.clone(), since: now });
        }
        if self.account_refused_since.is_some() {
            return None;
        }
        // The kind itself has not been answered since, so the answer was for another kind.
        if self.answered_at > first_failed_at {
            let circuit = self.circuits.get_mut(kind)?;
            circuit.tripped.as_mut()?.is_reported = true;
            return Some(Transition::KindRefused { kind: kind.clone(), since: now });
        }
        self.account_refused_since = Some(now);
        Some(Transition::AccountRefused { since: now })
    }

    /// Records that the provider answered a request for an object, whatever the answer was.
    pub fn answered(&mut self, object: &ObjectRef, now: Timestamp) -> Answered {
        self.probe_soon(now);
        self.answered_at = Some(now);
        let mut answered = Answered::default();
        if let Some(since) = self.account_refused_since.take() {
            answered.transitions.push(Transition::AccountAccepted { since });
        }
        let fresh = Circuit { answered_at: Some(now), ..Circuit::default() };
        let Some(circuit) = self.circuits.insert(object.kind.clone(), fresh) else { return answered };
        let kind = object.kind.clone();
        match &circuit.tripped {
            Some(Tripped { cause: Cause::Unanswered, since, .. }) => {
                answered.transitions.push(Transition::Answered { kind, since: *since });
            }
            Some(Tripped { since, is_reported: true, .. }) => {
                answered.transitions.push(Transition::KindAccepted { kind, since: *since });
            }
            _ => {}
        }
        let was_outage = circuit.tripped.is_some()
            || circuit.first_failed_at.is_some_and(|failed_at| later(failed_at, OUTAGE) <= now);
        if was_outage {
            answered.pulled_in = circuit.failed.into_iter().filter(|(one, _)| one != object).collect();
        }
        answered
    }

    /// Records that a request other than a poll was answered with the same credentials: whatever is refused is probed
    /// at once. Returns true when there is something to probe.
    pub fn answered_elsewhere(&mut self, now: Timestamp) -> bool {
        let is_probed = self.probe_soon(now);
        if is_probed {
            self.answered_at = Some(now);
        }
        is_probed
    }

    /// The first answer since a circuit tripped is a reason to probe it now. Later answers are not.
    fn probe_soon(&mut self, now: Timestamp) -> bool {
        let mut is_probed = false;
        for tripped in self.circuits.values_mut().filter_map(|circuit| circuit.tripped.as_mut()) {
            if self.answered_at.is_none_or(|answered_at| answered_at < tripped.since) {
                tripped.next_probe_at = tripped.next_probe_at.min(now);
                is_probed = true;
            }
        }
        is_probed
    }
}

#[cfg(test)]
mod tests;
