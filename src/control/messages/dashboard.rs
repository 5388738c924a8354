//! Messages that the dashboard needs besides those of the commands: its link, the present day, the published reports,
//! the declines as a work list.
//!
//! Owns: their shape. Must never know: how they are answered or transported, what a page looks like.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::AlertRow;
use crate::access::{Caller, Role};
use crate::store::Acknowledgement;

pub use crate::reports::DayFigures;

/// Asks for a link that opens the dashboard once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DashboardLink {
    /// The most that the session may do; unless given, what the caller may do, except moving money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<DashboardRole>,
    /// Who asks, filled in by the daemon.
    #[serde(skip)]
    pub caller: Option<Caller>,
}

/// What a session of the dashboard may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DashboardRole {
    /// See all and change nothing.
    Read,
    /// Also poll, accept, forget, acknowledge.
    Operate,
}

impl From<DashboardRole> for Role {
    fn from(role: DashboardRole) -> Role {
        match role {
            DashboardRole::Read => Role::Read,
            DashboardRole::Operate => Role::Operate,
        }
    }
}

/// A link to the dashboard. The first to open it is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DashboardLinked {
    /// The address to open in a browser.
    pub url: String,
    /// What the session may do: `read`, `enrol` (which sees the same), `operate`.
    pub role: String,
    /// How long it can be opened, in seconds.
    pub valid_s: u64,
}

/// What was decided today, and how old the open objects are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TodayRequest {}

/// What was decided today so far, by the rules of the nightly files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Today {
    /// The business day.
    pub date: Date,
    /// The IANA zone whose midnights bound it.
    pub zone: String,
    /// False while the day is still being counted: the figures are too low. Ask again.
    pub is_whole: bool,
    /// By environment: `live`, `sandbox`.
    pub figures: BTreeMap<String, DayFigures>,
    /// The moving objects by age.
    pub ages: Vec<AgeCount>,
    /// How late final states were found since the daemon started.
    pub delay: DelayFigures,
}

/// How many moving objects are younger than a bound, and not younger than the bound before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgeCount {
    /// The bound, in seconds; none for all that are older.
    pub below_s: Option<u64>,
    /// How many.
    pub number: u64,
}

/// How late final states were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DelayFigures {
    /// How many were found.
    pub number: u64,
    /// Half of them were found within this time, in seconds; none if none was found, or it took longer than three days.
    pub half_within_s: Option<u64>,
    /// The same for 95 %.
    pub most_within_s: Option<u64>,
}

/// Which published reports to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FiguresRequest {
    /// The number of days: 30 by default, at most 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A published report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FiguresDay {
    /// The business day.
    pub date: Date,
    /// Its newest revision, from 1.
    pub revision: u32,
    /// The folder with the files.
    pub path: String,
    /// Its files.
    pub files: Vec<FiguresFile>,
    /// What was decided, by environment: `live`, `sandbox`.
    pub figures: BTreeMap<String, DayFigures>,
}

/// A file of a published report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FiguresFile {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if it has any.
    pub rows: Option<u64>,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Which declines to list, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeclineList {
    /// Also those that are done, or whose order was paid after all.
    pub all: bool,
    /// The `next_cursor` of the previous page: continue after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The maximum number of rows: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A decline, with who has taken it (who has acknowledged its alert) and who has marked it as done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeclineRow {
    /// The alert about it, with the advice.
    #[serde(flatten)]
    pub row: AlertRow,
    /// Who has marked it as done, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Acknowledgement>,
    /// When it was found that the order was paid after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<Timestamp>,
}

/// Marks a decline as done, or as not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclineDone {
    /// The key of the alert about it.
    pub key: String,
    /// Done, or not done after all.
    pub done: bool,
}

/// The decline that was marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeclineMarked {
    /// The key of the alert about it.
    pub key: String,
    /// Who has marked it as done; none if it is not done.
    pub done: Option<Acknowledgement>,
}
