//! One target, with what is known about it while the process runs.
//!
//! Owns: that state, and which alert of a subject comes first. Must never know: how anything is sent or stored.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::super::burst::Bursts;
use super::super::condition;
use super::super::config::Channel;
use crate::payments::alert::Alert;
use crate::payments::object::AccountName;
use crate::store::Owed;

/// A target with its state. The lock keeps at most one message in flight.
pub(super) struct Line {
    pub(super) channel: Channel,
    pub(super) state: Mutex<State>,
}

impl Line {
    pub(super) fn new(channel: Channel) -> Line {
        Line { channel, state: Mutex::default() }
    }

    /// The operator's name for the target.
    pub(super) fn name(&self) -> &str {
        &self.channel.name
    }
}

/// Kept in memory only: after a restart, a target starts without a history of failures and bursts.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) health: Health,
    pub(super) bursts: Bursts,
    pub(super) waiting: Waiting,
    /// Whether what waits was read from the store.
    pub(super) is_read: bool,
}

/// Times are the clock's monotonic times.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) sent_at: Option<Duration>,
    pub(super) paused_until: Option<Duration>,
    /// Since when the target has denied access.
    pub(super) denied_since: Option<Duration>,
    pub(super) failures: u32,
    pub(super) failing_since: Option<Timestamp>,
    /// The account and the occasion of the alert which says that it is silent.
    pub(super) told_silent: Option<(AccountName, String)>,
    /// Whether a delivery has succeeded since the start or the last failure.
    pub(super) is_well: bool,
    pub(super) last_error: Option<String>,
}

/// What alerts are about that must arrive in order: one object, or one condition.
pub(super) type Subject = u64;

/// The subject of an alert. Two subjects may get the same number; then one waits for the other without need.
pub(super) fn subject(alert: &Alert) -> Option<Subject> {
    let mut hasher = DefaultHasher::new();
    match (&alert.object, condition::of(alert)) {
        (Some(object), _) => object.hash(&mut hasher),
        (None, Some(condition)) => condition.key.hash(&mut hasher),
        (None, None) => return None,
    }
    Some(hasher.finish())
}

/// Alerts that were tried or postponed, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<Subject, BTreeMap<(u64, u32), Timestamp>>);

impl Waiting {
    /// When an earlier alert about the same subject is due, if one waits.
    pub(super) fn before(&self, owed: &Owed) -> Option<Timestamp> {
        let waiting = self.0.get(&subject(&owed.alert)?)?;
        waiting.range(..owed.order).next_back().map(|(_, at)| *at)
    }

    /// The alert waits until `at`.
    pub(super) fn add(&mut self, subject: Option<Subject>, order: (u64, u32), at: Timestamp) {
        if let Some(subject) = subject {
            self.0.entry(subject).or_default().insert(order, at);
        }
    }

    /// The alert does not wait any more.
    pub(super) fn remove(&mut self, subject: Option<Subject>, order: (u64, u32)) {
        let Some(subject) = subject else { return };
        if let Some(waiting) = self.0.get_mut(&subject) {
            waiting.remove(&order);
            if waiting.is_empty() {
                self.0.remove(&subject);
            }
        }
    }

    /// No alert about the subject that is earlier than `order` waits any more.
    pub(super) fn remove_before(&mut self, subject: Option<Subject>, order: (u64, u32)) {
        if let Some(waiting) = subject.and_then(|subject| self.0.get_mut(&subject)) {
            waiting.retain(|known, _| *known >= order);
        }
    }
}
