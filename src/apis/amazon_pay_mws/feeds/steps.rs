//! The life of one batch: what is to be done next, and what follows from what was done. Pure and storable:
//! whoever keeps the state may be killed between any two steps.
//!
//! Owns: the order of the steps, waits, what is concluded from an answer (sheet amazon-pay-batch.md,
//! sections 3.2, 4.2, 5 and 7). Must never know: the network, storage, the clock (time is an argument).
//!
//! The one rule for whoever drives it: `about_to` is stored before the step is taken, `took` after it.
//! `SubmitFeed` has no key that would make a repetition safe. So a state that says `Sending` may or may not
//! have been sent, and is only ever followed by a search.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::answer::{FeedRow, FeedStatus, Submission};

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
/// Between looks at something strange.
const SLOWLY: SignedDuration = SignedDuration::from_mins(15);
/// When the result is fetched after `_DONE_`, each after the one before (section 4.2).
const COLLECT_AFTER_S: [i64; 4] = [120, 300, 600, 900];
/// A result that has not come by then is given up.
const LONGEST_COLLECTION: SignedDuration = SignedDuration::from_hours(24);
/// Fetches of a spoilt result that follow at once (section 5.1).
const SPOILT_AT_ONCE: u32 = 3;
/// Between two feeds of a seller (section 2.3).
pub const BETWEEN_SUBMISSIONS: SignedDuration = SignedDuration::from_mins(20);

