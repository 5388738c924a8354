//! What is stored of the channel of one account.
//!
//! Owns: its counts, topics, the subscription, what waits in the second lane. Must never know: how a notification is
//! verified.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::unverified::Lane;
use crate::documents::Document;
use crate::payments::object::{AccountName, ObjectRef};

/// The most unknown objects and topics that are shown.
const MOST_SHOWN: usize = 20;

/// The most topics whose request for a confirmation is kept.
const MOST_PENDING: usize = 5;

/// How many notifications were received, since the store exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Verified.
    pub verified: u64,
    /// Not verifiable: no certificate, or a topic that nobody trusts.
    pub unverified: u64,
    /// Those of them by the reason.
    pub unverified_by_reason: BTreeMap<String, u64>,
    /// Refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Received before.
    pub duplicates: u64,
    /// About objects that nobody watches.
    pub unknown_objects: u64,
    /// About objects that are final already.
    pub finished_objects: u64,
    /// Objects that a notification added to the watched ones.
    pub discovered: u64,
    /// Verified, but about nothing that is watched here.
    pub without_object: u64,
    /// Unverified hints that were polled.
    pub unverified_polled: u64,
    /// Not stored, so the provider was asked to send them again.
    pub postponed: u64,
    /// When the last verified one came.
    pub last_verified_at: Option<Timestamp>,
    /// When the last one was refused, and why.
    pub last_refused: Option<(Timestamp, String)>,
}

/// A topic, and when its last message came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its name in full.
    pub topic: String,
    /// When its last message came.
    pub at: Timestamp,
}

/// A topic that asks for a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Its name in full.
    pub(super) topic: String,
    /// Visiting it confirms.
    pub(super) url: String,
    /// When it asked.
    pub(super) at: Timestamp,
}

impl Pending {
    /// The part that people may see.
    pub(super) fn shown(&self) -> Offered {
        Offered { topic: self.topic.clone(), at: self.at }
    }
}

/// An object that nobody watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Which.
    pub object: ObjectRef,
    /// When its last notification came.
    pub at: Timestamp,
}

/// Everything that is stored of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) account: AccountName,
    #[serde(default)]
    pub(super) counts: Counts,
    /// The trusted topics.
    #[serde(default)]
    pub(super) topics: Vec<String>,
    #[serde(default)]
    pub(super) offered: Vec<Offered>,
    #[serde(default)]
    pub(super) pending: Vec<Pending>,
    #[serde(default)]
    pub(super) confirmed_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) unsubscribed_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) unknown: Vec<Unknown>,
    #[serde(default)]
    pub(super) lane: Lane,
}

impl Document for State {
    const TYPE: &'static str = "notification-channel";

    fn name(&self) -> String {
        self.account.to_string()
    }
}

impl State {
    /// Nothing was received yet.
    pub(super) fn new(account: AccountName) -> State {
        State {
            account,
            counts: Counts::default(),
            topics: Vec::new(),
            offered: Vec::new(),
            pending: Vec::new(),
            confirmed_at: None,
            unsubscribed_at: None,
            unknown: Vec::new(),
            lane: Lane::default(),
        }
    }

    /// Counts a refusal.
    pub(super) fn refused(&mut self, reason: &str, now: Timestamp) {
        *self.counts.refused.entry(reason.to_owned()).or_default() += 1;
        self.counts.last_refused = Some((now, reason.to_owned()));
    }

    /// Counts a message that could not be verified.
    pub(super) fn unverified(&mut self, reason: &str) {
        self.counts.unverified += 1;
        *self.counts.unverified_by_reason.entry(reason.to_owned()).or_default() += 1;
    }

    /// Whether a topic is trusted.
    pub(super) fn trusts(&self, topic: &str) -> bool {
        self.topics.iter().any(|trusted| trusted == topic)
    }

    /// Notes a topic that could be trusted. The newest are kept.
    pub(super) fn offer(&mut self, topic: &str, at: Timestamp) {
        self.offered.retain(|offered| offered.topic != topic);
        self.offered.insert(0, Offered { topic: topic.to_owned(), at });
        self.offered.truncate(MOST_SHOWN);
    }

    /// Notes that a topic asks for a confirmation. True if that was not known.
    pub(super) fn asks(&mut self, topic: &str, url: &str, at: Timestamp) -> bool {
        if self.pending.iter().any(|pending| pending.topic == topic && pending.url == url) {
            return false;
        }
        self.pending.retain(|pending| pending.topic != topic);
        self.pending.insert(0, Pending { topic: topic.to_owned(), url: url.to_owned(), at });
        self.pending.truncate(MOST_PENDING);
        true
    }

    /// Notes an object that nobody watches. True if it is new among those that are shown.
    pub(super) fn unknown(&mut self, object: &ObjectRef, at: Timestamp) -> bool {
        self.counts.unknown_objects += 1;
        let before = self.unknown.len();
        self.unknown.retain(|known| known.object != *object);
        let is_new = self.unknown.len() == before;
        self.unknown.insert(0, Unknown { object: object.clone(), at });
        self.unknown.truncate(MOST_SHOWN);
        is_new
    }
}
