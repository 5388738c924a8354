//! The life of one batch: what to do next, and what follows from what was done. Pure and storable: the process that
//! keeps the state may be killed between any two steps.
//!
//! Owns: the order of the steps, waits, what is concluded from an answer (docs/src/reference/amazon-pay-batch.md,
//! sections 3.2, 4.2, 5 and 7). Must never know: the network, storage, the clock (time is an argument).
//!
//! The one rule for the caller: store `about_to` before the step is taken, and `took` after it. `SubmitFeed` has no
//! idempotency key. So a batch whose state says `Sending` may or may not have been sent, and only a search may follow.

mod outcomes;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::answer::{FeedRow, FeedStatus, Submission};
use crate::time::{earlier, later};

pub use outcomes::took;

/// How far the provider's clock may be from ours: it accepts no request that is more than 15 minutes off.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(16);
/// A request that has not arrived by then never will: the longest deadline that can be configured.
const LATEST_ARRIVAL: SignedDuration = SignedDuration::from_mins(5);
/// When to search after a lost answer, in seconds after the submission: the list may lag behind.
const SEARCHES_S: [i64; 5] = [60, 180, 360, 600, 900];
/// Interval between polls of a feed that is being processed; the quota's restore rate is 45 s.
const FOLLOW_EVERY: SignedDuration = SignedDuration::from_secs(120);
/// After this many polls without its row, the feed is polled less often and somebody is alerted.
const MOST_MISSING: u32 = 5;
/// After this many, about a day, its result is fetched anyway.
const LAST_MISSING: u32 = 100;
/// Interval between attempts while something is wrong.
const SLOWLY: SignedDuration = SignedDuration::from_mins(15);
/// When the result is fetched after `_DONE_`, each in seconds after the one before (section 4.2).
const COLLECT_AFTER_S: [i64; 4] = [120, 300, 600, 900];
/// A result that has not come by then is given up.
pub const LONGEST_COLLECTION: SignedDuration = SignedDuration::from_hours(24);
/// Fetches of a corrupted result that follow at once (section 5.1).
const SPOILT_AT_ONCE: u32 = 3;
/// Interval between two feeds of a seller (section 2.3).
pub const BETWEEN_SUBMISSIONS: SignedDuration = SignedDuration::from_mins(20);

/// No wait is longer, whatever the provider asks for.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(2);
/// How far back to search for a feed whose submission was dated by a clock that was ahead.
const SENT_AT_SOME_TIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The state of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The current phase.
    pub phase: Phase,
    /// How many submissions were begun; each may or may not have left.
    pub sendings: u32,
    /// How many of these the provider certainly did not accept.
    #[serde(default)]
    pub not_taken: u32,
    /// When it was first sent.
    pub first_sent_at: Option<Timestamp>,
    /// When it was last sent.
    pub last_sent_at: Option<Timestamp>,
    /// The operator wants it cancelled.
    pub is_cancel_wanted: bool,
    /// What somebody should know now.
    pub warning: Option<Warning>,
}

/// A phase in the life of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Stored and waiting to be sent, from this time on. It was never sent, certainly not accepted, or not found after
    /// a lost answer.
    Prepared {
        /// Not earlier.
        not_before: Timestamp,
    },
    /// Being sent, or lost: recorded before it was sent.
    Sending {
        /// When the submission began.
        since: Timestamp,
    },
    /// Its answer was lost; the provider's list is searched.
    Searching {
        /// Searches that found nothing.
        searches: usize,
        /// When to search next.
        next_at: Timestamp,
    },
    /// Several feeds could be this one: a person decides. It is never sent again automatically.
    Held {
        /// Their ids.
        candidates: Vec<String>,
    },
    /// The provider has it.
    Following {
        /// Its id there.
        feed_id: String,
        /// When to poll next.
        next_at: Timestamp,
        /// The status at the last poll.
        status: Option<FeedStatus>,
        /// Polls in a row that did not show it.
        missing: u32,
        /// A cancellation was tried; it is not tried again.
        is_cancel_tried: bool,
    },
    /// The provider accepted or refused it; its result is awaited.
    Collecting {
        /// Its id there.
        feed_id: String,
        /// When collecting began.
        since: Timestamp,
        /// When to fetch next.
        next_at: Timestamp,
        /// Fetches so far.
        fetches: usize,
        /// Corrupted ones among them, in a row.
        spoilt: u32,
        /// The provider says that the feed was cancelled.
        is_cancelled: bool,
    },
    /// The feed itself needs no more steps; single requests may still be open.
    Finished {
        /// When.
        at: Timestamp,
        /// How.
        ending: Ending,
    },
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Its result is there; requests without a row must be checked individually.
    Collected,
    /// The provider refused the document. Its requests must be checked individually.
    Rejected,
    /// It was cancelled as requested. Its requests must be checked individually.
    Cancelled,
    /// It was cancelled before any submission can have arrived.
    NeverSent,
    /// The provider did not accept it, and no earlier submission can have arrived: nothing was carried out.
    NotTaken {
        /// Status and code.
        detail: String,
    },
    /// It is not sent any more, but an earlier submission whose answer was lost may have arrived. Every request must be
    /// checked individually.
    InDoubt {
        /// Why it is not sent any more.
        detail: String,
    },
    /// No result came. Every request must be checked individually.
    NoResult,
}

