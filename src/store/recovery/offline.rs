//! Work on the folder of a store that no process has open: finding damage, rebuilding the index, restoring a backup.
//!
//! Owns: what these do to the folder, in which order. Must never know: what a fact says.
//!
//! No data is ever deleted: what a restore replaces is moved to `aside-N`. Between moving the old `format` file away
//! and writing the new one, the folder is not a store, and opening it fails with that error. Running the restore again
//! completes it.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::handle::Store;
use crate::store::index::facts;
use crate::store::journal::reading::{self, Reading, Stopped};
use crate::store::journal::segment::Damage;
use crate::store::maintenance::backup;
use crate::store::recovery::check::{CheckReport, check_journal};
use crate::store::recovery::place::Place;
use crate::store::types::{OpenError, Opening, Options, StoreError};

/// The result of rebuilding the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Journal entries that cannot be read. What followed from them is lost, except for `rescued_rows`.
    pub damaged: Vec<Damage>,
    /// What the journal lacks, in words, if it was accepted with [`Options::accept_loss`].
    pub lost: Vec<String>,
    /// Rows of damaged or missing entries that the old index still had; they were written to the journal again.
    pub rescued_rows: u64,
    /// What the last opening found and did.
    pub opening: Opening,
}

/// The result of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The last journal entry of the backup.
    pub journal_sequence: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Where the previous store is now; none if there was none.
    pub aside: Option<PathBuf>,
    /// Where the backup was cut off, if it was: what came after that was not restored.
    pub torn: Option<Damage>,
}

/// Reads the whole journal of a store, and reports what is wrong with it, entry by entry. Changes nothing.
///
/// # Errors
/// When another process has the store, or the folder is not a store.
pub async fn inspect(options: Options, now: Timestamp) -> Result<CheckReport, OpenError> {
    blocking(move || {
        let place = Place::of(&options);
        let _lock = place.take_lock(now)?;
        place.need_format()?;
        let mut report = CheckReport::default();
        let journal = place.path("journal");
        let read = check_journal(place.disk, &journal, &options.meter, &mut report, || Ok(()));
        options.meter.end();
        read.map_err(|error| OpenError::Index(error.to_string()))?;
        Ok(report)
    })
    .await
}

/// Rebuilds the index from the journal. Damaged entries are skipped and named, but first, what the old index still has
/// of them is written to the journal again. With [`Options::accept_loss`], the same is done for entries that are
/// missing altogether.
///
/// # Errors
/// When another process has the store, when entries are missing and that is not accepted, or when the store still
/// cannot be opened afterwards.
pub async fn rebuild(options: Options, now: Timestamp) -> Result<Rebuilt, OpenError> {
    if options.shared.is_some() {
        // The copy is read again from the database.
        let (aside, opened) = (options.clone(), options);
        blocking(move || set_copy_aside(&aside, now)).await?;
        let opening = open_and_close(opened, now).await?;
        return Ok(Rebuilt { opening, ..Rebuilt::default() });
    }
    let looking = options.clone();
    let damaged = blocking(move || find_damage(&looking, now)).await?;
    let mut rebuilt = Rebuilt { damaged, ..Rebuilt::default() };
    let passing = Options { skip_damage: true, ..options };
    if !rebuilt.damaged.is_empty() || passing.accept_loss {
        let opening = open_and_close(Options { rebuild_index: false, ..passing.clone() }, now).await?;
        rebuilt.rescued_rows = opening.rescued_rows;
        rebuilt.lost = opening.lost;
    }
    rebuilt.opening = open_and_close(Options { rebuild_index: true, ..passing }, now).await?;
    rebuilt.lost.append(&mut rebuilt.opening.lost);
    Ok(rebuilt)
}

async fn open_and_close(options: Options, now: Timestamp) -> Result<Opening, OpenError> {
    let (store, opening) = Store::open(options, now).await?;
    store.close().await.map_err(|error| OpenError::Index(error.to_string()))?;
    Ok(opening)
}

/// Finds all damage, and marks it for the next opening, which rescues what the index still has of it.
fn find_damage(options: &Options, now: Timestamp) -> Result<Vec<Damage>, OpenError> {
    let place = Place::of(options);
    let _lock = place.take_lock(now)?;
    place.need_format()?;
    let reading = read_all(options, &options.folder, true)?;
    let gaps = reading.skipped.iter().filter(|damage| damage.is_gap);
    let missing: Vec<String> = gaps.map(ToString::to_string).collect();
    if !missing.is_empty() && !options.accept_loss {
        return Err(OpenError::Lost { missing });
    }
    if !reading.skipped.is_empty() {
        let mut lost = place.marked_as_lost()?;
        lost.extend(reading.skipped.iter());
        place.mark_as_lost(&lost)?;
    }
    Ok(reading.skipped)
}

fn read_all(options: &Options, folder: &Path, skip_damage: bool) -> Result<Reading, OpenError> {
    let journal = folder.join("journal");
    let bytes = backup::journal_bytes(&*options.disk, &journal);
    options.meter.begin("reading the journal", bytes);
    let read = reading::read(&*options.disk, &journal, reading::From::Start, skip_damage, &mut |entry, _| {
        options.meter.advance(entry.length() as u64);
        facts::decode(&entry.payload)
            .map(|_| ())
            .map_err(|why| StoreError::Broken(format!("journal entry {} {why}", entry.sequence)))
    });
    options.meter.end();
    read.map_err(|stopped| match stopped {
        Stopped::Io(path, source) => OpenError::Io { doing: "read", path, source },
        Stopped::Damaged(damage) => OpenError::Damaged(damage),
        Stopped::Taker(error) => OpenError::Index(error.to_string()),
    })
}

