//! Compaction: makes the index small again while the store stays in use.
//!
//! Owns: the copy, and the order of steps that puts it in the index's place. Must never know: what a row means.
//!
//! The engine returns no space to the file system, and rewrites a whole page when one row in it has changed
//! (docs/src/reference/storage-engine.md, section 1). So every row is copied to `index.new`, a slice at a time; what is
//! written meanwhile goes to both. Then all rows of both are compared, and the copy takes the index's name.
//!
//! # When
//!
//! Live data is the rows of the index, *R* bytes, and the facts of the journal, *F* bytes, which are kept permanently.
//! The folder is largest while the copy lies beside an index of *x* bytes: `x + copy + F`. That should stay below
//! `3 (R + F)`. Measured with the rows of polled objects
//! (`cargo bench -p reconciled-benches --bench store -- million`):
//!
//! - A copy takes 1.5 R in the end, and up to 1.9 R on the way, if the engine is given time to pack pages while the
//!   copy is filled ([`REST`], and more frequent flushes: `open_to_fill`). Otherwise it takes 1.75 to 2.1 R in the end.
//! - An index in use levels off at 3 R if everything is polled at full speed, and at 2.5 R if polls leave the engine
//!   time (the engine alone, 10 ms between groups, two rounds). It grows beyond that while objects are enrolled and
//!   first observed in bulk.
//! - Every row follows from a fact: F is 0.9 R after the first observation of each object, and grows with each change.
//!
//! So the index is compacted when `x` reaches `2.9 (R + F) - F - 1.9 R`, which is 2.75 R at F = 0.92 R. That is above
//! where an index levels off that is polled within a quota; at full speed it is reached every other round. The
//! remaining tenth of `R + F` is for what is written between two checks and during the compaction. After bulk writes
//! between two checks, `x` can be beyond the threshold already: then the bound does not hold that one time. If there
//! are many facts, the index is still compacted at 3.5 R. If there are few (below 0.6 R: hardly anything was observed
//! yet), the index must have grown to one and a half times its fresh copy, and the bound does not hold either.
//!
//! # A crash
//!
//! | Mark `swapping` | `index` | `index.new` | `index.old` | What opening does |
//! |---|---|---|---|---|
//! | no | exists | half a copy | - | deletes the copy |
//! | yes | exists | whole | - | the same: both have the same rows |
//! | yes | - | whole | exists | continues: the copy takes the name |
//! | yes | exists | - | exists | deletes the old index |

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::disk::{Disk, read_text, write_whole};
use crate::store::engine::Engine;
use crate::store::index::twin::{Reach, Twin, of_copy};
use crate::store::index::{Index, Writes};
use crate::store::mutex::locked;
use crate::store::types::StoreError;

const DRAFT: &str = "index.new";
const OLD: &str = "index.old";
const SWAPPING: &str = "swapping";
/// The live bytes when they were last counted, and the length of the file after the last compaction.
const SIZE: &str = "index.size";
const INDEX: &str = "index";

/// Names that compaction may leave in a store's folder.
pub(crate) const NAMES: [&str; 4] = [DRAFT, OLD, SWAPPING, SIZE];

/// Rows copied while nobody can write: takes some milliseconds.
const SLICE_ROWS: usize = 500;
/// Memory for the copy's pages until it takes over.
const DRAFT_CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// The disk space that even the copy of a nearly empty index takes.
const SMALLEST_BYTES: u64 = 1024 * 1024;
/// After a slice of [`FULL_SLICE_BYTES`], the engine gets this long to pack pages, and others can read and write. After
/// a smaller slice it gets proportionally less, because it has less to move.
const REST: Duration = Duration::from_millis(50);
const LEAST_REST: Duration = Duration::from_millis(5);
const FULL_SLICE_BYTES: u64 = 300 * 1024;
/// The index is compacted at the latest when its file is this many times its live data. The engine packs pages only
/// where half of a segment is unused, so an index in use takes not much less than three times its live data.
const BLOAT: f64 = 3.5;
/// The file must have grown by this factor since the last compaction; otherwise there is too little to gain.
const GROWTH: f64 = 1.5;
/// What a copy takes on the way, as a multiple of its rows.
const COPY: f64 = 1.9;
/// What index, copy and journal together may take when the copy is started, as a multiple of all live data.
const WHILE_COPIED: f64 = 2.9;

