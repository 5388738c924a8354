//! What follows from what was done: from an outcome to the next state.
//!
//! Owns: what is concluded from an answer, or from none. Must never know: the network, storage, the clock.

use jiff::{SignedDuration, Timestamp};

use super::{
    CLOCKS_APART, COLLECT_AFTER_S, Ending, FOLLOW_EVERY, LAST_MISSING, LATEST_ARRIVAL, LONGEST_COLLECTION,
    MOST_MISSING, Outcome, Phase, SEARCHES_S, SLOWLY, SPOILT_AT_ONCE, State, Warning, search_at,
};
use crate::apis::amazon_pay_mws::feeds::answer::{FeedRow, FeedStatus, Submission};
use crate::time::{earlier, later};

/// The state to store after a step was taken or an event came from outside. An outcome that does not belong to the
/// phase (an answer that comes twice, late or after a restart) changes nothing.
#[must_use]
pub fn took(mut state: State, outcome: Outcome, now: Timestamp) -> State {
    if is_answer(&outcome) && matches!(state.warning, Some(Warning::AccountRefused(_))) {
        state.warning = None;
    }
    match outcome {
        Outcome::Submitted(submission) => submitted(&mut state, submission, now),
        Outcome::Listed(rows) => listed(&mut state, &rows, now),
        Outcome::Seen(rows) => seen(&mut state, &rows, now),
        Outcome::CancelAnswered(rows) => cancel_answered(&mut state, &rows, now),
        Outcome::Failed { retry_after_s } => failed(&mut state, retry_after_s, now),
        Outcome::AccountRefused { detail } => account_refused(&mut state, detail, now),
        Outcome::CancelWanted => cancel_wanted(&mut state, now),
        Outcome::Adopted { feed_id } => adopted(&mut state, feed_id, now),
        Outcome::MayBeSentAgain => {
            if matches!(state.phase, Phase::Held { .. }) {
                send_again(&mut state, now);
            }
        }
        Outcome::OneIsComplete => one_is_complete(&mut state, now),
        Outcome::Collected { .. } | Outcome::NotReady | Outcome::Spoilt | Outcome::Never => {
            fetched(&mut state, &outcome, now);
        }
    }
    state
}

impl Outcome {
    /// Whether the provider's answer shows that it accepts the account's credentials.
    pub fn is_acceptance(&self) -> bool {
        match self {
            Outcome::Submitted(submission) => matches!(submission, Submission::Accepted { .. }),
            other => is_answer(other),
        }
    }
}

/// Whether the outcome shows that the provider accepts the account. Every submission counts here: a repeated refusal
/// sets the warning again.
fn is_answer(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Submitted(_)
        | Outcome::Listed(_)
        | Outcome::Seen(_)
        | Outcome::CancelAnswered(_)
        | Outcome::Collected { .. }
        | Outcome::NotReady
        | Outcome::Spoilt
        | Outcome::Never => true,
        Outcome::Failed { .. }
        | Outcome::AccountRefused { .. }
        | Outcome::OneIsComplete
        | Outcome::CancelWanted
        | Outcome::Adopted { .. }
        | Outcome::MayBeSentAgain => false,
    }
}

fn submitted(state: &mut State, submission: Submission, now: Timestamp) {
    let Phase::Sending { since } = state.phase else { return };
    match submission {
        Submission::Accepted { feed_id } => {
            state.warning = None;
            state.following(feed_id, later(now, FOLLOW_EVERY));
        }
        Submission::NotNow { retry_after, .. } => {
            let wait = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
            not_taken(state, wait.unwrap_or(SLOWLY).max(SignedDuration::from_secs(1)), now);
        }
        Submission::AccountRefused { detail } => {
            not_taken(state, SLOWLY, now);
            if !matches!(state.phase, Phase::Finished { .. }) {
                state.warning = Some(Warning::AccountRefused(detail));
            }
        }
        Submission::Refused { detail } => {
            state.not_taken = state.not_taken.saturating_add(1);
            // The refusal is about this submission alone: an earlier one may have arrived.
            let ending = match state.possible_arrivals() {
                0 => Ending::NotTaken { detail },
                _ => Ending::InDoubt { detail },
            };
            state.finished(now, ending);
        }
        Submission::Lost { .. } => {
            state.warning = Some(Warning::Lost);
            state.phase = Phase::Searching { searches: 0, next_at: search_at(since, 0) };
        }
    }
}

/// The provider certainly did not accept the last submission, but would accept another.
fn not_taken(state: &mut State, wait: SignedDuration, now: Timestamp) {
    state.not_taken = state.not_taken.saturating_add(1);
    match (state.possible_arrivals(), state.is_cancel_wanted) {
        (0, true) => state.finished(now, Ending::NeverSent),
        (0, false) => state.prepared(later(now, wait)),
        // An earlier submission may turn up meanwhile, so the list is searched once more.
        (_, true) => search_again(state, now),
        (_, false) => search_again(state, later(now, wait)),
    }
}

