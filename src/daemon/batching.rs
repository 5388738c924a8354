//! Connects the `batches` room to its ports.
//!
//! Owns: that connection. Must never know: steps, files.

use std::sync::Arc;

use crate::batches::{Ledger, Ports};
use crate::payments::alert::Routes;
use crate::payments::object::{AccountName, ObjectRef};
use crate::reconcile::Reconcile;

use super::rooms::Rooms;

/// Where batches send their results: alerts to the routes, observations to the path that every poll takes.
pub(super) fn ports(routes: &Routes, reconcile: &Arc<Reconcile>, rooms: &Arc<Rooms>) -> Ports {
    let accepted = Arc::clone(reconcile).accepted();
    let (reconcile, accounts) = (Arc::clone(reconcile), rooms.accounts.clone());
    let ledger: Ledger = Arc::new(move |name: AccountName, shown, asked_at| {
        let reconcile = Arc::clone(&reconcile);
        let account = accounts.iter().find(|account| account.name == name).cloned();
        Box::pin(async move {
            let Some(account) = account else { return Ok(()) };
            let observations = shown.into_iter().map(|shown| {
                let object = ObjectRef { account: name.clone(), kind: shown.kind, id: shown.id };
                (object, shown.observation)
            });
            reconcile.take(&account, observations.collect(), asked_at).await
        })
    });
    Ports { routes: Arc::clone(routes), ledger, accepted }
}