/// The result of a compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Compacted {
    /// Rows in the index.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub live_bytes: u64,
    /// Bytes of the index's main file before.
    pub bytes_before: u64,
    /// Bytes of the index's main file after.
    pub bytes_after: u64,
}

/// Whether the index's file is too long for its live data, and longer than a fresh copy would be.
pub(crate) fn is_bloated(engine: &Engine) -> Result<bool, StoreError> {
    let known = known_size(engine)?;
    let too_long = |live_bytes: u64| {
        let facts = engine.journal_bytes.load(Ordering::Relaxed);
        bytes_now(engine) > engine.compact_above_bytes.max(mark(Size { live_bytes, ..known }, facts))
    };
    if !too_long(known.live_bytes) {
        return Ok(false);
    }
    // The known number is old: more may be live by now.
    let live_bytes = count_live(engine)?;
    remember_size(engine, Size { live_bytes, ..known })?;
    Ok(too_long(live_bytes))
}

/// The threshold in bytes above which the index's file is too long, with `facts` bytes in the journal.
fn mark(size: Size, facts: u64) -> u64 {
    let live = size.live_bytes;
    let before_the_peak = times(live + facts, WHILE_COPIED).saturating_sub(facts + times(live, COPY));
    before_the_peak.min(times(live, BLOAT)).max(times(size.fresh_bytes, GROWTH))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a threshold"
)]
fn times(bytes: u64, factor: f64) -> u64 {
    (bytes as f64 * factor) as u64
}

fn bytes_now(engine: &Engine) -> u64 {
    Index::file_bytes(&engine.folder.join(INDEX))
}

/// The content of the file [`SIZE`].
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    live_bytes: u64,
    /// Bytes of the index's file just after the last compaction; 0: there was none.
    fresh_bytes: u64,
}

fn known_size(engine: &Engine) -> Result<Size, StoreError> {
    let text = read_text(&*engine.disk, &engine.folder.join(SIZE)).map_err(failed("read", SIZE))?;
    let text = text.unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    Ok(Size { live_bytes: next(), fresh_bytes: next() })
}

fn remember_size(engine: &Engine, size: Size) -> Result<(), StoreError> {
    let text = format!("{} {}\n", size.live_bytes, size.fresh_bytes);
    write_whole(&*engine.disk, &engine.folder.join(SIZE), text.as_bytes()).map_err(failed("write", SIZE))
}

/// An error that does not stop the store: the index just stays as large as it is.
fn failed(doing: &'static str, name: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Compaction(format!("cannot {doing} {name}: {error}"))
}

