//! The lists of the configuration: `[[alert]]`, `[[route]]`, `[[events]]` and how the sections of any list are read.
//!
//! Owns: how a list becomes what its room resolves it to, with all problems. Must never know: what a section means.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::findings::Findings;
use super::section;
use crate::alerts::matchers::Known;
use crate::alerts::routes::Rule;
use crate::alerts::{self, AlertConfig, AlertSection, RouteSection};
use crate::apis::registration::SectionError;
use crate::events::{self, EventSection, Receivers};
use crate::http::connections::Connections;
use crate::payments::object::AccountName;
use crate::problem::Problem;
use crate::secret::SecretLoader;

/// Takes the sections of a list out of the file.
pub(super) fn take_tables(table: &mut Table, key: &str, findings: &mut Findings<'_>) -> Vec<Table> {
    match table.remove(key) {
        None => Vec::new(),
        Some(Value::Array(members)) if members.iter().all(Value::is_table) => members
            .into_iter()
            .filter_map(|member| if let Value::Table(table) = member { Some(table) } else { None })
            .collect(),
        Some(_) => {
            findings.add(key, "is not a list of sections", format!("write [[{key}]] with double brackets"));
            Vec::new()
        }
    }
}

/// The sections of a list as far as they can be read, and whether that is all of it. Each has its place in the list.
fn read_each<T>(
    tables: Vec<Table>,
    name: &str,
    findings: &mut Findings<'_>,
    read: fn(Table) -> Result<T, SectionError>,
) -> (Vec<(usize, T)>, bool) {
    let (mut sections, mut is_whole) = (Vec::new(), true);
    for (number, table) in tables.into_iter().enumerate() {
        let mut section = None;
        is_whole &= section::read_with(table, &format!("{name}.{number}"), findings, &mut |table| {
            section = Some(read(table)?);
            Ok(())
        });
        sections.extend(section.map(|section| (number, section)));
    }
    (sections, is_whole)
}

/// What a room resolved its sections to, if all of them could be read.
fn resolved<T>(resolved: Result<T, Vec<Problem>>, is_whole: bool, findings: &mut Findings<'_>) -> Option<T> {
    match resolved {
        Ok(value) => Some(value).filter(|_| is_whole),
        Err(problems) => {
            findings.extend(problems);
            None
        }
    }
}

/// The targets of all `[[alert]]` sections.
pub(super) fn alerts(
    tables: Vec<Table>,
    accounts: &BTreeMap<AccountName, bool>,
    loader: &SecretLoader,
    connections: &Connections,
    findings: &mut Findings<'_>,
) -> Option<AlertConfig> {
    let (sections, is_whole) = read_each(tables, "alert", findings, AlertSection::read);
    let sections: Vec<AlertSection> = sections.into_iter().map(|(_, section)| section).collect();
    let config = alerts::config::resolve(&sections, accounts, loader, connections);
    resolved(config, is_whole, findings)
}

/// The rules of all `[[route]]` sections, with remarks about those that have no effect.
pub(super) fn rules(
    tables: Vec<Table>,
    targets: &[String],
    known: Known<'_>,
    findings: &mut Findings<'_>,
) -> Option<(Vec<Rule>, Vec<String>)> {
    let (sections, is_whole) = read_each(tables, "route", findings, RouteSection::read);
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    resolved(alerts::rules::resolve(sections, &targets, known), is_whole, findings)
}

/// The receivers of all `[[events]]` sections.
pub(super) fn events(
    tables: Vec<Table>,
    accounts: &BTreeMap<AccountName, bool>,
    loader: &SecretLoader,
    connections: &Connections,
    findings: &mut Findings<'_>,
) -> Option<Receivers> {
    let read = |table| serde_path_to_error::deserialize(table);
    let (sections, is_whole) = read_each(tables, "events", findings, read);
    let sections: Vec<EventSection> = sections.into_iter().map(|(_, section)| section).collect();
    resolved(events::config::resolve(&sections, accounts, loader, connections), is_whole, findings)
}
