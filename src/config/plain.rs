//! `[log]` and `[polling]`: keys that belong to no single room.
//!
//! Owns: these keys, their defaults and checks. Must never know: who uses them.

use std::time::Duration;

use serde::Deserialize;

use super::findings::Findings;

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `auto`, `text`, `journal`, `json`.
    pub format: String,
    /// A level or directives.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { format: "auto".to_owned(), filter: "info".to_owned() }
    }
}

/// `[polling]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollingConfig {
    /// Most requests in flight in the whole process.
    pub max_in_flight: usize,
    /// Most requests in flight for one kind of one account.
    pub max_in_flight_per_kind: usize,
    /// How long polls in flight may take to finish at a stop, in seconds.
    pub stop_within_s: u64,
    /// The first wait between probes of refused credentials; it grows to half an hour.
    #[serde(deserialize_with = "super::poll::duration")]
    pub probe_interval: Duration,
}

impl Default for PollingConfig {
    fn default() -> PollingConfig {
        PollingConfig {
            max_in_flight: 256,
            max_in_flight_per_kind: 16,
            stop_within_s: 20,
            probe_interval: Duration::from_secs(300),
        }
    }
}

/// Checks both.
pub(super) fn check(log: &LogConfig, polling: PollingConfig, findings: &mut Findings<'_>) {
    if !["auto", "text", "journal", "json"].contains(&log.format.as_str()) {
        findings.add("log.format", format!("{:?} is not known", log.format), "auto, text, journal or json");
    }
    for (key, number) in
        [("max_in_flight", polling.max_in_flight), ("max_in_flight_per_kind", polling.max_in_flight_per_kind)]
    {
        if !(1..=10_000).contains(&number) {
            findings.add(&format!("polling.{key}"), "is outside 1 to 10000", "leave it out for the default");
        }
    }
    if !(Duration::from_secs(10)..=Duration::from_secs(24 * 3600)).contains(&polling.probe_interval) {
        findings.add("polling.probe_interval", "is outside 10s to 24h", "5m is the default");
    }
    if polling.stop_within_s == 0 {
        findings.add(
            "polling.stop_within_s",
            "is 0",
            "20 is the default; keep it under the unit's TimeoutStopSec",
        );
    }
}