impl Ending {
    /// Whether requests may have been carried out without an answer that says so.
    pub fn leaves_doubt(&self) -> bool {
        !matches!(self, Ending::NeverSent | Ending::NotTaken { .. })
    }
}

/// What somebody should know about a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Warning {
    /// The answer to its submission was lost; the provider's list is searched.
    Lost,
    /// It was not found, and will be sent again.
    SentAgain,
    /// Several feeds could be this one: the operator must say which, or that it may be sent again.
    Ambiguous,
    /// The provider holds it because it looks dangerous, and will call.
    HeldForSafety,
    /// The provider's list does not show it.
    NotListed,
    /// A status that is not documented, letter for letter.
    UnknownStatus(String),
    /// It was too late to cancel it.
    NotCancelled,
    /// The result arrives corrupted.
    Spoilt,
    /// The provider refuses the account: status and code. The step is retried until that is fixed.
    AccountRefused(String),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store [`about_to`], then `SubmitFeed`, then [`Outcome::Submitted`].
    Submit,
    /// List all batches submitted since then, every page, then [`Outcome::Listed`].
    Search {
        /// The beginning, by the provider's clock.
        from: Timestamp,
    },
    /// Query the status of this feed (several batches may share a query), then [`Outcome::Seen`].
    Look {
        /// Its id.
        feed_id: String,
    },
    /// Cancel exactly this feed, then [`Outcome::CancelAnswered`].
    Cancel {
        /// Its id.
        feed_id: String,
    },
    /// `GetFeedSubmissionResult`: store the bytes, read them, then [`Outcome::Collected`] or another outcome.
    FetchResult {
        /// The feed's id.
        feed_id: String,
    },
    /// Wait until this time.
    WaitUntil(Timestamp),
    /// Wait for a person's decision.
    AskAPerson,
    /// Nothing more to do.
    Nothing,
}

/// The outcome of a step, or an event from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Step::Submit`].
    Submitted(Submission),
    /// Of [`Step::Search`]: all rows, except those that are known to be other batches of ours.
    Listed(Vec<FeedRow>),
    /// Of [`Step::Look`]: the rows of the answer; only the feed's own row counts.
    Seen(Vec<FeedRow>),
    /// Of [`Step::Cancel`]: the rows of the answer; only the feed's own row counts.
    CancelAnswered(Vec<FeedRow>),
    /// Of a fetch: a file with this many answers. A file without answers that is not a rejection is not the result yet.
    Collected {
        /// Answers to single requests.
        answers: usize,
        /// It says that the document was refused.
        is_rejection: bool,
    },
    /// Of a fetch: not ready yet.
    NotReady,
    /// Of a fetch: corrupted or unreadable.
    Spoilt,
    /// Of a fetch: it will never be available.
    Never,
    /// Of any step but [`Step::Submit`]: it failed, and nothing is known.
    Failed {
        /// How long the provider asks to wait, in seconds.
        retry_after_s: Option<u64>,
    },
    /// Of any step but [`Step::Submit`]: the provider refuses the account or its credentials. Nothing is known, and the
    /// time until that is fixed does not count.
    AccountRefused {
        /// Status and code.
        detail: String,
    },
    /// From a notification: a batch of the account is complete, perhaps this one.
    OneIsComplete,
    /// From the operator: cancel it.
    CancelWanted,
    /// From the operator, in [`Phase::Held`]: this feed is it.
    Adopted {
        /// Its id.
        feed_id: String,
    },
    /// From the operator, in [`Phase::Held`]: it is none of them; send it again.
    MayBeSentAgain,
}

