//! Polling by learnt ages: what each account has learnt from its own polls.
//!
//! Owns: when it learns, plans again and stores what it knows. Must never know: how a plan is made, any state by name.
//!
//! What is learnt decides only when to poll. If it is missing or unreadable, it is learnt again from the objects that
//! have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Account, Reconcile};
use crate::apis::pace::Pace;
use crate::payments::adaptive::{Adaptive, AnsweredPoll, Budget, End, Ledger, Overview, Terms};
use crate::payments::lifecycle::{Lifecycle, Phase};
use crate::payments::object::{AccountName, Kind};
use crate::payments::observation::Observation;
use crate::payments::record::{Record, Trouble};
use crate::payments::schedule::{Learning as Learns, Policy, state_began};
use crate::store::{Commit, Filter, Store, StoreError};
use crate::time::{between, later};

/// What is learnt is stored this often at most. A crash loses as much.
const STORED_EVERY: Duration = Duration::from_secs(6 * 3600);
/// It is learnt again from this many ended objects.
const LEARNT_FROM: usize = 2_000;
/// An object that was enrolled this long after its making is polled at once.
const SOON_KNOWN: Duration = Duration::from_secs(60);
/// How long a state lasts at most, if its provider does not say.
const PATIENCE: Duration = Duration::from_secs(48 * 3600);

/// What is known about the future of a moving object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// The ends of others that count; recent ones count more.
    pub alike: f64,
    /// How many of a hundred that got as old end within the interval.
    pub share: f64,
    /// The interval.
    pub within: Duration,
}

/// What one account has learnt.
pub(super) struct Learning {
    adaptive: Adaptive,
    stored_at: Timestamp,
}

fn name(account: &AccountName) -> String {
    format!("adaptive/{account}")
}

/// The state in which an object is expected before its first poll.
fn first_state(lifecycle: &dyn Lifecycle) -> Option<&'static str> {
    let is_moving = |word: &&&str| lifecycle.state(word).is_some_and(|facts| facts.phase == Phase::Moving);
    lifecycle.states().iter().find(is_moving).copied()
}

/// The kinds that an account polls by learnt ages.
fn learning_kinds(account: &Account) -> impl Iterator<Item = (&Kind, &Policy)> {
    account.policies.iter().filter(|(_, policy)| policy.learning.is_some())
}

/// What an account may send.
fn budget(account: &Account, pace: &Pace) -> Budget {
    let spend =
        learning_kinds(account).filter_map(|(_, policy)| policy.learning).map(|learning| learning.spend);
    let operations: BTreeSet<&str> =
        learning_kinds(account).filter_map(|(kind, _)| account.api.operation(kind)).collect();
    let quotas = operations.into_iter().filter_map(|operation| pace.quota(&account.name, operation));
    let quota_per_s = quotas.map(|quota| 1.0 / quota.per.as_secs_f64()).sum();
    spend.max().unwrap_or(Learns::default().spend).budget(quota_per_s)
}

impl Reconcile {
    /// Prepares an account that is polled by learnt ages.
    pub(super) async fn start_learning(&self, account: &Account) -> Result<(), StoreError> {
        let mut states = Vec::new();
        for (kind, policy) in learning_kinds(account) {
            let Some(lifecycle) = account.api.lifecycle(kind) else { continue };
            for facts in lifecycle.states().iter().filter_map(|word| lifecycle.state(word)) {
                if facts.phase == Phase::Moving {
                    let patience = policy.patience.or(facts.patience).unwrap_or(PATIENCE);
                    states.push((kind.clone(), facts.name.to_owned(), patience));
                }
            }
        }
        if states.is_empty() {
            self.learning().remove(&account.name);
            return Ok(());
        }
        let _one_after_another = self.preparing.lock().await;
        // After a reload it is still in memory.
        let known = self.learning().remove(&account.name).map(|learning| learning.adaptive);
        let known = match known {
            Some(known) => Some(known),
            None => stored(&self.store, account).await?,
        };
        let mut adaptive = match known {
            Some(mut known) => {
                known.add(states);
                known
            }
            None => self.learn_again(account, Adaptive::new(states)).await?,
        };
        let now = self.clock.now();
        replan(&mut adaptive, account, &self.pace, now);
        self.learning().insert(account.name.clone(), Learning { adaptive, stored_at: now });
        Ok(())
    }

