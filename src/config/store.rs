//! `[store]`: where journal and index are, and how much of the machine they may use.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::findings::Findings;
use super::poll::Span;
use crate::secret::{SecretLoader, SecretReference};
use crate::store::DatabaseUrl;

/// Where the facts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// In files of this host.
    #[default]
    Files,
    /// In PostgreSQL, for several hosts.
    Postgres,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The store's folder.
    pub folder: PathBuf,
    /// Where the facts are.
    pub engine: Engine,
    /// Where the address of the database is.
    pub url: Option<SecretReference>,
    /// How long a lease on the shared store lasts without being renewed.
    #[serde(deserialize_with = "length_of_time")]
    pub lease: Duration,
    /// The address of the database, if the store is shared.
    #[serde(skip)]
    pub database: Option<DatabaseUrl>,
    /// Memory for the index, mebibytes.
    pub cache_mib: u64,
    /// The process refuses to start below this much free space, mebibytes.
    pub min_free_mib: u64,
    /// The index is compacted only when its file is larger than this, mebibytes.
    pub compact_above_mib: u64,
    /// How often the daemon checks that.
    #[serde(deserialize_with = "length_of_time")]
    pub compact_every: Duration,
    /// How many days the files sent and received for a batch are kept after its end.
    pub keep_batch_files_days: u32,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            folder: PathBuf::new(),
            engine: Engine::Files,
            url: None,
            lease: Duration::from_secs(30),
            database: None,
            cache_mib: 48,
            min_free_mib: 64,
            compact_above_mib: 64,
            compact_every: Duration::from_secs(600),
            keep_batch_files_days: 90,
        }
    }
}

/// A tebibyte: a larger number is a mistake.
const COMPACT_ABOVE_MOST_MIB: u64 = 1024 * 1024;
const COMPACT_EVERY_MOST: Duration = Duration::from_secs(24 * 3600);

/// Shorter, and a slow answer of the database ends a lease; longer, and a takeover takes longer.
const LEASE_BOUNDS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

impl StoreConfig {
    /// Reads the address of the database, if the store is shared.
    pub(super) fn resolve(mut self, loader: &SecretLoader, findings: &mut Findings<'_>) -> StoreConfig {
        if !(LEASE_BOUNDS.0..=LEASE_BOUNDS.1).contains(&self.lease) {
            findings.add("store.lease", "is outside 5s to 5m", "\"30s\" is the default");
        }
        match (self.engine, &self.url) {
            (Engine::Files, None) => {}
            (Engine::Files, Some(_)) => {
                findings.add(
                    "store.url",
                    "is not used by the engine \"files\"",
                    "remove it, or write engine = \"postgres\"",
                );
            }
            (Engine::Postgres, None) => {
                findings.add("store.url", "is missing", "write \"credential:NAME\" or \"file:/absolute/path\"; that file holds postgresql://USER:PASSWORD@HOST/DATABASE");
            }
            (Engine::Postgres, Some(reference)) => match loader.load_line(reference) {
                Ok(_) if loader.is_blind() => self.database = Some(DatabaseUrl::unread()),
                Ok(url) => match DatabaseUrl::new(url) {
                    Ok(url) => self.database = Some(url),
                    Err(what) => findings.add(
                        "store.url",
                        format!("the address cannot be used: {what}"),
                        "put postgresql://USER:PASSWORD@HOST/DATABASE into the file",
                    ),
                },
                Err(bad) => findings.add("store.url", bad.what, bad.remedy),
            },
        }
        self
    }

    /// Checks everything that can be checked without reading the folder.
    pub(super) fn check(&self, findings: &mut Findings<'_>) {
        if !(8..=4096).contains(&self.cache_mib) {
            findings.add("store.cache_mib", "is outside 8 to 4096", "48 is the default");
        }
        if self.compact_above_mib > COMPACT_ABOVE_MOST_MIB {
            findings.add("store.compact_above_mib", "is above 1048576, a tebibyte", "64 is the default");
        }
        if !(Duration::from_secs(1)..=COMPACT_EVERY_MOST).contains(&self.compact_every) {
            findings.add("store.compact_every", "is outside 1s to 24h", "\"10m\" is the default");
        }
        if !(1..=3650).contains(&self.keep_batch_files_days) {
            findings.add("store.keep_batch_files_days", "is outside 1 to 3650", "90 is the default");
        }
    }
}

fn length_of_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Span::deserialize(deserializer).map(|span| span.0)
}
