//! One feed as it is stored: the state of its submission, and what remains to be done once its result is there.
//!
//! Owns: which step is next among the seller's feeds, how a feed ended. Must never know: the network, the store,
//! files, the clock (time is an argument).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::request::BatchOperation;
use super::steps::{
    self, BETWEEN_SUBMISSIONS, Ending, LONGEST_COLLECTION, Outcome, Phase, State, Step, Warning, about_to,
    next_step, took,
};
use crate::text;
use crate::time::later;

/// Interval between checks of what individual polls have found about requests without a result.
pub const CHECK_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// How long individual polls may take to settle requests without a result. At one a second, 60,000 of them take 17
/// hours.
pub const CHECKS_LAST: SignedDuration = SignedDuration::from_hours(72);
/// How long a feed may be followed before somebody is alerted.
const LONGEST_FOLLOWING: SignedDuration = SignedDuration::from_hours(24);
/// Failures in a row after which somebody is alerted.
const MANY_FAILURES: u32 = 12;

/// One feed, as it is stored. Its document, its result and its rows are stored beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedBatch {
    /// Derived from the content, so that the same rows have the same reference. For a poll, its label and number.
    pub reference: String,
    /// The operation of all its requests.
    pub operation: BatchOperation,
    /// The seller. Feeds of one seller are distinguished by their ids alone, whatever the account is called.
    pub seller_id: String,
    /// Created by polling, not by a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_poll: bool,
    /// `ContentMD5Value` of the document.
    pub document_md5: String,
    /// `SellerRequestId` of the first request; the others follow without a gap.
    pub first_request_id: u64,
    /// How many requests it has.
    pub count: u64,
    /// The state of the submission.
    pub state: State,
    /// Its id at the provider, once it has one.
    #[serde(default)]
    pub feed_id: Option<String>,
    /// MD5 of the result that is stored beside it.
    #[serde(default)]
    pub result_md5: Option<String>,
    /// How many requests about it failed in a row.
    #[serde(default)]
    pub failures: u32,
    /// What remains to be done after the submission.
    pub settling: Settling,
}

/// What remains to be done once the feed itself needs no more steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settling {
    /// The feed is still in progress, or its result has not been matched with its requests.
    Open,
    /// Requests without a result are polled individually.
    Checking {
        /// Only observations from then on count.
        since: Timestamp,
        /// The next check of what was observed.
        next_at: Timestamp,
    },
    /// Every request is settled.
    Settled,
}

/// What to do with a feed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedNext {
    /// Take this step.
    Act(Step),
    /// Match the result with the requests.
    Settle,
    /// Check what individual polls have found.
    Check,
    /// Wait until this time.
    Wait(Timestamp),
    /// Wait until other feeds of the seller have progressed.
    Behind,
    /// Wait for a person's decision.
    Person,
    /// Nothing more to do.
    Ended,
}

