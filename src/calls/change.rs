//! The tries of one call that changes something.
//!
//! Owns: what is written before and after each try, and when the same call may be sent again. Must never know: how
//! it is sent, how a lookup works.

use std::time::Duration;

use super::attempt::{Attempt, Standing};
use super::lookup::LookupResult;
use super::run::{Ended, MOST_TRIES, Outcome, Watched, no_turn, pause};
use super::{Account, CallError, Calls, attempt, caller};
use crate::apis::calls::{CallFailure, Identity, Lookup, Planned, Repeat, Reply, fingerprint};

/// How often to check whether somebody else still holds the attempt.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Calls {
    /// Sends the call once, or determines the outcome of an earlier attempt.
    pub(super) async fn change(
        &self,
        account: &Account,
        planned: &Planned,
        identity: &Identity,
        until: Duration,
    ) -> Result<Ended, CallError> {
        let name = attempt::name(&account.name, planned.operation, identity.as_str());
        let label = || format!("{}/{}", planned.operation, identity.as_str());
        let _entered = loop {
            // The same command elsewhere, or a lookup of the attempt, ends soon.
            match self.enter(&name) {
                Some(entered) => break entered,
                None if self.clock.monotonic() >= until => return Err(CallError::UnderWay(label())),
                None => self.clock.sleep(LOOK_AGAIN).await,
            }
        };
        let known = self.attempts.find(&name).await?;
        let is_same = known
            .as_ref()
            .is_none_or(|known| known.fingerprint == fingerprint(planned.operation, &planned.parameters));
        let new = || Attempt::new(&account.name, planned, identity, self.clock.now());
        let attempt = match (known, identity) {
            (Some(known), Identity::Once(_)) if !is_same && is_free(&known) => new(),
            (Some(_), Identity::Once(_)) if !is_same => return Err(CallError::OtherCall(label())),
            (Some(known), Identity::Once(_)) if known.standing == Standing::Done => {
                return Ok(self.done_before(account, &known, until).await);
            }
            (Some(known), _) if known.standing == Standing::Open => {
                if !is_same {
                    return Err(CallError::EarlierInDoubt(label()));
                }
                known
            }
            (Some(known), Identity::Once(_)) => known,
            (Some(known), Identity::About(_)) if is_same && known.standing == Standing::Done => {
                // Its effect may still be in place. Then the provider would only refuse it.
                if let Some(lookup) = &planned.when_lost.lookup
                    && let LookupResult::Found(reply) =
                        self.lookup(account, lookup, planned.amount, until).await
                {
                    let reply = *reply;
                    let attempt = Some(known.label());
                    let (was_done_before, sent) = (true, known.sent);
                    return Ok(Ended {
                        attempt,
                        was_done_before,
                        sent,
                        reply,
                        ..Ended::plain(Outcome::Done)
                    });
                }
                new()
            }
            (Some(_), Identity::About(_)) | (None, _) => new(),
        };
        let mut tries = Tries { calls: self, account, planned, attempt, until };
        tries.go().await
    }

    /// The call was carried out before. Fetches the current state of what it created or changed.
    async fn done_before(&self, account: &Account, known: &Attempt, until: Duration) -> Ended {
        let mut reply = Reply::default();
        let seen = known.objects.first().map(|object| (object.kind.clone(), object.id.clone()));
        let seen = seen.or_else(|| known.subject.clone().map(|subject| (subject.kind, subject.id)));
        let mut detail = None;
        if let Some((kind, id)) = seen {
            match self.see(account, &kind, &id, until).await {
                Ok(observation) => reply.seen = Some((kind, observation)),
                Err(why) => detail = Some(why),
            }
        }
        Ended {
            detail,
            attempt: Some(known.label()),
            was_done_before: true,
            sent: known.sent,
            reply,
            watched: known.objects.clone(),
            ..Ended::plain(Outcome::Done)
        }
    }
}

