//! Makes the nightly reports.
//!
//! Owns: for which days a report is due, and when. Must never know: what a report says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::clock::SharedClock;
use crate::reports::Reports;
use crate::store::{Store, StoreError};
use crate::task::{Done, Round, Work};
use crate::time;
use crate::timetable::Timetable;

/// How long a report waits for a confirmed clock before that is logged.
const LONG_UNCONFIRMED: Duration = Duration::from_secs(15 * 60);

/// The name under which the time of the last nightly run is stored.
const NIGHTLY_DONE: &str = "schedule/nightly-report";
/// The name under which the first day with a report is stored.
const FIRST_DAY: &str = "report-first-day";
/// Suffix of a first day that was stored while the clock was not confirmed.
const UNSURE: &str = "?";
/// If an unconfirmed first day is longer ago than this, the clock was behind when it was stored.
const LONGEST_UNSURE_DAYS: i32 = 31;
/// How many missed days one round makes up for, so that a long absence does not delay a stop.
const MOST_DAYS_A_ROUND: usize = 31;

/// Makes the report of every finished day that has none.
pub(super) struct Nightly {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) reports: Arc<Reports>,
    pub(super) timetable: Timetable,
    /// The period in which nothing is due, as far as is known.
    pub(super) quiet: Mutex<Option<(Timestamp, Timestamp)>>,
    /// The monotonic time at which the loop was created.
    pub(super) since: Duration,
    /// When the loop last checked for days that were closed too early.
    pub(super) checked_at: Mutex<Option<Timestamp>>,
    pub(super) is_waiting_told: AtomicBool,
}

impl Work for Nightly {
    fn progress(&self) -> u64 {
        self.reports.progress()
    }

    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let words = |error: StoreError| error.to_string();
            let now = self.clock.now();
            if self.is_quiet(now) {
                return Ok(self.rest(now, "nothing to do"));
            }
            if !self.clock.is_sure() {
                return self.wait_for_the_clock(now).await;
            }
            self.reopen(now).await?;
            let first = self.first_day(now).await?;
            let done = self.store.recall(NIGHTLY_DONE).await.map_err(words)?;
            let last_done = done.and_then(|text| text.parse::<Timestamp>().ok());
            let Some(due) = self.timetable.due(last_done, now) else {
                return Ok(self.rest(now, "nothing to do"));
            };
            let owed = owed_days(first, self.timetable.zone().to_datetime(due).date());
            let mut made = Vec::new();
            for day in owed {
                if self.reports.is_made(day).await.map_err(words)? {
                    continue;
                }
                if made.len() == MOST_DAYS_A_ROUND {
                    return Ok(Done {
                        summary: format!("made {}; more to follow", made.join(", ")),
                        again_in: Some(Duration::ZERO),
                    });
                }
                let report =
                    self.reports.make(day).await.map_err(|error| format!("report of {day}: {error}"))?;
                tracing::info!(%day, folder = %report.folder.display(), "report made");
                made.push(day.to_string());
            }
            self.store.remember(NIGHTLY_DONE, &due.to_string()).await.map_err(words)?;
            let summary = if made.is_empty() {
                "no report was due".to_owned()
            } else {
                format!("made {}", made.join(", "))
            };
            Ok(self.rest(now, &summary))
        })
    }
}

