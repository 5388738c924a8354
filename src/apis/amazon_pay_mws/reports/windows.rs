//! A pull of reports over several days: which day is owed which step. Pure and storable.
//!
//! Owns: the cut into days, the order of the steps, waits (sheet amazon-pay-batch.md, section 9). Must never
//! know: the network, storage, the clock (time is an argument), quotas (whoever asks has a budget anyway).
//!
//! A request that is made twice does no harm, but costs of a small hourly quota: so the state is stored
//! before a request leaves, and one whose answer was lost is looked for first.

mod outcomes;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::ReportType;
use super::answer::RequestRow;

pub use outcomes::took;

/// The longest range that one pull may have (section 9).
pub const MOST_DAYS: i64 = 30;
/// The provider keeps requests and reports for so long.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Between two looks at a request; the quota's restore rate is 45 s and one look serves 100 requests.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Between two requests.
const REQUEST_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How far the clocks may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(16);
/// Fetches of spoilt bytes before the day is given up.
const MOST_SPOILT: u32 = 4;

/// A pull of one type of report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// What is pulled.
    pub kind: ReportType,
    /// One for each day, in their order.
    pub windows: Vec<Window>,
    /// No request leaves before.
    pub next_request_at: Timestamp,
}

/// One day of a pull: `[from, until)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment behind it.
    pub until: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// Requests that were cancelled by the provider.
    pub cancelled: u32,
}

/// Where a day stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was asked yet.
    Owed,
    /// The request was about to leave; its answer is not known.
    Requesting {
        /// When.
        since: Timestamp,
    },
    /// The provider makes it.
    Requested {
        /// `ReportRequestId`.
        request_id: String,
        /// The next look.
        next_at: Timestamp,
    },
    /// It is there under an id that is not known yet.
    Unnamed {
        /// `ReportRequestId`.
        request_id: String,
        /// The next look at the list of reports.
        next_at: Timestamp,
    },
    /// It can be fetched.
    Ready {
        /// `ReportId`.
        report_id: String,
        /// The next fetch.
        next_at: Timestamp,
        /// Fetches that came spoilt.
        spoilt: u32,
    },
    /// The file is kept.
    Fetched {
        /// `ReportId`.
        report_id: String,
    },
    /// Nothing happened on that day.
    Empty,
    /// It cannot be had; somebody should know.
    Failed {
        /// Why.
        why: String,
    },
}

