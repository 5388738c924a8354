//! `provider_reports` of an account: which of the provider's own reports to fetch every night.

use serde::Deserialize;
use toml::{Table, Value};

use super::apis;
use super::findings::Findings;
use super::lines::join;
use super::section;

/// The section, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderReports {
    /// The short names of the types; empty means all that the account has.
    pub types: Vec<String>,
    /// When to fetch: a cron expression in the reports' time zone. `None`: only when an operator asks.
    pub schedule: Option<String>,
    /// Whether to enrol objects that a report lists and nobody watches.
    pub discover: bool,
}

/// The section as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    types: Vec<String>,
    schedule: Option<String>,
    discover: bool,
}

pub(super) fn take(table: &mut Table, path: &str, findings: &mut Findings<'_>) -> Option<ProviderReports> {
    let path = join(path, "provider_reports");
    match table.remove("provider_reports") {
        None => None,
        Some(Value::Table(written)) => {
            let section: Section = section::read(written, &path, findings)?;
            let Section { types, schedule, discover } = section;
            if let Some(cron) = &schedule
                && let Err(error) = crate::timetable::Timetable::new(cron, jiff::tz::TimeZone::UTC)
            {
                findings.add(&join(&path, "schedule"), error.to_string(), "for example \"30 2 * * *\"");
            }
            Some(ProviderReports { types, schedule, discover })
        }
        Some(_) => {
            findings.add(&path, "is not a table", "write provider_reports = { schedule = \"30 2 * * *\" }");
            None
        }
    }
}

/// Checks that the account's API has the requested reports.
pub(super) fn check(
    reports: &ProviderReports,
    settings: &apis::Settings,
    path: &str,
    findings: &mut Findings<'_>,
) {
    let path = join(path, "provider_reports");
    let known: Vec<&str> = settings.report_kinds().iter().map(|kind| kind.word).collect();
    if known.is_empty() {
        findings.add(&path, "this API has no reports that can be fetched", "remove it");
        return;
    }
    for word in reports.types.iter().filter(|word| !known.contains(&word.as_str())) {
        let shown: String = word.chars().take(60).collect();
        findings.add(
            &join(&path, "types"),
            format!("{shown:?} is not a report type of this account"),
            format!("any of {}", known.join(", ")),
        );
    }
}
