//! Attempts that a crash or a long-silent provider left in doubt: resolved by a lookup, or reported by an alert.
//!
//! Owns: when an attempt in doubt is looked up, and when an alert is raised. Must never know: how to send.

use std::time::Duration;

use jiff::SignedDuration;

use super::attempt::{Attempt, Standing};
use super::lookup::LookupResult;
use super::run::Watched;
use super::{Account, CallError, Calls, Routes, alert_text};
use crate::documents::Document;
use crate::store::OwedAlert;
use crate::time::between;

/// An attempt is left alone for this long, because its own command may still resolve it.
const QUIET: Duration = Duration::from_secs(120);
/// After this time, a call that cannot be seen was not carried out: the provider's lists are up to date by then, and
/// no request is still in flight.
const SURE_AFTER: Duration = Duration::from_secs(900);
/// A date further in the future than this was written by a clock that was ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(2);
/// How long the lookups of one round may wait for their turns.
const PATIENCE: Duration = Duration::from_secs(120);

/// The result of one round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Attempts that had been carried out.
    pub done: u64,
    /// Attempts that had not.
    pub not_done: u64,
    /// Attempts that are still in doubt.
    pub open: u64,
}

impl Calls {
    /// Looks up every attempt of an account that is in doubt. This never sends a call again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settle(&self, account: &Account, routes: &Routes) -> Result<Settled, CallError> {
        let mut settled = Settled::default();
        if self.is_settled(&account.name) {
            return Ok(settled);
        }
        self.set_settled(&account.name, true);
        let ended = self.look_for_all(account, routes, &mut settled).await;
        if ended.is_err() || settled.open > 0 {
            self.set_settled(&account.name, false);
        }
        ended.map(|()| settled)
    }

    async fn look_for_all(
        &self,
        account: &Account,
        routes: &Routes,
        settled: &mut Settled,
    ) -> Result<(), CallError> {
        let until = self.clock.monotonic().saturating_add(PATIENCE);
        for attempt in self.list(Some(&account.name), false).await? {
            let Some(_entered) = self.enter(&attempt.name()) else {
                settled.open += 1;
                continue;
            };
            // Read it again: its command may have just ended it.
            let Some(mut attempt) = self.attempts.find(&attempt.name()).await? else { continue };
            if attempt.changed_at.duration_since(self.clock.now()) > AHEAD {
                // Dated by a clock that was ahead: it would count as recent until that time comes.
                attempt.changed_at = self.clock.now();
                self.attempts.write(&attempt).await?;
            }
            let age = self.age(&attempt);
            let is_late = self.clock.monotonic() > until;
            if attempt.standing != Standing::Open || age < QUIET || is_late {
                settled.open += u64::from(attempt.standing == Standing::Open);
                continue;
            }
            match self.find(account, &mut attempt, (age, until)).await? {
                Standing::Done => settled.done += 1,
                Standing::NotDone | Standing::Refused => settled.not_done += 1,
                Standing::Open => {
                    settled.open += 1;
                    if age >= SURE_AFTER {
                        let alert =
                            alert_text::alert(&attempt, account.api.where_to_look(), self.clock.now());
                        let targets = routes(&alert, account.is_sandbox);
                        let owed = vec![OwedAlert { alert, targets }];
                        self.attempts.store().raise(owed).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn find(
        &self,
        account: &Account,
        attempt: &mut Attempt,
        (age, until): (Duration, Duration),
    ) -> Result<Standing, CallError> {
        let Some(lookup) = attempt.when_lost.lookup.clone() else { return Ok(Standing::Open) };
        match self.lookup(account, &lookup, attempt.amount, until).await {
            LookupResult::Found(reply) => {
                let planned = Watched { subject: attempt.subject.as_ref(), amount: attempt.amount };
                attempt.objects = self.watch(account, planned, &reply).await?;
                attempt.standing = Standing::Done;
                attempt.detail = Some("confirmed by a lookup".to_owned());
            }
            LookupResult::NotThere if age >= SURE_AFTER && !attempt.is_reference_taken => {
                attempt.standing = Standing::NotDone;
                attempt.detail = Some("the provider does not show it".to_owned());
            }
            LookupResult::NotThere | LookupResult::Unclear(_) => return Ok(Standing::Open),
        }
        attempt.changed_at = self.clock.now();
        self.attempts.write(attempt).await?;
        tracing::info!(
            account = %account.name, call = attempt.label(), standing = attempt.standing.as_str(),
            "a call in doubt was resolved"
        );
        Ok(attempt.standing)
    }

    /// The time since it last changed. A clock that went back makes it look recent, so it is looked up later.
    fn age(&self, attempt: &Attempt) -> Duration {
        between(attempt.changed_at, self.clock.now())
    }
}
