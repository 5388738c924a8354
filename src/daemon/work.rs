//! The daemon's own loops: delivering what is owed, the nightly report, the status line.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use tokio::sync::mpsc;

use crate::alerts::Deliverer;
use crate::batches::{self, Batches};
use crate::clock::SharedClock;
use crate::payments::age;
use crate::reconcile::Reconcile;
use crate::reports::Reports;
use crate::store::{Store, StoreError};
use crate::task::{Board, Done, Round, Work};
use crate::timetable::Timetable;

use super::manager;

/// Delivers what the outbox holds.
pub(super) struct Delivering {
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) clock: SharedClock,
}

impl Work for Delivering {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let round = self.deliverer.round().await.map_err(|error| error.to_string())?;
            let again_in = if round.is_unfinished {
                Some(Duration::from_secs(1))
            } else {
                round.next_at.map(|next| until(self.clock.now(), next))
            };
            let summary = format!(
                "{} delivered, {} to be tried again, {} given up",
                round.delivered, round.retried, round.dead
            );
            Ok(Done { summary, again_in })
        })
    }
}

/// Takes every batch its next step, all accounts side by side.
pub(super) struct Batching {
    batches: Arc<Batches>,
    accounts: Vec<Arc<batches::Account>>,
    hands: batches::Hands,
    clock: SharedClock,
    keep_files_for: SignedDuration,
    /// When old files are looked for next.
    prune_at: Mutex<Option<Timestamp>>,
}

/// Between two looks for files of batches that need not be kept any more.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(6);

impl Batching {
    pub(super) fn new(
        batches: Arc<Batches>,
        accounts: Vec<Arc<batches::Account>>,
        hands: batches::Hands,
        clock: SharedClock,
        keep_files_days: u32,
    ) -> Batching {
        let keep_files_for = SignedDuration::from_hours(24 * i64::from(keep_files_days));
        Batching { batches, accounts, hands, clock, keep_files_for, prune_at: Mutex::new(None) }
    }

    /// Now and then removes the files of batches that ended long ago.
    async fn prune(&self) -> Result<(), String> {
        let now = self.clock.now();
        let is_due = {
            let mut next = self.prune_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = next.is_none_or(|next| next <= now);
            if is_due {
                *next = now.checked_add(PRUNE_EVERY).ok();
            }
            is_due
        };
        let Ok(before) = now.checked_sub(self.keep_files_for) else { return Ok(()) };
        if is_due {
            let pruned = self.batches.prune(before).await.map_err(|error| error.to_string())?;
            if pruned > 0 {
                tracing::info!(pruned, "files of old batches removed; their rows stay");
            }
        }
        Ok(())
    }
}

impl Work for Batching {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            self.prune().await?;
            let rounds = self.accounts.iter().map(|account| self.batches.round(account, &self.hands));
            let rounds = futures_util::future::join_all(rounds).await;
            let (mut sent, mut ended, mut next_at, mut faults) = (0, 0, None::<Timestamp>, Vec::new());
            for (account, round) in self.accounts.iter().zip(rounds) {
                match round {
                    Ok(round) => {
                        (sent, ended) = (sent + round.sent, ended + round.ended);
                        next_at = [next_at, round.next_at].into_iter().flatten().min();
                        faults.extend(round.blocked.iter().map(|why| format!("{}: {why}", account.name)));
                    }
                    Err(error) => faults.push(format!("{}: {error}", account.name)),
                }
            }
            let summary = format!("{sent} requests sent, {ended} batches ended");
            let now = self.clock.now();
            let soon = now.checked_add(SignedDuration::from_mins(1)).unwrap_or(now);
            let again_in = Some(until(now, next_at.map_or(soon, |next| next.min(soon))));
            if faults.is_empty() {
                return Ok(Done { summary, again_in });
            }
            let faults = faults.join("; ");
            // A failed round waits for its period: an account that can go on is not held up by another.
            if next_at.is_none() && sent + ended == 0 {
                return Err(faults);
            }
            tracing::warn!(faults, "batches cannot go on; they are tried again with the next round");
            Ok(Done { summary: format!("{summary}; {faults}"), again_in })
        })
    }
}

/// Name under which the moment of the last nightly run is kept.
const NIGHTLY_DONE: &str = "schedule/nightly-report";
/// Name under which the first day worth a report is kept.
const FIRST_DAY: &str = "report-first-day";
/// Days made up in one round, so that a long absence does not block a stop.
const MOST_DAYS_A_ROUND: usize = 31;

/// Makes the report of every finished day that has none.
pub(super) struct Nightly {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) reports: Arc<Reports>,
    pub(super) timetable: Timetable,
    /// From when until when nothing is to be done, as far as is known.
    pub(super) quiet: Mutex<Option<(Timestamp, Timestamp)>>,
}