    /// What an account has learnt and plans; none if it is not polled by learnt ages.
    ///
    /// # Errors
    /// The store's.
    pub async fn overview(&self, account: &Account) -> Result<Option<Overview>, StoreError> {
        // In the daemon, the account's loop has begun with it.
        if !self.learning().contains_key(&account.name) {
            self.start_learning(account).await?;
        }
        let learning = self.learning();
        Ok(learning
            .get(&account.name)
            .map(|learning| learning.adaptive.overview(|kind| terms(account, kind))))
    }

    /// The ledger of an account that is polled by learnt ages.
    pub fn ledger(&self, account: &AccountName) -> Option<Ledger> {
        self.learning().get(account).map(|learning| learning.adaptive.ledger())
    }

    /// Learns from objects that have ended.
    async fn learn_again(&self, account: &Account, mut adaptive: Adaptive) -> Result<Adaptive, StoreError> {
        for (kind, _) in learning_kinds(account) {
            let Some(state) = account.api.lifecycle(kind).and_then(first_state) else { continue };
            let filter = Filter {
                account: Some(account.name.clone()),
                kind: Some(kind.clone()),
                finished: Some(true),
                ..Filter::default()
            };
            for record in self.store.list(&filter, None, LEARNT_FROM).await?.items {
                let Some(observed) = &record.observed else { continue };
                let Some(ended_at) = observed.observation.updated_at else { continue };
                let age = between(record.made_at(), ended_at);
                let poll = AnsweredPoll {
                    known: Duration::ZERO,
                    from: None,
                    to: age,
                    ended: Some(End::At(age)),
                    late: Duration::ZERO,
                };
                adaptive.polled(kind, state, &poll, &terms(account, kind));
            }
        }
        adaptive.reset_balance();
        Ok(adaptive)
    }

    /// A policy with the account's present plans for a kind.
    pub(super) fn with_plans(&self, account: &Account, kind: &Kind, policy: Policy) -> Policy {
        // While notifications announce the ends, the relaxed interval counts.
        let is_relaxed = account.policies.get(kind).is_some_and(|own| own.interval != policy.interval);
        if policy.learning.is_none() || is_relaxed {
            return policy;
        }
        let plans = self
            .learning()
            .get(&account.name)
            .and_then(|learning| learning.adaptive.plans(kind).map(Arc::clone));
        Policy { plans, ..policy }
    }

    /// Learns from an answer about an object. `before` is its record before the poll.
    pub(super) async fn learn(
        &self,
        account: &Account,
        before: &Record,
        seen: &Observation,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let kind = &before.object.kind;
        let learns = account.policies.get(kind).is_some_and(|policy| policy.learning.is_some());
        let Some(lifecycle) = account.api.lifecycle(kind).filter(|_| learns) else { return Ok(()) };
        if before.phase() != Phase::Moving || before.quarantine.is_some() {
            return Ok(());
        }
        let Some(state) = before.state().or_else(|| first_state(lifecycle)) else { return Ok(()) };
        let began = match &before.observed {
            Some(_) => state_began(before),
            None => seen.created_at.unwrap_or_else(|| before.made_at()),
        };
        let ended = (!seen.state.eq_ignore_ascii_case(state)).then(|| match seen.updated_at {
            Some(at) if at <= now => End::At(between(began, at)),
            _ => End::Undated,
        });
        let poll = AnsweredPoll {
            known: between(began, before.enrolled_at),
            from: before.observed.as_ref().map(|observed| between(began, observed.seen_at)),
            to: between(began, now),
            ended,
            late: before.due_at.map_or(Duration::ZERO, |due_at| between(due_at, sent_at)),
        };
        let to_store = {
            let mut all = self.learning();
            let Some(known) = all.get_mut(&account.name) else { return Ok(()) };
            known.adaptive.polled(kind, state, &poll, &terms(account, kind));
            if known.adaptive.is_stale(now) {
                replan(&mut known.adaptive, account, &self.pace, now);
            }
            let is_old = between(known.stored_at, now) >= STORED_EVERY || known.stored_at > now;
            is_old.then(|| {
                known.stored_at = now;
                serde_json::to_string(&known.adaptive)
            })
        };
        match to_store {
            Some(Ok(text)) => self.store.remember(&name(&account.name), &text).await,
            _ => Ok(()),
        }
    }

