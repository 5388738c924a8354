//! Reads one section and reports all its problems at once: a key that cannot be read is noted and removed,
//! and the rest is read again.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::findings::Findings;
use super::lines::join;
use crate::apis::registration::SectionError;

/// Reads the table at `path`. `None` when something is missing or wrong; `findings` then has the problems.
pub(super) fn read<T: DeserializeOwned>(table: Table, path: &str, findings: &mut Findings<'_>) -> Option<T> {
    let mut section = None;
    let is_whole = read_with(table, path, findings, &mut |table| {
        section = Some(serde_path_to_error::deserialize(table)?);
        Ok(())
    });
    section.filter(|_| is_whole)
}

/// A section that may be left out.
pub(super) fn optional<T: DeserializeOwned>(
    table: &mut Table,
    name: &str,
    findings: &mut Findings<'_>,
) -> Option<T> {
    match table.remove(name)? {
        Value::Table(written) => read(written, name, findings),
        _ => {
            findings.add(name, "is not a section", format!("write [{name}] on a line of its own"));
            None
        }
    }
}

/// Takes a section out of the file; one that is left out is empty.
pub(super) fn take_table(table: &mut Table, key: &str, findings: &mut Findings<'_>) -> Table {
    match table.remove(key) {
        None => Table::new(),
        Some(Value::Table(section)) => section,
        Some(_) => {
            findings.add(key, "is not a section", format!("write [{key}] and its keys below"));
            Table::new()
        }
    }
}

/// A section whose keys all have a default.
pub(super) fn section_of<T: Default + DeserializeOwned>(
    table: &mut Table,
    key: &str,
    findings: &mut Findings<'_>,
) -> T {
    let written = take_table(table, key, findings);
    read(written, key, findings).unwrap_or_default()
}

/// Reads the table at `path` by `attempt`, which may be called several times. False when something is missing or
/// wrong; `findings` then has the problems.
pub(super) fn read_with(
    mut table: Table,
    path: &str,
    findings: &mut Findings<'_>,
    attempt: &mut dyn FnMut(Table) -> Result<(), SectionError>,
) -> bool {
    let mut is_whole = true;
    // Each iteration removes one key or ends.
    loop {
        let error = match attempt(table.clone()) {
            Ok(()) => return is_whole,
            Err(error) => error,
        };
        is_whole = false;
        let what = message(error.inner());
        if let Some(missing) = quoted_after(&what, "missing field ") {
            findings.add(&join(path, &missing), "is missing", "add it; config.toml shows how");
            // A section without a required key cannot be checked further, except for unknown keys.
            report_unknown(&table, path, findings, attempt);
            return false;
        }
        let unknown = quoted_after(&what, "unknown field ");
        let inner = error.path().to_string();
        let key = match &unknown {
            Some(field) if !inner.ends_with(field.as_str()) => join(inner.trim_matches('.'), field),
            Some(field) if inner == "." => field.clone(),
            _ => inner,
        };
        let full = join(path, &key);
        match &unknown {
            Some(_) => findings.add(&full, "is not a known key", expected(&what)),
            None => findings.add(&full, what.clone(), ""),
        }
        if !remove(&mut table, &key) {
            return false;
        }
    }
}

/// Reports the unknown keys of a section that lacks a required one.
fn report_unknown(
    table: &Table,
    path: &str,
    findings: &mut Findings<'_>,
    attempt: &mut dyn FnMut(Table) -> Result<(), SectionError>,
) {
    for key in table.keys() {
        let alone: Table = [(key.clone(), table[key].clone())].into_iter().collect();
        if let Err(error) = attempt(alone) {
            let what = message(error.inner());
            if quoted_after(&what, "unknown field ").as_deref() == Some(key.as_str()) {
                findings.add(&join(path, key), "is not a known key", expected(&what));
            }
        }
    }
}

fn message(error: &toml::de::Error) -> String {
    error.message().trim().to_owned()
}

/// The word between backquotes after `start`.
fn quoted_after(what: &str, start: &str) -> Option<String> {
    let rest = what.strip_prefix(start)?.strip_prefix('`')?;
    rest.split('`').next().map(str::to_owned)
}

fn expected(what: &str) -> String {
    match what.split_once("expected ") {
        Some((_, rest)) => format!("expected {rest}").replace('`', ""),
        None => "remove it".to_owned(),
    }
}

/// Removes the key at a dotted path, or the list that a member of it (`key[0]`) is in; false when it does not exist.
fn remove(table: &mut Table, key: &str) -> bool {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let first = first.split('[').next().unwrap_or_default();
    if let Some(toml::Value::Table(inner)) = table.get_mut(first)
        && !rest.is_empty()
        && remove(inner, rest)
    {
        return true;
    }
    table.remove(first).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        inner: Inner,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        depth: u8,
    }

    fn problems(text: &str) -> Vec<String> {
        let lines = Lines::read(text);
        let mut findings = Findings::new(&lines);
        let table: Table = toml::from_str(text).unwrap();
        let section: Option<Sample> = read(table, "", &mut findings);
        assert_eq!(section.is_none(), !findings.is_empty());
        findings.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_section_is_read() {
        assert_eq!(problems("name = 'x'\ncount = 3\ninner = { depth = 1 }"), Vec::<String>::new());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let found = problems("name = 'x'\ncont = 3\ncount = 'many'\n[inner]\ndepth = 1000\nwidth = 1\n");
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("line 2: cont: is not a known key"), "{found:#?}");
        assert!(found[1].starts_with("line 3: count: invalid type: string"), "{found:#?}");
        assert!(found[2].starts_with("line 5: inner.depth: "), "{found:#?}");
        assert!(found[3].starts_with("line 6: inner.width: "), "{found:#?}");
    }

    #[test]
    fn a_missing_key_does_not_hide_a_misspelt_one() {
        let found = problems("nme = 'x'\n");
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found.iter().any(|problem| problem.contains("name: is missing")), "{found:#?}");
        assert!(found.iter().any(|problem| problem.contains("nme: is not a known key")), "{found:#?}");
    }
}
