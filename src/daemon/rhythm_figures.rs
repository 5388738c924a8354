//! Connects the nightly report to what polling by learnt ages knows.
//!
//! Owns: that connection, and how many accounts are shown. Must never know: how anything is learnt, how a report is
//! written.

use std::sync::Arc;

use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::reconcile::stored_overviews;
use crate::reports::Rhythms;
use crate::store::Store;

/// The page shows at most this many accounts.
const ACCOUNTS: usize = 20;

/// What these accounts have learnt, as it was last stored.
pub(super) fn rhythms(
    store: Store,
    pace: Arc<Pace>,
    clock: SharedClock,
    accounts: Vec<Arc<Account>>,
) -> Rhythms {
    let accounts: Arc<[Arc<Account>]> = accounts.into();
    Rhythms::new(move || {
        let (store, pace, accounts) = (store.clone(), Arc::clone(&pace), Arc::clone(&accounts));
        let now = clock.now();
        Box::pin(async move { stored_overviews(&store, &pace, &accounts, ACCOUNTS, now).await })
    })
}