    /// Stores what an account has learnt, at the end of its loop.
    pub(super) async fn keep_learning(&self, account: &Account) -> Result<(), StoreError> {
        let text = self.learning().get(&account.name).map(|known| serde_json::to_string(&known.adaptive));
        match text {
            Some(Ok(text)) => self.store.remember(&name(&account.name), &text).await,
            _ => Ok(()),
        }
    }

    /// What is known about the future of a moving object.
    pub fn outlook(&self, account: &Account, record: &Record) -> Option<Outlook> {
        let kind = &record.object.kind;
        let policy = account.policies.get(kind).filter(|policy| policy.learning.is_some())?;
        let state = record.state().filter(|_| record.phase() == Phase::Moving)?;
        let now = self.clock.now();
        let age = between(state_began(record), now);
        let (alike, share) =
            self.learning().get(&account.name)?.adaptive.outlook(kind, state, age, policy.interval)?;
        Some(Outlook { alike, share, within: policy.interval })
    }

    /// Puts off the first poll of an object that was enrolled as soon as it was made. True if it is not due any more.
    pub(super) async fn put_off(&self, account: &Account, record: &Record) -> Result<bool, StoreError> {
        let is_new = record.observed.is_none() && record.polls == 0 && record.trouble == Trouble::default();
        let Some(made_at) = record.details.created_at.filter(|_| is_new) else { return Ok(false) };
        if record.is_asked || record.is_announced || between(made_at, record.enrolled_at) > SOON_KNOWN {
            return Ok(false);
        }
        let now = self.clock.now();
        let policy = self.policy(account, &record.object.kind, now);
        let state = account.api.lifecycle(&record.object.kind).and_then(first_state);
        let plan = policy.plans.as_ref().zip(state).and_then(|(plans, state)| plans.of(state));
        let Some(first_at) = plan.map(|plan| later(made_at, plan.wait(Duration::ZERO))) else {
            return Ok(false);
        };
        if first_at <= now {
            return Ok(false);
        }
        let put_off = Record { due_at: Some(first_at), ..record.clone() };
        let commit = Commit {
            read: record.clone(),
            record: put_off,
            transition: None,
            enrol: Vec::new(),
            alerts: Vec::new(),
            is_news: false,
        };
        self.store.commit(commit).await.map(|_| true)
    }

    pub(super) fn learning(&self) -> MutexGuard<'_, BTreeMap<AccountName, Learning>> {
        self.learning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What accounts that are polled by learnt ages had learnt when it was last stored, and plan now: the `most` accounts
/// with the most ends, by name.
///
/// # Errors
/// The store's.
pub async fn stored_overviews(
    store: &Store,
    pace: &Pace,
    accounts: &[Arc<Account>],
    most: usize,
    now: Timestamp,
) -> Result<Vec<(AccountName, Overview)>, StoreError> {
    let mut known = Vec::new();
    for account in accounts.iter().filter(|account| learning_kinds(account).next().is_some()) {
        if let Some(adaptive) = stored(store, account).await? {
            known.push((account, adaptive));
        }
        known.sort_by_key(|(_, adaptive)| std::cmp::Reverse(adaptive.ledger().ends));
        known.truncate(most);
    }
    known.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let overview = |(account, mut adaptive): (&Arc<Account>, Adaptive)| {
        replan(&mut adaptive, account, pace, now);
        (account.name.clone(), adaptive.overview(|kind| terms(account, kind)))
    };
    Ok(known.into_iter().map(overview).collect())
}

async fn stored(store: &Store, account: &Account) -> Result<Option<Adaptive>, StoreError> {
    let text = store.recall(&name(&account.name)).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).filter(Adaptive::is_sound))
}

fn terms(account: &Account, kind: &Kind) -> Terms {
    let policy = account.policies.get(kind);
    let learning = policy.and_then(|policy| policy.learning).unwrap_or_default();
    let interval = policy.map_or_else(|| Policy::default().interval, |policy| policy.interval);
    learning.terms(interval, account.api.operation(kind).unwrap_or_default())
}

fn replan(adaptive: &mut Adaptive, account: &Account, pace: &Pace, now: Timestamp) {
    adaptive.replan(|kind| terms(account, kind), budget(account, pace), true, now);
}
