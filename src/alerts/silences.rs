//! Silences: for a limited time, alerts that meet some conditions are kept and listed, but not delivered.
//!
//! Owns: when a silence is in force, which alerts it holds back, and the warning before it ends. Must never know: any
//! target, who may make a silence.
//!
//! Silences are read from the store whenever an alert is about to be delivered. So a restart changes nothing, and an
//! end takes effect at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::condition;
use super::matchers::{Candidate, Matchers};
use super::routes::Routes;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::store::{AlertFilter, OwedAlert, Store, StoreError};
use crate::time::{between, earlier};

/// The longest that a silence may last.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long before its end a silence is reported, unless a quarter of its length is shorter.
const WARN_BEFORE: Duration = Duration::from_secs(3600);
/// Begins the names of all silences in the store.
const PREFIX: &str = "silence/";
/// How many alerts are read at once.
const PAGE: usize = 1_000;

/// Holds alerts back for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Silence {
    /// Its number, counted from 1.
    pub number: u64,
    /// Which alerts.
    pub matchers: Matchers,
    /// Who made it: `uid:1000`.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub begins_at: Timestamp,
    /// Until when at most.
    pub ends_at: Timestamp,
    /// Whether it ends as soon as a condition that it holds back is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_resolved: bool,
    /// When it was ended before its time, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// The early end of a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Who: `uid:1000`, or `resolved` if the condition was over.
    pub by: String,
}

/// Ends a silence whose condition is over.
const RESOLVED: &str = "resolved";

impl Silence {
    /// When it ends or has ended.
    pub fn end(&self) -> Timestamp {
        self.ended.as_ref().map_or(self.ends_at, |ended| ended.at.min(self.ends_at))
    }

    /// Whether it is in force.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.begins_at <= now && now < self.end()
    }

    /// Whether it can still end before its time. It may begin later than now, if the clock was set back since.
    fn can_end(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.ends_at
    }

    /// Whether it holds an alert back while it is in force. Nothing silences the warning before the end of a silence.
    pub fn holds(&self, candidate: &Candidate<'_>) -> bool {
        let alert = candidate.alert;
        alert.kind != AlertKind::SilenceEnding
            && self.matchers.refusal(candidate).is_none()
            && (!self.until_resolved || condition::of(alert).is_some_and(|condition| !condition.is_over))
    }

    /// Whether an alert ends it: a condition is over that it holds back.
    fn is_resolved_by(&self, candidate: &Candidate<'_>) -> bool {
        let alert = candidate.alert;
        let Some(begun) = condition::as_begun(alert) else { return false };
        self.until_resolved && self.matchers.refusal(&Candidate { alert: &begun, ..*candidate }).is_none()
    }

    /// When its end is reported.
    fn warns_at(&self) -> Timestamp {
        let quarter = between(self.begins_at, self.ends_at) / 4;
        earlier(self.ends_at, WARN_BEFORE.min(quarter))
    }

    /// The warning before its end, if it is time. It goes to all who would get alerts about the accounts that it holds
    /// back.
    fn warning(&self, routes: &Routes, now: Timestamp) -> Option<OwedAlert> {
        if !self.is_active(now) || now < self.warns_at() {
            return None;
        }
        let occasion = format!("{}/{}", self.number, self.ends_at);
        let about = |account: &AccountName| Alert {
            headline: format!("Silence {} ends at {}", self.number, self.ends_at),
            explanation: format!(
                "It holds back: {}. {} gave this reason: {}. New alerts are delivered afterwards; those held back \
                 are not.",
                self.matchers.words(),
                self.by,
                self.reason
            ),
            advice: "If the reason still holds, add another with `reconciled silence add`.".to_owned(),
            where_to_look: "reconciled silence list; reconciled alerts list --state silenced".to_owned(),
            ..Alert::new(AlertKind::SilenceEnding, &occasion, Severity::Info, account, now)
        };
        let accounts = routes.labels.keys().filter(|account| self.concerns(account, routes));
        let mut warning: Option<OwedAlert> = None;
        for alert in accounts.map(about) {
            let recipients = routes.targets_for(&alert, routes.candidate(&alert).is_sandbox);
            let warning = warning.get_or_insert(OwedAlert { alert, targets: Vec::new() });
            warning.targets.extend(recipients);
        }
        warning
    }

    /// Whether it may hold back alerts about an account.
    fn concerns(&self, account: &AccountName, routes: &Routes) -> bool {
        let Matchers { accounts, environments, labels, .. } = self.matchers.clone();
        let of_account = Matchers { accounts, environments, labels, ..Matchers::default() };
        let any = Alert::new(AlertKind::SilenceEnding, "", Severity::Info, account, self.begins_at);
        of_account.refusal(&routes.candidate(&any)).is_none()
    }
}