impl Nightly {
    /// The time may be wrong, so no day is closed by it.
    async fn wait_for_the_clock(&self, now: Timestamp) -> Result<Done, String> {
        self.note_first_day(now).await?;
        let waited = self.clock.monotonic().saturating_sub(self.since);
        if waited >= LONG_UNCONFIRMED && !self.is_waiting_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the clock has not been confirmed since the start: no day is closed until a provider's \
                 answer confirms it, or until it has run for three hours without a jump"
            );
        }
        Ok(Done {
            summary: "waiting for the clock to be confirmed".to_owned(),
            again_in: Some(Duration::from_secs(60)),
        })
    }

    /// Reopens days that a clock that was ahead closed too early: once at the start, and whenever the time went back.
    async fn reopen(&self, now: Timestamp) -> Result<(), String> {
        let latest = {
            let mut checked = self.checked_at.lock().unwrap_or_else(PoisonError::into_inner);
            checked.replace(now)
        };
        if latest.is_some_and(|latest| latest <= now) {
            return Ok(());
        }
        let days = self.reports.reopen_premature().await.map_err(|error| error.to_string())?;
        for day in days {
            tracing::warn!(
                %day, "a report was published before its day was over, by a clock that was ahead; it will be made again"
            );
        }
        Ok(())
    }

    /// The first day for which a report is due: the day of the first start. Without a confirmed clock it is only
    /// noted.
    async fn first_day(&self, now: Timestamp) -> Result<Date, String> {
        let date = |text: &str| text.parse::<Date>().map_err(|error| format!("first day {text:?}: {error}"));
        let noted = self.store.recall(FIRST_DAY).await.map_err(|error| error.to_string())?;
        let today = self.timetable.zone().to_datetime(now).date();
        if let Some(sure) = noted.as_deref().filter(|text| !text.ends_with(UNSURE)) {
            let first = date(sure)?;
            if first <= today {
                return Ok(first);
            }
            tracing::warn!(%first, "the first report day is in the future: a clock that was ahead recorded it");
        }
        // The process may have started on an earlier day, and a process before it may have started even earlier.
        let started = time::earlier(now, self.clock.monotonic().saturating_sub(self.since));
        let started = self.timetable.zone().to_datetime(started).date();
        let earlier = noted.as_deref().and_then(|text| text.strip_suffix(UNSURE)).map(date).transpose()?;
        let earliest = started.checked_sub(LONGEST_UNSURE_DAYS.days()).unwrap_or(started);
        let first = earlier.filter(|earlier| (earliest..=started).contains(earlier)).unwrap_or(started);
        self.store.remember(FIRST_DAY, &first.to_string()).await.map_err(|error| error.to_string())?;
        Ok(first)
    }

    /// Notes the present day as the first day for which a report is due, unless a plausible day is already noted.
    async fn note_first_day(&self, now: Timestamp) -> Result<(), String> {
        let today = self.timetable.zone().to_datetime(now).date();
        let earliest = today.checked_sub(LONGEST_UNSURE_DAYS.days()).unwrap_or(today);
        let noted = self.store.recall(FIRST_DAY).await.map_err(|error| error.to_string())?;
        let may_be = |text: &str| {
            let unsure = text.strip_suffix(UNSURE).map(str::parse::<Date>);
            unsure.is_none_or(|date| date.is_ok_and(|date| (earliest..=today).contains(&date)))
        };
        if noted.as_deref().is_some_and(may_be) {
            return Ok(());
        }
        self.store.remember(FIRST_DAY, &format!("{today}{UNSURE}")).await.map_err(|error| error.to_string())
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.is_some_and(|(since, next)| since <= now && now < next)
    }

    fn rest(&self, now: Timestamp, summary: &str) -> Done {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let still = quiet.filter(|(since, next)| *since <= now && now < *next);
        *quiet = still.or_else(|| Some((now, self.timetable.after(now)?)));
        let next = quiet.map(|(_, next)| next);
        Done { summary: summary.to_owned(), again_in: next.map(|next| time::between(now, next)) }
    }
}

/// The days for which a run on `run_day` must make a report: all days that finished before it.
fn owed_days(first: Date, run_day: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.checked_add(1.day()).ok())
        .take_while(move |day| *day < run_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_owes_every_finished_day_since_the_first() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let owed: Vec<String> =
            owed_days(day("2027-02-27"), day("2027-03-02")).map(|day| day.to_string()).collect();
        assert_eq!(owed, ["2027-02-27", "2027-02-28", "2027-03-01"]);
        assert_eq!(owed_days(day("2027-02-27"), day("2027-02-27")).count(), 0);
    }
}
