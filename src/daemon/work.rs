//! The daemon's own loops: delivering pending alerts, the nightly report, the status line.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use tokio::sync::mpsc;

use crate::alerts::{self, Deliverer};
use crate::apis::Account;
use crate::batches::{self, Batches};
use crate::clock::SharedClock;
use crate::events::BackOffice;
use crate::payments::age;
use crate::payments::object::AccountName;
use crate::reconcile::Reconcile;
use crate::reports::Reports;
use crate::store::{Store, StoreError};
use crate::task::{Board, Done, Round, Work};
use crate::text;
use crate::time;
use crate::timetable::Timetable;

use super::manager;

/// Delivers the alerts in the outbox.
pub(super) struct Delivering {
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) clock: SharedClock,
}

impl Work for Delivering {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let round = self.deliverer.round().await.map_err(|error| error.to_string())?;
            Ok(delivered(&round, &self.clock))
        })
    }
}

/// Delivers the events of one receiver.
pub(super) struct Announcing {
    pub(super) office: Arc<BackOffice>,
    pub(super) clock: SharedClock,
}

impl Work for Announcing {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let round = self.office.round().await.map_err(|error| error.to_string())?;
            Ok(delivered(&round, &self.clock))
        })
    }
}

fn delivered(round: &alerts::Round, clock: &SharedClock) -> Done {
    let again_in = if round.is_unfinished {
        Some(Duration::from_secs(1))
    } else {
        round.next_at.map(|next| time::between(clock.now(), next))
    };
    let summary =
        format!("{} delivered, {} to be retried, {} given up", round.delivered, round.retried, round.dead);
    Done { summary, again_in }
}

/// Takes the next steps of the batches of one account.
pub(super) struct Batching {
    batches: Arc<Batches>,
    account: Arc<Account>,
    ports: batches::Ports,
    clock: SharedClock,
    /// The accounts whose old files this loop removes.
    prunes: Prunes,
    keep_files_for: SignedDuration,
    /// When to search for old files next.
    prune_at: Mutex<Option<Timestamp>>,
}

/// The accounts whose old batch files are removed. Each loop removes those of its own account, because a batch must
/// not change meanwhile.
pub(super) enum Prunes {
    /// Its own account.
    Own,
    /// Its own account, and accounts that no longer have a loop.
    AllBut(Vec<AccountName>),
}

/// The time between two searches for batch files that need not be kept any more.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(6);

impl Batching {
    pub(super) fn new(
        batches: Arc<Batches>,
        account: Arc<Account>,
        ports: batches::Ports,
        clock: SharedClock,
        (prunes, keep_files_days): (Prunes, u32),
    ) -> Batching {
        let keep_files_for = SignedDuration::from_hours(24 * i64::from(keep_files_days));
        Batching { batches, account, ports, clock, prunes, keep_files_for, prune_at: Mutex::new(None) }
    }

    /// Periodically removes the files of batches that ended long ago.
    async fn prune(&self) -> Result<(), String> {
        if !self.clock.is_sure() {
            // With a clock that is ahead, all files would look old.
            return Ok(());
        }
        let now = self.clock.now();
        let is_due = {
            let mut next = self.prune_at.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = time::later(now, PRUNE_EVERY);
            let is_due = next.is_none_or(|next| next <= now || next > latest);
            if is_due {
                *next = Some(latest);
            }
            is_due
        };
        let before = time::earlier(now, self.keep_files_for);
        if is_due {
            let is_chosen = |name: &AccountName| match &self.prunes {
                Prunes::Own => *name == self.account.name,
                Prunes::AllBut(others) => !others.contains(name),
            };
            let pruned = self.batches.prune(before, is_chosen).await.map_err(|error| error.to_string())?;
            if pruned > 0 {
                tracing::info!(pruned, "files of old batches removed; their rows are kept");
            }
        }
        Ok(())
    }
}

