//! Objects whose dates are ahead of the present, because the clock that wrote them was ahead.
//!
//! Owns: finding them and making them due. Must never know: which clock is right.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::clock::judge::NEAR;
use crate::payments::record::Record;
use crate::store::{Store, StoreError};
use crate::time::later;

/// Records read at once.
const PAGE: usize = 500;

/// Which of them become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    All,
    /// One of each account: enough to get an answer, whose date shows whether this host's clock is right.
    OneOfEachAccount,
}

/// Makes objects that were enrolled or polled in the future due now: their waits were counted from those dates. Returns
/// how many. Adds one to `progress` for each page of open objects.
pub(super) async fn pull_in(
    store: &Store,
    now: Timestamp,
    which: Which,
    progress: &AtomicU64,
) -> Result<usize, StoreError> {
    let latest = later(now, NEAR);
    let is_ahead = |at: Option<Timestamp>| at.is_some_and(|at| at > latest);
    let waits = |record: &Record| {
        let seen_at = record.observed.as_ref().map(|observed| observed.seen_at);
        let dates = [record.polled_at, seen_at, Some(record.enrolled_at)];
        dates.into_iter().any(is_ahead) && is_ahead(record.due_at)
    };
    let (mut after, mut pulled, mut accounts) = (None, 0, BTreeSet::new());
    loop {
        let mut page = store.open_objects(after, PAGE).await?;
        page.items.retain(waits);
        if which == Which::OneOfEachAccount {
            page.items.retain(|record| accounts.insert(record.object.account.clone()));
        }
        // At once, so that they share the store's writes.
        let hints = join_all(page.items.iter().map(|record| store.hint(&record.object, now))).await;
        for is_due in hints {
            pulled += usize::from(is_due?);
        }
        progress.fetch_add(1, Ordering::Relaxed);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if pulled > 0 {
        tracing::warn!(objects = pulled, "objects that were delayed by a clock that was ahead are due now");
    }
    Ok(pulled)
}
