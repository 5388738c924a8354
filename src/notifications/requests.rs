//! What an operator can see and do: the state of the channels, trust in a topic, a confirmation.
//!
//! Owns: what is shown, and when each request is done. Must never know: commands, sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::fusion::{KindCount, Verdict};
use super::receive::UNTRUSTED_TOPIC;
use super::state::{Counts, Offered, Pending, Unknown};
use super::{Hub, settings::Settings};
use crate::apis::notifications::{Envelope, sns};
use crate::http::{Method, Request};
use crate::payments::object::{AccountName, Kind};
use crate::store::StoreError;

/// The time limit of a confirmation and of a check.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes that are read of an answer: only its status counts.
const LONGEST_ANSWER: usize = 4096;

/// The channel of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChannelView {
    /// The account.
    pub account: AccountName,
    /// Whether notifications are received at all.
    pub is_on: bool,
    /// The address to notify, if `public_url` is configured.
    pub url: Option<String>,
    /// Where that address belongs.
    pub where_to_paste: String,
    /// Whether a topic must be trusted.
    pub needs_topic: bool,
    /// The trusted topics.
    pub topics: Vec<String>,
    /// Topics that sent genuine messages and are not trusted.
    pub offered: Vec<Offered>,
    /// Topics that ask for a confirmation. The address that confirms is not shown: anybody who has it can use it.
    pub pending: Vec<Offered>,
    /// When a subscription was confirmed from here.
    pub confirmed_at: Option<Timestamp>,
    /// When the subscription was ended.
    pub unsubscribed_at: Option<Timestamp>,
    /// What was received.
    pub counts: Counts,
    /// The last objects that nobody watches.
    pub unknown: Vec<Unknown>,
    /// Unverified hints that wait for their poll.
    pub unverified_waiting: u64,
    /// Whether the channel works.
    pub health: Verdict,
    /// Since when.
    pub health_since: Option<Timestamp>,
    /// Final states found and announced, by kind.
    pub kinds: BTreeMap<Kind, KindCount>,
    /// When the last verified hint came.
    pub last_hint_at: Option<Timestamp>,
    /// Half of the final states were found within this time after their hint, in seconds.
    pub delay_p50_below_s: Option<u64>,
    /// 95 % of them were.
    pub delay_p95_below_s: Option<u64>,
}

impl ChannelView {
    /// Why no message could be verified since a topic is trusted, if messages came.
    pub fn unverifiable(&self) -> Option<String> {
        let is_set_up = !self.needs_topic || !self.topics.is_empty();
        let mut reasons = self.counts.unverified_by_reason.clone();
        reasons.remove(UNTRUSTED_TOPIC);
        let is_news = is_set_up && self.counts.last_verified_at.is_none() && !reasons.is_empty();
        is_news.then(|| by_reason(&reasons))
    }
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The account has no notifications.
    #[error("account {0} is not known, or its provider sends no notifications")]
    NoChannel(AccountName),
    /// It is not the name of a topic.
    #[error("it is not the full name of a topic")]
    NoTopic,
    /// The account's notifications do not come through a topic.
    #[error("the notifications of account {0} do not come through a topic")]
    NoTopics(AccountName),
    /// No trusted topic asks for a confirmation.
    #[error("{0}")]
    NothingToConfirm(&'static str),
    /// The confirmation did not succeed.
    #[error("the subscription is not confirmed: {0}")]
    NotConfirmed(String),
}

impl Settings {
    /// The address to notify for an account.
    pub(super) fn url(&self, account: &AccountName) -> Option<String> {
        let base = self.public_url.as_deref()?.trim_end_matches('/');
        Some(format!("{base}/notifications/{account}"))
    }
}

impl Hub {
    /// The channels of all accounts.
    pub fn views(&self) -> Vec<ChannelView> {
        self.all().iter().map(|channel| self.view(channel)).collect()
    }

