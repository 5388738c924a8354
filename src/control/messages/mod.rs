//! The requests that an operator may send and their answers, as transported: JSON, amounts as text, RFC 3339 UTC
//! (docs/src/reference/operations.md section 8.4). New fields may be added within `/v1`; no field may change its
//! meaning.
//!
//! Owns: the messages. Must never know: how they are answered or transported.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod alerts;
mod audit;
mod batches;
mod calls;
mod dashboard;
mod events;
mod notifications;
mod objects;
mod poll;
mod provider_reports;
mod silences;
mod status;

pub use alerts::*;
pub use audit::*;
pub use batches::*;
pub use calls::*;
pub use dashboard::*;
pub use events::*;
pub use notifications::*;
pub use objects::*;
pub use poll::*;
pub use provider_reports::*;
pub use silences::*;
pub use status::*;

pub use super::watched::WatchedObject;

pub use crate::store::{
    AlertRow, BackupReport, CheckReport, Compacted, Count, DeliveryRow, DeliveryStatus, Stats,
};

/// The maximum number of lines in one enrolment batch, and of rows on one page.
pub const BATCH_LINES_MAX: usize = 1_000;

/// The report of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// The business day; none for the last finished day.
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
    /// It already existed, with the same bytes.
    pub was_there: bool,
}

/// The result of reloading the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The new configuration is in force. Otherwise the old one stays in force.
    pub is_applied: bool,
    /// When it was tried.
    pub at: Timestamp,
    /// What is wrong with it, or what takes effect only after a restart. Each entry names the key and the remedy.
    pub problems: Vec<String>,
}

/// An overview of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {}

/// All figures for monitoring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsRequest {}

/// Reload the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {}

/// The store's statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStats {}

/// Check the store against itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCheck {}

/// Compact the store's index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCompact {}

/// Whether the process and the store respond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthy {}

/// Whether the daemon is working.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {}

/// Where to copy the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An empty or missing folder, as an absolute path, that the daemon may write to.
    pub to: PathBuf,
}

/// The short answer of the health endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// `ok`, `ready`.
    pub status: String,
    /// The process that answers.
    pub pid: u32,
    /// The program's version.
    pub version: String,
}
