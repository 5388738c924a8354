//! The first day of an account: what had ended long before is counted, not reported one by one.
//!
//! Owns: which day that is, and that the numbers are reported once. Must never know: any state or provider by name.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{Account, Reconcile};
use crate::payments::alert::{Alert, AlertKind};
use crate::payments::already_ended::{AlreadyEnded, had_ended};
use crate::payments::object::AccountName;
use crate::payments::record::Record;
use crate::store::{Filter, StoreError};
use crate::time::later;

/// Begins the name under which it is stored when an account was first used; the account's name follows.
pub const FIRST_USED: &str = "account-used/";
/// Begins the name under which it is stored that the numbers were reported.
const REPORTED: &str = "already-ended/";
/// How long the first day is.
const FIRST_DAY: SignedDuration = SignedDuration::from_hours(24);
/// How many records are read at once.
const PAGE: usize = 500;

impl Reconcile {
    /// Leaves out what reports the end of an object that ended long before it was enrolled, on its account's first day.
    pub(super) async fn without_history(
        &self,
        account: &Account,
        before: &Record,
        after: &Record,
        mut alerts: Vec<Alert>,
    ) -> Result<Vec<Alert>, StoreError> {
        let is_end = |alert: &Alert| {
            matches!(alert.kind, AlertKind::Declined | AlertKind::Canceled | AlertKind::Notable)
        };
        let may_be_history = before.observed.is_none()
            && !account.reports_history
            && self.clock.is_sure()
            && alerts.iter().any(is_end)
            && had_ended(after, account.late_after);
        if may_be_history
            && let Some(first) = self.first_used(&account.name).await?
            && after.enrolled_at <= later(first, FIRST_DAY)
        {
            alerts.retain(|alert| !is_end(alert));
        }
        Ok(alerts)
    }

    async fn first_used(&self, account: &AccountName) -> Result<Option<Timestamp>, StoreError> {
        let text = self.store.recall(&format!("{FIRST_USED}{account}")).await?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Reports, at the end of an account's first day, what had ended before it was enrolled. To be called every minute.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn report_already_ended(&self, accounts: &[Arc<Account>]) -> Result<(), StoreError> {
        let now = self.clock.now();
        for account in accounts.iter().filter(|account| !account.reports_history) {
            let is_done = |done: &BTreeSet<AccountName>| done.contains(&account.name);
            if is_done(&self.past_first_day.lock().unwrap_or_else(PoisonError::into_inner)) {
                continue;
            }
            let Some(first) = self.first_used(&account.name).await? else { continue };
            if now < later(first, FIRST_DAY) {
                continue;
            }
            let name = format!("{REPORTED}{}", account.name);
            // Earlier versions reported history one by one: their accounts are older than two days.
            let is_new = now < later(first, FIRST_DAY * 2) && self.store.recall(&name).await?.is_none();
            if is_new {
                let counted = self.count_already_ended(account, later(first, FIRST_DAY)).await?;
                let where_to_look = account.api.where_to_look();
                if let Some(alert) = counted.notice(&account.name, where_to_look, now) {
                    self.raise(account, alert).await?;
                }
                self.store.remember(&name, &now.to_string()).await?;
            }
            let mut done = self.past_first_day.lock().unwrap_or_else(PoisonError::into_inner);
            done.insert(account.name.clone());
        }
        Ok(())
    }

    async fn count_already_ended(
        &self,
        account: &Account,
        enrolled_until: Timestamp,
    ) -> Result<AlreadyEnded, StoreError> {
        let filter =
            Filter { account: Some(account.name.clone()), finished: Some(true), ..Filter::default() };
        let (mut counted, mut after) = (AlreadyEnded::default(), None);
        loop {
            let page = self.store.list(&filter, after, PAGE).await?;
            for record in page.items {
                let is_meant = record.enrolled_at <= enrolled_until && had_ended(&record, account.late_after);
                if let Some(lifecycle) = account.api.lifecycle(&record.object.kind).filter(|_| is_meant) {
                    counted.add(&record, lifecycle);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(counted);
            }
        }
    }
}
