//! A pull of reports: which step is due for each day, or for each report that was found. Pure and storable.
//!
//! Owns: the division into days, the order of the steps, waits (docs/src/reference/amazon-pay-batch.md, section 9).
//! Must never know: the network, storage, the clock (time is an argument), quotas (the caller has a budget
//! anyway), one provider's types.
//!
//! Making a request twice does no harm, but uses up a small hourly quota. So the state is stored before a request is
//! sent, and a request whose answer was lost is searched for first.

mod outcomes;
mod step;

use crate::time::{earlier, later};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use outcomes::took;
pub use step::{Outcome, Step};

/// The longest range of one pull (section 9).
pub const MOST_DAYS: i64 = 30;
/// How long the provider keeps requests and reports.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The time between two polls of a request. The quota restores one poll in 45 s, and one poll covers 100 requests.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// The time between two requests.
const REQUEST_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How far the clocks may differ.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(16);
/// How many fetches of corrupt bytes make a day fail.
const MOST_SPOILT: u32 = 4;
/// A pull that is not finished after this time gives up the rest: the provider makes a report within minutes.
const PATIENCE: SignedDuration = SignedDuration::from_hours(3 * 24);

/// No wait is longer than this, whatever the provider asks for.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(2);

/// A pull of one type of report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The provider's name of the report type.
    pub report_type: String,
    /// One for each day, in order; or one for each report that was found in the list.
    pub windows: Vec<Window>,
    /// No request is sent before this time.
    pub next_request_at: Timestamp,
    /// The list of reports that must be read first, where reports are made without a request.
    pub listing: Option<Listing>,
    /// Reports that are not available by then are given up.
    pub give_up_at: Timestamp,
}

/// A list of reports that must be read: those that became available in `[from, until)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The start of the period.
    pub from: Timestamp,
    /// The end of the period.
    pub until: Timestamp,
    /// When to read it next; none once it was read.
    pub next_at: Option<Timestamp>,
}

/// One day of a pull: `[from, until)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The start of the day.
    pub from: Timestamp,
    /// The first moment after the day.
    pub until: Timestamp,
    /// Its phase.
    pub phase: Phase,
    /// How many requests were cancelled by the provider.
    pub cancelled: u32,
}

/// The phase of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was requested yet.
    Owed,
    /// The request was about to be sent; its answer is not known.
    Requesting {
        /// When it was about to be sent.
        since: Timestamp,
    },
    /// The provider is making the report.
    Requested {
        /// `ReportRequestId`.
        request_id: String,
        /// The next poll.
        next_at: Timestamp,
    },
    /// The report is available under an id that is not known yet.
    Unnamed {
        /// `ReportRequestId`.
        request_id: String,
        /// When to read the list of reports next.
        next_at: Timestamp,
    },
    /// It can be fetched.
    Ready {
        /// `ReportId`.
        report_id: String,
        /// The next fetch.
        next_at: Timestamp,
        /// How many fetches were corrupt.
        spoilt: u32,
    },
    /// The file is kept.
    Fetched {
        /// `ReportId`.
        report_id: String,
    },
    /// Nothing happened on that day.
    Empty,
    /// The report cannot be obtained; somebody should know.
    Failed {
        /// Why.
        why: String,
        /// `ReportId`, when it was known.
        report_id: Option<String>,
    },
}

/// A range that cannot be pulled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Its end is not after its start.
    #[error("the range is empty")]
    Empty,
    /// Longer than [`MOST_DAYS`].
    #[error("the range is longer than {MOST_DAYS} days: pull it in parts")]
    TooLong,
    /// Not over yet.
    #[error("the range reaches into the future")]
    NotOver,
    /// Older than what the provider keeps.
    #[error("the range starts more than 90 days ago, and the provider keeps nothing that long")]
    TooOld,
}

/// The progress of a pull.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Days in total.
    pub days: usize,
    /// Days whose file is kept, and empty days.
    pub done: usize,
    /// Days whose report cannot be obtained.
    pub failed: usize,
}

