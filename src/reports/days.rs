//! What is published: the days, their files, and their figures, read from the manifests.
//!
//! Owns: reading a manifest again. Must never know: how a report is made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::figures::DayFigures;
use super::make::Reports;
use super::manifest::MANIFEST;
use super::published::{self, PublishedDay};
use super::write::{DayFolders, Published};
use crate::blocking;
use crate::payments::lifecycle::Outcome;
use crate::payments::money::Currency;

/// A published day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySummary {
    /// Which.
    pub date: Date,
    /// The newest revision, from 1.
    pub revision: u32,
    /// The folder with the files.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<PublishedFile>,
    /// What was decided, by environment: `live`, `sandbox`.
    pub figures: BTreeMap<String, DayFigures>,
}

/// A file of a published day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PublishedFile {
    /// Its name, without a folder.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its rows, if it has any.
    #[serde(default)]
    pub rows: Option<u64>,
    #[serde(default)]
    totals: Vec<Total>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Total {
    environment: String,
    outcome: String,
    currency: Option<Currency>,
    count: u64,
    amount: Option<Decimal>,
}

#[derive(Deserialize)]
struct Manifest {
    files: Vec<PublishedFile>,
}

impl Reports {
    /// The newest published days, the newest first. A folder whose manifest cannot be read is left out.
    ///
    /// # Errors
    /// When the folders cannot be read.
    pub async fn day_summaries(&self, most: usize) -> io::Result<Vec<DaySummary>> {
        let folders = self.folders().clone();
        blocking::run(move || newest_days(&folders, most)).await.map_err(io::Error::other)?
    }

    /// One published day; none if there is none.
    ///
    /// # Errors
    /// When its folder or its manifest cannot be read.
    pub async fn day_summary(&self, date: Date) -> io::Result<Option<DaySummary>> {
        let folders = self.folders().clone();
        let read = move || folders.newest(date)?.map(|found| day(date, found)).transpose();
        blocking::run(read).await.map_err(io::Error::other)?
    }
}

fn newest_days(folders: &DayFolders, most: usize) -> io::Result<Vec<DaySummary>> {
    let mut days = Vec::new();
    for PublishedDay { date, .. } in published::days(folders, None, most)? {
        let Some(found) = folders.newest(date)? else { continue };
        match day(date, found) {
            Ok(day) => days.push(day),
            Err(error) => tracing::warn!(%date, %error, "the manifest of a published report cannot be read"),
        }
    }
    Ok(days)
}

fn day(date: Date, found: Published) -> io::Result<DaySummary> {
    let Published { folder, revision } = found;
    let manifest = fs::read(folder.join(MANIFEST))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(io::Error::other)?;
    let mut figures: BTreeMap<String, DayFigures> = BTreeMap::new();
    let filed =
        |file: &&PublishedFile| file.name.starts_with("declined") || file.name.starts_with("resolved");
    for total in manifest.files.iter().filter(filed).flat_map(|file| &file.totals) {
        let Some(outcome) = outcome(&total.outcome) else { continue };
        let of = figures.entry(total.environment.clone()).or_default();
        of.count(outcome, total.count);
        if let (Outcome::Declined, Some(currency), Some(amount)) = (outcome, total.currency, total.amount) {
            of.decline(currency, amount);
        }
    }
    Ok(DaySummary { date, revision, folder, files: manifest.files, figures })
}

fn outcome(word: &str) -> Option<Outcome> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