impl State {
    /// A batch that is stored and may be sent from `not_before` on.
    pub fn new(not_before: Timestamp) -> State {
        State {
            phase: Phase::Prepared { not_before },
            sendings: 0,
            not_taken: 0,
            first_sent_at: None,
            last_sent_at: None,
            is_cancel_wanted: false,
            warning: None,
        }
    }

    /// Its id at the provider, once it has one.
    pub fn feed_id(&self) -> Option<&str> {
        match &self.phase {
            Phase::Following { feed_id, .. } | Phase::Collecting { feed_id, .. } => Some(feed_id),
            _ => None,
        }
    }

    /// Submissions that may have arrived. If a feed is followed, one of them is that feed.
    pub fn possible_arrivals(&self) -> u32 {
        self.sendings.saturating_sub(self.not_taken)
    }

    /// Whether the provider may have it more than once. A refusal in its result may then only mean that the same
    /// request was carried out before.
    pub fn may_be_double(&self) -> bool {
        self.possible_arrivals() > 1
    }

    /// Whether another batch of the seller must not be sent now: two submissions whose answers are both lost could not
    /// be told apart.
    pub fn blocks_others(&self) -> bool {
        matches!(self.phase, Phase::Sending { .. } | Phase::Searching { .. } | Phase::Held { .. })
    }

    fn prepared(&mut self, not_before: Timestamp) {
        self.phase = Phase::Prepared { not_before };
    }

    fn following(&mut self, feed_id: String, next_at: Timestamp) {
        self.phase = Phase::Following { feed_id, next_at, status: None, missing: 0, is_cancel_tried: false };
    }

    fn finished(&mut self, at: Timestamp, ending: Ending) {
        self.phase = Phase::Finished { at, ending };
        self.warning = None;
    }
}

/// What to do now.
pub fn next_step(state: &State, now: Timestamp) -> Step {
    // A time that is further ahead than the longest wait was set by a clock that was ahead.
    let at = |time: Timestamp, step: Step| match now < time && time <= later(now, LONGEST_WAIT) {
        true => Step::WaitUntil(time),
        false => step,
    };
    match &state.phase {
        Phase::Prepared { not_before } => at(*not_before, Step::Submit),
        Phase::Sending { since } => at(search_at(*since, 0), search(state, now)),
        Phase::Searching { next_at, .. } => at(*next_at, search(state, now)),
        Phase::Held { .. } => Step::AskAPerson,
        Phase::Following { feed_id, next_at, status, is_cancel_tried, .. } => {
            let can_be_cancelled =
                matches!(status, None | Some(FeedStatus::Submitted | FeedStatus::Unconfirmed));
            if state.is_cancel_wanted && !is_cancel_tried && can_be_cancelled {
                return at(*next_at, Step::Cancel { feed_id: feed_id.clone() });
            }
            at(*next_at, Step::Look { feed_id: feed_id.clone() })
        }
        Phase::Collecting { feed_id, next_at, .. } => {
            at(*next_at, Step::FetchResult { feed_id: feed_id.clone() })
        }
        Phase::Finished { .. } => Step::Nothing,
    }
}

fn search_at(sent_at: Timestamp, searches: usize) -> Timestamp {
    let after_s = SEARCHES_S.get(searches).or(SEARCHES_S.last()).copied().unwrap_or_default();
    later(sent_at, SignedDuration::from_secs(after_s))
}

fn search(state: &State, now: Timestamp) -> Step {
    let first = match state.first_sent_at {
        Some(sent_at) if sent_at > now => later(now, -SENT_AT_SOME_TIME),
        sent_at => sent_at.unwrap_or(Timestamp::MIN),
    };
    Step::Search { from: earlier(first, CLOCKS_APART) }
}

/// The state to store before a step is taken. Only a submission changes it.
#[must_use]
pub fn about_to(mut state: State, step: &Step, now: Timestamp) -> State {
    if *step == Step::Submit {
        state.phase = Phase::Sending { since: now };
        state.sendings = state.sendings.saturating_add(1);
        state.first_sent_at.get_or_insert(now);
        state.last_sent_at = Some(now);
    }
    state
}

#[cfg(test)]
mod tests;
