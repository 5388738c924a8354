//! The steps of an account's downloads, each recorded before and after it is taken.
//!
//! Owns: the order of recording, requesting and keeping. Must never know: what an answer means.

use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::alert_text::Place;
use super::archive::{Archive, Manifest, Read};
use super::download::Download;
use super::{Account, DownloadError, Downloads, Ports, source};
use crate::apis::pace::Permit;
use crate::apis::reporting::windows::{Outcome, Phase, Step, Window, about_to, next_steps, took};
use crate::apis::reporting::{Leave, Taken};
use crate::payments::object::AccountName;
use crate::time::later;

/// The longest time that one step may take, including all its pages.
const LONGEST_STEP: Duration = Duration::from_secs(240);

/// What one round did for an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Steps that were taken.
    pub taken: u64,
    /// Downloads that ended.
    pub ended: u64,
    /// When the next round is due; none when no step is due.
    pub next_at: Option<Timestamp>,
}

/// The result of one turn.
enum Turn {
    /// Something was done without a request: take another turn.
    Again,
    /// A request was sent.
    Sent,
    /// A download was closed.
    Closed,
    /// Nothing is due before this time.
    Wait(Timestamp),
    /// No download has a step that is due.
    Nothing,
}

impl Downloads {
    /// Does what is due now for an account, up to and including one request, so that a round stays short.
    ///
    /// # Errors
    /// When the store or the folder fails. The next round continues from what is stored.
    pub async fn round(&self, account: &Account, ports: &Ports) -> Result<Round, DownloadError> {
        let mut round = Round::default();
        loop {
            match self.turn(account, ports).await? {
                Turn::Again => round.taken += 1,
                Turn::Sent => {
                    round.taken += 1;
                    return Ok(Round { next_at: Some(self.clock.now()), ..round });
                }
                Turn::Closed => round.ended += 1,
                Turn::Wait(at) => return Ok(Round { next_at: Some(at), ..round }),
                Turn::Nothing => return Ok(round),
            }
        }
    }

    async fn turn(&self, account: &Account, ports: &Ports) -> Result<Turn, DownloadError> {
        let turns = self.turn_of(&account.name);
        let _turn = turns.lock().await;
        let downloads = self.downloads_of(&account.name).await?;
        let mut next: Option<Timestamp> = None;
        let now = self.clock.now();
        for mut download in downloads.into_iter().filter(|download| !download.is_closed) {
            for step in next_steps(&download.pull, now) {
                let wait_until = match &step {
                    Step::Nothing => {
                        self.close(account, ports, download).await?;
                        return Ok(Turn::Closed);
                    }
                    Step::GiveUp => {
                        download.pull = took(download.pull, Outcome::GaveUp, now);
                        self.stored.write(&download).await?;
                        return Ok(Turn::Again);
                    }
                    Step::WaitUntil(at) => *at,
                    Step::Fetch { window, report_id }
                        if self.is_kept(account, &download, *window).await? =>
                    {
                        tracing::debug!(account = %account.name, report_id, "report is already kept");
                        let window = *window;
                        self.take_from_shelf(account, ports, download, window).await?;
                        return Ok(Turn::Again);
                    }
                    step => {
                        let Some(operation) = source(account)?.operation(step) else { continue };
                        match self.pace.take(&account.name, operation) {
                            Ok(permit) => {
                                self.step(account, ports, download, step.clone(), permit).await?;
                                return Ok(Turn::Sent);
                            }
                            // Never the same time again, because a bucket counts more finely than the clock.
                            Err(wait) => later(now, wait.max(Duration::from_millis(1))),
                        }
                    }
                };
                next = Some(next.map_or(wait_until, |known| known.min(wait_until)));
            }
        }
        Ok(next.map_or(Turn::Nothing, Turn::Wait))
    }

