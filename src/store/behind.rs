//! What is acknowledged and not in the index yet.
//!
//! Owns: these rows, and that they reach the index whole and in order. Must never know: what a row means, why it
//! was written.
//!
//! What is acknowledged is in the journal, so the index may follow behind: it is brought up to date as soon as
//! somebody reads more than single rows or who is due (`lanes.rs`), or when enough has come together. Many groups then
//! cost one batch, and what several of them wrote is written once. A crash leaves an index that is further behind; opening catches up.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use jiff::{SignedDuration, Timestamp};

use super::index::{Index, Writes};
use super::kept::Kept;
use super::types::StoreError;
use super::value::Stored;
use super::view::Recount;
use super::writer::{Engine, locked};
use super::{keys, pulse};
use crate::payments::object::ObjectRef;

/// Rows from which on the index is brought up to date without anybody asking, and of which one batch consists about:
/// readers wait some 50 ms meanwhile, whoever writes does not, and the pages of larger ones would not stay in the
/// engine's memory.
const ROWS_WORTH_A_BATCH: usize = 6_000;
/// Steps that only the index is told of, from which on the same: about so many a crash may repeat.
const QUIET_STEPS_WORTH_A_BATCH: usize = 64;
/// How long such a step waits at most while somebody asks who is due.
const QUIET_STEP_WAITS: SignedDuration = SignedDuration::from_secs(60);
/// Rows from which on the writer waits for the index.
const ROWS_MOST: usize = 18_000;

/// Rows on their way to the index.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) writes: Writes,
    pub(super) recounts: Vec<Recount>,
    /// Operations of which the journal was not told.
    pub(super) quiet_steps: usize,
    /// When the first of their polls was.
    pub(super) quiet_since: Option<Timestamp>,
}

impl Part {
    /// Takes what was written behind it.
    fn take(&mut self, later: Part) {
        self.writes.extend(later.writes);
        self.recounts.extend(later.recounts);
        self.quiet_steps += later.quiet_steps;
        self.quiet_since = self.quiet_since.or(later.quiet_since);
    }
}

/// All that the index has not yet.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// The oldest first; what is written goes to the last.
    waiting: VecDeque<Part>,
    /// Being written at this moment; older than what is waiting.
    leaving: Option<Arc<Part>>,
    /// Revisions of records that were read from the index to be polled, by the keys of their pulses, as long as
    /// nothing is written of them: whoever commits such a poll need not read them again.
    handed_out: HashMap<Vec<u8>, Stored<u64>>,
}

/// Then it begins again: those that are polled by then are read again.
const HANDED_OUT_MOST: usize = 16_384;

impl Behind {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.leaving.is_none()
    }

    /// What a row will be once the index has it: itself, or gone. None when the index knows best.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let waiting = self.waiting.iter().rev();
        waiting.chain(self.leaving.as_deref()).find_map(|part| part.writes.get(key))
    }

    /// Whether one more step can be taken without waiting for the index to be brought up to date.
    pub(super) fn has_room(&self) -> bool {
        self.leaving.is_none() && self.rows() < ROWS_WORTH_A_BATCH
    }

    /// The keys from `start` on and before `end` that the index has not yet as they are: whether they are there.
    pub(super) fn changes(&self, start: &[u8], end: &[u8]) -> BTreeMap<Vec<u8>, bool> {
        let parts = self.leaving.as_deref().into_iter().chain(&self.waiting);
        let rows = parts.flat_map(|part| &part.writes);
        let is_within = |key: &[u8]| start <= key && key < end;
        rows.filter(|(key, _)| is_within(key)).map(|(key, row)| (key.clone(), row.is_some())).collect()
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.waiting.iter().map(|part| part.writes.len()).sum()
    }

    fn quiet_steps(&self) -> usize {
        self.waiting.iter().map(|part| part.quiet_steps).sum()
    }

    /// Takes note of a revision that was read from the index, unless the record has changed since.
    pub(super) fn hand_out(&mut self, key: &[u8], pulse_key: Vec<u8>, revision: Stored<u64>) {
        if self.get(key).is_some() || self.get(&pulse_key).is_some() {
            return;
        }
        if self.handed_out.len() >= HANDED_OUT_MOST {
            self.handed_out.clear();
        }
        self.handed_out.insert(pulse_key, revision);
    }

    /// The revision of an open record as far as it is in memory, with the last entry that changed the record.
    pub(super) fn revision(&self, object: &ObjectRef) -> Result<Option<Stored<u64>>, StoreError> {
        let key = keys::record(object, false);
        let pulse_key = pulse::key(&key);
        match (self.get(&pulse_key), self.get(&key)) {
            (Some(Some(bytes)), _) => pulse::revision(&pulse_key, bytes).map(Some),
            (_, Some(Some(bytes))) => pulse::record_revision(&key, bytes).map(Some),
            (None, None) => Ok(self.handed_out.get(&pulse_key).cloned()),
            _ => Ok(None),
        }
    }

    fn push(&mut self, part: Part) {
        for key in part.writes.keys() {
            match key.first() {
                Some(&keys::PULSE) => drop(self.handed_out.remove(key)),
                Some(&keys::OPEN) => drop(self.handed_out.remove(&pulse::key(key))),
                _ => {}
            }
        }
        match self.waiting.back_mut().filter(|last| last.writes.len() < ROWS_WORTH_A_BATCH) {
            Some(last) => last.take(part),
            None => self.waiting.push_back(part),
        }
    }
}

