//! The steps of a report: gather, write, compare with what is published, publish.
//!
//! Owns: their order. Must never know: columns, rows.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::channels::Channels;
use super::columns::Frame;
use super::config::ReportsConfig;
use super::day::{Day, utc};
use super::day_files::{DayFiles, Filed};
use super::manifest::{self, Entry, MANIFEST, SUMS, Superseded};
use super::meanings::Meanings;
use super::published::{self, PublishedDay};
use super::rhythms::Rhythms;
use super::sheet::{AddError, Dialect};
use super::totals::TooMuch;
use super::write::{DayFolders, Draft, NoProbe, Probe, Published, Put, folder_name};
use super::{gather, html, money, summary, workbook};
use crate::blocking;
use crate::clock::SharedClock;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};
use crate::time::later;

/// Creates the reports of days.
#[derive(Debug)]
pub struct Reports {
    store: Store,
    clock: SharedClock,
    config: ReportsConfig,
    sandbox_accounts: BTreeSet<AccountName>,
    folders: DayFolders,
    meanings: Meanings,
    channels: Channels,
    rhythms: Rhythms,
    /// One report at a time: the temporary folder of a day has a fixed name.
    making: Mutex<()>,
    /// Pages read so far, for all reports.
    pages: Arc<AtomicU64>,
}

/// A published report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Which day.
    pub date: Date,
    /// Its folder.
    pub folder: PathBuf,
    /// Its revision, from 1.
    pub revision: u32,
    /// The SHA-256 of its manifest, which has those of all files.
    pub manifest_sha256: String,
    /// The same content was published before, so nothing was written.
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
    /// The machine's clock says that the day is over, but nobody has confirmed that yet.
    #[error(
        "{date} ended at {ends} by this machine's clock, but nothing has confirmed that clock yet; a provider's answer \
         will, or three hours without a jump; see `reconciled status`"
    )]
    Unconfirmed {
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
    /// A sum is out of range.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The work was stopped from outside.
    #[error("making the report was interrupted")]
    Interrupted,
}

impl Reports {
    /// Reports from `store`, configured by `config`. `sandbox_accounts` are marked as such.
    pub fn new(
        store: Store,
        clock: SharedClock,
        config: ReportsConfig,
        sandbox_accounts: BTreeSet<AccountName>,
    ) -> Reports {
        Reports::with_probe(store, clock, config, sandbox_accounts, Arc::new(NoProbe))
    }

    /// The same, with a `probe` before every disk operation.
    pub fn with_probe(
        store: Store,
        clock: SharedClock,
        config: ReportsConfig,
        sandbox_accounts: BTreeSet<AccountName>,
        probe: Arc<dyn Probe>,
    ) -> Reports {
        let folders = DayFolders { root: config.folder.clone(), probe };
        Reports {
            store,
            clock,
            config,
            sandbox_accounts,
            folders,
            meanings: Meanings::default(),
            channels: Channels::default(),
            rhythms: Rhythms::default(),
            making: Mutex::new(()),
            pages: Arc::default(),
        }
    }

    /// Writes on the page what codes mean.
    #[must_use]
    pub fn explained_by(self, meanings: Meanings) -> Reports {
        Reports { meanings, ..self }
    }

    /// Shows how many final states notifications announced.
    #[must_use]
    pub fn with_channels(self, channels: Channels) -> Reports {
        Reports { channels, ..self }
    }

    /// Shows on the page what polling by learnt ages knows when it is made.
    #[must_use]
    pub fn with_rhythms(self, rhythms: Rhythms) -> Reports {
        Reports { rhythms, ..self }
    }

