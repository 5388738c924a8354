//! The conditions that last now, as far as alerts report them.
//!
//! Owns: what is stored about them: one document for each account. Must never know: any target, when an alert is sent.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::condition::{Condition, explains};
use crate::payments::alert::Alert;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};
use crate::time::later;

/// A condition that is over is remembered for this long, so that every target learns of its end.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24 * 40);

/// How long after its end a condition still explains its consequences.
const EXPLAINS_FOR: SignedDuration = SignedDuration::from_mins(15);

/// A condition that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The word of its kind.
    pub name: String,
    /// The key of the newest alert that began it.
    pub alert: String,
    /// Since when it lasts.
    pub since: Timestamp,
    /// Since when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// The key of the alert that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
}

/// Begins the names under which they are stored; the account's name follows.
const STORED_AT: &str = "alert-conditions/";

/// The target that a condition says is silent.
fn silent_target(key: &str) -> Option<&str> {
    let (target, _since) = key.strip_prefix("target-silent/")?.rsplit_once('/')?;
    Some(target)
}

/// The conditions of all accounts, each under its key.
pub struct Conditions {
    store: Store,
    accounts: BTreeMap<AccountName, BTreeMap<String, Known>>,
    /// The accounts about which more is known than is stored.
    changed: BTreeSet<AccountName>,
    /// The number of the last repetition by the key of the alert; not stored.
    repeated: BTreeMap<String, i64>,
}

impl Conditions {
    /// Reads what is stored. Conditions of accounts and of targets that are not configured are left out: nobody would
    /// end them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(
        store: Store,
        configured: &BTreeSet<AccountName>,
        targets: &BTreeSet<String>,
    ) -> Result<Conditions, StoreError> {
        let is_left_out = |key: &str| silent_target(key).is_some_and(|target| !targets.contains(target));
        let mut accounts = BTreeMap::new();
        for (name, text) in store.recall_all(STORED_AT).await? {
            let account = name.strip_prefix(STORED_AT).and_then(|name| name.parse::<AccountName>().ok());
            let Some(account) = account.filter(|account| configured.contains(account)) else { continue };
            match serde_json::from_str::<BTreeMap<String, Known>>(&text) {
                Ok(mut known) => {
                    known.retain(|key, _| !is_left_out(key));
                    accounts.insert(account, known);
                }
                Err(error) => tracing::warn!(name, %error, "it is ignored"),
            }
        }
        Ok(Conditions { store, accounts, changed: BTreeSet::new(), repeated: BTreeMap::new() })
    }

    /// Applies an alert that begins or ends a condition. To be called in the order in which alerts were raised: their
    /// times are not compared, because clocks are set back.
    pub fn learn(&mut self, condition: &Condition, alert: &Alert) {
        // A condition of the machine is filed under the account that was the first one when it began.
        let filed = match condition.is_of_machine() {
            true => self.accounts.keys().cloned().collect(),
            false => vec![alert.account.clone()],
        };
        for account in filed {
            let Some(of) = self.accounts.get_mut(&account) else { continue };
            let stem = condition.stem();
            let near = of.range_mut(stem.to_owned()..).take_while(|(key, _)| key.starts_with(stem));
            for (_, known) in near.filter(|(key, known)| known.over.is_none() && condition.ends(key)) {
                (known.over, known.ended_by) = (Some(alert.found_at), Some(alert.key.clone()));
                self.changed.insert(account.clone());
            }
        }
        if condition.is_over {
            return;
        }
        let of = self.accounts.entry(alert.account.clone()).or_default();
        let lasting = of.get(&condition.key).filter(|known| known.over.is_none());
        let since = lasting.map_or(alert.found_at, |known| known.since);
        let (name, key) = (condition.name.to_owned(), alert.key.clone());
        let known = Known { name, alert: key, since, over: None, ended_by: None };
        of.insert(condition.key.clone(), known);
        self.changed.insert(alert.account.clone());
    }

    /// Stores what was learned. Until then, a restart learns it again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn save(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let mut texts = Vec::new();
        for account in std::mem::take(&mut self.changed) {
            let of = self.accounts.entry(account.clone()).or_default();
            of.retain(|_, known| known.over.is_none_or(|over| later(over, REMEMBERED_FOR) > now));
            let text = serde_json::to_string(of).expect("conditions have text keys only");
            texts.push((format!("{STORED_AT}{account}"), text));
        }
        // At once, so that they share the store's writes.
        let stored = texts.iter().map(|(name, text)| self.store.remember(name, text));
        join_all(stored).await.into_iter().collect()
    }

    /// What is known of the condition that an alert is about.
    pub fn find(&self, condition: &Condition, alert: &Alert) -> Option<&Known> {
        let own = self.accounts.get(&alert.account).and_then(|of| of.get(&condition.key));
        own.or_else(|| self.accounts.values().find_map(|of| of.get(&condition.key)))
    }

    /// The conditions that explain an alert. What ended a moment ago still explains it: its consequences need time to
    /// pass.
    pub fn causes_of(&self, alert: &Alert, now: Timestamp) -> Vec<Known> {
        let of = self.accounts.get(&alert.account).into_iter().flatten();
        // An end that is dated ahead came under a clock that was ahead.
        let is_recent = |over: Timestamp| over <= now && later(over, EXPLAINS_FOR) > now;
        let lasts = |known: &Known| known.over.is_none_or(is_recent);
        let is_cause = |known: &&Known| lasts(known) && explains(&known.name, &alert.kind);
        of.map(|(_, known)| known).filter(is_cause).cloned().collect()
    }

    /// All that last, with account and key.
    pub fn lasting(&self) -> impl Iterator<Item = (&AccountName, &str, &Known)> {
        let all = self.accounts.iter().flat_map(|(account, of)| of.iter().map(move |row| (account, row)));
        all.filter(|(_, (_, known))| known.over.is_none())
            .map(|(account, (key, known))| (account, key.as_str(), known))
    }

    /// The conditions that have lasted for another `every`, each once: the alert that began it, since when it lasts, and
    /// the number of the repetition.
    pub fn due(&mut self, every: SignedDuration, now: Timestamp) -> Vec<(String, Timestamp, i64)> {
        let number = |known: &Known| now.duration_since(known.since).as_secs() / every.as_secs().max(1);
        let lasting = self.lasting().map(|(_, _, known)| (known.alert.clone(), known.since, number(known)));
        let lasting: BTreeMap<String, (Timestamp, i64)> =
            lasting.map(|(alert, since, number)| (alert, (since, number))).collect();
        self.repeated.retain(|alert, _| lasting.contains_key(alert));
        let mut due = Vec::new();
        for (alert, (since, number)) in lasting {
            if number > self.repeated.get(&alert).copied().unwrap_or_default() {
                self.repeated.insert(alert.clone(), number);
                due.push((alert, since, number));
            }
        }
        due
    }
}