/// Whether every alert that meets some conditions reports something that lasts, and whose end is reported.
pub fn can_be_resolved(matchers: &Matchers) -> bool {
    let lasts = |word: &String| {
        let account: AccountName = "any".parse().expect("a short word is a name");
        let kind = AlertKind::from(word.clone());
        let alert = Alert::new(kind, "any", Severity::Info, &account, Timestamp::UNIX_EPOCH);
        condition::of(&alert).is_some_and(|condition| !condition.is_over)
    };
    !matchers.kinds.is_empty() && matchers.kinds.iter().all(lasts)
}

/// The silences of a store.
#[derive(Debug, Clone)]
pub struct Silences {
    store: Store,
}

impl Silences {
    /// Those in `store`.
    pub fn new(store: Store) -> Silences {
        Silences { store }
    }

    /// All silences, oldest first. One that cannot be read holds nothing back, and is not listed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn all(&self) -> Result<Vec<Silence>, StoreError> {
        let stored = self.store.recall_all(PREFIX).await?;
        let read = |(name, text): (String, String)| match serde_json::from_str(&text) {
            Ok(silence) => Some(silence),
            Err(error) => {
                tracing::error!(name, %error, "a stored silence cannot be read; it holds no alert back");
                None
            }
        };
        Ok(stored.into_iter().filter_map(read).collect())
    }

    /// The silences in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn active(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let mut active = self.all().await?;
        active.retain(|silence| silence.is_active(now));
        Ok(active)
    }

    /// Ends those that wait for the end of a condition which one of these alerts reports.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn resolve(&self, ends: &[Candidate<'_>], now: Timestamp) -> Result<(), StoreError> {
        if ends.is_empty() {
            return Ok(());
        }
        for mut silence in self.all().await? {
            if silence.can_end(now) && ends.iter().any(|end| silence.is_resolved_by(end)) {
                silence.ended = Some(Ended { at: now, by: RESOLVED.to_owned() });
                self.write(&silence).await?;
            }
        }
        Ok(())
    }

    /// Adds a silence under the next number, and returns it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add(&self, silence: Silence) -> Result<Silence, StoreError> {
        let last = self.all().await?.last().map_or(0, |silence| silence.number);
        let mut silence = Silence { number: last + 1, ..silence };
        // Somebody else may add one meanwhile.
        while !self.store.remember_new(&name_of(&silence), &text_of(&silence)).await? {
            silence.number += 1;
        }
        Ok(silence)
    }

    /// Ends a silence now. None if there is no such silence; one that has ended stays as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&self, number: u64, by: &str, now: Timestamp) -> Result<Option<Silence>, StoreError> {
        let Some(mut silence) = self.all().await?.into_iter().find(|silence| silence.number == number) else {
            return Ok(None);
        };
        if silence.can_end(now) {
            silence.ended = Some(Ended { at: now, by: by.to_owned() });
            self.write(&silence).await?;
        }
        Ok(Some(silence))
    }

    /// How many of the alerts since a moment each silence has held back, by its number. An alert counts for the last
    /// silence that did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn held_back(&self, since: Timestamp) -> Result<BTreeMap<u64, u64>, StoreError> {
        let (mut held, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.store.alerts(AlertFilter::default(), after, PAGE).await?;
            let is_past = page.items.last().is_some_and(|row| row.alert.found_at < since);
            for row in &page.items {
                let silences: BTreeSet<u64> = row.deliveries.iter().filter_map(|row| row.silence).collect();
                silences.into_iter().for_each(|silence| *held.entry(silence).or_default() += 1);
            }
            after = page.next;
            if is_past || after.is_none() {
                return Ok(held);
            }
        }
    }

    /// Raises the warnings that are due, each once. Returns when the next one is due.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warn(&self, routes: &Routes, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let active = self.active(now).await?;
        for warning in active.iter().filter_map(|silence| silence.warning(routes, now)) {
            self.store.raise(vec![warning]).await?;
        }
        Ok(active.iter().map(Silence::warns_at).filter(|at| *at > now).min())
    }

    async fn write(&self, silence: &Silence) -> Result<(), StoreError> {
        self.store.remember(&name_of(silence), &text_of(silence)).await
    }
}

fn name_of(silence: &Silence) -> String {
    format!("{PREFIX}{:010}", silence.number)
}

fn text_of(silence: &Silence) -> String {
    serde_json::to_string(silence).expect("a silence has text keys only")
}

#[cfg(test)]
mod tests;