/// Where a batch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What is going on.
    pub phase: Phase,
    /// How often it left for the provider, for all we know.
    pub sendings: u32,
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
    /// The provider did not take it: nothing was carried out.
    NotTaken {
        /// Status and code.
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

fn plus(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What is to be done now.
pub fn next_step(state: &State, now: Timestamp) -> Step {
    let at = |time: Timestamp, step: Step| if now < time { Step::WaitUntil(time) } else { step };
    match &state.phase {
        Phase::Prepared { not_before } => at(*not_before, Step::Submit),
        Phase::Sending { since } => at(search_at(*since, 0), search(state)),
        Phase::Searching { next_at, .. } => at(*next_at, search(state)),
        Phase::Held { .. } => Step::AskAPerson,
        Phase::Following { feed_id, next_at, status, is_cancel_tried, .. } => {
            let can_be_cancelled =
                matches!(status, None | Some(FeedStatus::Submitted | FeedStatus::Unconfirmed));
            if state.is_cancel_wanted && !is_cancel_tried && can_be_cancelled {
                return Step::Cancel { feed_id: feed_id.clone() };
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
    plus(sent_at, SignedDuration::from_secs(after_s))
}

fn search(state: &State) -> Step {
    let first = state.first_sent_at.unwrap_or(Timestamp::MIN);
    Step::Search { from: first.checked_sub(CLOCKS_APART).unwrap_or(Timestamp::MIN) }
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

/// The state to store after a step was taken, or something came from outside. An outcome that does not
/// belong to the phase (an answer that comes twice, late or after a restart) changes nothing.
#[must_use]
pub fn took(mut state: State, outcome: Outcome, now: Timestamp) -> State {
    match outcome {
        Outcome::Submitted(submission) => submitted(&mut state, submission, now),
        Outcome::Listed(rows) => listed(&mut state, &rows, now),
        Outcome::Seen(rows) => seen(&mut state, &rows, now),
        Outcome::CancelAnswered(rows) => cancel_answered(&mut state, &rows, now),
        Outcome::Failed { retry_after_s } => failed(&mut state, retry_after_s, now),
        Outcome::CancelWanted => cancel_wanted(&mut state, now),
        Outcome::Adopted { feed_id } => adopted(&mut state, feed_id, now),
        Outcome::MayBeSentAgain => {
            if matches!(state.phase, Phase::Held { .. }) {
                send_again(&mut state, now);
            }
        }
        Outcome::ReportNamed { report_id } => report_named(&mut state, report_id, now),
        Outcome::Collected { .. } | Outcome::NotReady | Outcome::Spoilt | Outcome::Never => {
            fetched(&mut state, &outcome, now);
        }
    }
    state
}

fn submitted(state: &mut State, submission: Submission, now: Timestamp) {
    let Phase::Sending { since } = state.phase else { return };
    match submission {
        Submission::Accepted { feed_id } => {
            state.warning = None;
            state.following(feed_id, plus(now, FOLLOW_EVERY));
        }
        // An earlier sending may still turn up, so only the first is so simple.
        Submission::NotNow { retry_after, .. } => {
            let wait = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
            let wait = wait.unwrap_or(SLOWLY).max(SignedDuration::from_secs(1));
            state.prepared(plus(now, wait));
            if state.is_cancel_wanted && state.sendings <= 1 {
                state.finished(now, Ending::NeverSent);
            }
        }
        Submission::Refused { detail } => state.finished(now, Ending::NotTaken { detail }),
        Submission::Lost { .. } => {
            state.warning = Some(Warning::Lost);
            state.phase = Phase::Searching { searches: 0, next_at: search_at(since, 0) };
        }
    }
}

/// A row that can be this batch: of its type, and received while it can have been.
fn can_be(state: &State, row: &FeedRow) -> bool {
    let (Some(first), Some(last)) = (state.first_sent_at, state.last_sent_at) else { return false };
    let from = first.checked_sub(CLOCKS_APART).unwrap_or(Timestamp::MIN);
    let until = plus(plus(last, LATEST_ARRIVAL), CLOCKS_APART);
    row.is_batch() && row.submitted_at.is_none_or(|at| from <= at && at <= until)
}

fn listed(state: &mut State, rows: &[FeedRow], now: Timestamp) {
    let searches = match &state.phase {
        Phase::Searching { searches, .. } => *searches,
        Phase::Sending { .. } => 0,
        _ => return,
    };
    let sent_at = state.last_sent_at.unwrap_or(now);
    let mut candidates: Vec<String> =
        rows.iter().filter(|row| can_be(state, row)).map(|row| row.id.clone()).collect();
    candidates.sort_unstable();
    candidates.dedup();
    match candidates.len() {
        1 => {
            state.warning = None;
            state.following(candidates.remove(0), now);
        }
        0 if searches + 1 >= SEARCHES_S.len() && now >= search_at(sent_at, SEARCHES_S.len()) => {
            send_again(state, now);
        }
        0 => {
            // After a long standstill the searches still come one after the other, not all at once.
            let soonest = plus(now, SignedDuration::from_secs(SEARCHES_S[0]));
            let next_at = search_at(sent_at, searches + 1).max(soonest);
            state.warning = Some(Warning::Lost);
            state.phase = Phase::Searching { searches: searches + 1, next_at };
        }
        _ => {
            state.warning = Some(Warning::Ambiguous);
            state.phase = Phase::Held { candidates };
        }
    }
}

fn send_again(state: &mut State, now: Timestamp) {
    if state.is_cancel_wanted {
        return state.finished(now, Ending::NeverSent);
    }
    state.warning = Some(Warning::SentAgain);
    state.prepared(now);
}

fn seen(state: &mut State, rows: &[FeedRow], now: Timestamp) {
    let Phase::Following { feed_id, next_at, status, missing, .. } = &mut state.phase else { return };
    let Some(row) = rows.iter().find(|row| row.id == *feed_id) else {
        *missing = missing.saturating_add(1);
        // Just after the submission the list may lag.
        let is_long = *missing >= MOST_MISSING;
        *next_at = plus(now, if is_long { SLOWLY } else { FOLLOW_EVERY });
        if is_long {
            state.warning = Some(Warning::NotListed);
        }
        return;
    };
    *missing = 0;
    *status = Some(row.status.clone());
    *next_at = plus(now, FOLLOW_EVERY);
    let feed_id = feed_id.clone();
    match &row.status {
        FeedStatus::Done => collect(state, feed_id, now, false),
        FeedStatus::Cancelled if state.is_cancel_wanted => state.finished(now, Ending::Cancelled),
        FeedStatus::Cancelled => collect(state, feed_id, now, true),
        FeedStatus::InSafetyNet => state.warning = Some(Warning::HeldForSafety),
        FeedStatus::Unknown(word) => state.warning = Some(Warning::UnknownStatus(word.clone())),
        FeedStatus::Submitted
        | FeedStatus::Unconfirmed
        | FeedStatus::InProgress
        | FeedStatus::AwaitingReply => {
            if state.warning != Some(Warning::NotCancelled) {
                state.warning = None;
            }
        }
    }
}

fn collect(state: &mut State, feed_id: String, now: Timestamp, is_cancelled: bool) {
    if !matches!(state.warning, Some(Warning::NotCancelled)) {
        state.warning = None;
    }
    // A refused feed has its reasons ready; an accepted one is yet to be carried out.
    let wait =
        if is_cancelled { SignedDuration::ZERO } else { SignedDuration::from_secs(COLLECT_AFTER_S[0]) };
    state.phase = Phase::Collecting {
        feed_id,
        report_id: None,
        since: now,
        next_at: plus(now, wait),
        fetches: 0,
        spoilt: 0,
        is_cancelled,
    };
}

/// Only the own row tells: the answer counts whatever was matched, most of it long done (section 7).
fn cancel_answered(state: &mut State, rows: &[FeedRow], now: Timestamp) {
    let Phase::Following { feed_id, next_at, is_cancel_tried, .. } = &mut state.phase else { return };
    match rows.iter().find(|row| row.id == *feed_id).map(|row| &row.status) {
        Some(FeedStatus::Cancelled) => state.finished(now, Ending::Cancelled),
        Some(_) => {
            *is_cancel_tried = true;
            *next_at = now;
            state.warning = Some(Warning::NotCancelled);
        }
        None => {
            *is_cancel_tried = true;
            *next_at = now;
        }
    }
}

fn cancel_wanted(state: &mut State, now: Timestamp) {
    match &state.phase {
        // It may have been sent before and turn up; then it is not so simple.
        Phase::Prepared { .. } if state.sendings == 0 => {
            state.is_cancel_wanted = true;
            state.finished(now, Ending::NeverSent);
        }
        Phase::Collecting { .. } => state.warning = Some(Warning::NotCancelled),
        Phase::Finished { .. } => {}
        Phase::Prepared { .. } => {
            state.is_cancel_wanted = true;
            state.phase = Phase::Searching { searches: SEARCHES_S.len() - 1, next_at: now };
        }
        _ => state.is_cancel_wanted = true,
    }
}

fn adopted(state: &mut State, feed_id: String, now: Timestamp) {
    if matches!(state.phase, Phase::Held { .. }) {
        state.warning = None;
        state.following(feed_id, now);
    }
}

/// The notification comes when all requests were carried out, so the batch need not be followed any more.
fn report_named(state: &mut State, named: String, now: Timestamp) {
    if let Phase::Following { feed_id, .. } = &state.phase {
        collect(state, feed_id.clone(), now, false);
    }
    if let Phase::Collecting { report_id, next_at, .. } = &mut state.phase {
        *report_id = Some(named);
        *next_at = now;
    }
}

fn failed(state: &mut State, retry_after_s: Option<u64>, now: Timestamp) {
    let wait = retry_after_s.and_then(|seconds| i64::try_from(seconds).ok()).map(SignedDuration::from_secs);
    let wait =
        wait.unwrap_or(FOLLOW_EVERY).clamp(SignedDuration::from_secs(1), SignedDuration::from_hours(1));
    match &mut state.phase {
        Phase::Sending { .. } => {
            state.warning = Some(Warning::Lost);
            state.phase = Phase::Searching { searches: 0, next_at: plus(now, wait) };
        }
        // A cancellation whose answer is lost: the look that follows tells.
        Phase::Following { next_at, is_cancel_tried, .. } if state.is_cancel_wanted && !*is_cancel_tried => {
            *is_cancel_tried = true;
            *next_at = plus(now, wait);
        }
        Phase::Searching { next_at, .. }
        | Phase::Following { next_at, .. }
        | Phase::Collecting { next_at, .. } => *next_at = plus(now, wait),
        Phase::Prepared { .. } | Phase::Held { .. } | Phase::Finished { .. } => {}
    }
}

fn fetched(state: &mut State, outcome: &Outcome, now: Timestamp) {
    let Phase::Collecting { since, next_at, fetches, spoilt, report_id, is_cancelled, .. } = &mut state.phase
    else {
        return;
    };
    *fetches += 1;
    let is_over = now >= plus(*since, LONGEST_COLLECTION);
    let (wanted, is_cancelled) = (state.is_cancel_wanted, *is_cancelled);
    let without_result = if is_cancelled && wanted {
        Ending::Cancelled
    } else if is_cancelled {
        Ending::Rejected
    } else {
        Ending::NoResult
    };
    let wait_s = COLLECT_AFTER_S.get(*fetches).or(COLLECT_AFTER_S.last()).copied().unwrap_or_default();
    *next_at = plus(now, SignedDuration::from_secs(wait_s));
    match outcome {
        Outcome::Collected { is_rejection: true, .. } => state.finished(now, Ending::Rejected),
        Outcome::Collected { answers, .. } if *answers > 0 => state.finished(now, Ending::Collected),
        Outcome::Spoilt if !is_over => {
            *spoilt += 1;
            if *spoilt <= SPOILT_AT_ONCE {
                *next_at = now;
            } else {
                state.warning = Some(Warning::Spoilt);
            }
        }
        // The report may be gone while the feed's own result is still to be had.
        Outcome::Never if report_id.is_some() => {
            *report_id = None;
            *next_at = now;
        }
        Outcome::Never => state.finished(now, without_result),
        _ if is_over || is_cancelled => state.finished(now, without_result),
        _ => *spoilt = 0,
    }
}