    async fn step(
        &self,
        account: &Account,
        ports: &Ports,
        mut download: Download,
        step: Step,
        permit: Permit,
    ) -> Result<(), DownloadError> {
        download.pull = about_to(download.pull, &step, self.clock.now());
        self.stored.write(&download).await?;
        let leave = Budget { downloads: self, account: &account.name };
        let taken = tokio::select! {
            taken = source(account)?.take(&download.pull, &step, permit, &leave) => taken,
            () = self.clock.sleep(LONGEST_STEP) => {
                Taken { outcome: None, file: None, trouble: Some("it took too long".to_owned()) }
            }
        };
        if taken.outcome.as_ref().is_some_and(Outcome::is_acceptance) {
            (ports.accepted)(&account.name);
        }
        if let Some(trouble) = &taken.trouble {
            tracing::debug!(account = %account.name, report = download.word, trouble, "a step of a report failed");
        }
        let outcome = match (taken.outcome, &step) {
            // A request whose answer was lost is looked up.
            (None, Step::Request { .. }) => return Ok(()),
            (None, _) => Outcome::Failed { retry_after_s: None },
            (Some(outcome), _) => outcome,
        };
        if let (Some(file), Step::Fetch { window, report_id }) = (taken.file, &step)
            && let Some(day) = download.pull.windows.get(*window).cloned()
        {
            let manifest = self.manifest(&download, &day, Some(report_id.clone()));
            let kept = Archive::of(account, &download.word).keep(manifest, file).await?;
            let (tally, unread) = self.fold(account, ports, (&download, &day), kept).await?;
            download.took(tally, unread);
        }
        let before: Vec<bool> = download.pull.windows.iter().map(|day| day.phase == Phase::Empty).collect();
        download.pull = took(download.pull, outcome, self.clock.now());
        for (day, _) in
            download.pull.windows.iter().zip(before).filter(|(day, was)| !was && day.phase == Phase::Empty)
        {
            let manifest = self.manifest(&download, day, None);
            Archive::of(account, &download.word).keep_empty(manifest).await?;
        }
        Ok(self.stored.write(&download).await?)
    }

    fn manifest(&self, download: &Download, day: &Window, report_id: Option<String>) -> Manifest {
        Manifest {
            report_id,
            report_type: download.pull.report_type.clone(),
            from: day.from,
            until: day.until,
            fetched_at: self.clock.now(),
            content_type: None,
            bytes: 0,
            sha256: None,
            md5: None,
            read: None,
        }
    }

    async fn is_kept(
        &self,
        account: &Account,
        download: &Download,
        window: usize,
    ) -> Result<bool, DownloadError> {
        let Some(day) = download.pull.windows.get(window) else { return Ok(false) };
        let Phase::Ready { report_id, .. } = &day.phase else { return Ok(false) };
        Ok(Archive::of(account, &download.word).kept(day.from, report_id).await?.is_some())
    }

    /// A file that was kept before the process stopped, or by an earlier download, is not fetched again.
    async fn take_from_shelf(
        &self,
        account: &Account,
        ports: &Ports,
        mut download: Download,
        window: usize,
    ) -> Result<(), DownloadError> {
        if let Some(day) = download.pull.windows.get(window).cloned()
            && let Phase::Ready { report_id, .. } = &day.phase
            && let Some((manifest, file)) =
                Archive::of(account, &download.word).kept(day.from, report_id).await?
            && (download.is_anew || manifest.read.as_ref().is_none_or(Read::is_unread))
        {
            let (tally, unread) = self.fold(account, ports, (&download, &day), (manifest, file)).await?;
            download.took(tally, unread);
        }
        download.pull = took(download.pull, Outcome::Fetched { window }, self.clock.now());
        Ok(self.stored.write(&download).await?)
    }

    async fn close(
        &self,
        account: &Account,
        ports: &Ports,
        mut download: Download,
    ) -> Result<(), DownloadError> {
        if let Some(window) = download.pull.windows.first() {
            let place = Place {
                download: &download,
                window,
                where_to_look: account.api.where_to_look(),
                now: self.clock.now(),
            };
            if let Some(alert) = place.failed() {
                self.tell(account, ports, alert).await?;
            }
        }
        (download.is_closed, download.is_anew) = (true, false);
        self.stored.write(&download).await?;
        let (progress, tally) = (download.pull.progress(), download.tally);
        tracing::info!(
            account = %account.name, report = download.word, from = %download.from, until = %download.until,
            days = progress.days, failed = progress.failed, files = tally.files, unread = tally.unreadable,
            rows = tally.rows, rejected = tally.rejected, differing = tally.differing, unknown = tally.unknown,
            enrolled = tally.enrolled, "provider reports fetched"
        );
        Ok(())
    }
}

/// Waits for permits for further pages.
struct Budget<'a> {
    downloads: &'a Downloads,
    account: &'a AccountName,
}

impl Leave for Budget<'_> {
    fn wait<'a>(&'a self, operation: &'static str) -> Pin<Box<dyn Future<Output = Permit> + Send + 'a>> {
        Box::pin(async move {
            loop {
                match self.downloads.pace.take(self.account, operation) {
                    Ok(permit) => return permit,
                    Err(wait) => self.downloads.clock.sleep(wait.max(Duration::from_millis(1))).await,
                }
            }
        })
    }
}
