//! The answer about polling by learnt ages.
//!
//! Owns: which accounts it covers. Must never know: how anything is learnt, sockets, terminals.

use crate::control::messages::{AccountRhythm, RhythmRequest};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, PAGE_ROWS, Service, storage};

impl Service {
    /// What accounts have learnt and plan. Accounts that are polled at an interval are left out.
    pub async fn rhythm(&self, request: &RhythmRequest) -> Answer<Vec<AccountRhythm>> {
        let rooms = self.rooms();
        if let Some(name) = &request.account
            && rooms.account(name).is_none()
        {
            let what = format!("the configuration has no account {name}");
            return Err(Problem::new(Cause::NotFound, what, "`reconciled status` lists the accounts"));
        }
        let mut found = Vec::new();
        for account in &rooms.accounts {
            if found.len() == PAGE_ROWS.1 {
                break;
            }
            if request.account.as_ref().is_some_and(|name| *name != account.name) {
                continue;
            }
            if let Some(overview) = self.reconcile.overview(account).await.map_err(storage)? {
                found.push(AccountRhythm { account: account.name.clone(), overview });
            }
        }
        Ok(found)
    }
}
