//! Filling a store, and polling all of it as the daemon does: by account, in the order of service.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use reconciled::store::{Committed, Store};
use tokio::task::JoinSet;

use crate::Failure;
use crate::objects::{account, enrolment, first_observed, kind, origin, same_again};

/// Polls in flight.
const IN_FLIGHT: usize = 128;
const BATCH_LINES: usize = 1_000;

/// Enrols objects.
pub(crate) async fn fill(store: &Store, objects: usize, accounts: usize) -> Result<(), Failure> {
    for start in (0..objects).step_by(BATCH_LINES) {
        let batch = (start..objects.min(start + BATCH_LINES)).map(|number| enrolment(number, accounts));
        store.enrol(batch.collect(), origin()).await?;
    }
    Ok(())
}

/// Polls everything due at `now`, account by account, all objects of an account at once. Returns the number
/// of polls.
pub(crate) async fn round(store: &Store, accounts: usize, now: Timestamp) -> Result<usize, Failure> {
    round_of(store, 0..accounts, now).await
}

/// The same for some of the accounts.
pub(crate) async fn round_of(
    store: &Store,
    accounts: Range<usize>,
    now: Timestamp,
) -> Result<usize, Failure> {
    let next = Arc::new(AtomicUsize::new(accounts.start));
    let mut workers = JoinSet::new();
    let workers_wanted = IN_FLIGHT.min(accounts.len());
    for _ in 0..workers_wanted {
        let (store, next) = (store.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut polls = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= accounts.end {
                    return Ok::<usize, Failure>(polls);
                }
                polls += poll_account(&store, number, now, IN_FLIGHT / workers_wanted).await?;
            }
        });
    }
    let mut polls = 0;
    while let Some(ended) = workers.join_next().await {
        polls += ended??;
    }
    Ok(polls)
}

async fn poll_account(store: &Store, number: usize, now: Timestamp, width: usize) -> Result<usize, Failure> {
    let (account, kind) = (account(number), kind());
    let mut polls = 0;
    loop {
        let due = store.due(&account, &kind, now, width.max(16)).await?;
        if due.is_empty() {
            return Ok(polls);
        }
        for part in due.chunks(width) {
            let mut commits = JoinSet::new();
            for record in part {
                let commit = match &record.observed {
                    None => first_observed(record, now),
                    Some(_) => same_again(record, now)?,
                };
                let store = store.clone();
                commits.spawn(async move { store.commit(commit).await });
            }
            while let Some(ended) = commits.join_next().await {
                if ended?? != Committed::Written {
                    return Err("nobody else writes, yet a commit was stale".into());
                }
                polls += 1;
            }
        }
    }
}