/// The rows that are not in the index yet, and who brings them there.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// Locked behind the index.
    rows: Mutex<Behind>,
    /// What whoever writes need not ask the index.
    pub(super) kept: Kept,
    /// Held while the index is brought up to date; locked before the index.
    catching_up: Mutex<()>,
    /// Whoever reads several rows holds it shared, so as to see whole groups; locked before the index.
    whole: RwLock<()>,
    /// Somebody is about to bring the index up to date.
    pub(super) is_scheduled: AtomicBool,
}

impl Following {
    /// What the index has not yet.
    pub(super) fn rows(&self) -> MutexGuard<'_, Behind> {
        locked(&self.rows)
    }

    /// While it is held, the index is not written.
    pub(super) fn whole(&self) -> RwLockReadGuard<'_, ()> {
        self.whole.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Single rows as they were acknowledged, whether the index has them or not.
pub(super) struct Known<'a> {
    behind: MutexGuard<'a, Behind>,
    index: &'a Index,
}

impl Known<'_> {
    /// A row.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.behind.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.index.get(key),
        }
    }
}

impl Engine {
    /// Takes what a group wrote, which is durable.
    pub(super) fn follow(self: &Arc<Self>, part: Part) -> Result<(), StoreError> {
        if part.writes.is_empty() {
            return Ok(());
        }
        self.following.kept.take(&part.writes);
        let (rows, quiet_steps) = {
            let mut behind = self.following.rows();
            behind.push(part);
            (behind.rows(), behind.quiet_steps())
        };
        if rows >= ROWS_MOST {
            return self.catch_up();
        }
        if rows >= ROWS_WORTH_A_BATCH || quiet_steps >= QUIET_STEPS_WORTH_A_BATCH {
            self.start_catching_up();
        }
        Ok(())
    }

    /// Brings the index up to date in the background if it has waited for long: it would not know of these polls after a
    /// crash.
    pub(super) fn follow_old_polls(self: &Arc<Self>, now: Timestamp) {
        let since = self.following.rows().waiting.front().and_then(|part| part.quiet_since);
        if since.is_some_and(|since| now.duration_since(since) >= QUIET_STEP_WAITS) {
            self.start_catching_up();
        }
    }

    fn start_catching_up(self: &Arc<Self>) {
        if !self.following.is_scheduled.swap(true, Ordering::AcqRel) {
            let engine = Arc::downgrade(self);
            crate::blocking::run(move || {
                let Some(engine) = engine.upgrade() else { return };
                engine.following.is_scheduled.store(false, Ordering::Release);
                // Whoever asks next is told of a failure.
                let _ = engine.catch_up();
            });
        }
    }

    /// Lets go of the folder as a crash would, but in an orderly way: whoever writes or reads ends first.
    pub(super) fn let_go(&self) {
        let _writer_waits = locked(&self.journal);
        let _follower_waits = locked(&self.following.catching_up);
        drop(self.index.write().unwrap_or_else(PoisonError::into_inner).take());
        drop(locked(&self.lock).take());
    }

