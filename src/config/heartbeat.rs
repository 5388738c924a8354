//! `[heartbeat]`: an address outside this machine that expects a sign of life.
//!
//! Owns: its keys and checks. Must never know: when a sign is sent.

use std::time::Duration;

use serde::Deserialize;

use super::findings::Findings;
use super::poll::Span;
use crate::http::address;
use crate::secret::{Secret, SecretLoader, SecretReference};

/// How often a sign may be sent.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));

/// `[heartbeat]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// Where signs of life go. Anybody who has it can send them, so it is a secret.
    pub url: Secret<String>,
    /// How often.
    pub every: Duration,
}

/// `[heartbeat]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatSection {
    url: SecretReference,
    #[serde(default = "five_minutes")]
    every: Span,
}

fn five_minutes() -> Span {
    Span(Duration::from_secs(300))
}

impl HeartbeatSection {
    /// Checks it and reads the address.
    pub(super) fn resolve(
        self,
        loader: &SecretLoader,
        findings: &mut Findings<'_>,
    ) -> Option<HeartbeatConfig> {
        let every = self.every.0;
        if !(BOUNDS.0..=BOUNDS.1).contains(&every) {
            findings.add("heartbeat.every", "is outside 1m to 24h", "\"5m\" is the default");
        }
        let url = match loader.load_line(&self.url) {
            Ok(url) => url,
            Err(bad) => {
                findings.add("heartbeat.url", bad.what, bad.remedy);
                return None;
            }
        };
        if loader.is_blind() {
            return None;
        }
        if let Err(what) = address::checked(url.expose()) {
            let what = format!("the address is not accepted: {what}");
            findings.add("heartbeat.url", what, "put the https address of the check into the file");
        }
        Some(HeartbeatConfig { url, every })
    }
}