/// Whether nothing was ever done under an attempt's reference, so that another call may use it. A key under which the
/// provider repeats its first answer ([`Repeat::Kept`]) stays with its call even after a refusal.
fn is_free(known: &Attempt) -> bool {
    match known.standing {
        Standing::NotDone => true,
        Standing::Refused => known.when_lost.repeat != Repeat::Kept,
        Standing::Open | Standing::Done => false,
    }
}

/// One call in progress.
struct Tries<'a> {
    calls: &'a Calls,
    account: &'a Account,
    planned: &'a Planned,
    attempt: Attempt,
    until: Duration,
}

impl Tries<'_> {
    async fn go(&mut self) -> Result<Ended, CallError> {
        let mut is_lost = self.attempt.standing == Standing::Open;
        for number in 1..=MOST_TRIES {
            if is_lost && let Some(ended) = self.found_out().await? {
                return Ok(ended);
            }
            let permit = match self.calls.turn(self.account, self.planned.operation, self.until).await {
                Ok(permit) => permit,
                Err(wait) if is_lost => {
                    let detail = no_turn(self.planned.operation, wait).detail.unwrap_or_default();
                    return self.in_doubt(detail).await;
                }
                Err(wait) => return Ok(no_turn(self.planned.operation, wait)),
            };
            self.attempt.sent += 1;
            self.note(Standing::Open, None).await?;
            let failure = match caller(self.account)?.carry_out(self.planned, permit).await {
                Ok(reply) => return self.done(reply).await,
                Err(failure) => failure,
            };
            let detail = failure.to_string();
            match failure {
                // Its reference is in use, perhaps by an earlier try of this same call.
                CallFailure::Refused { is_duplicate: true, .. } => {
                    return self.reference_taken(is_lost || self.attempt.sent > 1, detail).await;
                }
                CallFailure::Refused { is_whole_account, .. } if !is_lost => {
                    // When the whole account is refused, another try is worthwhile once that is fixed.
                    let standing = if is_whole_account { Standing::NotDone } else { Standing::Refused };
                    return self.refused(standing, detail).await;
                }
                CallFailure::Refused { is_whole_account, .. } => {
                    return self.refused_after_loss(is_whole_account, detail).await;
                }
                CallFailure::NotSent { .. } | CallFailure::Throttled { .. } if !is_lost => {
                    self.note(Standing::NotDone, Some(detail)).await?;
                    return Ok(self.ended(Outcome::TryLater));
                }
                CallFailure::NotSent { .. } | CallFailure::Throttled { .. } | CallFailure::Lost { .. } => {
                    is_lost = true;
                    self.note(Standing::Open, Some(detail)).await?;
                }
            }
            if number < MOST_TRIES {
                self.calls.clock.sleep(pause(number)).await;
            }
        }
        if let Some(ended) = self.found_out().await? {
            return Ok(ended);
        }
        let detail = self.attempt.detail.clone().unwrap_or_default();
        self.in_doubt(detail).await
    }

    /// The end of a lost try, if it was carried out or must not be repeated. None when the same call may be sent
    /// again.
    async fn found_out(&mut self) -> Result<Option<Ended>, CallError> {
        // Sending again returns the provider's first answer, which says more than any lookup.
        if self.planned.when_lost.repeat == Repeat::Kept {
            return Ok(None);
        }
        if let Some(lookup) = &self.planned.when_lost.lookup {
            match self.calls.lookup(self.account, lookup, self.attempt.amount, self.until).await {
                LookupResult::Found(reply) => return self.done(*reply).await.map(Some),
                LookupResult::NotThere => {}
                LookupResult::Unclear(why) => return self.in_doubt(why).await.map(Some),
            }
        }
        if self.planned.when_lost.repeat == Repeat::Never {
            let detail = self.attempt.detail.clone().unwrap_or_else(|| "the answer was lost".to_owned());
            return self.in_doubt(detail).await.map(Some);
        }
        Ok(None)
    }

    /// The provider says that the call's reference or key was used before. Only a lookup shows whether this same call
    /// was carried out under it. A call that was sent before and cannot be seen stays in doubt.
    async fn reference_taken(&mut self, was_sent_before: bool, detail: String) -> Result<Ended, CallError> {
        self.attempt.is_reference_taken = was_sent_before;
        match &self.planned.when_lost.lookup {
            Some(lookup) => {
                match self.calls.lookup(self.account, lookup, self.attempt.amount, self.until).await {
                    LookupResult::Found(reply) => {
                        let ended = self.done(*reply).await?;
                        Ok(Ended { was_done_before: true, ..ended })
                    }
                    LookupResult::NotThere if !was_sent_before => {
                        self.refused(Standing::Refused, detail).await
                    }
                    LookupResult::NotThere => self.in_doubt(detail).await,
                    LookupResult::Unclear(why) => self.in_doubt(format!("{detail}; {why}")).await,
                }
            }
            None if was_sent_before => self.in_doubt(detail).await,
            None => self.refused(Standing::Refused, detail).await,
        }
    }

    /// A repeated try was refused. With [`Repeat::Kept`] this is also the answer to the first try. Otherwise only a
    /// lookup shows whether the first try was carried out, which may be the reason for the refusal. An object's list
    /// of children may lag: what it does not show yet stays in doubt until the daemon has checked again.
    async fn refused_after_loss(
        &mut self,
        is_whole_account: bool,
        detail: String,
    ) -> Result<Ended, CallError> {
        if is_whole_account {
            return self.in_doubt(detail).await;
        }
        let is_answered = match (&self.planned.when_lost.lookup, self.planned.when_lost.repeat) {
            (_, Repeat::Kept) => true,
            (None, _) => false,
            (Some(lookup), _) => {
                match self.calls.lookup(self.account, lookup, self.attempt.amount, self.until).await {
                    LookupResult::Found(reply) => return self.done(*reply).await,
                    LookupResult::NotThere => matches!(lookup, Lookup::State { .. }),
                    LookupResult::Unclear(_) => false,
                }
            }
        };
        if !is_answered {
            return self.in_doubt(detail).await;
        }
        self.refused(Standing::Refused, detail).await
    }

    async fn refused(&mut self, standing: Standing, detail: String) -> Result<Ended, CallError> {
        let is_kept = self.planned.when_lost.repeat == Repeat::Kept && standing == Standing::Refused;
        let more = "; under this key the answer stays the same: a new try needs its own idempotencyKey";
        let detail = if is_kept { format!("{detail}{more}") } else { detail };
        self.note(standing, Some(detail)).await?;
        Ok(self.ended(Outcome::Refused))
    }

    /// Starts watching first: the attempt stays open until the objects that it created are watched.
    async fn done(&mut self, reply: Reply) -> Result<Ended, CallError> {
        let planned = Watched { subject: self.attempt.subject.as_ref(), amount: self.attempt.amount };
        let watched = self.calls.watch(self.account, planned, &reply).await?;
        self.attempt.objects.clone_from(&watched);
        self.note(Standing::Done, None).await?;
        Ok(Ended { reply, watched, ..self.ended(Outcome::Done) })
    }

    async fn in_doubt(&mut self, detail: String) -> Result<Ended, CallError> {
        self.note(Standing::Open, Some(detail)).await?;
        Ok(self.ended(Outcome::InDoubt))
    }

    async fn note(&mut self, standing: Standing, detail: Option<String>) -> Result<(), CallError> {
        self.attempt.standing = standing;
        self.attempt.detail = detail;
        self.attempt.changed_at = self.calls.clock.now();
        self.calls.attempts.write(&self.attempt).await?;
        if standing == Standing::Open {
            self.calls.set_settled(&self.account.name, false);
        }
        tracing::info!(
            account = %self.account.name, operation = self.planned.operation, key = self.attempt.key,
            sent = self.attempt.sent, standing = standing.as_str(), "call"
        );
        Ok(())
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        Ended {
            detail: self.attempt.detail.clone(),
            attempt: Some(self.attempt.label()),
            sent: self.attempt.sent,
            ..Ended::plain(outcome)
        }
    }
}