impl FeedBatch {
    /// What to do at this time; `others` are all other feeds, of any seller.
    pub fn next<'a>(&self, others: impl Iterator<Item = &'a FeedBatch>, now: Timestamp) -> FeedNext {
        match self.settling {
            Settling::Settled => return FeedNext::Ended,
            // A check further in the future was planned by a clock that was ahead.
            Settling::Checking { next_at, .. } if now < next_at && next_at <= later(now, CHECK_EVERY) => {
                return FeedNext::Wait(next_at);
            }
            Settling::Checking { .. } => return FeedNext::Check,
            Settling::Open => {}
        }
        match next_step(&self.state, now) {
            Step::Nothing => FeedNext::Settle,
            Step::AskAPerson => FeedNext::Person,
            Step::WaitUntil(at) => FeedNext::Wait(at),
            Step::Submit => self.may_leave(others, now),
            step => FeedNext::Act(step),
        }
    }

    /// One submission at a time, with 20 minutes between two (section 2.3).
    fn may_leave<'a>(&self, others: impl Iterator<Item = &'a FeedBatch>, now: Timestamp) -> FeedNext {
        let mut last = None;
        for other in others.filter(|other| other.seller_id == self.seller_id) {
            if other.state.blocks_others() {
                return FeedNext::Behind;
            }
            last = last.max(other.state.last_sent_at);
        }
        let from = last.map(|last| later(last, BETWEEN_SUBMISSIONS));
        match from.filter(|from| now < *from) {
            Some(from) => FeedNext::Wait(from),
            None => FeedNext::Act(Step::Submit),
        }
    }

    /// What must be stored before a step is taken.
    #[must_use]
    pub fn about_to(&self, step: &Step, now: Timestamp) -> FeedBatch {
        FeedBatch { state: about_to(self.state.clone(), step, now), ..self.clone() }
    }

    /// What must be stored after a step or an event from outside.
    #[must_use]
    pub fn took(&self, outcome: Outcome, now: Timestamp) -> FeedBatch {
        let is_failure = matches!(outcome, Outcome::Failed { .. } | Outcome::AccountRefused { .. });
        let outcome = match (&self.state.phase, outcome) {
            // A fetch that keeps failing is given up like one that is never ready.
            (Phase::Collecting { since, .. }, Outcome::Failed { .. })
                if now >= later(*since, LONGEST_COLLECTION) =>
            {
                Outcome::NotReady
            }
            (_, outcome) => outcome,
        };
        let state = took(self.state.clone(), outcome, now);
        let feed_id = state.feed_id().map(str::to_owned).or_else(|| self.feed_id.clone());
        let failures = if is_failure { self.failures.saturating_add(1) } else { 0 };
        FeedBatch { state, feed_id, failures, ..self.clone() }
    }

    /// The ids under which the provider may list it.
    pub fn known_ids(&self) -> impl Iterator<Item = &str> {
        self.feed_id.as_deref().into_iter().chain(self.state.feed_id())
    }

    /// How the feed itself ended.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state.phase {
            Phase::Finished { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// Its stage, in one word.
    pub fn stage(&self) -> &'static str {
        match &self.state.phase {
            Phase::Prepared { .. } => "new",
            Phase::Sending { .. } => "sending",
            Phase::Searching { .. } => "searching",
            Phase::Held { .. } => "held",
            Phase::Following { .. } => "following",
            Phase::Collecting { .. } => "collecting",
            Phase::Finished { ending, .. } => match (self.settling, ending) {
                (Settling::Open, _) => "settling",
                (Settling::Checking { .. }, _) => "checking",
                (Settling::Settled, Ending::Collected) => "finished",
                (Settling::Settled, Ending::Rejected) => "rejected",
                (Settling::Settled, Ending::Cancelled) => "cancelled",
                (Settling::Settled, Ending::NeverSent) => "never-sent",
                (Settling::Settled, Ending::NotTaken { .. }) => "not-taken",
                (Settling::Settled, Ending::InDoubt { .. }) => "in-doubt",
                (Settling::Settled, Ending::NoResult) => "no-result",
            },
        }
    }

    /// When the next step is due, if that is known without the other feeds.
    pub fn next_at(&self) -> Option<Timestamp> {
        match (self.settling, &self.state.phase) {
            (Settling::Settled, _) => None,
            (Settling::Checking { next_at, .. }, _) => Some(next_at),
            (Settling::Open, Phase::Prepared { not_before }) => Some(*not_before),
            (
                Settling::Open,
                Phase::Searching { next_at, .. }
                | Phase::Following { next_at, .. }
                | Phase::Collecting { next_at, .. },
            ) => Some(*next_at),
            (Settling::Open, Phase::Sending { .. } | Phase::Held { .. } | Phase::Finished { .. }) => None,
        }
    }

    /// What somebody should know about it now: a word for the occasion, what is wrong, what to do, and whether it waits
    /// for a person.
    pub fn trouble(&self, now: Timestamp) -> Option<(&'static str, String, &'static str, bool)> {
        if let Phase::Held { candidates } = &self.state.phase {
            let ids = candidates.join(", ");
            let advice = "Find out which feed it is (the back office shows their times and results), then run: \
                          reconciled batch release REFERENCE --adopt FEED_ID. If it is certainly none of them: \
                          --resend. Until then, no other batch of this seller is sent.";
            let what =
                format!("the answer to its submission was lost, and several feeds could be this one: {ids}");
            return Some(("held", what, advice, true));
        }
        if let Some(Warning::AccountRefused(detail)) = &self.state.warning {
            let what = format!("the provider refuses the account: {}", detail);
            let advice = "Fix the key, the secret or the account's permissions. The step is retried every 15 minutes; \
                          nothing is lost.";
            return Some(("account-refused", what, advice, false));
        }
        if self.failures >= MANY_FAILURES {
            let what = format!("{} requests about it failed in a row", self.failures);
            return Some(("failing", what, "See the log; check the credentials and the service.", false));
        }
        match &self.state.phase {
            Phase::Prepared { .. } if self.state.sendings >= MANY_FAILURES => {
                let what = format!("the provider has not accepted it in {} attempts", self.state.sendings);
                return Some(("not-taken-yet", what, "See the log; it is retried automatically.", false));
            }
            Phase::Following { .. }
                if self.state.last_sent_at.is_some_and(|sent| now >= later(sent, LONGEST_FOLLOWING)) =>
            {
                let what = "the provider has been processing it for more than a day".to_owned();
                return Some(("slow", what, "Ask the provider; its status is still polled.", false));
            }
            _ => {}
        }
        let (word, what, advice) = match self.state.warning.as_ref()? {
            Warning::HeldForSafety => (
                "held-for-safety",
                "the provider holds it because it looks dangerous".to_owned(),
                "Its support will call, or call it. Nothing was carried out; the batch is still polled.",
            ),
            Warning::NotListed => (
                "not-listed",
                "the provider's list no longer shows it".to_owned(),
                "Look for the feed in the back office. Do not submit its rows again: the search continues.",
            ),
            Warning::UnknownStatus(status) => (
                "unknown-status",
                format!("its status is {}, which the manual does not list", text::short(status, 60)),
                "Ask the provider what it means; the batch is still polled.",
            ),
            Warning::NotCancelled => (
                "not-cancelled",
                "it was too late to cancel it".to_owned(),
                "Its operations are carried out; their results are collected.",
            ),
            Warning::Spoilt => (
                "spoilt",
                "its result keeps arriving corrupted".to_owned(),
                "Check the network. It is fetched again for a day, then its requests are checked individually.",
            ),
            Warning::Lost | Warning::SentAgain | Warning::Ambiguous | Warning::AccountRefused(_) => {
                return None;
            }
        };
        Some((word, what, advice, false))
    }
}

/// Whether the operator may decide what happened to it.
pub fn is_held(state: &State) -> bool {
    matches!(state.phase, steps::Phase::Held { .. })
}
