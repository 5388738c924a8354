//! Work on a store that stays in use meanwhile: check, backup, compaction; and closing it.
//!
//! Owns: that others can read and write meanwhile. Must never know: what a row means.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::store::engine::Engine;
use crate::store::handle::Store;
use crate::store::journal::segment::segment_name;
use crate::store::maintenance::backup::{self, BackupReport};
use crate::store::maintenance::compaction::{self, Compacted};
use crate::store::mutex::locked;
use crate::store::postgres;
use crate::store::recovery::check::{self, CheckReport};
use crate::store::recovery::open::UNCHECKED;
use crate::store::recovery::retired;
use crate::store::types::StoreError;

/// Checks the index and the journal. Also returns the first problem of the index.
fn check_both(engine: &Engine) -> Result<(CheckReport, Option<String>), StoreError> {
    let _one_at_a_time = locked(&engine.checking);
    let mut report = CheckReport::default();
    let compared = check::check_at_work(engine, &mut report);
    let of_index = report.problems.first().cloned();
    let checked = compared.and_then(|()| check::check_journal_at_work(engine, &mut report)).and_then(|()| {
        engine.shared.get().map_or(Ok(()), |database| postgres::check_rows(engine, database, &mut report))
    });
    engine.meter.end();
    checked?;
    if report.is_clean() {
        // If the mark stays, it only costs another check.
        let _ = engine.disk.remove(&engine.folder.join(UNCHECKED));
    }
    Ok((report, of_index))
}

/// Stops the store if the file that the journal is written to was removed or cut off.
fn need_journal_file(engine: &Engine) -> Result<(), StoreError> {
    let end = locked(&engine.journal).end();
    let name = segment_name(end.segment);
    match engine.disk.length(&engine.folder.join("journal").join(&name)) {
        Ok(length) if length >= end.offset => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Ok(()),
        _ => {
            let why = format!("the journal file {name} is gone or cut off while in use");
            Err(engine.fail(StoreError::Broken(why)))
        }
    }
}

impl Store {
    /// Checks the consistency of the index and reads the whole journal. Work continues meanwhile: others wait for some
    /// milliseconds at a time.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || Ok(check_both(&engine)?.0)).await
    }

    /// Reads the whole journal and checks every link, while work continues. The report says nothing about the index.
    ///
    /// # Errors
    /// When the process is about to stop.
    pub async fn check_journal(&self) -> Result<CheckReport, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || {
            let _one_at_a_time = locked(&engine.checking);
            let mut report = CheckReport::default();
            let checked = check::check_journal_at_work(&engine, &mut report);
            engine.meter.end();
            checked.map(|()| report)
        })
        .await
    }

    /// Like [`Store::check`], if a check is pending ([`crate::store::Opening::owes_check`]); none otherwise. Runs once
    /// per start, unless it is abandoned.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the index is not consistent: the next opening rebuilds it.
    pub async fn check_if_owed(&self) -> Result<Option<CheckReport>, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || {
            if !engine.owes_check.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let (report, of_index) = check_both(&engine)?;
            if let Some(problem) = of_index {
                return Err(StoreError::Damaged(format!("after the host went down: {problem}")));
            }
            engine.owes_check.store(false, Ordering::Relaxed);
            Ok(Some(report))
        })
        .await
    }

    /// Copies the journal as it is now, and the folders of [`crate::store::Options::beside`], into an empty or missing
    /// folder, while work continues. The copy is a store: opening it rebuilds its index. It lacks what only the index
    /// knows (polls that saw nothing new, failed delivery attempts).
    pub async fn backup(&self, to: PathBuf) -> Result<BackupReport, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || {
            let end = locked(&engine.journal).end();
            let copied = backup::copy(&*engine.disk, &engine.folder, &to, end, &engine.beside, &engine.meter);
            engine.meter.end();
            copied
        })
        .await
    }

    /// Verifies that the journal's file is still in place, and keeps the folder small. It removes indexes that were
    /// retired a day ago. It compacts the index if its file has grown beyond
    /// [`crate::store::Options::compact_above_bytes`] and so far that, with a copy beside it, the folder would soon be
    /// more than three times as large as its live data (`compaction.rs` computes this). None if there was nothing to
    /// compact, which is cheap, or if a compaction is already running. Work continues meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Compaction`] when there is no room for a copy: the store continues as it was.
    /// [`StoreError::Broken`] when the journal's file is gone: what is written to it would be lost.
    pub async fn tidy(&self, now: Timestamp) -> Result<Option<Compacted>, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || {
            need_journal_file(&engine)?;
            retired::prune(&*engine.disk, &engine.folder, now)
                .map_err(|error| StoreError::Compaction(format!("cannot remove an old index: {error}")))?;
            match !compaction::is_under_way(&engine) && compaction::is_bloated(&engine)? {
                true => compaction::run(&engine).map(Some),
                false => Ok(None),
            }
        })
        .await
    }

    /// Compacts the index now, whatever its size. Work continues meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Compaction`] when there is no room for a copy, or when another compaction is running: the store
    /// continues as it was.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || compaction::run(&engine)).await
    }

    /// Abandons [`Store::check`], [`Store::tidy`] and [`Store::compact`], now and later, because the process is about
    /// to stop.
    pub fn leave_off(&self) {
        self.engine.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Closes the store cleanly: what waits is written, later calls fail with [`StoreError::Closed`], and the folder is
    /// free for the next process. Fails if the store had failed before; the folder is released even then.
    pub async fn close(self) -> Result<(), StoreError> {
        let last = self.engine.write(|_| Ok(())).await;
        let engine = Arc::clone(&self.engine);
        let released = self.blocking(move || engine.release(last.is_ok())).await;
        match self.engine.trouble() {
            Some(error) => Err(error.clone()),
            None => released,
        }
    }
}
