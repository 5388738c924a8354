//! Making the index small again while the store goes on.
//!
//! Owns: the copy, and the order of steps that puts it in the index's place. Must never know: what a row means.
//!
//! The engine never gives space back and rewrites pages of which one row has changed (packages.md section 2.4,
//! rule 9). So every row is copied to `index.new`, a slice at a time; what is written meanwhile reaches both.
//! Then all rows of both are compared, and the copy takes the index's name. A crash finds one of these:
//!
//! | Mark `swapping` | `index` | `index.new` | `index.old` | What opening does |
//! |---|---|---|---|---|
//! | no | there | half a copy | - | throws the copy away |
//! | yes | there | whole | - | the same: both have the same rows |
//! | yes | - | whole | there | goes on: the copy takes the name |
//! | yes | there | - | there | throws the old one away |

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::disk::{Disk, read_text, write_whole};
use super::index::{Index, Writes};
use super::types::StoreError;
use super::writer::{Engine, locked};

const DRAFT: &str = "index.new";
const OLD: &str = "index.old";
const SWAPPING: &str = "swapping";
/// How many bytes were live, and how long the file was, when that was last counted.
const SIZE: &str = "index.size";
const INDEX: &str = "index";

/// Names that may lie in a store's folder because of this.
pub(super) const NAMES: [&str; 4] = [DRAFT, OLD, SWAPPING, SIZE];

/// Rows that are copied while nobody can write: some milliseconds.
const SLICE_ROWS: usize = 500;
/// Memory for the copy's pages until it takes over.
const DRAFT_CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Room that even the copy of a nearly empty index takes.
const SMALLEST_BYTES: u64 = 1024 * 1024;
/// The index is made small when its file takes more than this times what is live in it. The engine moves pages
/// together only where half of a segment is of no use, so that even a fresh copy takes twice what is live, and
/// an index in use not much less than three times: a lower mark would never be kept.
const BLOAT: f64 = 3.5;
/// A small index may take more than that even when fresh: it must have grown by this before it is tried again.
const GROWTH: f64 = 1.5;

/// What making the index small again brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Rows in the index.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub live_bytes: u64,
    /// Bytes of the index's main file before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

/// A copy in the making. What is written behind its reach is copied later.
#[derive(Debug)]
pub(super) struct Twin {
    /// None while it is closed and opened again; then writes wait.
    index: Option<Index>,
    waiting: Vec<Writes>,
    reached: Reach,
    failure: Option<StoreError>,
}

#[derive(Debug)]
enum Reach {
    /// Every row up to this key.
    To(Vec<u8>),
    All,
}

impl Twin {
    /// Takes its part of what the index is about to take. Whoever writes is not told of a failure: the copy is
    /// given up.
    pub(super) fn mirror(&mut self, writes: &Writes) {
        let part: Writes = match &self.reached {
            Reach::All => writes.clone(),
            Reach::To(last) => writes
                .iter()
                .filter(|(key, _)| *key <= last)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        };
        match &self.index {
            None => self.waiting.push(part),
            Some(index) => {
                if let Err(error) = index.apply(&part) {
                    self.failure.get_or_insert(of_copy(error));
                }
            }
        }
    }

    fn open_index(&self) -> Result<&Index, StoreError> {
        match (&self.failure, &self.index) {
            (None, Some(index)) => Ok(index),
            (Some(error), _) => Err(error.clone()),
            (None, None) => Err(StoreError::Closed),
        }
    }
}

/// Whether the index's file is too long for what is live in it, and longer than a fresh copy would be.
pub(super) fn is_bloated(engine: &Engine) -> Result<bool, StoreError> {
    let known = known_size(engine)?;
    let least = engine.compact_above_bytes.max(times(known.fresh_bytes, GROWTH));
    let too_long = |live: u64| bytes_now(engine) > least.max(times(live, BLOAT));
    if !too_long(known.live_bytes) {
        return Ok(false);
    }
    // What was known is old: more may be live by now.
    let live_bytes = count_live(engine)?;
    remember_size(engine, Size { live_bytes, ..known })?;
    Ok(too_long(live_bytes))
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

/// What was counted when that was last done.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    live_bytes: u64,
    /// Of the file when the index had just been made small; 0: it never was.
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

/// Nothing is wrong with the store: the index only stays as large as it is.
fn failed(doing: &'static str, name: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Compaction(format!("cannot {doing} {name}: {error}"))
}

/// Trouble with the copy is none of the store's.
fn of_copy(error: StoreError) -> StoreError {
    StoreError::Compaction(format!("the copy: {error}"))
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
    }
}

