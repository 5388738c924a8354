//! Provider reports as the daemon does them: the nightly beginning, the steps, and what an operator asks.
//!
//! Owns: when an account's night begins, the translation between `provider_reports` and `control`. Must never know:
//! steps, files.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::apis::registry;
use crate::apis::reporting::windows::Phase;
use crate::clock::SharedClock;
use crate::control::fetching::{ErrandLine, FailedDay, FetchAnswer, FetchRequest, UnreadFile};
use crate::control::problem::{Cause, Problem};
use crate::payments::object::AccountName;
use crate::provider_reports::{self, Download, DownloadError, Downloads, Ports, Wanted};
use crate::store::Store;
use crate::task::{Done, Rhythm, Round, Work};

use super::rooms::{Foundation, Reporter, Rooms};
use super::{Daemon, batching, levels, rooms};
use crate::time::{between, later};

/// Takes the next step of every download, all accounts side by side, and begins the nightly ones.
pub(super) struct Fetching {
    pub(super) downloads: Arc<Downloads>,
    pub(super) reporters: Vec<Arc<Reporter>>,
    pub(super) ports: Ports,
    pub(super) store: Store,
    pub(super) clock: SharedClock,
}

impl Work for Fetching {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let rounds = self.reporters.iter().map(|reporter| self.round(reporter));
            let rounds = futures_util::future::join_all(rounds).await;
            let (mut taken, mut ended, mut next_at, mut faults) = (0, 0, None::<Timestamp>, Vec::new());
            for (reporter, round) in self.reporters.iter().zip(rounds) {
                match round {
                    Ok(round) => {
                        (taken, ended) = (taken + round.taken, ended + round.ended);
                        next_at = [next_at, round.next_at].into_iter().flatten().min();
                    }
                    Err(error) => faults.push(format!("{}: {error}", reporter.account.name)),
                }
            }
            let summary = format!("{taken} steps taken, {ended} downloads ended");
            let now = self.clock.now();
            let soon = later(now, SignedDuration::from_mins(1));
            let again_in = Some(between(now, next_at.map_or(soon, |next| next.min(soon))));
            if faults.is_empty() {
                return Ok(Done { summary, again_in });
            }
            let faults = faults.join("; ");
            // A failed round waits for its period: an account that can go on is not held up by another.
            if next_at.is_none() && taken + ended == 0 {
                return Err(faults);
            }
            tracing::warn!(faults, "provider reports cannot go on; they are tried again with the next round");
            Ok(Done { summary: format!("{summary}; {faults}"), again_in })
        })
    }
}

impl Fetching {
    /// The loop of a configuration; none when no account has reports.
    pub(super) fn of(daemon: &Daemon, rooms: &Rooms) -> Option<(Rhythm, Fetching)> {
        if rooms.reporters.is_empty() {
            return None;
        }
        let foundation = &daemon.foundation;
        let wake = foundation.downloads.wake();
        // Longer than the longest step: the watchdog must not take a provider that hangs for a stall.
        let rhythm = Rhythm { name: "provider-reports", period: Duration::from_secs(300), wake };
        let fetching = Fetching {
            downloads: Arc::clone(&foundation.downloads),
            reporters: rooms.reporters.clone(),
            ports: ports(daemon),
            store: foundation.store.clone(),
            clock: foundation.clock.clone(),
        };
        Some((rhythm, fetching))
    }

    async fn round(&self, reporter: &Reporter) -> Result<provider_reports::Round, DownloadError> {
        if let Some(timetable) = &reporter.timetable {
            let name = format!("schedule/provider-reports/{}", reporter.account.name);
            let done = self.store.recall(&name).await?.and_then(|text| text.parse().ok());
            // A clock that is ahead would take days for over that are not.
            if let Some(due) = timetable.due(done, self.clock.now())
                && self.clock.is_sure()
            {
                self.downloads.begin_night(&reporter.account, &reporter.words).await?;
                self.store.remember(&name, &due.to_string()).await?;
            }
        }
        self.downloads.round(&reporter.account, &self.ports).await
    }
}

/// What reports hand things to.
fn ports(daemon: &Daemon) -> Ports {
    Ports { routes: Arc::clone(&daemon.routes), accepted: batching::accepted(&daemon.reconcile) }
}