/// Puts a backup in the place of the store, which is moved aside. The backup is read to its end first; a damaged one is
/// refused unless `options.skip_damage` is set. The next opening builds the index.
///
/// # Errors
/// When another process has the store, when the backup is damaged or is not a store, or when the disk fails.
pub async fn restore(options: Options, from: PathBuf, now: Timestamp) -> Result<Restored, OpenError> {
    if options.shared.is_some() {
        let why = "the store is in a database: restore the database, or restore to a store of files and import that";
        return Err(OpenError::NotAStore { folder: options.folder, why: why.to_owned() });
    }
    blocking(move || {
        let disk = &*options.disk;
        let place = Place::of(&options);
        let source_options = Options { folder: from.clone(), ..options.clone() };
        let source = Place::of(&source_options);
        refuse_itself(&from, &options.folder)?;
        source.need_format()?;
        let Reading { end, tail: torn, .. } = read_all(&options, &from, options.skip_damage)?;
        let _lock = place.take_lock(now)?;
        place.check_space()?;
        let draft = place.path("restoring");
        if draft.is_dir() {
            let aside = place.io("create a folder for", &draft, new_aside(&place))?;
            place.io("rename", &draft, disk.rename(&draft, &aside.join("restoring")))?;
        }
        let copied = backup::copy_journal(disk, &from.join("journal"), &draft, end, &options.meter);
        let copied = place.io("copy the backup to", &draft, copied)?;
        let files = place.path(FILES);
        place.io("remove", &files, disk.remove_folder(&files))?;
        for name in &options.beside {
            let copied = backup::copy_folder(disk, &from.join(name), &files.join(name), &options.meter);
            place.io("copy the backup's files to", &files, copied)?;
        }
        options.meter.end();
        // An older backup has no such folder: then the existing one stays.
        let brought: Vec<&String> = options.beside.iter().filter(|name| files.join(name).is_dir()).collect();
        let aside = place.io("move the old store out of", &options.folder, move_aside(&place, &brought))?;
        for name in brought {
            let goal = place.path(name);
            place.io("rename", &goal, disk.rename(&files.join(name), &goal))?;
        }
        place.io("remove", &files, disk.remove_folder(&files))?;
        let journal = place.path("journal");
        place.io("rename", &draft, disk.rename(&draft, &journal))?;
        place.io("sync", &options.folder, disk.sync_folder(&options.folder))?;
        place.write_format()?;
        Ok(Restored { journal_sequence: end.sequence, bytes: copied.bytes, aside, torn })
    })
    .await
}

fn refuse_itself(from: &Path, folder: &Path) -> Result<(), OpenError> {
    match (from.canonicalize(), folder.canonicalize()) {
        (Ok(from), Ok(folder)) if from == folder => Err(OpenError::NotAStore {
            folder: folder.clone(),
            why: "it is the store itself, not a backup of it".to_owned(),
        }),
        (Err(source), _) => Err(OpenError::Io { doing: "find", path: from.to_owned(), source }),
        _ => Ok(()),
    }
}

/// The folder for a backup's files until they are moved into place.
const FILES: &str = "restoring-files";

/// Whether a name belongs to a store. The format file is moved first: without it, the rest is not a store.
fn is_part(name: &str) -> bool {
    let parts = ["format", "journal", "index", "queue", "clean", "running", "suspect", "unchecked", "rescue"];
    parts.contains(&name)
        || crate::store::maintenance::compaction::NAMES.contains(&name)
        || crate::store::recovery::retired::is_one(name)
}

/// Moves a copy of a shared store aside, and begins an empty one.
pub(crate) fn set_copy_aside(options: &Options, now: Timestamp) -> Result<Option<PathBuf>, OpenError> {
    let place = Place::of(options);
    let _lock = place.take_lock(now)?;
    let aside = place.io("move the old copy out of", &options.folder, move_aside(&place, &[]))?;
    place.write_format()?;
    Ok(aside)
}

fn move_aside(place: &Place<'_>, brought: &[&String]) -> io::Result<Option<PathBuf>> {
    let is_replaced = |name: &String| is_part(name) || brought.contains(&name);
    let mut names: Vec<String> = place.disk.list(place.folder())?.into_iter().filter(is_replaced).collect();
    if names.is_empty() {
        return Ok(None);
    }
    names.sort_by_key(|name| name != "format");
    let aside = new_aside(place)?;
    for name in names {
        place.disk.rename(&place.path(&name), &aside.join(&name))?;
        place.disk.sync_folder(place.folder())?;
    }
    place.disk.sync_folder(&aside)?;
    Ok(Some(aside))
}

fn new_aside(place: &Place<'_>) -> io::Result<PathBuf> {
    let aside = (1u32..)
        .map(|number| place.path(&format!("aside-{number}")))
        .find(|path| !path.exists())
        .expect("some number is free");
    place.disk.create_folder(&aside)?;
    Ok(aside)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    match crate::blocking::run(work).await {
        Ok(result) => result,
        Err(error) => Err(OpenError::Index(format!("the work did not finish: {error}"))),
    }
}
