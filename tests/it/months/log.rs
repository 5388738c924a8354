//! What an observer on the wire and at the shop recorded, in order.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// The chat room: it recognises no repetition.
pub const ROOM: &str = "chat";
/// The webhook of the back office: it gets each event singly, with a key.
pub const OFFICE: &str = "back-office";
/// The pager, for live accounts only: its incidents have keys.
pub const PAGER: &str = "pager";

/// What an answer says, read without any code of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Status 200 and a whole body.
    Good { is_own_type: bool, has_own_id: bool, state: String, reason: Option<String> },
    /// "Too many", with its Retry-After.
    Throttled { retry_after: Option<Duration> },
    /// "No such object."
    NotFound,
    /// Anything else, or no answer.
    Bad,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The enrolment of these lives (by index) was acknowledged to the shop.
    Acknowledged { lives: Vec<usize> },
    /// A poll left the daemon.
    Asked { id: String, operation: String },
    /// Its answer reached the daemon; the provider created it at `made`.
    Answered { id: String, operation: String, made: Duration, reading: Reading },
    /// A message to the back office, with its key, and whether it was accepted.
    Told { key: String, kind: String, id: String, is_accepted: bool },
    /// A message to the chat room or the pager. The room knows no key.
    Said { target: &'static str, key: String, title: String, text: String, is_accepted: bool },
    /// The silence of this act (an index into the plan's) was acknowledged to its operator.
    Silenced { act: usize, until: Timestamp },
    /// An operator is about to end it.
    Unsilencing { act: usize },
    /// An operator is about to acknowledge all declines.
    Caring,
    /// These alerts were acknowledged.
    Cared { keys: Vec<String> },
    /// The store counts this number of failures in a row for an object (an index of lives).
    Counted { life: usize, failures: u32 },
    /// The daemon is up.
    Started,
    /// The daemon is gone.
    Ended { was_crash: bool },
}

/// An event with its times.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Time since the world began.
    pub at: Duration,
    /// By the time that the daemon uses.
    pub wall: Timestamp,
    pub event: Event,
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>10.3}s {} {:?}", self.at.as_secs_f64(), self.wall, self.event)
    }
}

/// Everything recorded.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Entry>>>);

impl Log {
    pub fn add(&self, at: Duration, wall: Timestamp, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Entry { at, wall, event });
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
