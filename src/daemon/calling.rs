//! Runs the `calls` room periodically.
//!
//! Owns: that loop. Must never know: steps, providers.

use std::sync::Arc;

use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::calls::Calls;
use crate::payments::alert::Routes;
use crate::task::{Done, Round, Work};

/// Determines the outcome of calls in doubt.
pub(super) struct Settling {
    pub(super) calls: Arc<Calls>,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) pace: Arc<Pace>,
    pub(super) routes: Routes,
}

impl Work for Settling {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let (mut done, mut not_done, mut open, mut faults) = (0, 0, 0, Vec::new());
            for account in &self.accounts {
                let Some(_at_work) = self.pace.work_on(&account.name) else { continue };
                match self.calls.settle(account, &self.routes).await {
                    Ok(settled) => {
                        done += settled.done;
                        not_done += settled.not_done;
                        open += settled.open;
                    }
                    Err(error) => faults.push(format!("{}: {error}", account.name)),
                }
            }
            if !faults.is_empty() {
                return Err(faults.join("; "));
            }
            let summary = format!("{done} found done, {not_done} found not done, {open} in doubt");
            Ok(Done { summary, again_in: None })
        })
    }
}