impl Pull {
    /// Divides a half-open range into days, each with its own request. The last day may be shorter.
    ///
    /// # Errors
    /// When the range cannot be pulled.
    pub fn of_days(
        report_type: &str,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Pull, BadRange> {
        let (from, until) = checked(from, until, now)?;
        let mut windows = Vec::new();
        let mut begin = from;
        while begin < until {
            let end = later(begin, DAY).min(until);
            windows.push(Window { from: begin, until: end, phase: Phase::Owed, cancelled: 0 });
            begin = end;
        }
        Ok(Pull { windows, ..Pull::empty(report_type, now) })
    }

    /// Finds the reports that were made without a request in a half-open range.
    ///
    /// # Errors
    /// When the range cannot be pulled.
    pub fn of_list(
        report_type: &str,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Pull, BadRange> {
        let (from, until) = checked(from, until, now)?;
        let listing = Some(Listing { from, until, next_at: Some(now) });
        Ok(Pull { listing, ..Pull::empty(report_type, now) })
    }

    fn empty(report_type: &str, now: Timestamp) -> Pull {
        Pull {
            report_type: report_type.to_owned(),
            windows: Vec::new(),
            next_request_at: now,
            listing: None,
            give_up_at: later(now, PATIENCE),
        }
    }

    /// Starts failed days again; with `also_done`, finished ones too.
    pub fn again(&mut self, also_done: bool, now: Timestamp) {
        for window in &mut self.windows {
            let is_wanted = match &window.phase {
                Phase::Failed { .. } => true,
                Phase::Fetched { .. } | Phase::Empty => also_done,
                _ => false,
            };
            if !is_wanted {
                continue;
            }
            window.cancelled = 0;
            window.phase = match outcomes::report_id(&window.phase).filter(|_| self.listing.is_some()) {
                Some(report_id) => Phase::Ready { report_id, next_at: now, spoilt: 0 },
                None => Phase::Owed,
            };
        }
        if let Some(listing) = &mut self.listing {
            listing.next_at = Some(now);
        }
        self.give_up_at = later(now, PATIENCE);
    }

    /// Whether nothing is pending any more.
    pub fn is_over(&self) -> bool {
        let is_listed = self.listing.as_ref().is_none_or(|listing| listing.next_at.is_none());
        is_listed && self.windows.iter().all(|window| window.phase.is_over())
    }

    /// Its progress.
    pub fn progress(&self) -> Progress {
        let count =
            |wanted: fn(&Phase) -> bool| self.windows.iter().filter(|window| wanted(&window.phase)).count();
        Progress {
            days: self.windows.len(),
            done: count(|phase| matches!(phase, Phase::Fetched { .. } | Phase::Empty)),
            failed: count(|phase| matches!(phase, Phase::Failed { .. })),
        }
    }
}

impl Phase {
    /// Whether nothing is pending any more.
    pub fn is_over(&self) -> bool {
        matches!(self, Phase::Fetched { .. } | Phase::Empty | Phase::Failed { .. })
    }
}

/// The range in whole seconds: the provider accepts nothing finer, and a lost request is found by its exact range.
fn checked(from: Timestamp, until: Timestamp, now: Timestamp) -> Result<(Timestamp, Timestamp), BadRange> {
    if until <= from {
        return Err(BadRange::Empty);
    }
    if until > now {
        return Err(BadRange::NotOver);
    }
    if until.duration_since(from) > SignedDuration::from_hours(24 * MOST_DAYS) {
        return Err(BadRange::TooLong);
    }
    if now.duration_since(from) > KEPT {
        return Err(BadRange::TooOld);
    }
    let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
    Ok((whole(from), whole(until)))
}

/// What to do now: the first of [`next_steps`], or how long to wait.
pub fn next_step(pull: &Pull, now: Timestamp) -> Step {
    next_steps(pull, now).swap_remove(0)
}

/// What can be done now, the most urgent first: lost requests, the list of reports, files that are available, names of
/// finished reports, new requests, polls of unfinished ones. Never empty: when nothing can be done now, it says how
/// long to wait. Each step has its own budget, so a step that has to wait does not hold up the others.
pub fn next_steps(pull: &Pull, now: Timestamp) -> Vec<Step> {
    if pull.is_over() {
        return vec![Step::Nothing];
    }
    if now >= pull.give_up_at {
        return vec![Step::GiveUp];
    }
    // A wait longer than the longest one was scheduled by a clock that was ahead.
    let is_due = |at: Timestamp| at <= now || at > later(now, LONGEST_WAIT);
    let mut soonest = pull.give_up_at;
    let mut wait_until = |at: Timestamp| soonest = soonest.min(at);
    let mut steps = Vec::new();
    let lost = pull.windows.iter().filter_map(|window| match window.phase {
        Phase::Requesting { since } => Some(since),
        _ => None,
    });
    if let Some(since) = lost.min() {
        let at = later(since, LOOK_EVERY);
        if is_due(at) {
            // It was dated by a clock that was ahead, so it may have been sent at any time.
            let since = if since > now { later(now, -PATIENCE) } else { since };
            steps.push(Step::Search { from: earlier(since, CLOCKS_APART) });
        }
        wait_until(at);
    }
    if let Some(Listing { from, until, next_at: Some(next_at) }) = pull.listing {
        if is_due(next_at) {
            steps.push(Step::List { from, until });
        }
        wait_until(next_at);
    }
    let mut request_ids = Vec::new();
    let (mut fetch, mut name, mut request) = (None, None, None);
    for (window, state) in pull.windows.iter().enumerate() {
        match &state.phase {
            Phase::Ready { report_id, next_at, .. } if is_due(*next_at) => {
                fetch.get_or_insert_with(|| Step::Fetch { window, report_id: report_id.clone() });
            }
            Phase::Unnamed { request_id, next_at } if is_due(*next_at) => {
                name.get_or_insert_with(|| Step::Name { window, request_id: request_id.clone() });
            }
            Phase::Requested { request_id, next_at } if is_due(*next_at) => {
                request_ids.push(request_id.clone());
            }
            Phase::Ready { next_at, .. }
            | Phase::Unnamed { next_at, .. }
            | Phase::Requested { next_at, .. } => wait_until(*next_at),
            Phase::Owed if is_due(pull.next_request_at) => {
                request.get_or_insert(Step::Request { window });
            }
            Phase::Owed => wait_until(pull.next_request_at),
            _ => {}
        }
    }
    steps.extend([fetch, name, request].into_iter().flatten());
    if !request_ids.is_empty() {
        request_ids.truncate(100);
        steps.push(Step::Look { request_ids });
    }
    if steps.is_empty() {
        steps.push(Step::WaitUntil(soonest));
    }
    steps
}

/// The pull to store before a step is taken. Only a request changes it.
#[must_use]
pub fn about_to(mut pull: Pull, step: &Step, now: Timestamp) -> Pull {
    if let Step::Request { window } = step
        && let Some(window) = pull.windows.get_mut(*window)
    {
        window.phase = Phase::Requesting { since: now };
        pull.next_request_at = later(now, REQUEST_EVERY);
    }
    pull
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clock_that_was_ahead_planned_is_due_now() {
        let now: Timestamp = "2026-03-10T06:00:00Z".parse().unwrap();
        let ahead = later(now, SignedDuration::from_hours(400 * 24));
        let (from, until) = (later(now, -DAY - DAY), later(now, -DAY));
        let mut pull = Pull::of_days("X", from, until, now).unwrap();
        let window = pull.windows.len() - 1;
        pull.next_request_at = ahead;
        assert_eq!(next_step(&pull, now), Step::Request { window: 0 });
        pull.next_request_at = later(now, LOOK_EVERY);
        assert_eq!(next_step(&pull, now), Step::WaitUntil(later(now, LOOK_EVERY)));
        pull.windows[window].phase = Phase::Ready { report_id: "7".to_owned(), next_at: ahead, spoilt: 0 };
        assert_eq!(next_step(&pull, now), Step::Fetch { window, report_id: "7".to_owned() });
    }
}
