//! The steps of a report: gather, write, compare with what is published, publish.
//!
//! Owns: their order. Must never know: columns, rows.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;
use tokio::sync::Mutex;

use super::book::{Book, Filed};
use super::columns::Frame;
use super::config::ReportsConfig;
use super::day::{Day, utc};
use super::manifest::{self, Entry, MANIFEST, SUMS, Superseded};
use super::sheet::{AddError, Dialect};
use super::totals::TooMuch;
use super::write::{Draft, NoProbe, Probe, Published, Put, Shelf, folder_name};
use super::{gather, html, summary};
use crate::blocking;
use crate::clock::SharedClock;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

/// Makes the reports of days.
#[derive(Debug)]
pub struct Reports {
    store: Store,
    clock: SharedClock,
    config: ReportsConfig,
    sandbox_accounts: BTreeSet<AccountName>,
    shelf: Shelf,
    /// One report at a time: the temporary folder has one name for each day.
    making: Mutex<()>,
    /// Pages read so far, of all reports.
    pages: AtomicU64,
}

/// A report that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Which day.
    pub date: Date,
    /// Where it lies.
    pub folder: PathBuf,
    /// Its revision, from 1.
    pub revision: u32,
    /// The SHA-256 of its manifest, which holds those of all its files.
    pub manifest_sha256: String,
    /// It was published before with the same content, and nothing was written.
    pub was_there: bool,
    /// Rows by file: `declined`, `resolved`, `pending`, `quarantined`.
    pub rows: Vec<(&'static str, u64)>,
    /// Equations that do not hold, in words; empty when all is well.
    pub failed_checks: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The day is not over.
    #[error("{date} ends at {ends} and cannot be reported before")]
    NotFinished {
        /// Which day.
        date: Date,
        /// When it ends.
        ends: Timestamp,
    },
    /// No such day.
    #[error("{0} is not a day that can be reported")]
    NoDay(Date),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The files cannot be written.
    #[error("the report files cannot be written below {folder}", folder = folder.display())]
    Files {
        /// The folder of all reports.
        folder: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The sums are out of range.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The work was stopped from outside.
    #[error("making the report was interrupted")]
    Interrupted,
}

impl Reports {
    /// Reports from `store` as `config` says. `sandbox_accounts` are marked as such.
    pub fn new(
        store: Store,
        clock: SharedClock,
        config: ReportsConfig,
        sandbox_accounts: BTreeSet<AccountName>,
    ) -> Reports {
        Reports::with_probe(store, clock, config, sandbox_accounts, Arc::new(NoProbe))
    }

    /// The same, asking `probe` before every step on the disk.
    pub fn with_probe(
        store: Store,
        clock: SharedClock,
        config: ReportsConfig,
        sandbox_accounts: BTreeSet<AccountName>,
        probe: Arc<dyn Probe>,
    ) -> Reports {
        let shelf = Shelf { root: config.folder.clone(), probe };
        Reports {
            store,
            clock,
            config,
            sandbox_accounts,
            shelf,
            making: Mutex::new(()),
            pages: AtomicU64::new(0),
        }
    }

    /// Whether the report of a day was made, by what the store remembers: a folder that somebody moved away
    /// since is not made again by itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_made(&self, date: Date) -> Result<bool, StoreError> {
        Ok(self.store.recall(&remembered_as(date)).await?.is_some())
    }

    /// A number that grows while a report is being made.
    pub fn progress(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    fn count_page(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes the report of a finished day. Made again it has the same bytes and nothing is written; should
    /// it differ, it is published beside the old one as a new revision that says what it supersedes.
    ///
    /// # Errors
    /// When the day is not over, the store cannot be read or the files cannot be written. Then nothing is
    /// visible of the attempt; or all of it, when only the last syncs failed, and the next attempt finds it.
    pub async fn make(&self, date: Date) -> Result<Made, ReportError> {
        let _one_at_a_time = self.making.lock().await;
        let day = Day::new(date, &self.config.zone_name, &self.config.zone)
            .map_err(|_| ReportError::NoDay(date))?;
        if self.clock.now() < day.end {
            return Err(ReportError::NotFinished { date, ends: day.end });
        }
        // A wall clock that is set back from now on must not bring news into this day.
        self.store.seal_history(day.end).await?;
        let shelf = self.shelf.clone();
        let draft = self.on_disk(move || shelf.begin(date)).await?;
        let outcome = self.fill(day, draft.clone()).await;
        let is_left_over = outcome.as_ref().map_or(true, |made| made.was_there);
        if is_left_over {
            // What cannot be removed now is removed by the next attempt.
            let _ = self.on_disk(move || draft.discard()).await;
        }
        let made = outcome?;
        let value = json!({
            "folder": made.folder.display().to_string(),
            "revision": made.revision,
            "manifest_sha256": made.manifest_sha256,
        });
        self.store.remember(&remembered_as(date), &value.to_string()).await?;
        for check in &made.failed_checks {
            tracing::error!(%date, check, "a control total of the nightly report does not add up");
        }
        Ok(made)
    }

    async fn fill(&self, day: Day, draft: Draft) -> Result<Made, ReportError> {
        let frame = Frame { day, sandbox_accounts: self.sandbox_accounts.clone() };
        let dialect = Dialect { has_bom: self.config.csv_bom, delimiter: self.config.delimiter };
        let begun = (draft.clone(), frame.clone());
        let mut book = self.on_disk(move || Book::begin(&begun.0, begun.1, dialect)).await?;
        let mut after = None;
        loop {
            let (page, next) = gather::changes(&self.store, frame.day.start, frame.day.end, after).await?;
            book =
                self.write(book, move |book| page.iter().try_for_each(|change| book.change(change))).await?;
            self.count_page();
            after = next;
            if after.is_none() {
                break;
            }
        }
        let mut objects = gather::objects(&self.store, frame.day.start, || self.count_page()).await?;
        loop {
            let page = gather::watched(&self.store, &mut objects).await?;
            if page.is_empty() {
                break;
            }
            self.count_page();
            book =
                self.write(book, move |book| page.iter().try_for_each(|object| book.object(object))).await?;
        }
        let shelf = self.shelf.clone();
        let done = blocking::run(move || complete(book, draft, &shelf, dialect)).await;
        done.map_err(|_| ReportError::Interrupted)?.map_err(|error| self.failure(error))
    }

    /// Runs `work` on the open files, away from the threads that answer others.
    async fn write(
        &self,
        mut book: Book,
        work: impl FnOnce(&mut Book) -> Result<(), AddError> + Send + 'static,
    ) -> Result<Book, ReportError> {
        let done = blocking::run(move || work(&mut book).map(|()| book)).await;
        done.map_err(|_| ReportError::Interrupted)?.map_err(|error| self.failure(error))
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, ReportError> {
        let done = blocking::run(work).await.map_err(|_| ReportError::Interrupted)?;
        done.map_err(|error| self.failure(AddError::Io(error)))
    }

    fn failure(&self, error: AddError) -> ReportError {
        match error {
            AddError::Io(source) => ReportError::Files { folder: self.config.folder.clone(), source },
            AddError::TooMuch(error) => ReportError::TooMuch(error),
        }
    }
}

/// The name under which the store remembers a made report.
fn remembered_as(date: Date) -> String {
    format!("report/nightly/{date}")
}

/// Completes the files, compares them with what is published, publishes what is new.
fn complete(book: Book, draft: Draft, shelf: &Shelf, dialect: Dialect) -> Result<Made, AddError> {
    let (filed, figures, frame) = book.finish()?;
    let checks = summary::checks(&filed, &figures);
    let failed_checks =
        checks.iter().filter(|check| !check.is_ok).map(|check| format!("{}: {}", check.name, check.detail));
    let failed_checks: Vec<String> = failed_checks.collect();
    let rows = filed.iter().map(|file| (file.sort, file.totals.count())).collect();
    let date = frame.day.date;
    let summary_text = summary::json(&frame, &filed, &figures, &checks);
    let page = html::page(&frame, &filed, &figures, &checks);
    let summary_put = draft.put("summary.json", &summary_text)?;
    let page_put = draft.put("summary.html", page.as_bytes())?;
    let entries = entries(filed, summary_put, page_put);
    let made = |folder, revision, manifest_sha256, was_there| Made {
        date,
        folder,
        revision,
        manifest_sha256,
        was_there,
        rows,
        failed_checks,
    };
    let old = shelf.newest(date)?;
    if let Some(Published { folder, revision }) = &old
        && manifest::is_same(folder, &entries)?
    {
        let sha256 = manifest::sha256_of(&folder.join(MANIFEST))?.unwrap_or_default();
        return Ok(made(folder.clone(), *revision, sha256, true));
    }
    let revision = old.as_ref().map_or(1, |old| old.revision + 1);
    let supersedes = match &old {
        Some(old) => Some(Superseded {
            folder_name: folder_name(date, old.revision),
            manifest_sha256: manifest::sha256_of(&old.folder.join(MANIFEST))?.unwrap_or_default(),
        }),
        None => None,
    };
    let manifest_text = manifest::manifest(&frame, dialect, revision, supersedes.as_ref(), &entries)?;
    let manifest_put = draft.put(MANIFEST, &manifest_text)?;
    draft.put(SUMS, &manifest::sums(&entries, &manifest_put.sha256))?;
    let folder = draft.publish(revision)?;
    tracing::debug!(%date, revision, end = utc(frame.day.end), "report published");
    Ok(made(folder, revision, manifest_put.sha256, false))
}

fn entries(filed: Vec<Filed>, summary: Put, page: Put) -> Vec<Entry> {
    let csv = filed.into_iter().map(|file| Entry {
        name: file.name.clone(),
        media_type: "text/csv; charset=utf-8; header=present",
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        filed: Some(file),
        is_content: true,
    });
    let whole = |name: &str, media_type, put: Put, is_content| Entry {
        name: name.to_owned(),
        media_type,
        bytes: put.bytes,
        sha256: put.sha256,
        filed: None,
        is_content,
    };
    csv.chain([
        whole("summary.json", "application/json", summary, true),
        whole("summary.html", "text/html; charset=utf-8", page, false),
    ])
    .collect()
}
