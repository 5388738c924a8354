//! The steps of an account's errands, each written down before it is taken and after.
//!
//! Owns: the order of writing, asking and keeping. Must never know: what an answer means.

use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::alert_text::Place;
use super::book::Errand;
use super::shelf::{Manifest, Read, Shelf};
use super::{Account, Routes, SettlementError, Settlements};
use crate::apis::pace::Permit;
use crate::apis::reporting::windows::{Outcome, Phase, Step, Window, about_to, next_steps, took};
use crate::apis::reporting::{Leave, Taken};
use crate::payments::object::AccountName;
use crate::time::later;

/// The longest that one step may take, all its pages included.
const LONGEST_STEP: Duration = Duration::from_secs(240);

/// What one round of an account did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Steps that were taken.
    pub taken: u64,
    /// Errands that ended.
    pub ended: u64,
    /// When to go again; none when nothing is owed a step.
    pub next_at: Option<Timestamp>,
}

/// How a turn left the account.
enum Turn {
    /// Something was done without a request: look again.
    Again,
    /// A request was sent.
    Sent,
    /// An errand was finished with.
    Closed,
    /// Nothing before this time.
    Wait(Timestamp),
    /// No errand is owed a step.
    Nothing,
}

impl Settlements {
    /// Does what is due now of an account, up to and with one request: a round stays short.
    ///
    /// # Errors
    /// When store or folder fail: the next round goes on from what is stored.
    pub async fn round(&self, account: &Account, routes: &Routes) -> Result<Round, SettlementError> {
        let mut round = Round::default();
        loop {
            match self.turn(account, routes).await? {
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

    async fn turn(&self, account: &Account, routes: &Routes) -> Result<Turn, SettlementError> {
        let turns = self.turn_of(&account.name);
        let _turn = turns.lock().await;
        let errands = self.errands_of(&account.name).await?;
        let mut next: Option<Timestamp> = None;
        let now = self.clock.now();
        for mut errand in errands.into_iter().filter(|errand| !errand.is_closed) {
            for step in next_steps(&errand.pull, now) {
                let wait_until = match &step {
                    Step::Nothing => {
                        self.close(account, routes, errand).await?;
                        return Ok(Turn::Closed);
                    }
                    Step::GiveUp => {
                        errand.pull = took(errand.pull, Outcome::GaveUp, now);
                        self.errands.write(&errand).await?;
                        return Ok(Turn::Again);
                    }
                    Step::WaitUntil(at) => *at,
                    Step::Fetch { window, report_id } if self.is_kept(account, &errand, *window).await? => {
                        tracing::debug!(account = %account.name, report_id, "report is kept already");
                        let window = *window;
                        self.take_from_shelf(account, routes, errand, window).await?;
                        return Ok(Turn::Again);
                    }
                    step => {
                        let Some(operation) = account.source.operation(step) else { continue };
                        match self.pace.take(&account.name, operation) {
                            Ok(permit) => {
                                self.step(account, routes, errand, step.clone(), permit).await?;
                                return Ok(Turn::Sent);
                            }
                            // Never the same moment again: a bucket counts finer than the clock.
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
        routes: &Routes,
        mut errand: Errand,
        step: Step,
        permit: Permit,
    ) -> Result<(), SettlementError> {
        errand.pull = about_to(errand.pull, &step, self.clock.now());
        self.errands.write(&errand).await?;
        let leave = Budget { settlements: self, account: &account.name };
        let taken = tokio::select! {
            taken = account.source.take(&errand.pull, &step, permit, &leave) => taken,
            () = self.clock.sleep(LONGEST_STEP) => {
                Taken { outcome: None, file: None, trouble: Some("it took too long".to_owned()) }
            }
        };
        if let Some(trouble) = &taken.trouble {
            tracing::debug!(account = %account.name, report = errand.word, trouble, "a step of a report failed");
        }
        let outcome = match (taken.outcome, &step) {
            // A request whose answer was lost is searched for.
            (None, Step::Request { .. }) => return Ok(()),
            (None, _) => Outcome::Failed { retry_after_s: None },
            (Some(outcome), _) => outcome,
        };
        if let (Some(file), Step::Fetch { window, report_id }) = (taken.file, &step)
            && let Some(day) = errand.pull.windows.get(*window).cloned()
        {
            let manifest = self.manifest(&errand, &day, Some(report_id.clone()));
            let kept = Shelf::of(account, &errand.word).keep(manifest, file).await?;
            let (tally, unread) = self.fold(account, routes, (&errand, &day), kept).await?;
            errand.took(tally, unread);
        }
        let before: Vec<bool> = errand.pull.windows.iter().map(|day| day.phase == Phase::Empty).collect();
        errand.pull = took(errand.pull, outcome, self.clock.now());
        for (day, _) in
            errand.pull.windows.iter().zip(before).filter(|(day, was)| !was && day.phase == Phase::Empty)
        {
            let manifest = self.manifest(&errand, day, None);
            Shelf::of(account, &errand.word).keep_empty(manifest).await?;
        }
        Ok(self.errands.write(&errand).await?)
    }

    fn manifest(&self, errand: &Errand, day: &Window, report_id: Option<String>) -> Manifest {
        Manifest {
            report_id,
            report_type: errand.pull.report_type.clone(),
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
        errand: &Errand,
        window: usize,
    ) -> Result<bool, SettlementError> {
        let Some(day) = errand.pull.windows.get(window) else { return Ok(false) };
        let Phase::Ready { report_id, .. } = &day.phase else { return Ok(false) };
        Ok(Shelf::of(account, &errand.word).kept(day.from, report_id).await?.is_some())
    }

    /// A file that was kept before the process stopped, or by an earlier errand, is not fetched again.
    async fn take_from_shelf(
        &self,
        account: &Account,
        routes: &Routes,
        mut errand: Errand,
        window: usize,
    ) -> Result<(), SettlementError> {
        if let Some(day) = errand.pull.windows.get(window).cloned()
            && let Phase::Ready { report_id, .. } = &day.phase
            && let Some((manifest, file)) = Shelf::of(account, &errand.word).kept(day.from, report_id).await?
            && (errand.is_anew || manifest.read.as_ref().is_none_or(Read::is_unread))
        {
            let (tally, unread) = self.fold(account, routes, (&errand, &day), (manifest, file)).await?;
            errand.took(tally, unread);
        }
        errand.pull = took(errand.pull, Outcome::Fetched { window }, self.clock.now());
        Ok(self.errands.write(&errand).await?)
    }

    async fn close(
        &self,
        account: &Account,
        routes: &Routes,
        mut errand: Errand,
    ) -> Result<(), SettlementError> {
        if let Some(window) = errand.pull.windows.first() {
            let place = Place { errand: &errand, window, look: account.api.look(), now: self.clock.now() };
            if let Some(alert) = place.failed() {
                self.tell(account, routes, alert).await?;
            }
        }
        (errand.is_closed, errand.is_anew) = (true, false);
        self.errands.write(&errand).await?;
        let (progress, tally) = (errand.pull.progress(), errand.tally);
        tracing::info!(
            account = %account.name, report = errand.word, from = %errand.from, until = %errand.until,
            days = progress.days, failed = progress.failed, files = tally.files, unread = tally.unreadable,
            rows = tally.rows, rejected = tally.rejected, differing = tally.differing, unknown = tally.unknown,
            enrolled = tally.enrolled, "provider reports fetched"
        );
        Ok(())
    }
}

/// Waits for the budget of further pages.
struct Budget<'a> {
    settlements: &'a Settlements,
    account: &'a AccountName,
}

impl Leave for Budget<'_> {
    fn wait<'a>(&'a self, operation: &'static str) -> Pin<Box<dyn Future<Output = Permit> + Send + 'a>> {
        Box::pin(async move {
            loop {
                match self.settlements.pace.take(self.account, operation) {
                    Ok(permit) => return permit,
                    Err(wait) => self.settlements.clock.sleep(wait.max(Duration::from_millis(1))).await,
                }
            }
        })
    }
}
