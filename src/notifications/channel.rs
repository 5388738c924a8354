//! The channel of one account in memory.
//!
//! Owns: what is known about recent hints and finals, and what of it must be stored. Must never know: the network.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::fusion::Fusion;
use super::seen::Memory;
use super::state::State;
use crate::apis::Account;
use crate::payments::object::{Kind, ObjectRef};
use crate::payments::observation::EndedPoll;
use crate::time::between;

/// How many hinted objects are remembered.
const MOST_HINTED: usize = 10_000;
/// How many final states wait for a late hint.
const MOST_AWAITED: usize = 1_000;
/// How long a hint may come after polling found the final state and still count.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// The provider may show a change this long after it announced it. A poll that is sent sooner and sees nothing new does
/// not use up the hint.
const SLACK: Duration = Duration::from_secs(120);

/// A moment by the wall clock, and by a clock that never jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) elapsed: Duration,
}

/// A final state that polling found and no hint has announced yet.
struct Awaited {
    object: ObjectRef,
    found: Moment,
}

/// The hints that no poll has answered yet; the oldest makes room.
#[derive(Default)]
struct Hinted {
    hints: HashMap<ObjectRef, (u64, Moment)>,
    order: BTreeMap<u64, ObjectRef>,
    next: u64,
}

impl Hinted {
    fn insert(&mut self, object: &ObjectRef, now: Moment) {
        self.remove(object);
        self.hints.insert(object.clone(), (self.next, now));
        self.order.insert(self.next, object.clone());
        self.next += 1;
        if self.order.len() > MOST_HINTED
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.hints.remove(&oldest);
        }
    }

    fn get(&self, object: &ObjectRef) -> Option<Moment> {
        self.hints.get(object).map(|(_, hinted)| *hinted)
    }

    fn remove(&mut self, object: &ObjectRef) {
        if let Some((number, _)) = self.hints.remove(object) {
            self.order.remove(&number);
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
    /// Final states, and those that were announced, that are not in the tally yet.
    pub(super) booked: (u64, u64),
    hinted: Hinted,
    awaited: VecDeque<Awaited>,
    /// From when on hints can have been received, by the clock that never jumps.
    since: Duration,
}

impl Known {
    pub(super) fn new(state: State, memory: Memory, fusion: Fusion, since: Duration) -> Known {
        Known {
            state,
            is_changed: false,
            memory,
            fusion,
            is_fusion_changed: false,
            booked: (0, 0),
            hinted: Hinted::default(),
            awaited: VecDeque::new(),
            since,
        }
    }

    /// A verified hint came. To be called before its object is due, so that no poll can answer it earlier.
    pub(super) fn hinted(&mut self, object: &ObjectRef, now: Moment) {
        self.hinted.insert(object, now);
        self.fusion.hinted(&object.kind, now.at);
        self.is_fusion_changed = true;
        if let Some(place) = self.awaited.iter().position(|awaited| awaited.object == *object)
            && let Some(awaited) = self.awaited.remove(place)
        {
            // Polling was faster: there is no delay.
            self.found(&awaited.object.kind, Some(Duration::ZERO), awaited.found.at);
        }
    }

    /// A poll ended. True if the verdict on a kind changed.
    pub(super) fn polled(&mut self, polled: &EndedPoll<'_>, kinds: &[&str], now: Moment) -> bool {
        let hinted = self.hinted.get(polled.object);
        // A hint is used up by the first poll sent after it that found news, or that was sent late enough to see them.
        let waited = hinted.and_then(|hinted| polled.sent.checked_sub(hinted.elapsed));
        let is_answer = polled.is_seen && waited.is_some_and(|waited| polled.has_moved || waited >= SLACK);
        if is_answer || polled.became_final {
            self.hinted.remove(polled.object);
        }
        if !polled.became_final || !kinds.contains(&polled.object.kind.as_str()) {
            return false;
        }
        // A change that may have come while nobody listened is no evidence.
        let heard_for = now.elapsed.saturating_sub(self.since);
        if polled.seen_before_at.is_none_or(|before| between(before, now.at) > heard_for) {
            return false;
        }
        if let Some(hinted) = hinted {
            let delay = now.elapsed.saturating_sub(hinted.elapsed);
            return self.found(&polled.object.kind, Some(delay), now.at);
        }
        if polled.was_announced {
            // It was announced to another host, or to this one before its start. So there was a hint, but it is not
            // known how late it was.
            return false;
        }
        self.awaited.push_back(Awaited { object: polled.object.clone(), found: now });
        self.awaited.len() > MOST_AWAITED && self.not_announced()
    }

    /// Ends the wait for hints that come no more. Returns how long until the next wait ends.
    pub(super) fn end_waits(&mut self, now: Moment) -> Option<Duration> {
        loop {
            let ends = self.awaited.front()?.found.elapsed + GRACE;
            if ends > now.elapsed {
                return Some(ends - now.elapsed);
            }
            self.not_announced();
        }
    }

    fn not_announced(&mut self) -> bool {
        let Some(awaited) = self.awaited.pop_front() else { return false };
        self.found(&awaited.object.kind, None, awaited.found.at)
    }

    /// A final state was found, this long after its hint if it had one. True if the verdict on its kind changed.
    fn found(&mut self, kind: &Kind, delay: Option<Duration>, found_at: Timestamp) -> bool {
        self.is_fusion_changed = true;
        // Before the first verified notification nothing can be expected.
        if self.state.counts.last_verified_at.is_none() {
            return false;
        }
        self.booked.0 += 1;
        self.booked.1 += u64::from(delay.is_some());
        self.fusion.found(kind, delay, found_at).is_some()
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
