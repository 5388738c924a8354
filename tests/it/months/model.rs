//! What must be true according to the manuals: none of our code for payments is used here.
//!
//! It has its own tables: which state can follow, which is final, which is a decline; and it decides what a
//! daemon must, may, or cannot know at any moment, given what an observer on the wire saw.

use std::collections::BTreeSet;
use std::time::Duration;

/// An object's life as it was planned.
#[derive(Debug, Clone)]
pub struct Life {
    pub account: String,
    /// Its kind in the daemon's words: `charge`, `refund`, `authorization`, `capture`.
    pub kind: &'static str,
    pub id: String,
    pub amount: String,
    pub currency: String,
    pub reference: String,
    /// The provider refuses every request about it.
    pub is_refused: bool,
    /// The amount that its capture moves, if that is not the requested one.
    pub captured: Option<String>,
    /// State and reason from each moment on, the first from its creation.
    pub course: Vec<(Duration, String, Option<String>)>,
    /// Known only as the child of this object (an index into the lives).
    pub parent: Option<usize>,
    pub visible_from: Duration,
}

impl Life {
    /// State and reason at a moment.
    pub fn at(&self, moment: Duration) -> (&str, Option<&str>) {
        let now = self.course.iter().rev().find(|(from, _, _)| *from <= moment).unwrap_or(&self.course[0]);
        (&now.1, now.2.as_deref())
    }

    /// Whether it ends with another amount than the requested one: a person must check.
    pub fn is_odd(&self) -> bool {
        self.captured.is_some() && self.last_state() == "Captured"
    }

    /// Whether it ends in a state that has reasons, without one.
    pub fn ends_unexplained(&self) -> bool {
        let (_, state, reason) = self.course.last().expect("a life has a first state");
        reason.is_none() && matches!(state.as_str(), "Canceled" | "Closed" | "Declined")
    }

    /// The amount that a report must book for one of its states.
    pub fn booked(&self, state: &str) -> &str {
        self.captured.as_deref().filter(|_| state == "Captured").unwrap_or(&self.amount)
    }

    /// When its last state begins.
    pub fn settled_from(&self) -> Duration {
        self.course.last().map_or(Duration::ZERO, |(from, _, _)| *from).max(self.visible_from)
    }

    pub fn last_state(&self) -> &str {
        &self.course.last().expect("a life has a first state").1
    }

    pub fn may_be(&self, state: &str) -> bool {
        self.course.iter().any(|(_, known, _)| known == state)
    }
}

/// v2 and MWS together: no word means two things for the same kind.
pub fn is_final(kind: &str, state: &str) -> bool {
    match kind {
        "charge" => matches!(state, "Captured" | "Declined" | "Canceled"),
        "refund" => matches!(state, "Refunded" | "Completed" | "Declined"),
        "authorization" => matches!(state, "Declined" | "Closed"),
        "capture" => matches!(state, "Declined" | "Completed" | "Closed"),
        _ => unreachable!("{kind} is never planned"),
    }
}

pub fn is_decline(state: &str) -> bool {
    state == "Declined"
}

/// Whether only the merchant can move it on.
pub fn is_resting(state: &str) -> bool {
    matches!(state, "Authorized" | "Open")
}

/// Everything that can follow according to the manuals, in any number of steps.
const FOLLOWS: &[(&str, &str, &[&str])] = &[
    (
        "charge",
        "AuthorizationInitiated",
        &["Authorized", "CaptureInitiated", "Captured", "Declined", "Canceled"],
    ),
    ("charge", "Authorized", &["CaptureInitiated", "Captured", "Declined", "Canceled"]),
    ("charge", "CaptureInitiated", &["Captured", "Declined"]),
    ("refund", "RefundInitiated", &["Refunded", "Declined"]),
    ("refund", "Pending", &["Completed", "Declined"]),
    ("authorization", "Pending", &["Open", "Declined", "Closed"]),
    ("authorization", "Open", &["Closed"]),
    ("capture", "Pending", &["Completed", "Declined", "Closed"]),
    ("capture", "Completed", &["Closed"]),
];

pub fn may_follow(kind: &str, from: &str, to: &str) -> bool {
    from == to || FOLLOWS.iter().any(|(of, known, next)| *of == kind && *known == from && next.contains(&to))
}

/// The states that a daemon may store, given the answers it received; `None`: never observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beliefs(pub BTreeSet<Option<String>>);

impl Default for Beliefs {
    fn default() -> Beliefs {
        Beliefs(BTreeSet::from([None]))
    }
}

impl Beliefs {
    /// A good answer arrived. `is_certain`: it was stored, because no crash was near.
    pub fn see(&mut self, kind: &str, state: &str, is_certain: bool) {
        let accept = |belief: &Option<String>| match belief {
            Some(from) if !may_follow(kind, from, state) => belief.clone(),
            _ => Some(state.to_owned()),
        };
        let seen: BTreeSet<Option<String>> = self.0.iter().map(accept).collect();
        if is_certain {
            self.0 = seen;
        } else {
            self.0.extend(seen);
        }
    }

    /// The only state that it can have stored.
    pub fn certain(&self) -> Option<&str> {
        match self.0.len() {
            1 => self.0.first().and_then(|belief| belief.as_deref()),
            _ => None,
        }
    }

    pub fn may_be(&self, state: Option<&str>) -> bool {
        self.0.iter().any(|belief| belief.as_deref() == state)
    }
}