    /// Up to `limit` published days before a day, the newest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn published(&self, before: Option<Date>, limit: usize) -> io::Result<Vec<PublishedDay>> {
        let folders = self.folders.clone();
        let read = blocking::run(move || published::days(&folders, before, limit)).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error.to_string())))
    }

    /// A file of a published day; none if there is no such day or file.
    ///
    /// # Errors
    /// When it cannot be read, or has more than `bytes_max` bytes ([`io::ErrorKind::FileTooLarge`]).
    pub async fn file(&self, date: Date, name: String, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let folders = self.folders.clone();
        let read = blocking::run(move || published::file(&folders, date, &name, bytes_max)).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error.to_string())))
    }

    /// Whether the report of a day was created, as the store remembers. If somebody moved its folder away, it
    /// is not created again automatically.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_made(&self, date: Date) -> Result<bool, StoreError> {
        let mark = self.store.recall(&remembered_as(date)).await?;
        Ok(mark.is_some_and(|mark| !is_premature(&mark)))
    }

    /// Finds days that are not over although their report was created, by a clock that was ahead. They are
    /// open again: their history accepts rows, and their report is created again once they are over, as a new
    /// revision that gives the reason. Call it only while the clock is trusted.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn reopen_premature(&self) -> Result<Vec<Date>, StoreError> {
        // A slewed clock must not reopen a day that ended a moment ago.
        let now = self.clock.now();
        let slewed = later(now, SLEW);
        let mut found = Vec::new();
        for (name, mark) in self.store.recall_all(REMEMBERED).await? {
            let Some(date) = name.strip_prefix(REMEMBERED).and_then(|date| date.parse::<Date>().ok()) else {
                continue;
            };
            let Ok(day) = Day::new(date, &self.config.zone_name, &self.config.zone) else { continue };
            if day.end <= slewed || is_premature(&mark) {
                continue;
            }
            let Ok(Value::Object(mut mark)) = serde_json::from_str(&mark) else { continue };
            mark.insert(PREMATURE.to_owned(), json!(true));
            self.store.remember(&name, &Value::Object(mark).to_string()).await?;
            found.push(date);
        }
        // The history may be sealed although the report was not finished.
        self.store.unseal_history(now).await?;
        Ok(found)
    }

    pub(super) fn folders(&self) -> &DayFolders {
        &self.folders
    }

    /// A counter that grows while a report is being created.
    pub fn progress(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    fn count_page(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    /// Creates the report of a finished day. If the same report was published before, nothing is written. If it
    /// differs, it is published beside the old one as a new revision that names what it supersedes.
    ///
    /// # Errors
    /// When the day is not over, the store cannot be read or the files cannot be written. Then nothing of the
    /// attempt is visible. If only the last syncs failed, all of it is, and the next attempt finds it.
    pub async fn make(&self, date: Date) -> Result<Made, ReportError> {
        let _one_at_a_time = self.making.lock().await;
        let day = Day::new(date, &self.config.zone_name, &self.config.zone)
            .map_err(|_| ReportError::NoDay(date))?;
        if self.clock.now() < day.end {
            return Err(ReportError::NotFinished { date, ends: day.end });
        }
        if !self.clock.is_sure() {
            return Err(ReportError::Unconfirmed { date, ends: day.end });
        }
        let mark = self.store.recall(&remembered_as(date)).await?;
        let was_premature = mark.is_some_and(|mark| is_premature(&mark));
        // If the wall clock is set back from now on, it must not add rows to this day.
        self.store.seal_history(day.end).await?;
        let folders = self.folders.clone();
        let draft = self.on_disk(move || folders.begin(date)).await?;
        let outcome = self.fill(day, draft.clone(), was_premature).await;
        let is_left_over = outcome.as_ref().map_or(true, |made| made.was_there);
        if is_left_over {
            // The next attempt removes what cannot be removed now.
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

    async fn fill(&self, day: Day, draft: Draft, was_premature: bool) -> Result<Made, ReportError> {
        let channels = self.channels.of(day.start, day.end).await?;
        let frame = Frame {
            day,
            sandbox_accounts: self.sandbox_accounts.clone(),
            meanings: self.meanings.clone(),
            channels,
            rhythms: self.rhythms.now().await?,
        };
        let ReportsConfig { csv_bom: has_bom, delimiter, decimal, xlsx, .. } = self.config;
        let dialect = Dialect { has_bom, delimiter, decimal };
        let begun = (draft.clone(), frame.clone());
        let mut files = self.on_disk(move || DayFiles::begin(&begun.0, begun.1, dialect)).await?;
        let mut after = None;
        loop {
            let (page, next) = gather::changes(&self.store, frame.day.start, frame.day.end, after).await?;
            files = self
                .write(files, move |files| page.iter().try_for_each(|change| files.change(change)))
                .await?;
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
            files = self
                .write(files, move |files| page.iter().try_for_each(|object| files.object(object)))
                .await?;
        }
        let (folders, pages) = (self.folders.clone(), Arc::clone(&self.pages));
        let work = move || complete(files, draft, &folders, (dialect, xlsx, &pages), was_premature);
        let done = blocking::run(work).await;
        done.map_err(|_| ReportError::Interrupted)?.map_err(|error| self.failure(error))
    }

    /// Runs `work` on the open files, on a thread that blocks nobody else.
    async fn write(
        &self,
        mut files: DayFiles,
        work: impl FnOnce(&mut DayFiles) -> Result<(), AddError> + Send + 'static,
    ) -> Result<DayFiles, ReportError> {
        let done = blocking::run(move || work(&mut files).map(|()| files)).await;
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

/// A clock that goes back by less is only corrected.
const SLEW: SignedDuration = SignedDuration::from_mins(2);
/// The prefix of the names under which the store remembers created reports.
const REMEMBERED: &str = "report/nightly/";
/// Marks a report that was created before its day was over.
const PREMATURE: &str = "is_premature";

/// The name under which the store remembers a created report.
fn remembered_as(date: Date) -> String {
    format!("{REMEMBERED}{date}")
}

fn is_premature(mark: &str) -> bool {
    serde_json::from_str::<Value>(mark).is_ok_and(|mark| mark[PREMATURE] == true)
}

/// Completes the files, compares them with the published ones, and publishes if they differ.
fn complete(
    files: DayFiles,
    draft: Draft,
    folders: &DayFolders,
    (dialect, has_workbook, pages): (Dialect, bool, &AtomicU64),
    was_premature: bool,
) -> Result<Made, AddError> {
    let (filed, mut figures, frame) = files.finish()?;
    let mut detection = std::mem::take(&mut figures.detection);
    let delays = detection.delays();
    let accounts = figures.money.accounts(&frame)?;
    let money = money::json(&accounts);
    let checks = summary::checks(&filed, &figures, &accounts);
    let failed_checks =
        checks.iter().filter(|check| !check.is_ok).map(|check| format!("{}: {}", check.name, check.detail));
    let failed_checks: Vec<String> = failed_checks.collect();
    let rows = filed.iter().map(|file| (file.sort, file.totals.count())).collect();
    let date = frame.day.date;
    let workbook =
        has_workbook.then(|| workbook::write(&draft, &filed, date, (dialect, pages))).transpose()?;
    let left_out = if has_workbook { workbook::rows_left_out(&filed) } else { 0 };
    let summary_text = summary::json(&frame, &filed, &figures, &money, (&delays, &checks));
    let page = html::page(&frame, &filed, &figures, &accounts, (&delays, &checks), left_out);
    let summary_put = draft.put("summary.json", &summary_text)?;
    let page_put = draft.put("summary.html", page.as_bytes())?;
    let mut entries = entries(filed, summary_put, page_put);
    if let Some(put) = workbook {
        entries.push(entry(&workbook::file_name(date), workbook::MEDIA_TYPE, put, false));
    }
    let made = |folder, revision, manifest_sha256, was_there| Made {
        date,
        folder,
        revision,
        manifest_sha256,
        was_there,
        rows,
        failed_checks,
    };
    let old = folders.newest(date)?;
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
            reason: was_premature.then_some("published before the day was over, by a clock that was ahead"),
        }),
        None => None,
    };
    let manifest_text = manifest::manifest(&frame, dialect, revision, supersedes.as_ref(), &entries, &money)?;
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
    csv.chain([
        entry("summary.json", "application/json", summary, true),
        entry("summary.html", "text/html; charset=utf-8", page, false),
    ])
    .collect()
}

/// A file without rows.
fn entry(name: &str, media_type: &'static str, put: Put, is_content: bool) -> Entry {
    Entry { name: name.to_owned(), media_type, bytes: put.bytes, sha256: put.sha256, filed: None, is_content }
}
