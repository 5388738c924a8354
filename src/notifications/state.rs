//! What is stored of the channel of one account.
//!
//! Owns: its counts, topics, the subscription, what waits in the second lane. Must never know: how a notification is
//! verified.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::unverified::Lane;
use crate::documents::Document;
use crate::payments::object::{AccountName, ObjectRef};
use crate::time::later;

/// The most unknown objects that are shown, and the most topics in each list.
const MOST_SHOWN: usize = 20;

/// The most topics of one AWS account in each list, so that one sender cannot fill it.
const MOST_OF_ONE: usize = 5;

/// A topic that nobody trusts and that sends nothing for this long is not shown any more.
const OFFERED_FOR: Duration = Duration::from_secs(7 * 86_400);

/// How long a confirmation can be given.
const PENDING_FOR: Duration = Duration::from_secs(3 * 86_400);

/// How many notifications were received, since the store exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Offered {
    /// Its name in full.
    pub topic: String,
    /// When its last message came.
    pub at: Timestamp,
    /// How many came.
    #[serde(default)]
    pub messages: u64,
}

impl Offered {
    /// The number of the AWS account that the topic belongs to.
    pub fn owner(&self) -> &str {
        owner(&self.topic)
    }
}

/// The number of the AWS account in the full name of a topic.
fn owner(topic: &str) -> &str {
    topic.split(':').nth(4).unwrap_or_default()
}

/// Whether a list of topics has room for one more.
fn has_room<'a>(listed: impl Iterator<Item = &'a str>, topic: &str) -> bool {
    let (mut all, mut of_owner) = (0, 0);
    for listed in listed {
        all += 1;
        of_owner += usize::from(owner(listed) == owner(topic));
    }
    all < MOST_SHOWN && of_owner < MOST_OF_ONE
}

/// A topic that asks for a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Its name in full.
    pub(super) topic: String,
    /// Visiting it confirms.
    pub(super) url: String,
    /// When it asked, by its own clock.
    pub(super) at: Timestamp,
    /// How often it asked.
    #[serde(default)]
    pub(super) messages: u64,
}

impl Pending {
    /// The part that people may see.
    pub(super) fn shown(&self) -> Offered {
        Offered { topic: self.topic.clone(), at: self.at, messages: self.messages }
    }
}

/// What a request for a confirmation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Its topic did not ask before.
    New,
    /// Its topic asks already.
    Again,
    /// There is no room for another topic that nobody trusts.
    Full,
}

