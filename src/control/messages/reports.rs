//! Messages about nightly reports.
//!
//! Owns: their shape. Must never know: how a report is made or kept.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The report of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportRequest {
    /// The business day; `latest` for the last finished one.
    #[serde(rename = "day", serialize_with = "write_day", deserialize_with = "read_day")]
    #[schema(value_type = String, pattern = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|latest)$")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportMade {
    /// The business day.
    pub date: Date,
    /// The folder with the files.
    pub path: String,
    /// It already existed, with the same bytes.
    pub was_there: bool,
}

/// Which published days to list, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportList {
    /// The `next_cursor` of the previous page: continue after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Date>,
    /// The maximum number of rows: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A published day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportDay {
    /// The business day.
    pub date: Date,
    /// Its newest revision, from 1.
    pub revision: u32,
    /// The names of its files.
    pub files: Vec<String>,
}

/// Which file of a published day to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportFileRequest {
    /// The business day.
    pub day: Date,
    /// The name of the file, as it is listed.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,100}$")]
    pub file: String,
}

/// A file of a published day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportFile(pub Vec<u8>);
