//! The channel of one account in memory.
//!
//! Owns: what is known about recent hints and finals, and what of it must be stored. Must never know: the network.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::fusion::{Fusion, Verdict};
use super::seen::Memory;
use super::state::State;
use crate::apis::Account;
use crate::payments::object::{Kind, ObjectRef};
use crate::time::{between, later};

/// How many hinted objects are remembered.
const MOST_HINTED: usize = 10_000;
/// How many final states wait for a late hint.
const MOST_AWAITED: usize = 1_000;
/// How long a hint may come after polling found the final state and still count.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// A hint this long before the poll that did not see the change yet still announces it.
const SLACK: Duration = Duration::from_secs(120);

/// A final state that polling found and no hint has announced yet.
struct Awaited {
    object: ObjectRef,
    found_at: Timestamp,
}

/// When objects were last hinted; the oldest makes room.
#[derive(Default)]
struct Hinted {
    at: HashMap<ObjectRef, Timestamp>,
    order: VecDeque<ObjectRef>,
}

impl Hinted {
    fn insert(&mut self, object: &ObjectRef, now: Timestamp) {
        if self.at.insert(object.clone(), now).is_none() {
            self.order.push_back(object.clone());
            if self.order.len() > MOST_HINTED
                && let Some(oldest) = self.order.pop_front()
            {
                self.at.remove(&oldest);
            }
        }
    }
}

/// What is known about one account's channel.
pub(super) struct Known {
    pub(super) state: State,
    /// The state differs from what is stored.
    pub(super) is_changed: bool,
    pub(super) memory: Memory,
    pub(super) fusion: Fusion,
    pub(super) is_fusion_changed: bool,
    /// Verdicts to report, oldest first.
    pub(super) verdicts: Vec<(Verdict, Timestamp)>,
    /// Final states, and those that were announced, that are not in the tally yet.
    pub(super) booked: (u64, u64),
    /// Objects that were hinted while a poll of them was in flight.
    pub(super) again: Vec<ObjectRef>,
    hinted: Hinted,
    awaited: VecDeque<Awaited>,
    /// From when on hints can have been received.
    since: Timestamp,
}

/// A poll that found something, as far as it matters here.
#[derive(Debug, Clone)]
pub struct Polled<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// When the poll before this one was.
    pub polled_before_at: Option<Timestamp>,
    /// When this one was sent.
    pub sent_at: Timestamp,
    /// It was observed before, and is final since this poll.
    pub became_final: bool,
}

impl Known {
    pub(super) fn new(state: State, memory: Memory, fusion: Fusion, now: Timestamp) -> Known {
        Known {
            state,
            is_changed: false,
            memory,
            fusion,
            is_fusion_changed: false,
            verdicts: Vec::new(),
            booked: (0, 0),
            again: Vec::new(),
            hinted: Hinted::default(),
            awaited: VecDeque::new(),
            since: now,
        }
    }

    /// A verified hint came.
    pub(super) fn hinted(&mut self, object: &ObjectRef, now: Timestamp) {
        self.hinted.insert(object, now);
        self.fusion.hinted(&object.kind, now);
        self.is_fusion_changed = true;
        if let Some(place) = self.awaited.iter().position(|awaited| awaited.object == *object)
            && let Some(awaited) = self.awaited.remove(place)
        {
            // Polling was faster: there is no delay.
            self.found(&awaited.object.kind, Some(awaited.found_at), awaited.found_at);
        }
    }

    /// Polling found something. True if a hint came while the poll was in flight, so that it must be repeated.
    pub(super) fn polled(&mut self, polled: &Polled<'_>, kinds: &[&str], now: Timestamp) -> bool {
        let hinted_at = self.hinted.at.get(polled.object).copied();
        let is_late = !polled.became_final && hinted_at.is_some_and(|hinted_at| hinted_at >= polled.sent_at);
        if !polled.became_final || !kinds.contains(&polled.object.kind.as_str()) {
            return is_late;
        }
        // A change that may have come while nobody listened is no evidence.
        let Some(before) = polled.polled_before_at.filter(|before| *before >= self.since) else {
            return false;
        };
        match hinted_at.filter(|hinted_at| later(*hinted_at, SLACK) >= before) {
            Some(hinted_at) => self.found(&polled.object.kind, Some(hinted_at), now),
            None => {
                let object = polled.object.clone();
                self.awaited.push_back(Awaited { object, found_at: now });
                if self.awaited.len() > MOST_AWAITED {
                    self.not_announced();
                }
            }
        }
        false
    }

    /// Ends the wait for hints that come no more. Returns how long until the next wait ends.
    pub(super) fn end_waits(&mut self, now: Timestamp) -> Option<Duration> {
        loop {
            let found_at = self.awaited.front()?.found_at;
            let left = between(now, later(found_at, GRACE));
            // A longer wait was begun by a clock that was ahead.
            if left > Duration::ZERO && left <= GRACE {
                return Some(left);
            }
            self.not_announced();
        }
    }

    /// Whether people were informed that the channel is silent; from now on whether they are by this verdict.
    pub(super) fn silence_was_reported(&mut self, verdict: Verdict) -> bool {
        self.is_changed = true;
        std::mem::replace(&mut self.state.is_silence_reported, verdict == Verdict::Silent)
    }

    fn not_announced(&mut self) {
        if let Some(awaited) = self.awaited.pop_front() {
            self.found(&awaited.object.kind, None, awaited.found_at);
        }
    }

    fn found(&mut self, kind: &Kind, hinted_at: Option<Timestamp>, found_at: Timestamp) {
        self.is_fusion_changed = true;
        // Before the first verified notification nothing can be expected.
        if self.state.counts.last_verified_at.is_none() {
            return;
        }
        self.booked.0 += 1;
        self.booked.1 += u64::from(hinted_at.is_some());
        if let Some(verdict) = self.fusion.found(kind, hinted_at, found_at) {
            self.verdicts.push((verdict, found_at));
        }
    }
}

/// One account and its channel.
pub(super) struct Channel {
    account: Mutex<Arc<Account>>,
    known: Mutex<Known>,
}

impl Channel {
    pub(super) fn new(account: Arc<Account>, known: Known) -> Channel {
        Channel { account: Mutex::new(account), known: Mutex::new(known) }
    }

    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The account as a reload has made it.
    pub(super) fn set_account(&self, account: Arc<Account>) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
