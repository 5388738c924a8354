//! The life of one batch: what is to be done next, and what follows from what was done. Pure and storable:
//! whoever keeps the state may be killed between any two steps.
//!
//! Owns: the order of the steps, waits, what is concluded from an answer (docs/src/reference/amazon-pay-batch.md,
//! sections 3.2, 4.2, 5 and 7). Must never know: the network, storage, the clock (time is an argument).
//!
//! The one rule for whoever drives it: `about_to` is stored before the step is taken, `took` after it.
//! `SubmitFeed` has no key that would make a repetition safe. So a state that says `Sending` may or may not
//! have been sent, and is only ever followed by a search.

mod outcomes;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::answer::{FeedRow, FeedStatus, Submission};
use crate::time::{earlier, later};

pub use outcomes::took;

/// How far the provider's clock may be from ours: it takes no request beyond 15 minutes.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(16);
/// A request that has not arrived by then never will: the longest deadline, with room.
const LATEST_ARRIVAL: SignedDuration = SignedDuration::from_mins(5);
/// Looks after a lost answer, counted from the sending: the list may lag behind.
const SEARCHES_S: [i64; 5] = [60, 180, 360, 600, 900];
/// Between two looks at a feed that is being taken in; the quota's restore rate is 45 s.
const FOLLOW_EVERY: SignedDuration = SignedDuration::from_secs(120);
/// After so many looks without a row, it is looked for less often and somebody is told.
const MOST_MISSING: u32 = 5;
/// After so many, a day, its result is asked for all the same.
const LAST_MISSING: u32 = 100;
/// Between looks at something strange.
const SLOWLY: SignedDuration = SignedDuration::from_mins(15);
/// When the result is fetched after `_DONE_`, each after the one before (section 4.2).
const COLLECT_AFTER_S: [i64; 4] = [120, 300, 600, 900];
/// A result that has not come by then is given up.
pub const LONGEST_COLLECTION: SignedDuration = SignedDuration::from_hours(24);
/// Fetches of a spoilt result that follow at once (section 5.1).
const SPOILT_AT_ONCE: u32 = 3;
/// Between two feeds of a seller (section 2.3).
pub const BETWEEN_SUBMISSIONS: SignedDuration = SignedDuration::from_mins(20);

/// No wait is longer, whatever the provider asks for.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(2);
/// How far back a feed is looked for whose sending was dated by a clock that was ahead.
const SENT_AT_SOME_TIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Where a batch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What is going on.
    pub phase: Phase,
    /// How often it left for the provider, for all we know.
    pub sendings: u32,
    /// How many of these the provider surely did not take.
    #[serde(default)]
    pub not_taken: u32,
    /// When it first left.
    pub first_sent_at: Option<Timestamp>,
    /// When it last left.
    pub last_sent_at: Option<Timestamp>,
    /// The operator wants it cancelled.
    pub is_cancel_wanted: bool,
    /// What somebody should know now.
    pub warning: Option<Warning>,
}

/// What is going on with a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Stored, never sent or surely not taken; it may leave from this time on.
    Prepared {
        /// Not earlier.
        not_before: Timestamp,
    },
    /// Leaving, or lost: written down before it left.
    Sending {
        /// When.
        since: Timestamp,
    },
    /// Its answer was lost; the provider's list is searched.
    Searching {
        /// Searches that found nothing.
        searches: usize,
        /// The next one.
        next_at: Timestamp,
    },
    /// Several feeds could be it: a person decides. It is never sent again by itself.
    Held {
        /// Their ids.
        candidates: Vec<String>,
    },
    /// The provider has it.
    Following {
        /// Its id there.
        feed_id: String,
        /// The next look.
        next_at: Timestamp,
        /// The status at the last look.
        status: Option<FeedStatus>,
        /// Looks in a row that did not show it.
        missing: u32,
        /// A cancellation was tried and did not work.
        is_cancel_tried: bool,
    },
    /// The provider took it in, or refused it; its result is awaited.
    Collecting {
        /// Its id there.
        feed_id: String,
        /// The report that a notification named.
        report_id: Option<String>,
        /// When collecting began.
        since: Timestamp,
        /// The next fetch.
        next_at: Timestamp,
        /// Fetches so far.
        fetches: usize,
        /// Spoilt ones among them, in a row.
        spoilt: u32,
        /// The provider says that the feed was cancelled.
        is_cancelled: bool,
    },
    /// Nothing is to be done any more with the feed; single requests may still be open.
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
    /// Its result is there; requests without a row must be checked singly.
    Collected,
    /// The provider refused the document. What became of its requests must be checked singly.
    Rejected,
    /// It was cancelled as wanted. What became of its requests must be checked singly.
    Cancelled,
    /// It was cancelled before it ever left.
    NeverSent,
    /// The provider did not take it, and no earlier sending can have arrived: nothing was carried out.
    NotTaken {
        /// Status and code.
        detail: String,
    },
    /// It is not sent any more, and an earlier sending whose answer was lost may have arrived. Everything must be
    /// checked singly.
    InDoubt {
        /// Why it is not sent any more.
        detail: String,
    },
    /// No result came. Everything must be checked singly.
    NoResult,
}

