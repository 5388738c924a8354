//! The questions an operator may ask and the answers, as they travel: JSON, amounts as text, RFC 3339
//! UTC (docs/src/reference/operations.md section 8.4). New fields may be added within `/v1`; none may change its meaning.
//!
//! Owns: the messages. Must never know: how they are answered or carried.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod alerts;
mod batches;
mod calls;
mod objects;
mod poll;
mod provider_reports;
mod status;

pub use alerts::*;
pub use batches::*;
pub use calls::*;
pub use objects::*;
pub use poll::*;
pub use provider_reports::*;
pub use status::*;

pub use crate::store::{
    AlertRow, BackupReport, CheckReport, Compacted, Count, DeliveryRow, DeliveryStatus, Stats,
};

/// The most lines of one enrolment batch, and the most rows of one page.
pub const BATCH_LINES_MAX: usize = 1_000;

/// The report of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// The business day; none for the last finished one.
    #[serde(rename = "day", serialize_with = "write_day", deserialize_with = "read_day")]
    pub date: Option<Date>,
}

const LATEST: &str = "latest";

fn write_day<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&date.map_or_else(|| LATEST.to_owned(), |date| date.to_string()))
}

fn read_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        LATEST => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| serde::de::Error::custom("that is not a date: write it as 2026-01-15, or latest")),
    }
}

/// The report that was made or found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportMade {
    /// The business day.
    pub date: Date,
    /// The folder with the files.
    pub path: String,
    /// It was there already, with the same bytes.
    pub was_there: bool,
}

/// What re-reading the configuration brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The new configuration is in force; else the old one stays.
    pub is_applied: bool,
    /// When it was tried.
    pub at: Timestamp,
    /// What is wrong with it, or what takes effect only after a restart; key and remedy each.
    pub problems: Vec<String>,
}

/// How everything is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {}

/// Read the configuration again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {}

/// How the store is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStats {}

/// Compare the store with itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCheck {}

/// Make the store's index small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCompact {}

/// Whether process and store answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthy {}

/// Whether the daemon does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {}

/// Where to copy the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An empty or missing folder, as an absolute path, that the daemon may write to.
    pub to: PathBuf,
}

/// The short answer of the health addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// `ok`, `ready`.
    pub status: String,
    /// The process that answers.
    pub pid: u32,
    /// The program's version.
    pub version: String,
}
