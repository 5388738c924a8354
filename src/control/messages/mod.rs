//! The requests that an operator may send and their answers, as transported: JSON, amounts as text, RFC 3339 UTC
//! (docs/src/reference/operations.md section 8.4). New fields may be added within `/v1`; no field may change its
//! meaning.
//!
//! Owns: the messages. Must never know: how they are answered or transported.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod alerts;
mod audit;
mod batches;
mod calls;
mod dashboard;
mod events;
mod live;
mod notifications;
mod objects;
mod poll;
mod provider_reports;
mod reports;
mod rhythm;
mod silences;
mod status;

pub use alerts::*;
pub use audit::*;
pub use batches::*;
pub use calls::*;
pub use dashboard::*;
pub use events::*;
pub use live::*;
pub use notifications::*;
pub use objects::*;
pub use poll::*;
pub use provider_reports::*;
pub use reports::*;
pub use rhythm::*;
pub use silences::*;
pub use status::*;

pub use super::watched::WatchedObject;

pub use crate::store::{
    AlertRow, BackupReport, CheckReport, Compacted, Count, DeliveryRow, DeliveryStatus, Stats,
};

/// The maximum number of lines that are enrolled together, and of rows on one page.
pub const BATCH_LINES_MAX: usize = 1_000;

/// The result of reloading the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reloaded {
    /// The new configuration is in force. Otherwise the old one stays in force.
    pub is_applied: bool,
    /// When it was tried.
    pub at: Timestamp,
    /// What is wrong with it, or what takes effect only after a restart. Each entry names the key and the remedy.
    pub problems: Vec<String>,
}

/// An overview of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusRequest {}

/// All figures for monitoring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MetricsRequest {}

/// The description of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OpenApiRequest {}

/// Show the configuration in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigRequest {}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfigShown {
    /// Its sections as they are written. What is or could be a secret is `[set]`.
    #[schema(value_type = Object)]
    pub sections: serde_json::Map<String, serde_json::Value>,
}

/// Reload the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reload {}

/// The store's statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoreStats {}

/// Check the store against itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoreCheck {}

/// Compact the store's index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoreCompact {}

/// Whether the process and the store respond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Healthy {}

/// Whether the daemon is working.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ready {}

/// Where to copy the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An empty or missing folder, as an absolute path, that the daemon may write to.
    #[schema(value_type = String)]
    pub to: PathBuf,
}

/// The short answer of the health endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Greeting {
    /// `ok`, `ready`.
    pub status: String,
    /// The process that answers.
    pub pid: u32,
    /// The program's version.
    pub version: String,
}