impl Work for Batching {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            self.prune().await?;
            let round = self.batches.round(&self.account, &self.ports).await;
            let round = round.map_err(|error| error.to_string())?;
            let summary = format!(
                "{} sent, {} ended",
                text::count(round.sent, "request"),
                text::count(round.ended, "batch")
            );
            let now = self.clock.now();
            let soon = time::later(now, SignedDuration::from_mins(1));
            let again_in = Some(time::between(now, round.next_at.map_or(soon, |next| next.min(soon))));
            if round.blocked.is_empty() {
                return Ok(Done { summary, again_in });
            }
            let faults = round.blocked.join("; ");
            // A failed round waits for its period, but a batch that can continue is not delayed by another.
            if round.next_at.is_none() && round.sent + round.ended == 0 {
                return Err(faults);
            }
            tracing::warn!(faults, "batches cannot continue; they are retried in the next round");
            Ok(Done { summary: format!("{summary}; {faults}"), again_in })
        })
    }
}

/// Reports operations of batches, reports and calls that have long been on hold by the provider, and what had ended
/// before an account's first day.
pub(super) struct Holding {
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) accounts: Vec<Arc<Account>>,
}

impl Work for Holding {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            self.reconcile.report_other_holds(&self.accounts).await.map_err(|error| error.to_string())?;
            self.reconcile.report_already_ended(&self.accounts).await.map_err(|error| error.to_string())?;
            Ok(Done { summary: "checked for operations on hold".to_owned(), again_in: None })
        })
    }
}

/// Reports silences that end soon.
pub(super) struct Silencing {
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) clock: SharedClock,
}

impl Work for Silencing {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let now = self.clock.now();
            let next = self.deliverer.silences().warn(self.deliverer.routes(), now).await;
            let next = next.map_err(|error| error.to_string())?;
            let again_in = next.map(|next| time::between(now, next));
            Ok(Done { summary: "checked for silences that end soon".to_owned(), again_in })
        })
    }
}

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
            let words = |error: crate::store::StoreError| error.to_string();
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

/// Updates the service manager's status line, and the polling loops' heartbeat on the board. Ends the process if the store
/// has failed, even if only a request on the socket noticed.
pub(super) struct Pulse {
    pub(super) store: Store,
    /// Receives the error when the store has failed; the process then ends.
    pub(super) fatal: mpsc::UnboundedSender<StoreError>,
    pub(super) clock: SharedClock,
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) board: Arc<Board>,
}

/// The longest time without progress in a polling loop. Each loop is active at least once a minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(240);

impl Work for Pulse {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            if let Some(error) = self.store.failure() {
                let text = error.to_string();
                // Nobody listens any more when the process is about to stop.
                let _ = self.fatal.send(error);
                return Err(text);
            }
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

/// Checks the store after the host went down, and compacts its index.
pub(super) struct Tidying {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    /// Receives the error when the store has failed; the process then ends.
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
                        summary: "the check continues at the next start".to_owned(),
                        again_in: None,
                    });
                }
                checked => checked.map_err(|error| self.failed(error))?,
            };
            if let Some(report) = checked {
                match report.problems.first() {
                    None => tracing::info!(
                        records = report.records,
                        "the store was checked after the host went down: nothing is wrong"
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
                None => "no compaction needed".to_owned(),
                Some(done) => {
                    let (before, after) = (done.bytes_before, done.bytes_after);
                    tracing::info!(rows = done.rows, before, after, "the store's index was compacted");
                    format!("index compacted from {before} to {after} bytes")
                }
            };
            Ok(Done { summary, again_in: None })
        })
    }
}

/// `42 open, oldest 3h 5m (charge S01-…), last round 09:30:05Z, 0 messages pending`.
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
    Ok(format!(
        "{open} open, {oldest}, {set_apart} quarantined, {round}, {} messages pending",
        store.stats().outbox_pending
    ))
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