/// A range that cannot be pulled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Its end is not behind its beginning.
    #[error("the range is empty")]
    Empty,
    /// Longer than [`MOST_DAYS`].
    #[error("the range is longer than {MOST_DAYS} days: pull it in parts")]
    TooLong,
    /// Not over yet.
    #[error("the range reaches into the future")]
    NotOver,
    /// Older than the provider keeps.
    #[error("the range begins more than 90 days ago, longer than the provider keeps anything")]
    TooOld,
    /// Settlement reports come by themselves.
    #[error("reports of this type cannot be requested, only found in the list of reports")]
    NotRequestable,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store [`about_to`], then `RequestReport` for this window, then [`Outcome::Requested`] or another.
    Request {
        /// Which window.
        window: usize,
    },
    /// List the requests made since then, every page, then [`Outcome::Searched`].
    Search {
        /// From when on.
        from: Timestamp,
    },
    /// Look at these requests, at most 100, then [`Outcome::Seen`].
    Look {
        /// Their ids.
        request_ids: Vec<String>,
    },
    /// List the reports of this request, then [`Outcome::Named`].
    Name {
        /// Which window.
        window: usize,
        /// Its request.
        request_id: String,
    },
    /// Fetch the report, keep the bytes, then [`Outcome::Fetched`] or another.
    Fetch {
        /// Which window.
        window: usize,
        /// The report.
        report_id: String,
    },
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing ever: every day is fetched, empty or failed.
    Nothing,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Step::Request`]: taken.
    Requested {
        /// Which window.
        window: usize,
        /// The provider's row.
        row: RequestRow,
    },
    /// Of [`Step::Request`]: surely not taken; ask again later.
    NotNow {
        /// Which window.
        window: usize,
        /// How long the provider asks to wait, seconds.
        retry_after_s: Option<u64>,
    },
    /// Of [`Step::Request`]: refused for good.
    Refused {
        /// Which window.
        window: usize,
        /// Status and code.
        detail: String,
    },
    /// Of [`Step::Search`]: all rows. A request that is not among them never arrived.
    Searched(Vec<RequestRow>),
    /// Of [`Step::Look`]: the rows of the requests asked for; they say nothing about any other.
    Seen(Vec<RequestRow>),
    /// Of [`Step::Name`]: the report's id, if the list shows one.
    Named {
        /// Which window.
        window: usize,
        /// The report.
        report_id: Option<String>,
    },
    /// Of [`Step::Fetch`]: the whole file is kept.
    Fetched {
        /// Which window.
        window: usize,
    },
    /// Of [`Step::Fetch`]: spoilt on the way.
    Spoilt {
        /// Which window.
        window: usize,
    },
    /// Of [`Step::Fetch`]: it is gone or withheld.
    Never {
        /// Which window.
        window: usize,
        /// The provider's code.
        code: String,
    },
    /// Of any step but [`Step::Request`]: it failed, nothing is known.
    Failed {
        /// How long the provider asks to wait, seconds.
        retry_after_s: Option<u64>,
    },
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Days in all.
    pub days: usize,
    /// With their file kept, or empty.
    pub done: usize,
    /// That cannot be had.
    pub failed: usize,
}

impl Pull {
    /// Cuts a half-open range into days, the last of which may be shorter.
    ///
    /// # Errors
    /// When the range or the type cannot be pulled.
    pub fn new(
        kind: ReportType,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Pull, BadRange> {
        if !kind.can_be_requested() {
            return Err(BadRange::NotRequestable);
        }
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
        // The provider takes whole seconds, and a lost request is found by them.
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let (from, until) = (whole(from), whole(until));
        let mut windows = Vec::new();
        let mut begin = from;
        while begin < until {
            let end = plus(begin, DAY).min(until);
            windows.push(Window { from: begin, until: end, phase: Phase::Owed, cancelled: 0 });
            begin = end;
        }
        Ok(Pull { kind, windows, next_request_at: now })
    }

    /// How far it is.
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

fn plus(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What is to be done now: first what was lost, then files that are there, then looks, then new requests.
pub fn next_step(pull: &Pull, now: Timestamp) -> Step {
    let mut soonest: Option<Timestamp> = None;
    let mut later = |at: Timestamp| soonest = Some(soonest.map_or(at, |known| known.min(at)));
    let lost = pull.windows.iter().filter_map(|window| match window.phase {
        Phase::Requesting { since } => Some(since),
        _ => None,
    });
    if let Some(since) = lost.min() {
        let at = plus(since, LOOK_EVERY);
        if now >= at {
            return Step::Search { from: since.checked_sub(CLOCKS_APART).unwrap_or(Timestamp::MIN) };
        }
        later(at);
    }
    let mut request_ids = Vec::new();
    for (window, state) in pull.windows.iter().enumerate() {
        match &state.phase {
            Phase::Ready { report_id, next_at, .. } if *next_at <= now => {
                return Step::Fetch { window, report_id: report_id.clone() };
            }
            Phase::Unnamed { request_id, next_at } if *next_at <= now => {
                return Step::Name { window, request_id: request_id.clone() };
            }
            Phase::Requested { request_id, next_at } if *next_at <= now => {
                request_ids.push(request_id.clone())
            }
            Phase::Ready { next_at, .. }
            | Phase::Unnamed { next_at, .. }
            | Phase::Requested { next_at, .. } => {
                later(*next_at);
            }
            _ => {}
        }
    }
    let owed = pull.windows.iter().position(|window| window.phase == Phase::Owed);
    match owed {
        Some(window) if pull.next_request_at <= now => return Step::Request { window },
        Some(_) => later(pull.next_request_at),
        None => {}
    }
    if !request_ids.is_empty() {
        request_ids.truncate(100);
        return Step::Look { request_ids };
    }
    soonest.map_or(Step::Nothing, Step::WaitUntil)
}

/// The pull to store before a step is taken. Only a request changes it.
#[must_use]
pub fn about_to(mut pull: Pull, step: &Step, now: Timestamp) -> Pull {
    if let Step::Request { window } = step
        && let Some(window) = pull.windows.get_mut(*window)
    {
        window.phase = Phase::Requesting { since: now };
        pull.next_request_at = plus(now, REQUEST_EVERY);
    }
    pull
}