/// Answers one question.
pub(super) async fn answer(daemon: &Daemon, request: FetchRequest) -> Result<FetchAnswer, Problem> {
    let rooms = daemon.rooms();
    let downloads = &daemon.foundation.downloads;
    match request {
        FetchRequest::Begin { account, types, from, to, again } => {
            let reporter = find(&rooms.reporters, &account)?;
            let wanted = Wanted { words: types, from, to, is_anew: again };
            let begun = downloads.begin(&reporter.account, &wanted).await.map_err(problem)?;
            Ok(shown(daemon, reporter, &begun, None))
        }
        FetchRequest::Go { account } => {
            let reporter = find(&rooms.reporters, &account)?;
            let mut next_at = None;
            if !daemon.is_daemon {
                rooms::restore_once(daemon, &rooms).await.map_err(|error| problem(error.into()))?;
                let round = downloads.round(&reporter.account, &ports(daemon)).await.map_err(problem)?;
                next_at = round.next_at;
                if next_at.is_none() {
                    let Foundation { store, pace, clock, .. } = &daemon.foundation;
                    let saved = levels::save(store, pace, clock.now()).await;
                    saved.map_err(|error| problem(error.into()))?;
                }
            }
            let found = downloads.list(&reporter.account).await.map_err(problem)?;
            Ok(shown(daemon, reporter, &found, next_at))
        }
    }
}

fn find<'a>(reporters: &'a [Arc<Reporter>], account: &AccountName) -> Result<&'a Arc<Reporter>, Problem> {
    reporters.iter().find(|reporter| reporter.account.name == *account).ok_or_else(|| {
        let known: Vec<&str> = reporters.iter().map(|reporter| reporter.account.name.as_str()).collect();
        let remedy = match known.as_slice() {
            [] => {
                format!("reports need an account with api = {}", registry::names_with_reports().join(" or "))
            }
            known => format!("there are: {}", known.join(", ")),
        };
        let detail = DownloadError::NoReports(account.clone()).to_string();
        Problem::new(Cause::Unprocessable, detail, remedy)
    })
}

fn shown(
    daemon: &Daemon,
    reporter: &Reporter,
    downloads: &[Download],
    next_at: Option<Timestamp>,
) -> FetchAnswer {
    FetchAnswer {
        errands: downloads.iter().map(line).collect(),
        folder: provider_reports::shown_folder(&reporter.account),
        is_daemon: daemon.is_daemon,
        next_at,
    }
}

fn line(download: &Download) -> ErrandLine {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let (progress, tally) = (download.pull.progress(), download.tally);
    let windows = download.pull.windows.iter();
    let failed = windows.clone().filter_map(|window| match &window.phase {
        Phase::Failed { why, .. } => Some(FailedDay { from: window.from, why: why.clone() }),
        _ => None,
    });
    ErrandLine {
        account: download.account.clone(),
        report: download.word.clone(),
        from: download.from,
        until: download.until,
        is_nightly: download.is_nightly,
        is_over: download.is_closed,
        days: count(progress.days),
        done: count(progress.done),
        empty: count(windows.clone().filter(|window| window.phase == Phase::Empty).count()),
        failed: failed.collect(),
        files: tally.files,
        unreadable: tally.unreadable,
        unread: download.unread.iter().map(unread_file).collect(),
        rows: tally.rows,
        rejected: tally.rejected,
        compared: tally.compared,
        differing: tally.differing,
        unknown: tally.unknown,
        enrolled: tally.enrolled,
    }
}

fn unread_file(unread: &provider_reports::Unread) -> UnreadFile {
    UnreadFile {
        from: unread.from,
        report_id: unread.report_id.clone(),
        why: unread.why.clone(),
        file: format!("{}.csv", unread.kept_at),
    }
}

fn problem(error: DownloadError) -> Problem {
    let (cause, remedy) = match &error {
        DownloadError::Store(_) | DownloadError::File(_) => {
            (Cause::Unavailable, "see the log; the request may be repeated")
        }
        DownloadError::Unreadable { .. } => (Cause::Internal, "see the log, and keep the store as it is"),
        DownloadError::UnknownType { .. } => (Cause::Unprocessable, "name one with --type, or none for all"),
        DownloadError::NoReports(_) => (Cause::Unprocessable, "name another account"),
        DownloadError::Range(_) => {
            (Cause::Unprocessable, "days are UTC days that are over, at most 30 at once, at most 90 days old")
        }
    };
    Problem::new(cause, error.to_string(), remedy)
}