fn stay(engine: &Engine) -> Result<(), StoreError> {
    match engine.is_leaving.load(Ordering::Relaxed) {
        false => Ok(()),
        true => Err(StoreError::Compaction("the process is about to stop".to_owned())),
    }
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn slice(index: &Index, after: &[u8]) -> Result<Rows, StoreError> {
    index.range(Bound::Excluded(after.to_vec()), vec![u8::MAX]).take(SLICE_ROWS).collect()
}

fn bytes_of(rows: &Rows) -> u64 {
    rows.iter().map(|(key, bytes)| (key.len() + bytes.len()) as u64).sum()
}

fn count_live(engine: &Engine) -> Result<u64, StoreError> {
    let (mut after, mut live) = (Vec::new(), 0);
    loop {
        stay(engine)?;
        let rows = engine.with_index(|index| slice(index, &after))?;
        let Some((last, _)) = rows.last() else { return Ok(live) };
        after.clone_from(last);
        live += bytes_of(&rows);
        engine.meter.advance(0);
    }
}

/// Whether a copy is being made.
pub(crate) fn is_under_way(engine: &Engine) -> bool {
    locked(&engine.twin).is_some()
}

/// Copies, compares, swaps. Others can read and write meanwhile; they wait for some milliseconds at a time, and for
/// about a second at the end.
///
/// # Errors
/// [`StoreError::Compaction`] when the copy could not be made: the store continues as it was. Any other error is a
/// failure of the store itself.
pub(crate) fn run(engine: &Engine) -> Result<Compacted, StoreError> {
    let draft = engine.folder.join(DRAFT);
    let free_bytes =
        engine.disk.free_bytes(&engine.folder).map_err(failed("determine the free space for", DRAFT))?;
    if free_bytes < bytes_now(engine).max(SMALLEST_BYTES) {
        let text = format!("{free_bytes} bytes are free, less than a copy of the index may need");
        return Err(StoreError::Compaction(text));
    }
    {
        let mut twin = locked(&engine.twin);
        if twin.is_some() {
            return Err(StoreError::Compaction("another compaction is running".to_owned()));
        }
        engine.disk.remove_folder(&draft).map_err(failed("remove", DRAFT))?;
        let index = opened(Index::open_to_fill(&draft, DRAFT_CACHE_BYTES))?;
        *twin = Some(Twin::new(index));
    }
    let outcome = copy_and_swap(engine, &draft);
    drop(locked(&engine.twin).take());
    engine.meter.end();
    if outcome.is_err() {
        // The next opening also removes whatever is left of it.
        let _ = engine.disk.remove_folder(&draft);
    }
    outcome
}

fn opened(draft: Result<Index, String>) -> Result<Index, StoreError> {
    draft.map_err(|why| StoreError::Compaction(format!("{DRAFT} cannot be opened: {why}")))
}

fn copy_and_swap(engine: &Engine, draft: &Path) -> Result<Compacted, StoreError> {
    let bytes_before = bytes_now(engine);
    engine.meter.begin("compacting the index", known_size(engine)?.live_bytes);
    let mut compacted = Compacted { bytes_before, ..Compacted::default() };
    let mut copied = 0;
    while copy_slice(engine, &mut compacted)? {
        std::thread::park_timeout(rest_behind(compacted.live_bytes - copied));
        copied = compacted.live_bytes;
    }
    reopen_draft(engine, draft)?;
    engine.meter.begin("comparing the copy with the index", compacted.live_bytes);
    let mut after = Vec::new();
    while compare_slice(engine, &mut after)? {}
    swap(engine, draft)?;
    compacted.bytes_after = bytes_now(engine);
    let (live_bytes, fresh_bytes) = (compacted.live_bytes, compacted.bytes_after);
    remember_size(engine, Size { live_bytes, fresh_bytes })?;
    Ok(compacted)
}

fn rest_behind(bytes: u64) -> Duration {
    let thousandths = u32::try_from(bytes.min(FULL_SLICE_BYTES) * 1000 / FULL_SLICE_BYTES).unwrap_or(1000);
    (REST * thousandths / 1000).max(LEAST_REST)
}

/// False at the end.
fn copy_slice(engine: &Engine, compacted: &mut Compacted) -> Result<bool, StoreError> {
    stay(engine)?;
    engine.with_index(|index| {
        let mut shared = locked(&engine.twin);
        let twin = shared.as_mut().ok_or(StoreError::Closed)?;
        let Reach::To(after) = &twin.reached else { return Ok(false) };
        let rows = slice(index, after)?;
        let Some((last, _)) = rows.last().cloned() else {
            twin.reached = Reach::All;
            return Ok(false);
        };
        compacted.rows += rows.len() as u64;
        compacted.live_bytes += bytes_of(&rows);
        engine.meter.advance(bytes_of(&rows));
        let writes: Writes = rows.into_iter().map(|(key, bytes)| (key, Some(bytes))).collect();
        twin.open_index()?.apply(&writes).map_err(of_copy)?;
        twin.reached = Reach::To(last);
        Ok(true)
    })
}

/// Makes the engine write down where the copy's pages are, so that opening the copy in the index's place is quick.
fn reopen_draft(engine: &Engine, draft: &Path) -> Result<(), StoreError> {
    let index = locked(&engine.twin).as_mut().and_then(|twin| twin.index.take());
    drop(index.ok_or(StoreError::Closed)?);
    Index::settle(draft, DRAFT_CACHE_BYTES).map_err(|why| of_copy(StoreError::Broken(why)))?;
    let index = opened(Index::open(draft, DRAFT_CACHE_BYTES))?;
    let mut shared = locked(&engine.twin);
    let twin = shared.as_mut().ok_or(StoreError::Closed)?;
    for writes in std::mem::take(&mut twin.waiting) {
        index.apply(&writes).map_err(of_copy)?;
    }
    twin.index = Some(index);
    Ok(())
}

/// False at the end.
fn compare_slice(engine: &Engine, after: &mut Vec<u8>) -> Result<bool, StoreError> {
    stay(engine)?;
    engine.with_index(|index| {
        let shared = locked(&engine.twin);
        let copy = shared.as_ref().ok_or(StoreError::Closed)?.open_index()?;
        let rows = slice(index, after)?;
        if rows != slice(copy, after).map_err(of_copy)? {
            return Err(StoreError::Compaction("the copy differs from the index".to_owned()));
        }
        engine.meter.advance(bytes_of(&rows));
        let Some((last, _)) = rows.last() else { return Ok(false) };
        after.clone_from(last);
        Ok(true)
    })
}

fn swap(engine: &Engine, draft: &Path) -> Result<(), StoreError> {
    let mut alone = engine.index.write().unwrap_or_else(PoisonError::into_inner);
    if alone.is_none() {
        return Err(StoreError::Closed);
    }
    let twin = locked(&engine.twin).take().ok_or(StoreError::Closed)?;
    twin.open_index()?.flush().map_err(of_copy)?;
    drop(twin);
    let folder = &engine.folder;
    let disk = &*engine.disk;
    Index::sync_files(draft).map_err(failed("sync", DRAFT))?;
    write_whole(disk, &folder.join(SWAPPING), b"").map_err(failed("write", SWAPPING))?;
    // From here on, a failure leaves no open index: the next opening continues with what it finds.
    drop(alone.take());
    let index = exchange(disk, folder)
        .map_err(|error| StoreError::Broken(format!("the index cannot be swapped: {error}")))
        .and_then(|()| {
            Index::open(&folder.join(INDEX), engine.cache_bytes)
                .map_err(|why| StoreError::Broken(format!("the new index cannot be opened: {why}")))
        })
        .map_err(|error| engine.fail(error))?;
    *alone = Some(index);
    drop(alone);
    settle(disk, folder).map_err(failed("remove", OLD))
}

fn exchange(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    disk.rename(&folder.join(INDEX), &folder.join(OLD))?;
    disk.rename(&folder.join(DRAFT), &folder.join(INDEX))?;
    disk.sync_folder(folder)
}

/// Finishes what a crash interrupted, before the index is opened.
pub(crate) fn settle(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let is_there = |name: &str| folder.join(name).is_dir();
    let is_swapping = read_text(disk, &folder.join(SWAPPING))?.is_some();
    if !is_swapping && !is_there(DRAFT) && !is_there(OLD) {
        return Ok(());
    }
    if is_swapping && !is_there(INDEX) && is_there(DRAFT) {
        disk.rename(&folder.join(DRAFT), &folder.join(INDEX))?;
        disk.sync_folder(folder)?;
    }
    disk.remove_folder(&folder.join(DRAFT))?;
    if is_there(INDEX) {
        disk.remove_folder(&folder.join(OLD))?;
    }
    disk.remove(&folder.join(SWAPPING))?;
    disk.sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn the_mark_for_few_and_many_facts() {
        // Rows, fresh copy, facts, mark: in mebibytes.
        for (rows, fresh, facts, expected) in [
            (1000, 0, 920, 2748),
            (1000, 1500, 920, 2748),
            (1000, 1500, 500, 2250),
            (1000, 1500, 5000, 3500),
            (1000, 1500, 300, 2250),
            (0, 1, 0, 1),
            (0, 0, 0, 0),
        ] {
            let size = Size { live_bytes: rows * MIB, fresh_bytes: fresh * MIB };
            assert_eq!(mark(size, facts * MIB) / MIB, expected, "{rows} {fresh} {facts}");
        }
    }

    proptest! {
        #[test]
        fn index_copy_and_journal_stay_below_three_times_what_is_live(
            rows in MIB..1000 * MIB, facts_permille in 600u64..5000, fresh_permille in 1000u64..1500,
        ) {
            let facts = rows / 1000 * facts_permille;
            let size = Size { live_bytes: rows, fresh_bytes: rows / 1000 * fresh_permille };
            let peak = mark(size, facts) + times(rows, COPY) + facts;
            prop_assert!(peak <= 3 * (rows + facts), "{peak} of {rows} and {facts}");
        }
    }
}