impl Work for Nightly {
    fn progress(&self) -> u64 {
        self.reports.progress()
    }

    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let words = |error: crate::store::StoreError| error.to_string();
            let now = self.clock.now();
            if self.is_quiet(now) {
                return Ok(self.rest(now, "nothing to do"));
            }
            let today = self.timetable.zone().to_datetime(now).date();
            let first = match self.store.recall(FIRST_DAY).await.map_err(words)? {
                Some(text) => text.parse::<Date>().map_err(|error| format!("first day {text:?}: {error}"))?,
                None => {
                    self.store.remember(FIRST_DAY, &today.to_string()).await.map_err(words)?;
                    today
                }
            };
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
                        summary: format!("made {}, more to come", made.join(", ")),
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
                "no day was owed".to_owned()
            } else {
                format!("made {}", made.join(", "))
            };
            Ok(self.rest(now, &summary))
        })
    }
}

impl Nightly {
    fn is_quiet(&self, now: Timestamp) -> bool {
        let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.is_some_and(|(since, next)| since <= now && now < next)
    }

    fn rest(&self, now: Timestamp, summary: &str) -> Done {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let still = quiet.filter(|(since, next)| *since <= now && now < *next);
        *quiet = still.or_else(|| Some((now, self.timetable.after(now)?)));
        let next = quiet.map(|(_, next)| next);
        Done { summary: summary.to_owned(), again_in: next.map(|next| until(now, next)) }
    }
}

/// The days that are owed a report by a run at a moment of `run_day`: all finished before it.
fn owed_days(first: Date, run_day: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.checked_add(1.day()).ok())
        .take_while(move |day| *day < run_day)
}

/// Keeps the service manager's status line true, and the polling loops' pulse on the board.
pub(super) struct Pulse {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) board: Arc<Board>,
}

/// A polling loop looks around at least once a minute; this is how long none of them may be silent.
const LONGEST_SILENCE: Duration = Duration::from_secs(240);

impl Work for Pulse {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let stalled = self.reconcile.stalled(LONGEST_SILENCE);
            if stalled.is_empty() {
                self.board.beat("polling", Duration::from_secs(60));
            } else {
                tracing::error!(accounts = stalled.join(", "), "polling loops make no progress");
            }
            let line = line(&self.store, &self.reconcile, self.clock.now()).await?;
            manager::status(&line);
            Ok(Done { summary: line, again_in: None })
        })
    }
}

/// Checks the store after a stop of the host, and keeps its folder small.
pub(super) struct Tidying {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    /// Ends the process when the store has failed.
    pub(super) fatal: mpsc::UnboundedSender<StoreError>,
}

impl Tidying {
    fn failed(&self, error: StoreError) -> String {
        let text = error.to_string();
        if error.is_fatal() {
            // Nobody listens any more when the process is about to stop.
            let _ = self.fatal.send(error);
        }
        text
    }
}

impl Work for Tidying {
    fn progress(&self) -> u64 {
        self.store.upkeep_ticks()
    }

    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let checked = match self.store.check_if_owed().await {
                Err(StoreError::Stopping) => {
                    return Ok(Done {
                        summary: "the check goes on at the next start".to_owned(),
                        again_in: None,
                    });
                }
                checked => checked.map_err(|error| self.failed(error))?,
            };
            if let Some(report) = checked {
                match report.problems.first() {
                    None => tracing::info!(
                        records = report.records,
                        "the store was checked after a stop of the host: nothing is wrong"
                    ),
                    Some(problem) => {
                        let more = report.problem_count - 1;
                        return Err(format!(
                            "{problem} (and {more} more problems; see `reconciled store check`)"
                        ));
                    }
                }
            }
            let tidied = self.store.tidy(self.clock.now()).await.map_err(|error| self.failed(error))?;
            let summary = match tidied {
                None => "small enough".to_owned(),
                Some(done) => {
                    let (before, after) = (done.bytes_before, done.bytes_after);
                    tracing::info!(rows = done.rows, before, after, "the store's index was made small");
                    format!("index made small, from {before} to {after} bytes")
                }
            };
            Ok(Done { summary, again_in: None })
        })
    }
}

/// `42 open, oldest 3h 5m (charge S01-…), last round 09:30:05Z, 0 messages owed`.
pub(super) async fn line(store: &Store, reconcile: &Reconcile, now: Timestamp) -> Result<String, String> {
    let counts = store.counts().await.map_err(|error| error.to_string())?;
    let open: u64 = counts.iter().filter(|count| !count.finished).map(|count| count.number).sum();
    let set_apart: u64 = counts.iter().filter(|count| count.quarantined).map(|count| count.number).sum();
    let oldest = match store.oldest_moving().await.map_err(|error| error.to_string())? {
        Some((object, made_at)) => format!("oldest {} ({} {})", age(made_at, now), object.kind, object.id),
        None => "none moving".to_owned(),
    };
    let last_round = reconcile.tallies().values().filter_map(|tally| tally.last_round_at).max();
    let round =
        last_round.map_or("no round yet".to_owned(), |at| format!("last round {}", at.strftime("%H:%M:%SZ")));
    let owed = store.stats().outbox_pending;
    Ok(format!("{open} open, {oldest}, {set_apart} quarantined, {round}, {owed} messages owed"))
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
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