fn search_again(state: &mut State, next_at: Timestamp) {
    state.phase = Phase::Searching { searches: SEARCHES_S.len() - 1, next_at };
}

/// Whether a row can be this batch: it has the right type and was received at a possible time.
fn can_be(state: &State, row: &FeedRow) -> bool {
    let (Some(first), Some(last)) = (state.first_sent_at, state.last_sent_at) else { return false };
    let from = earlier(first, CLOCKS_APART);
    let until = later(later(last, LATEST_ARRIVAL), CLOCKS_APART);
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
            // After a long downtime, the searches still come one after the other, not all at once.
            let soonest = later(now, SignedDuration::from_secs(SEARCHES_S[0]));
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
        let detail = "a cancellation was requested, and the provider does not list it".to_owned();
        return state.finished(now, Ending::InDoubt { detail });
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
        *next_at = later(now, if is_long { SLOWLY } else { FOLLOW_EVERY });
        let (is_lost, feed_id) = (*missing >= LAST_MISSING, feed_id.clone());
        if is_lost {
            collect(state, feed_id, now, false);
        } else if is_long {
            state.warning = Some(Warning::NotListed);
        }
        return;
    };
    *missing = 0;
    *status = Some(row.status.clone());
    *next_at = later(now, FOLLOW_EVERY);
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
    // A refused feed has its reasons ready; an accepted one has yet to be carried out.
    let wait =
        if is_cancelled { SignedDuration::ZERO } else { SignedDuration::from_secs(COLLECT_AFTER_S[0]) };
    state.phase = Phase::Collecting {
        feed_id,
        since: now,
        next_at: later(now, wait),
        fetches: 0,
        spoilt: 0,
        is_cancelled,
    };
}

/// Only the feed's own row counts: the answer covers everything that matched, most of it long finished (section 7).
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
    let possible_arrivals = state.possible_arrivals();
    match &mut state.phase {
        Phase::Prepared { .. } if possible_arrivals == 0 => {
            state.is_cancel_wanted = true;
            state.finished(now, Ending::NeverSent);
        }
        // It may have arrived and may still turn up.
        Phase::Prepared { .. } => {
            state.is_cancel_wanted = true;
            search_again(state, now);
        }
        Phase::Collecting { .. } => state.warning = Some(Warning::NotCancelled),
        Phase::Finished { .. } => {}
        Phase::Following { next_at, is_cancel_tried: false, .. } => {
            *next_at = now;
            state.is_cancel_wanted = true;
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

/// The next poll or fetch comes at once. It is about this feed's own id, so the notification of another batch changes
/// nothing. The report that the notification names is not fetched: it may be another batch's.
fn one_is_complete(state: &mut State, now: Timestamp) {
    if let Phase::Following { next_at, .. } | Phase::Collecting { next_at, .. } = &mut state.phase {
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
            state.phase = Phase::Searching { searches: 0, next_at: later(now, wait) };
        }
        // A cancellation whose answer was lost: the next poll shows whether it worked.
        Phase::Following { next_at, is_cancel_tried, .. } if state.is_cancel_wanted && !*is_cancel_tried => {
            *is_cancel_tried = true;
            *next_at = later(now, wait);
        }
        Phase::Searching { next_at, .. }
        | Phase::Following { next_at, .. }
        | Phase::Collecting { next_at, .. } => *next_at = later(now, wait),
        Phase::Prepared { .. } | Phase::Held { .. } | Phase::Finished { .. } => {}
    }
}

/// Nothing was carried out and nothing is concluded: the same step is tried again later.
fn account_refused(state: &mut State, detail: String, now: Timestamp) {
    let again_at = later(now, SLOWLY);
    match &mut state.phase {
        Phase::Sending { .. } => state.phase = Phase::Searching { searches: 0, next_at: again_at },
        Phase::Searching { next_at, .. }
        | Phase::Following { next_at, .. }
        | Phase::Collecting { next_at, .. } => *next_at = again_at,
        Phase::Prepared { .. } | Phase::Held { .. } | Phase::Finished { .. } => return,
    }
    state.warning = Some(Warning::AccountRefused(detail));
}

fn fetched(state: &mut State, outcome: &Outcome, now: Timestamp) {
    let Phase::Collecting { since, next_at, fetches, spoilt, is_cancelled, .. } = &mut state.phase else {
        return;
    };
    *fetches += 1;
    let is_over = now >= later(*since, LONGEST_COLLECTION);
    let (wanted, is_cancelled) = (state.is_cancel_wanted, *is_cancelled);
    let without_result = if is_cancelled && wanted {
        Ending::Cancelled
    } else if is_cancelled {
        Ending::Rejected
    } else {
        Ending::NoResult
    };
    let wait_s = COLLECT_AFTER_S.get(*fetches).or(COLLECT_AFTER_S.last()).copied().unwrap_or_default();
    *next_at = later(now, SignedDuration::from_secs(wait_s));
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
        Outcome::Never => state.finished(now, without_result),
        _ if is_over || is_cancelled => state.finished(now, without_result),
        _ => *spoilt = 0,
    }
}
