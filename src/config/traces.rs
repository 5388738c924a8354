//! `[traces]`: a collector of OpenTelemetry.
//!
//! Owns: its keys and checks. Must never know: what a span is.

use serde::Deserialize;

use super::findings::Findings;
use crate::http::address;
use crate::telemetry::traces::{Collector, IS_BUILT_IN};

/// `[traces]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TracesSection {
    url: String,
    #[serde(default)]
    object_ids: bool,
}

impl TracesSection {
    /// Checks it.
    pub(super) fn resolve(self, findings: &mut Findings<'_>) -> Collector {
        if let Err(what) = address::checked(&self.url) {
            let remedy =
                "write the collector's address for traces, such as \"http://127.0.0.1:4318/v1/traces\"";
            findings.add("traces.url", format!("the address is not accepted: {what}"), remedy);
        }
        if !IS_BUILT_IN {
            let remedy = "build it with --features otlp, or remove the section";
            findings.add("traces", "this program was built without traces", remedy);
        }
        Collector { url: self.url, has_object_ids: self.object_ids }
    }
}
