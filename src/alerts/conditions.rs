//! The conditions that last now, as far as any target was or will be told of them.
//!
//! Owns: what is stored about them: one document for each account. Must never know: any target, when an alert is sent.

use std::collections::{BTreeMap, BTreeSet};

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
        Ok(Conditions { store, accounts, repeated: BTreeMap::new() })
    }

    /// Notes that a condition began, durably. The time since when it lasts stays if it has begun already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&mut self, condition: &Condition, alert: &Alert) -> Result<(), StoreError> {
        let of = self.accounts.entry(alert.account.clone()).or_default();
        let known = of.get(&condition.key);
        if known.is_some_and(|known| known.alert == alert.key || known.since > alert.found_at) {
            return Ok(());
        }
        let since = known.filter(|known| known.over.is_none()).map_or(alert.found_at, |known| known.since);
        let (name, key) = (condition.name.to_owned(), alert.key.clone());
        of.insert(condition.key.clone(), Known { name, alert: key, since, over: None });
        self.write(&alert.account, alert.found_at).await
    }

    /// Notes that a condition is over, durably. Its entry, if its beginning is known.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&mut self, condition: &Condition, alert: &Alert) -> Result<Option<Known>, StoreError> {
        // A condition of the machine is filed under the account that was the first one when it began.
        let found =
            self.accounts.iter_mut().find_map(|(account, of)| Some((account, of.get_mut(&condition.key)?)));
        // An older end says nothing about a condition that has begun again.
        let found = found.filter(|(_, known)| known.since <= alert.found_at);
        let Some((account, known)) = found else { return Ok(None) };
        if known.over.is_some() {
            return Ok(Some(known.clone()));
        }
        known.over = Some(alert.found_at);
        let (account, known) = (account.clone(), known.clone());
        self.write(&account, alert.found_at).await?;
        Ok(Some(known))
    }

    /// Whether a condition is known to be over.
    pub fn is_over(&self, key: &str) -> bool {
        self.accounts.values().filter_map(|of| of.get(key)).any(|known| known.over.is_some())
    }

    /// Whether a condition lasts.
    pub fn lasts(&self, account: &AccountName, key: &str) -> bool {
        self.lasting().any(|(of, known_key, _)| of == account && known_key == key)
    }

    /// The conditions that explain an alert. What ended a moment ago still explains it: its consequences need time to
    /// pass.
    pub fn causes_of(&self, alert: &Alert, now: Timestamp) -> Vec<Known> {
        let of = self.accounts.get(&alert.account).into_iter().flatten();
        let lasts = |known: &Known| known.over.is_none_or(|over| later(over, EXPLAINS_FOR) > now);
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

    async fn write(&mut self, account: &AccountName, now: Timestamp) -> Result<(), StoreError> {
        let of = self.accounts.entry(account.clone()).or_default();
        of.retain(|_, known| known.over.is_none_or(|over| later(over, REMEMBERED_FOR) > now));
        let Ok(text) = serde_json::to_string(of) else { return Ok(()) };
        self.store.remember(&format!("{STORED_AT}{account}"), &text).await
    }
}
