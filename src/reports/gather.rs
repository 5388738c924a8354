//! Reads from the store what it knows about a day, page by page.
//!
//! Owns: the order of reading. Must never know: files.

use jiff::Timestamp;

use super::money::growth;
use super::names::{Collected, Names};
use super::standing::{Change, Watched, is_believed, is_forgetting};
use crate::blocking;
use crate::payments::lifecycle::Phase;
use crate::payments::object::ObjectRef;
use crate::payments::record::Transition;
use crate::store::{Cursor, Life, Store, StoreError};

/// Rows read at once.
const PAGE: usize = 500;

/// A page of changes observed in `[from, to)`, in the order of observation, and where to continue.
pub(super) async fn changes(
    store: &Store,
    from: Timestamp,
    to: Timestamp,
    after: Option<Cursor>,
) -> Result<(Vec<Change>, Option<Cursor>), StoreError> {
    let page = store.transitions(from, to, after, PAGE).await?;
    let objects = page.items.iter().map(|row| row.object.clone()).collect();
    let histories = store.histories(objects).await?;
    let mut changes = Vec::with_capacity(page.items.len());
    for (row, history) in page.items.into_iter().zip(histories) {
        let position = history.iter().position(|known| *known == row).unwrap_or(history.len());
        let before = &history[..position];
        changes.push(Change {
            first_seen: history.first().map_or(row.seen_at, |first| first.seen_at),
            was_final: was_final(before),
            grown: growth(before, &row),
            row,
        });
    }
    Ok((changes, page.next))
}

/// A row dated later than its successor was written while the clock was ahead: it happened no later than that
/// one.
fn in_order(mut history: Vec<Transition>) -> Vec<Transition> {
    let mut latest = Timestamp::MAX;
    for row in history.iter_mut().rev() {
        row.seen_at = row.seen_at.min(latest);
        latest = row.seen_at;
    }
    history
}

/// Whether an object with this history is in a final state.
fn was_final(history: &[Transition]) -> bool {
    let earlier = history.iter().rev().find(|known| is_believed(known) || is_forgetting(known));
    earlier.is_some_and(|known| known.phase == Phase::Final && !is_forgetting(known))
}

/// The names of all objects that were open at some moment of the day or changed in it, in order: those open
/// now, and those that changed since the day began.
///
/// Open ones are read first. If one becomes final meanwhile, its change is read later, so none is missed.
/// Only names are held in memory, each of them once. Calls `progress` after each page.
pub(super) async fn objects(
    store: &Store,
    from: Timestamp,
    progress: impl Fn(),
) -> Result<Names, StoreError> {
    let mut open = Collected::default();
    let mut after = None;
    loop {
        let page = store.open_objects(after, PAGE).await?;
        page.items.iter().for_each(|record| open.add(&record.object));
        progress();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let open = sorted(open).await?;
    let mut finished = Collected::default();
    loop {
        let page = store.transitions(from, Timestamp::MAX, after, PAGE).await?;
        page.items.iter().filter(|row| !open.has(&row.object)).for_each(|row| finished.add(&row.object));
        progress();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut all = Collected::from(open);
    all.append(finished);
    sorted(all).await
}

/// Sorting a million names takes a while.
async fn sorted(names: Collected) -> Result<Names, StoreError> {
    let sorted = blocking::run(move || names.in_order()).await;
    sorted.map_err(|error| StoreError::Broken(format!("sorting was interrupted: {error}")))
}

/// The next of `objects` with everything known about them; empty at the end.
pub(super) async fn watched(store: &Store, objects: &mut Names) -> Result<Vec<Watched>, StoreError> {
    let page: Vec<ObjectRef> = objects.take(PAGE).collect();
    let lives = store.lives(page.clone()).await?;
    let watched = page.into_iter().zip(lives);
    Ok(watched
        .map(|(object, Life { record, history })| Watched { object, record, history: in_order(history) })
        .collect())
}