impl Ending {
    /// Whether requests may have been carried out that nothing tells about.
    pub fn leaves_doubt(&self) -> bool {
        !matches!(self, Ending::NeverSent | Ending::NotTaken { .. })
    }
}

/// What somebody should know about a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Warning {
    /// The answer to its submission was lost; it is being searched.
    Lost,
    /// It was not found, and will be sent again.
    SentAgain,
    /// Several feeds could be it: say which one, or that it may be sent again.
    Ambiguous,
    /// The provider holds it because it looks dangerous, and will call.
    HeldForSafety,
    /// The provider's list does not show it.
    NotListed,
    /// A status that nobody knows, letter for letter.
    UnknownStatus(String),
    /// It was too late to cancel it.
    NotCancelled,
    /// The result arrives spoilt.
    Spoilt,
    /// The provider refuses the account: status and code. It is tried again until that is mended.
    AccountRefused(String),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store [`about_to`], then `SubmitFeed`, then [`Outcome::Submitted`].
    Submit,
    /// List all batches submitted since then, every page, then [`Outcome::Listed`].
    Search {
        /// From when on, by the provider's clock.
        from: Timestamp,
    },
    /// Look at this feed (several batches may share a look), then [`Outcome::Seen`].
    Look {
        /// Its id.
        feed_id: String,
    },
    /// Cancel exactly this feed, then [`Outcome::CancelAnswered`].
    Cancel {
        /// Its id.
        feed_id: String,
    },
    /// `GetFeedSubmissionResult`: store the bytes, read them, then [`Outcome::Collected`] or another.
    FetchResult {
        /// The feed's id.
        feed_id: String,
    },
    /// `GetReport` of the report that a notification named; the same outcomes.
    FetchReport {
        /// The report's id.
        report_id: String,
    },
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing until a person decides.
    AskAPerson,
    /// Nothing ever.
    Nothing,
}

/// What came of a step, or from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Step::Submit`].
    Submitted(Submission),
    /// Of [`Step::Search`]: all rows, without those that are known to be other batches of ours.
    Listed(Vec<FeedRow>),
    /// Of [`Step::Look`]: the rows of the answer, of which only the own one counts.
    Seen(Vec<FeedRow>),
    /// Of [`Step::Cancel`]: the rows of the answer, of which only the own one counts.
    CancelAnswered(Vec<FeedRow>),
    /// Of a fetch: a file with so many answers in it. Without any answer and without being a rejection
    /// it is not the result yet.
    Collected {
        /// Answers to single requests.
        answers: usize,
        /// It says that the document was refused.
        is_rejection: bool,
    },
    /// Of a fetch: not there yet.
    NotReady,
    /// Of a fetch: spoilt on the way.
    Spoilt,
    /// Of a fetch: it will never be there.
    Never,
    /// Of any step but [`Step::Submit`]: it failed, nothing is known.
    Failed {
        /// How long the provider asks to wait, seconds.
        retry_after_s: Option<u64>,
    },
    /// Of any step but [`Step::Submit`]: the provider refuses the account or its credentials. Nothing is known, and
    /// the time until that is mended does not count.
    AccountRefused {
        /// Status and code.
        detail: String,
    },
    /// From a notification: the batch is complete, and this report tells about it.
    ReportNamed {
        /// Its id.
        report_id: String,
    },
    /// From the operator: cancel it.
    CancelWanted,
    /// From the operator, when [`Phase::Held`]: this feed is it.
    Adopted {
        /// Its id.
        feed_id: String,
    },
    /// From the operator, when [`Phase::Held`]: none of them is; send it again.
    MayBeSentAgain,
}

impl State {
    /// A batch that is stored and may leave from `not_before` on.
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

    /// Sendings that may have arrived, for all we know. Of a feed that is followed, one of them is the feed.
    pub fn possible_arrivals(&self) -> u32 {
        self.sendings.saturating_sub(self.not_taken)
    }

    /// Whether the provider may have it more than once: a refusal in its result may then only say that the same
    /// was carried out before.
    pub fn may_be_double(&self) -> bool {
        self.possible_arrivals() > 1
    }

    /// Whether another batch of the seller must not leave now: two submissions whose answers are lost
    /// together could not be told apart.
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

/// What is to be done now.
pub fn next_step(state: &State, now: Timestamp) -> Step {
    // What waits for longer than any wait is long was planned by a clock that was ahead.
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
        Phase::Collecting { feed_id, report_id, next_at, .. } => at(
            *next_at,
            match report_id {
                Some(report_id) => Step::FetchReport { report_id: report_id.clone() },
                None => Step::FetchResult { feed_id: feed_id.clone() },
            },
        ),
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
