//! Connects changes of objects to the receivers of events.
//!
//! Owns: that connection. Must never know: what an event says.

use std::sync::{Arc, RwLock};

use super::present;
use super::rooms::Rooms;
use crate::payments::alert::Alert;
use crate::payments::change::{Announce, Change};
use crate::payments::object::AccountName;

/// Makes events for the receivers of the configuration in force.
pub(super) struct EventSource(pub(super) Arc<RwLock<Arc<Rooms>>>);

impl Announce for EventSource {
    fn is_heard(&self, account: &AccountName, is_sandbox: bool) -> bool {
        present(&self.0).config.events.is_heard(account, is_sandbox)
    }

    fn announce(&self, change: &Change<'_>) -> Vec<(Alert, String)> {
        present(&self.0).config.events.announce(change)
    }
}
