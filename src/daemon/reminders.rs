//! Reminds people of what lasts long or ends soon.
//!
//! Owns: those loops. Must never know: when a reminder is due, what it says.

use std::sync::Arc;

use crate::alerts::Deliverer;
use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::reconcile::Reconcile;
use crate::task::{Done, Round, Work};
use crate::time;

/// Reports operations of batches, reports and calls that have long been on hold by the provider, and what had ended
/// before an account's first day.
pub(super) struct Holding {
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) pace: Arc<Pace>,
}

impl Work for Holding {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let here = self.accounts.iter().filter(|account| self.pace.holds(&account.name));
            let here: Vec<Arc<Account>> = here.cloned().collect();
            self.reconcile.report_other_holds(&here).await.map_err(|error| error.to_string())?;
            self.reconcile.report_already_ended(&here).await.map_err(|error| error.to_string())?;
            Ok(Done { summary: "checked for operations on hold".to_owned(), again_in: None })
        })
    }
}

/// Reports silences that end soon.
pub(super) struct Silencing {
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) clock: SharedClock,
}

impl Work for Silencing {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let now = self.clock.now();
            let next = self.deliverer.silences().warn(self.deliverer.routes(), now).await;
            let next = next.map_err(|error| error.to_string())?;
            let again_in = next.map(|next| time::between(now, next));
            Ok(Done { summary: "checked for silences that end soon".to_owned(), again_in })
        })
    }
}
