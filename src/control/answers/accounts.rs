//! What the configured accounts know: which account an id can belong to, the states of an object, its polling policy,
//! its quota.
//!
//! Owns: the queries to accounts. Must never know: a provider, the store.

use jiff::Timestamp;

use crate::apis::pace::Level;
use crate::control::plan::Rate;
use crate::control::service::{Rooms, Service};
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::Enrolment;
use crate::payments::schedule::Policy;
use crate::time::later;

impl Rooms {
    /// Checks that the account and kind exist and that the id can belong to them. Returns what to store, or why it
    /// was refused.
    pub(super) fn check_enrolment(&self, enrolment: Enrolment) -> Result<Enrolment, String> {
        let Enrolment { object, details } = enrolment;
        let Some(account) = self.account(&object.account) else {
            let known: Vec<&str> = self.accounts.iter().map(|account| account.name.as_str()).collect();
            return Err(format!(
                "there is no account {}; known accounts: {}",
                object.account,
                known.join(", ")
            ));
        };
        if account.api.lifecycle(&object.kind).is_none() {
            return Err(format!(
                "account {} has no kind {}; its kinds: {}",
                object.account,
                object.kind,
                account.api.kinds().join(", ")
            ));
        }
        let id = account.api.canonical(&object.id);
        account.api.accepts(&object.kind, &id)?;
        Ok(Enrolment { object: ObjectRef { id, ..object }, details })
    }

    /// The accounts and kinds whose id format matches, limited to the given account and kind.
    pub(super) fn candidates(
        &self,
        id: &ObjectId,
        account: Option<&AccountName>,
        kind: Option<&Kind>,
    ) -> Vec<ObjectRef> {
        let named = self.accounts.iter().filter(|known| account.is_none_or(|name| known.name == *name));
        let suiting = named.filter_map(|known| {
            let id = known.api.canonical(id);
            let kind = kind.cloned().or_else(|| known.api.kind_of(&id))?;
            let is_possible = known.api.lifecycle(&kind).is_some() && known.api.accepts(&kind, &id).is_ok();
            is_possible.then(|| ObjectRef { account: known.name.clone(), kind, id })
        });
        suiting.collect()
    }

    /// The states of an object, or none when its account or kind is not configured.
    pub(super) fn lifecycle(&self, object: &ObjectRef) -> Option<&'static dyn Lifecycle> {
        self.account(&object.account)?.api.lifecycle(&object.kind)
    }

    /// How an object is polled, or none when its account or kind is not configured.
    pub(super) fn policy(&self, object: &ObjectRef) -> Option<Policy> {
        let account = self.account(&object.account)?;
        account.api.lifecycle(&object.kind)?;
        Some(account.policy(&object.kind))
    }

    /// Where a person can look at the account's transactions.
    pub(super) fn where_to_look(&self, account: &AccountName) -> Option<&'static str> {
        Some(self.account(account)?.api.where_to_look())
    }
}

impl Service {
    /// The quota that one poll of this kind uses, or none when the account or kind is not configured.
    pub(super) fn rate(&self, account: &AccountName, kind: &Kind) -> Option<Rate> {
        let operation = self.rooms().account(account)?.api.operation(kind)?;
        let quota = self.pace.quota(account, operation)?;
        let level = self.pace.level(account, operation);
        let held_until = level.and_then(|level| held_until(&level, self.clock.now()));
        Some(Rate { operation: operation.to_owned(), burst: quota.burst, refill: quota.per, held_until })
    }
}

/// When the hold on an operation ends. This is `now` while the single request after the hold is still unanswered.
pub(super) fn held_until(level: &Level, now: Timestamp) -> Option<Timestamp> {
    level.held_already.map(|_| later(now, level.held_for))
}
