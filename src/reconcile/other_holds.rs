//! Operations that polling does not use (those of batches, reports and calls) and that a provider puts on hold while
//! requests wait.
//!
//! Owns: when that is checked, and that it is reported once. Must never know: what waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::hold::{self, HoldChange, Holds};
use super::{Account, Reconcile};
use crate::payments::object::Kind;
use crate::store::{OwedAlert, StoreError};

/// What follows from such a hold.
const WAITING: &str = "A batch, a report or a call waits for it; polling continues.";
/// The prefix, before the account's name, of the name under which the reported holds are stored.
const KEPT_AT: &str = "provider-holds/other/";

impl Reconcile {
    /// Reports long holds, and when they are over. To be called every minute.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn report_other_holds(&self, accounts: &[Arc<Account>]) -> Result<(), StoreError> {
        let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (account, operation, _) in self.pace.held() {
            held.entry(account.to_string()).or_default().insert(operation.to_string());
        }
        let mut reported: BTreeMap<String, Holds> = BTreeMap::new();
        for (name, text) in self.store.recall_all(KEPT_AT).await? {
            let account = name.strip_prefix(KEPT_AT).unwrap_or_default().to_owned();
            reported.insert(account, Holds::read(&text));
        }
        for account in accounts {
            let mut holds = reported.remove(account.name.as_str()).unwrap_or_default();
            let mut operations = held.remove(account.name.as_str()).unwrap_or_default();
            operations.extend(holds.operations().map(str::to_owned));
            for operation in operations.iter().filter(|operation| !is_polled(account, operation)) {
                self.report_other_hold(account, operation, &mut holds).await?;
            }
        }
        Ok(())
    }

    async fn report_other_hold(
        &self,
        account: &Account,
        operation: &str,
        holds: &mut Holds,
    ) -> Result<(), StoreError> {
        let (level, now) = (self.pace.level(&account.name, operation), self.clock.now());
        let is_wanted = level.is_some_and(|level| level.is_wanted);
        let Some(turn) = holds.note(operation, level.as_ref(), is_wanted, now) else { return Ok(()) };
        let name = format!("{KEPT_AT}{}", account.name);
        self.report_hold(account, operation, &turn, WAITING, &name, holds).await
    }

    /// Reports a change of a hold, and stores `holds` under their name. A beginning is stored first and an end last: if
    /// the process is killed in between, the next one reports it again under the same key.
    pub(super) async fn report_hold(
        &self,
        account: &Account,
        operation: &str,
        turn: &HoldChange,
        waiting: &str,
        name: &str,
        holds: &Holds,
    ) -> Result<(), StoreError> {
        let (look, now) = (account.api.where_to_look(), self.clock.now());
        let alert = hold::notice(&account.name, operation, turn, waiting, look, now);
        let (headline, targets) = (alert.headline.clone(), (self.routes)(&alert, account.is_sandbox));
        let is_end = matches!(turn, HoldChange::Ended { .. });
        if !is_end {
            self.store.remember(name, &holds.text()).await?;
        }
        if self.store.raise(vec![OwedAlert { alert, targets }]).await? > 0 {
            tracing::warn!(account = %account.name, operation, "{headline}");
        }
        if is_end {
            self.store.remember(name, &holds.text()).await?;
        }
        Ok(())
    }
}

/// Whether polling uses an operation; it then reports the operation's holds itself.
fn is_polled(account: &Account, operation: &str) -> bool {
    let mut kinds = account.api.kinds().iter().filter_map(|kind| Kind::new(*kind).ok());
    account.api.service_operation() == Some(operation)
        || kinds.any(|kind| account.api.operation(&kind) == Some(operation))
}