/// Copies, compares, exchanges. Others read and write meanwhile, and wait for some milliseconds at a time, and
/// for about a second at the end.
///
/// # Errors
/// [`StoreError::Compaction`] when the copy could not be made: the store goes on as it was. Anything else is the
/// store's own trouble.
pub(super) fn run(engine: &Engine) -> Result<Compacted, StoreError> {
    let draft = engine.folder.join(DRAFT);
    let free_bytes =
        engine.disk.free_bytes(&engine.folder).map_err(failed("find the free space for", DRAFT))?;
    if free_bytes < bytes_now(engine).max(SMALLEST_BYTES) {
        let text = format!("{free_bytes} bytes are free, less than a copy of the index may need");
        return Err(StoreError::Compaction(text));
    }
    {
        let mut twin = locked(&engine.twin);
        if twin.is_some() {
            return Err(StoreError::Compaction("another is under way".to_owned()));
        }
        engine.disk.remove_folder(&draft).map_err(failed("remove", DRAFT))?;
        let index = open_draft(&draft)?;
        let reached = Reach::To(Vec::new());
        *twin = Some(Twin { index: Some(index), waiting: Vec::new(), reached, failure: None });
    }
    let outcome = copy_and_swap(engine, &draft);
    drop(locked(&engine.twin).take());
    engine.meter.end();
    if outcome.is_err() {
        // Whatever is left of it is removed by the next opening, too.
        let _ = engine.disk.remove_folder(&draft);
    }
    outcome
}

fn open_draft(draft: &Path) -> Result<Index, StoreError> {
    Index::open(draft, DRAFT_CACHE_BYTES)
        .map_err(|why| StoreError::Compaction(format!("{DRAFT} cannot be opened: {why}")))
}

fn copy_and_swap(engine: &Engine, draft: &Path) -> Result<Compacted, StoreError> {
    let bytes_before = bytes_now(engine);
    engine.meter.begin("making the index small", known_size(engine)?.live_bytes);
    let mut compacted = Compacted { bytes_before, ..Compacted::default() };
    while copy_slice(engine, &mut compacted)? {}
    reopen_draft(engine, draft)?;
    engine.meter.begin("comparing both", compacted.live_bytes);
    let mut after = Vec::new();
    while compare_slice(engine, &mut after)? {}
    swap(engine, draft)?;
    compacted.bytes_after = bytes_now(engine);
    let (live_bytes, fresh_bytes) = (compacted.live_bytes, compacted.bytes_after);
    remember_size(engine, Size { live_bytes, fresh_bytes })?;
    Ok(compacted)
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

/// Lets the engine write down where the copy's pages lie, so that opening it in the index's place is quick.
fn reopen_draft(engine: &Engine, draft: &Path) -> Result<(), StoreError> {
    let index = locked(&engine.twin).as_mut().and_then(|twin| twin.index.take());
    drop(index.ok_or(StoreError::Closed)?);
    Index::settle(draft, DRAFT_CACHE_BYTES).map_err(|why| of_copy(StoreError::Broken(why)))?;
    let index = open_draft(draft)?;
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
            return Err(StoreError::Compaction("the copy is not the same".to_owned()));
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
    // From here on a failure leaves no index: the next opening goes on with what it finds.
    drop(alone.take());
    let index = exchange(disk, folder)
        .map_err(|error| StoreError::Broken(format!("the index cannot be exchanged: {error}")))
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

/// Ends what a crash interrupted, before the index is opened.
pub(super) fn settle(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
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
