//! Requests that only one of several hosts may carry out: the one that works on the account, or the keeper.
//!
//! Owns: the refusals. Must never know: how hosts share the work.

use crate::apis::pace::AtWork;
use crate::control::messages::FleetHost;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, storage};
use crate::payments::object::AccountName;
use crate::store::{KEEPER, StoreError};

impl Service {
    /// Refuses if another host works on the account: only that host knows how much of the quota is left and which
    /// requests are in flight. The account is not given up until the returned value is dropped.
    pub(super) async fn at_work_on(&self, account: &AccountName) -> Answer<AtWork> {
        if !self.is_daemon() && self.store.fleet().is_some() {
            self.process.restore_budgets().await.map_err(storage)?;
        }
        match self.pace.work_on(account) {
            Some(at_work) => Ok(at_work),
            None => Err(self.elsewhere(account.as_str(), &format!("works on account {account}")).await),
        }
    }

    /// Refuses if another host is the keeper: only the keeper knows the state of the receivers of events.
    pub(super) async fn at_keeper(&self) -> Answer<()> {
        let Some(fleet) = self.store.fleet() else { return Ok(()) };
        match fleet.owner(KEEPER).await {
            Ok(owner) if owner.as_deref().is_none_or(|owner| owner == fleet.host()) => Ok(()),
            _ => Err(self.elsewhere(KEEPER, "delivers alerts and events").await),
        }
    }

    async fn elsewhere(&self, account: &str, does: &str) -> Problem {
        let Some(fleet) = self.store.fleet() else { return storage(StoreError::Closed) };
        let owner = match fleet.owner(account).await {
            Ok(owner) => owner.filter(|owner| owner != fleet.host()),
            Err(why) => {
                let detail = format!("which host {does} cannot be found out: {why}");
                return Problem::new(Cause::Unavailable, detail, "try again in a minute");
            }
        };
        match owner {
            Some(owner) => {
                Problem::new(Cause::Conflict, format!("{owner} {does}"), "send the request to that host")
            }
            None => {
                let detail = format!("no host {does} at the moment");
                Problem::new(Cause::Conflict, detail, "try again in a minute")
            }
        }
    }

    /// The hosts that share the store, as seen a moment ago.
    pub(super) fn hosts(&self) -> Vec<FleetHost> {
        let Some(fleet) = self.store.fleet() else { return Vec::new() };
        let seen = fleet.seen();
        let this = seen.hosts.iter().find(|host| host.session == fleet.session());
        let own = this.map(|host| host.accounts.clone());
        let hosts = seen.hosts.into_iter().map(|host| FleetHost {
            is_this: host.session == fleet.session(),
            since: host.since,
            accounts: host.has,
            is_keeper: host.is_keeper,
            is_configured_otherwise: own.as_ref().is_some_and(|own| *own != host.accounts),
            name: host.name,
        });
        hosts.collect()
    }
}
