//! Which APIs there are: one line each. A new API is a new folder and a line here.
//!
//! Owns: the list, and lookups in it. Must never know: anything that only one API does.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

use super::batch::Batch;
use super::config::Problem;
use super::registration::{KindFacts, ReadSection, Registration, Settings};
use super::{amazon_pay_mws, amazon_pay_v2, aps};
use crate::secret::SecretLoader;

static APIS: [&Registration; 3] =
    [&amazon_pay_v2::REGISTRATION, &amazon_pay_mws::REGISTRATION, &aps::REGISTRATION];

/// The possible values of `api` in an account.
pub fn names() -> Vec<&'static str> {
    APIS.iter().map(|api| api.name).collect()
}

/// The names of APIs that have batches.
pub fn names_with_batches() -> Vec<&'static str> {
    APIS.iter().filter(|api| api.batch.is_some()).map(|api| api.name).collect()
}

/// The names of APIs whose provider makes reports.
pub fn names_with_reports() -> Vec<&'static str> {
    APIS.iter().filter(|api| api.has_reports).map(|api| api.name).collect()
}

/// The kinds of objects of all APIs; APIs may share a name.
pub fn kinds() -> impl Iterator<Item = KindFacts> {
    APIS.iter().flat_map(|api| (api.kinds)())
}

/// Reads and checks the section of an account of `api`; none when there is no such API. `path` is the section's place
/// in the configuration, for the problems.
pub fn settings(
    api: &str,
    reader: &mut dyn ReadSection,
    path: &str,
    secrets: &SecretLoader,
) -> Option<Result<Arc<dyn Settings>, Vec<Problem>>> {
    let known = APIS.iter().find(|known| known.name == api)?;
    Some((known.settings)(reader, path, secrets))
}

/// Reads a stored batch of any API.
///
/// # Errors
/// When no API has such a batch.
pub fn read_batch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<dyn Batch>, D::Error> {
    let stored = Value::deserialize(deserializer)?;
    let read = APIS.iter().filter_map(|api| api.batch).find_map(|read| read(&stored).ok());
    read.ok_or_else(|| D::Error::custom("no API has such a batch"))
}