    pub(super) fn view(&self, channel: &Channel) -> ChannelView {
        let account = channel.account();
        let notifier = account.api.notifications();
        let known = channel.known();
        let (health, health_since) = known.fusion.verdict();
        let below = |percent| known.fusion.delay_below(percent).map(|delay| delay.as_secs());
        ChannelView {
            is_on: self.is_on(),
            url: self.settings.url(&account.name),
            where_to_paste: notifier.map_or("", |notifier| notifier.where_to_paste()).to_owned(),
            needs_topic: notifier.is_some_and(|notifier| notifier.envelope() == Envelope::Sns),
            topics: known.state.topics.clone(),
            offered: known.state.offered.clone(),
            pending: known.state.pending.iter().map(Pending::shown).collect(),
            confirmed_at: known.state.confirmed_at,
            unsubscribed_at: known.state.unsubscribed_at,
            counts: known.state.counts.clone(),
            unknown: known.state.unknown.clone(),
            unverified_waiting: u64::try_from(known.state.lane.len()).unwrap_or_default(),
            health,
            health_since,
            kinds: known.fusion.kinds().clone(),
            last_hint_at: known.fusion.last_hint_at(),
            delay_p50_below_s: below(50),
            delay_p95_below_s: below(95),
            account: account.name.clone(),
        }
    }

    pub(super) fn find(&self, account: &AccountName) -> Result<Arc<Channel>, NotDone> {
        self.channel(account).ok_or_else(|| NotDone::NoChannel(account.clone()))
    }

    /// Trusts a topic, in place of those trusted before; an empty name trusts none.
    ///
    /// # Errors
    /// When it is not a topic, or the account has none.
    pub async fn trust(&self, account: &AccountName, topic: &str) -> Result<ChannelView, NotDone> {
        let channel = self.find(account)?;
        let envelope = channel.account().api.notifications().map(|notifier| notifier.envelope());
        if envelope != Some(Envelope::Sns) {
            return Err(NotDone::NoTopics(account.clone()));
        }
        let topics = match topic.trim() {
            "" => Vec::new(),
            topic => vec![sns::topic(topic).ok_or(NotDone::NoTopic)?],
        };
        {
            let mut known = channel.known();
            known.state.offered.retain(|offered| !topics.contains(&offered.topic));
            known.state.topics = topics;
        }
        self.write_state(&channel).await?;
        Ok(self.view(&channel))
    }

    /// Confirms the subscription of the trusted topic. It counts as confirmed only once the topic has accepted it.
    ///
    /// # Errors
    /// When nothing is to be confirmed, or the topic did not accept it.
    pub async fn confirm(&self, account: &AccountName) -> Result<ChannelView, NotDone> {
        let channel = self.find(account)?;
        let pending = {
            let known = channel.known();
            let is_trusted = |pending: &&Pending| known.state.trusts(&pending.topic);
            match known.state.pending.iter().find(is_trusted) {
                Some(pending) => pending.clone(),
                None if known.state.pending.is_empty() => {
                    return Err(NotDone::NothingToConfirm("no topic asks for a confirmation"));
                }
                None => {
                    let why = "a topic asks for a confirmation, but it is not trusted";
                    return Err(NotDone::NothingToConfirm(why));
                }
            }
        };
        let request = request(Method::Get, &pending.url, Vec::new(), Vec::new());
        match self.transport.send(request).await {
            Ok(response) if response.status == 200 => {}
            Ok(response) => return Err(NotDone::NotConfirmed(format!("HTTP {}", response.status))),
            Err(error) => return Err(NotDone::NotConfirmed(error.to_string())),
        }
        {
            let mut known = channel.known();
            known.state.pending.retain(|known| known.topic != pending.topic);
            known.state.confirmed_at = Some(self.clock.now());
            known.state.unsubscribed_at = None;
        }
        self.write_state(&channel).await?;
        Ok(self.view(&channel))
    }
}

/// A request to a topic, or to the public address.
pub(super) fn request(
    method: Method,
    url: &str,
    mut headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> Request {
    headers.push(("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned()));
    Request {
        method,
        url: url.to_owned(),
        headers,
        body,
        deadline: DEADLINE,
        longest_body: LONGEST_ANSWER,
        is_beginning_enough: true,
    }
}

/// Counts with their reasons, for people.
pub(super) fn by_reason(counts: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = counts.iter().map(|(reason, number)| format!("{reason} {number}")).collect();
    words.join(", ")
}