/// An object that nobody watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// When the newest message of a trusted topic was sent.
    #[serde(default)]
    pub(super) last_sent_at: Option<Timestamp>,
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
            last_sent_at: None,
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

    /// Notes a topic that could be trusted. The oldest are kept: later ones cannot push them out.
    pub(super) fn offer(&mut self, topic: &str, at: Timestamp) {
        if let Some(known) = self.offered.iter_mut().find(|offered| offered.topic == topic) {
            (known.at, known.messages) = (at, known.messages + 1);
            return;
        }
        self.offered.retain(|offered| later(offered.at, OFFERED_FOR) > at);
        if has_room(self.offered.iter().map(|offered| offered.topic.as_str()), topic) {
            self.offered.push(Offered { topic: topic.to_owned(), at, messages: 1 });
        }
    }

    /// Notes that a topic asks for a confirmation; `sent_at` is when it asked. A newer request replaces an older one of
    /// its topic. The oldest topics are kept, and a trusted one always.
    pub(super) fn asks(&mut self, topic: &str, url: &str, sent_at: Timestamp, now: Timestamp) -> Asked {
        if let Some(known) = self.pending.iter_mut().find(|pending| pending.topic == topic) {
            known.messages += 1;
            if known.at < sent_at {
                (known.url, known.at) = (url.to_owned(), sent_at);
            }
            return Asked::Again;
        }
        let is_trusted = |topic: &str| self.topics.iter().any(|trusted| trusted == topic);
        if is_trusted(topic) && self.confirmed_at >= Some(sent_at) {
            return Asked::Again;
        }
        self.pending.retain(|pending| is_trusted(&pending.topic) || later(pending.at, PENDING_FOR) > now);
        let untrusted = self.pending.iter().map(|pending| pending.topic.as_str());
        if !is_trusted(topic) && !has_room(untrusted.filter(|topic| !is_trusted(topic)), topic) {
            return Asked::Full;
        }
        self.pending.push(Pending { topic: topic.to_owned(), url: url.to_owned(), at: sent_at, messages: 1 });
        Asked::New
    }

    /// A verified message of the trusted topic, sent at this time. If the subscription ended before, it has begun again.
    pub(super) fn sent(&mut self, sent_at: Timestamp) {
        self.last_sent_at = self.last_sent_at.max(Some(sent_at));
        self.unsubscribed_at = self.unsubscribed_at.filter(|ended_at| *ended_at >= sent_at);
    }

    /// The trusted topic says that the subscription has ended. True if that is news: nothing was confirmed or sent since.
    pub(super) fn ends(&mut self, sent_at: Timestamp) -> bool {
        if self.unsubscribed_at.max(self.confirmed_at).max(self.last_sent_at) >= Some(sent_at) {
            return false;
        }
        self.confirmed_at = None;
        self.unsubscribed_at.replace(sent_at).is_none()
    }

    /// Notes an object that nobody watches. The newest are kept.
    pub(super) fn unknown(&mut self, object: &ObjectRef, at: Timestamp) {
        self.counts.unknown_objects += 1;
        self.unknown.retain(|known| known.object != *object);
        self.unknown.insert(0, Unknown { object: object.clone(), at });
        self.unknown.truncate(MOST_SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new("shop".parse().unwrap())
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 3600 * hours).unwrap()
    }

    fn topic(owner: usize, number: usize) -> String {
        format!("arn:aws:sns:eu-west-1:{owner:012}:topic-{number}")
    }

    #[test]
    fn topics_of_others_push_none_out_and_one_sender_cannot_fill_a_list() {
        let mut state = state();
        let first = topic(1, 0);
        state.offer(&first, at(0));
        assert_eq!(state.asks(&first, "first", at(0), at(0)), Asked::New);
        for number in 0..100 {
            state.offer(&topic(2, number), at(1));
            state.asks(&topic(2, number), "x", at(1), at(1));
        }
        assert_eq!((state.offered.len(), state.pending.len()), (6, 6));
        for owner in 3..100 {
            state.offer(&topic(owner, 0), at(2));
            state.asks(&topic(owner, 0), "x", at(2), at(2));
        }
        assert_eq!((state.offered.len(), state.pending.len()), (MOST_SHOWN, MOST_SHOWN));
        state.offer(&first, at(3));
        let Offered { topic: shown, messages, at: last } = &state.offered[0];
        assert_eq!((shown, *messages, *last, state.offered[0].owner()), (&first, 2, at(3), "000000000001"));
        // A trusted topic always has room, and what sends nothing for long makes room.
        let trusted = topic(2, 200);
        assert_eq!(state.asks(&trusted, "x", at(4), at(4)), Asked::Full);
        state.topics.push(trusted.clone());
        assert_eq!(state.asks(&trusted, "x", at(4), at(4)), Asked::New);
        state.offer(&topic(200, 0), at(24 * 8));
        assert_eq!(state.offered.len(), 1, "{:?}", state.offered);
        assert_eq!(state.asks(&topic(200, 0), "x", at(24 * 8), at(24 * 8)), Asked::New);
        assert_eq!(state.pending.len(), 2, "{:?}", state.pending);
    }

    #[test]
    fn only_a_newer_request_replaces_the_one_of_its_topic() {
        let (mut state, topic) = (state(), topic(1, 0));
        assert_eq!(state.asks(&topic, "b", at(2), at(3)), Asked::New);
        assert_eq!(state.asks(&topic, "a", at(1), at(3)), Asked::Again);
        assert_eq!(state.pending[0].url, "b");
        assert_eq!(state.asks(&topic, "c", at(3), at(3)), Asked::Again);
        assert_eq!((state.pending[0].url.as_str(), state.pending[0].messages), ("c", 3));
        // Once confirmed, an old request is no news.
        (state.topics, state.pending, state.confirmed_at) = (vec![topic.clone()], Vec::new(), Some(at(4)));
        assert_eq!((state.asks(&topic, "b", at(2), at(5)), state.pending.len()), (Asked::Again, 0));
        assert_eq!(state.asks(&topic, "d", at(5), at(5)), Asked::New);
    }

    #[test]
    fn an_end_that_is_older_than_a_confirmation_or_a_message_is_no_news() {
        let mut state = state();
        state.confirmed_at = Some(at(2));
        assert!(!state.ends(at(1)));
        state.sent(at(5));
        assert!(!state.ends(at(4)) && state.confirmed_at.is_some());
        assert!(state.ends(at(6)) && !state.ends(at(6)) && !state.ends(at(7)));
        assert_eq!((state.confirmed_at, state.unsubscribed_at), (None, Some(at(7))));
        state.sent(at(6));
        assert!(state.unsubscribed_at.is_some(), "it was sent before the end and came late");
        state.sent(at(8));
        assert_eq!(state.unsubscribed_at, None);
    }
}
