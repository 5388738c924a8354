//! What the answers of the API ask of the process around them.
//!
//! Owns: facts about the process. Must never know: who asks.

use std::sync::PoisonError;

use super::rooms::{self, Foundation};
use super::{Daemon, levels, timekeeping, usage};
use crate::control::messages::Reloaded;
use crate::control::service::{Later, Process, ProcessFacts, Usage};
use crate::store::StoreError;

impl Process for Daemon {
    fn facts(&self) -> ProcessFacts {
        let time = &self.foundation.time;
        ProcessFacts {
            is_daemon: self.is_daemon,
            since: self.since,
            last_reload: self.last_reload.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            clock: self.is_daemon.then(|| timekeeping::health(time)),
            clock_complaint: timekeeping::complaint(time).filter(|_| self.is_daemon),
        }
    }

    fn usage(&self) -> Usage {
        usage::of_this_process()
    }

    fn reload(&self) -> Later<'_, Reloaded> {
        Box::pin(async {
            if self.is_daemon {
                return Daemon::reload(self).await;
            }
            let problem = "no daemon is running: the next start will read the configuration".to_owned();
            Reloaded { is_applied: false, at: self.now(), problems: vec![problem] }
        })
    }

    fn restore_budgets(&self) -> Later<'_, Result<(), StoreError>> {
        Box::pin(async { rooms::restore_once(self, &self.rooms()).await })
    }

    fn save_budgets(&self) -> Later<'_, Result<(), StoreError>> {
        let Foundation { store, pace, clock, .. } = &self.foundation;
        Box::pin(async {
            match store.fleet() {
                None => levels::save(store, pace, clock.now()).await,
                // The next host of an account begins with an empty budget.
                Some(_) => Ok(()),
            }
        })
    }
}
