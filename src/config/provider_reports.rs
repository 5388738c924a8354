//! `provider_reports` of an account: which of the provider's own reports are fetched every night.

use serde::Deserialize;
use toml::{Table, Value};

use super::apis;
use super::findings::Findings;
use super::lines::join;
use super::section;

/// The section, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderReports {
    /// The short words of the types; empty: all that the account has.
    pub types: Vec<String>,
    /// When, as a cron expression in the zone of the report files; none: only when an operator asks.
    pub schedule: Option<String>,
    /// Objects that a report names and nobody watches are watched from then on.
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

/// Whether the account's API has what is asked for.
pub(super) fn check(
    reports: &ProviderReports,
    settings: &apis::Settings,
    path: &str,
    findings: &mut Findings<'_>,
) {
    let path = join(path, "provider_reports");
    let known: Vec<&str> = settings.report_kinds().iter().map(|kind| kind.word).collect();
    if known.is_empty() {
        findings.add(&path, "this API has no reports that can be fetched", "take it out");
        return;
    }
    for word in reports.types.iter().filter(|word| !known.contains(&word.as_str())) {
        let shown: String = word.chars().take(60).collect();
        findings.add(
            &join(&path, "types"),
            format!("{shown:?} is no type of report of this account"),
            format!("any of {}", known.join(", ")),
        );
    }
}
