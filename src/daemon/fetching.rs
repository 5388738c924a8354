//! Provider reports in the daemon: starting the nightly downloads and taking the steps.
//!
//! Owns: when an account's nightly download starts. Must never know: steps, files.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::control::service::Reporter;
use crate::provider_reports::{self, DownloadError, Downloads, Ports};
use crate::store::Store;
use crate::task::{Done, Rhythm, Round, Work};

use super::Daemon;
use super::rooms::Rooms;
use crate::time::{between, later};

/// Takes the next step of every download, all accounts in parallel, and starts the nightly downloads.
pub(super) struct Fetching {
    pub(super) downloads: Arc<Downloads>,
    pub(super) reporters: Vec<Arc<Reporter>>,
    pub(super) ports: Ports,
    pub(super) pace: Arc<Pace>,
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
            // A failed round waits for its period, but an account that can continue is not delayed by another.
            if next_at.is_none() && taken + ended == 0 {
                return Err(faults);
            }
            tracing::warn!(faults, "provider reports cannot continue; they are retried in the next round");
            Ok(Done { summary: format!("{summary}; {faults}"), again_in })
        })
    }
}

impl Fetching {
    /// The loop of one configuration; none when no account has reports.
    pub(super) fn of(daemon: &Daemon, rooms: &Rooms) -> Option<(Rhythm, Fetching)> {
        if rooms.reporters.is_empty() {
            return None;
        }
        let foundation = &daemon.foundation;
        let wake = foundation.downloads.wake();
        // Longer than the longest step: the watchdog must not mistake a hanging provider for a stall.
        let rhythm = Rhythm { name: "provider-reports", period: Duration::from_secs(300), wake };
        let fetching = Fetching {
            downloads: Arc::clone(&foundation.downloads),
            reporters: rooms.reporters.clone(),
            ports: Ports {
                routes: Arc::clone(&daemon.routes),
                accepted: Arc::clone(&daemon.reconcile).accepted(),
            },
            pace: Arc::clone(&foundation.pace),
            store: foundation.store.clone(),
            clock: foundation.clock.clone(),
        };
        Some((rhythm, fetching))
    }

    async fn round(&self, reporter: &Reporter) -> Result<provider_reports::Round, DownloadError> {
        let Some(_at_work) = self.pace.work_on(&reporter.account.name) else {
            return Ok(provider_reports::Round::default());
        };
        if let Some(timetable) = &reporter.timetable {
            let name = format!("schedule/provider-reports/{}", reporter.account.name);
            let done = self.store.recall(&name).await?.and_then(|text| text.parse().ok());
            // A clock that is ahead would treat days as over that are not.
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
