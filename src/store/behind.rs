//! What is acknowledged and not in the index yet.
//!
//! Owns: these rows, and that they reach the index whole and in order. Must never know: what a row means, why it
//! was written.
//!
//! What is acknowledged is in the journal, so the index may follow behind: it is brought up to date as soon as
//! somebody reads more than single rows, or when enough has come together. Many groups then cost one batch, and
//! what several of them wrote is written once. A crash leaves an index that is further behind; opening catches up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::index::{Index, Writes};
use super::kept::Kept;
use super::types::StoreError;
use super::view::Recount;
use super::writer::{Engine, locked};

/// Rows from which on the index is brought up to date without anybody asking: readers wait some 50 ms meanwhile,
/// whoever writes does not.
const ROWS_WORTH_A_BATCH: usize = 6_000;
/// Steps that only the index is told of, from which on the same: about so many a crash may repeat.
const QUIET_STEPS_WORTH_A_BATCH: usize = 64;
/// Rows from which on the writer waits for the index.
const ROWS_MOST: usize = 18_000;

/// Rows on their way to the index.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) writes: Writes,
    pub(super) recounts: Vec<Recount>,
    /// Operations of which the journal was not told.
    pub(super) quiet_steps: usize,
}

/// All that the index has not yet.
#[derive(Debug, Default)]
pub(super) struct Behind {
    fresh: Part,
    /// Being written at this moment; older than what is fresh.
    leaving: Option<Arc<Part>>,
}

impl Behind {
    fn is_empty(&self) -> bool {
        self.fresh.writes.is_empty() && self.leaving.is_none()
    }

    /// What a row will be once the index has it: itself, or gone. None when the index knows best.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let leaving = || self.leaving.as_ref().and_then(|part| part.writes.get(key));
        self.fresh.writes.get(key).or_else(leaving)
    }

    /// Whether one more step can be taken without waiting for the index to be brought up to date.
    pub(super) fn has_room(&self) -> bool {
        self.leaving.is_none() && self.fresh.writes.len() < ROWS_WORTH_A_BATCH
    }

    fn push(&mut self, part: Part) {
        if self.fresh.writes.is_empty() {
            self.fresh = part;
        } else {
            self.fresh.writes.extend(part.writes);
            self.fresh.recounts.extend(part.recounts);
            self.fresh.quiet_steps += part.quiet_steps;
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
            (behind.fresh.writes.len(), behind.fresh.quiet_steps)
        };
        if rows >= ROWS_MOST {
            return self.catch_up();
        }
        if rows >= ROWS_WORTH_A_BATCH || quiet_steps >= QUIET_STEPS_WORTH_A_BATCH {
            self.start_catching_up();
        }
        Ok(())
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
        let part = {
            let mut behind = self.following.rows();
            if behind.leaving.is_some() {
                // It could not be written before.
                return Err(self.trouble().cloned().unwrap_or(StoreError::Closed));
            }
            if behind.fresh.writes.is_empty() {
                return Ok(());
            }
            let part = Arc::new(std::mem::take(&mut behind.fresh));
            behind.leaving = Some(Arc::clone(&part));
            part
        };
        self.apply(&part).map_err(|error| match error {
            StoreError::Closed => error,
            other => self.fail(other),
        })
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
        let _whole = self.following.whole.read().unwrap_or_else(PoisonError::into_inner);
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