    /// Brings the index up to all that was acknowledged before this call.
    ///
    /// # Errors
    /// Why the index cannot be written; the store has stopped then.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        if self.following.rows().is_empty() {
            return Ok(());
        }
        let _one_at_a_time = locked(&self.following.catching_up);
        // What comes meanwhile is for the next call.
        let parts = self.following.rows().waiting.len();
        for _ in 0..parts {
            let part = {
                let mut behind = self.following.rows();
                if behind.leaving.is_some() {
                    // It could not be written before.
                    break;
                }
                let Some(part) = behind.waiting.pop_front() else { break };
                let part = Arc::new(part);
                behind.leaving = Some(Arc::clone(&part));
                part
            };
            self.apply(&part).map_err(|error| match error {
                StoreError::Closed => error,
                other => self.fail(other),
            })?;
        }
        let is_stuck = self.following.rows().leaving.is_some();
        match is_stuck {
            false => Ok(()),
            true => Err(self.trouble().cloned().unwrap_or(StoreError::Closed)),
        }
    }

    /// Writes a part while nobody reads several rows. Groups are made meanwhile.
    fn apply(&self, part: &Part) -> Result<(), StoreError> {
        let _alone = self.following.whole.write().unwrap_or_else(PoisonError::into_inner);
        let shared = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = shared.as_ref().ok_or(StoreError::Closed)?;
        if let Some(twin) = locked(&self.twin).as_mut() {
            twin.mirror(&part.writes);
        }
        if let Some(tally) = locked(&self.tally).as_mut() {
            tally.take(&part.recounts);
        }
        index.apply(&part.writes)?;
        self.following.rows().leaving = None;
        Ok(())
    }

    /// Reads whole groups, all that were acknowledged: nobody writes meanwhile.
    pub(super) fn with_index<T>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.catch_up()?;
        let _whole = self.following.whole();
        let shared = self.index.read().unwrap_or_else(PoisonError::into_inner);
        work(shared.as_ref().ok_or(StoreError::Closed)?)
    }

    /// Reads single rows of whole groups, without waiting for the index to have them.
    pub(super) fn with_known<T>(
        &self,
        work: impl FnOnce(&Known<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let shared = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = shared.as_ref().ok_or(StoreError::Closed)?;
        work(&Known { behind: self.following.rows(), index })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn part(rows: Range<usize>, value: &[u8]) -> Part {
        let writes = rows.map(|number| (number.to_be_bytes().to_vec(), Some(value.to_vec())));
        Part { writes: writes.collect(), quiet_steps: 1, ..Part::default() }
    }

    #[test]
    fn of_several_parts_the_latest_says_what_a_row_is() {
        let mut behind = Behind::default();
        assert!(behind.is_empty() && behind.has_room());
        let known = |behind: &Behind, number: usize| {
            behind
                .get(&number.to_be_bytes())
                .cloned()
                .flatten()
                .map(|value| String::from_utf8(value).unwrap())
        };
        behind.push(part(9..ROWS_WORTH_A_BATCH, b"first"));
        behind.push(part(0..9, b"second"));
        assert_eq!(behind.waiting.len(), 1, "a batch is made full");
        behind.push(part(0..5, b"third"));
        assert_eq!((behind.waiting.len(), behind.quiet_steps()), (2, 3));
        for (number, expected) in [(0, "third"), (7, "second"), (9, "first")] {
            assert_eq!(known(&behind, number).as_deref(), Some(expected));
        }
        assert_eq!(known(&behind, ROWS_WORTH_A_BATCH), None);
        assert!(!behind.has_room());
        behind.leaving = behind.waiting.pop_front().map(Arc::new);
        behind.push(part(0..1, b"fourth"));
        for (number, expected) in [(0, "fourth"), (1, "third"), (7, "second"), (9, "first")] {
            assert_eq!(
                known(&behind, number).as_deref(),
                Some(expected),
                "whether it is being written or not"
            );
        }
        assert!(!behind.has_room() && !behind.is_empty(), "the index is being written");
    }
}
