//! The meaning of the columns in a file of objects, and how its cells are read.
//!
//! Owns: which column names the objects, misspelled columns, amounts with a decimal comma, what spreadsheets and
//! databases write into cells. Must never know: files, lines, the outcome of a row.

use crate::control::enrolment_request::Texts;
use crate::control::fields::{self, Field, Meaning};
use crate::control::messages::Decimal;
use crate::delimited::plain;
use crate::text;

/// The parent kinds of a kind. Next to the id of a charge or an authorization, an id of these kinds names the parent.
const ABOVE: &[(&str, &[&str])] =
    &[("charge", &["charge-permission"]), ("authorization", &["order-reference", "billing-agreement"])];

/// Columns of our own lists and nightly files that say nothing about what to enrol.
const OWN: &[&str] = &[
    "age_s",
    "amount_minor",
    "as_of_local",
    "as_of_utc",
    "authorized_amount",
    "business_date",
    "captured_amount",
    "currency_exponent",
    "deadline",
    "detection_delay_s",
    "due_at",
    "enrolled_at",
    "environment",
    "event_time_local",
    "event_time_utc",
    "failures",
    "finished",
    "first_seen_utc",
    "made_at",
    "newly_captured",
    "newly_refunded",
    "outcome",
    "phase",
    "polled_at",
    "previous_state",
    "quarantine",
    "reason_code",
    "reason_codes",
    "refunded_amount",
    "seen_time_local",
    "seen_time_utc",
    "state",
    "state_age_s",
    "state_changed_at",
    "state_since_utc",
    "time_zone",
    "watched_since_local",
    "watched_since_utc",
    "is_quarantined",
    "cause",
    "quarantined_since_utc",
    "quarantined_since_local",
    "last_good_state",
    "doubted_state",
];

/// How a file is to be read, as far as its columns are concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// The decimal sign of amounts; none to accept both where that is safe.
    pub decimal: Option<Decimal>,
    /// Leave out columns that are not known, instead of refusing the file.
    pub ignore_columns: bool,
    /// What refusals recommend.
    pub remedies: Remedies,
}

/// The names of the two settings above, as the person who sends the file knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedies {
    /// Leaves out columns that are not known.
    pub ignore_columns: &'static str,
    /// Says which decimal sign amounts have.
    pub decimal: &'static str,
}

impl Default for Remedies {
    fn default() -> Remedies {
        Remedies { ignore_columns: "ignore_columns=true", decimal: "decimal=. or decimal=," }
    }
}

/// The meaning of the columns of a file.
#[derive(Debug)]
pub(super) struct Columns {
    fields: Vec<Option<Field>>,
    implied_kind: Option<&'static str>,
    decimal: Option<Decimal>,
    remedies: Remedies,
}

impl Columns {
    /// Reads a header. Also returns the unknown columns that are left out. The error is a sentence.
    pub(super) fn of(header: &[String], reading: Reading) -> Result<(Columns, Vec<String>), String> {
        let mut meanings: Vec<_> = header.iter().map(|cell| fields::meaning(cell)).collect();
        let is_own = |cell: &str| OWN.iter().any(|own| plain(own) == plain(cell));
        for (cell, meaning) in header.iter().zip(&meanings) {
            if let (None, false, Some(meant)) = (meaning, is_own(cell), fields::meant(cell)) {
                return Err(format!("column {cell} is not known; did you mean {meant}? rename or remove it"));
            }
        }
        let is_unknown = |cell: &str| !cell.is_empty() && !is_own(cell);
        let unknown: Vec<String> = header
            .iter()
            .zip(&meanings)
            .filter(|(cell, meaning)| meaning.is_none() && is_unknown(cell))
            .map(|(cell, _)| cell.clone())
            .collect();
        put_parents_above(&mut meanings);
        let mut owners: Vec<(Field, &str)> = Vec::new();
        let Reading { decimal, remedies, .. } = reading;
        let mut columns = Columns { fields: Vec::new(), implied_kind: None, decimal, remedies };
        for (cell, meaning) in header.iter().zip(meanings) {
            columns.fields.push(meaning.map(|meaning| meaning.field));
            let Some(meaning) = meaning else { continue };
            if let Some((_, other)) = owners.iter().find(|(field, _)| *field == meaning.field) {
                return Err(format!(
                    "columns {other} and {cell} both mean {}; rename one (to parent, if it names the parent object)",
                    meaning.field.name()
                ));
            }
            owners.push((meaning.field, cell));
            columns.implied_kind = columns.implied_kind.or(meaning.kind);
        }
        if !columns.fields.contains(&Some(Field::Id)) {
            return Err(format!(
                "no column names the objects (id, charge_id, AmazonCaptureId, ...); the header has {}",
                header.join(", ").chars().take(200).collect::<String>()
            ));
        }
        if !unknown.is_empty() && !reading.ignore_columns {
            let (columns, are) = if unknown.len() == 1 { ("column", "is") } else { ("columns", "are") };
            return Err(format!(
                "{columns} {} {are} not known; remove or rename, or leave out with {}",
                unknown.join(", ").chars().take(200).collect::<String>(),
                remedies.ignore_columns
            ));
        }
        Ok((columns, unknown))
    }

    /// The fields of a row.
    pub(super) fn texts(&self, cells: &[String]) -> Result<Texts, String> {
        let mut texts = Texts::default();
        for (field, cell) in self.fields.iter().zip(cells) {
            let Some(field) = field else { continue };
            let cell = unguarded(cell);
            match field {
                _ if stands_for_nothing(cell) => {}
                Field::Amount => texts.set(*field, &self.amount(cell)?)?,
                _ => texts.set(*field, cell)?,
            }
        }
        if let Some(kind) = self.implied_kind {
            texts.set_default(Field::Kind, kind);
        }
        Ok(texts)
    }
}

impl Columns {
    /// An amount with a decimal point.
    fn amount(&self, cell: &str) -> Result<String, String> {
        match self.decimal {
            None => pointed(cell, self.remedies.decimal),
            Some(Decimal::Point) => written_with(cell, '.', ','),
            Some(Decimal::Comma) => written_with(cell, ',', '.'),
        }
    }
}

/// If a row has ids of several kinds, ids of parent kinds become the parent, or are not used.
fn put_parents_above(meanings: &mut [Option<Meaning>]) {
    let is_above = |meaning: &Meaning| {
        meaning.kind.is_some_and(|kind| ABOVE.iter().any(|(_, above)| above.contains(&kind)))
    };
    let is_id = |meaning: &&Meaning| meaning.field == Field::Id;
    let below: Vec<Meaning> =
        meanings.iter().flatten().filter(is_id).filter(|id| !is_above(id)).copied().collect();
    let Some(below) = below.first() else { return };
    let mut has_parent = meanings.iter().flatten().any(|meaning| meaning.field == Field::Parent);
    for meaning in meanings.iter_mut() {
        let Some(kind) = meaning.filter(|id| id.field == Field::Id && is_above(id)).and_then(|id| id.kind)
        else {
            continue;
        };
        let fits =
            ABOVE.iter().any(|(kind_below, above)| below.kind == Some(kind_below) && above.contains(&kind));
        *meaning = (fits && !has_parent).then_some(Meaning { field: Field::Parent, kind: None });
        has_parent |= meaning.is_some();
    }
}

/// A cell without the `'` that keeps spreadsheets from running it as a formula. Our own files have it too.
fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| text::is_formula(rest)).unwrap_or(cell)
}

/// How databases write an empty value.
fn stands_for_nothing(cell: &str) -> bool {
    matches!(cell, "NULL" | "null" | "\\N")
}

/// Replaces a decimal comma in an amount (`14,00`, `1.234,56`) with a point; leaves any other text unchanged. Fails
/// when the comma could also be a thousands separator; `remedy` says which sign it is.
fn pointed(cell: &str, remedy: &str) -> Result<String, String> {
    let text = crate::delimited::trimmed(cell);
    let Some((whole, fraction)) = text.rsplit_once(',') else { return Ok(text.to_owned()) };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split('.');
    let first = groups.next().unwrap_or_default();
    let is_grouped =
        first.len() <= 3 && whole.contains('.') && groups.all(|group| group.len() == 3 && is_number(group));
    if !is_number(fraction) || !is_number(first) || (whole.contains('.') && !is_grouped) {
        return Ok(text.to_owned());
    }
    if !is_grouped && fraction.len() == 3 && whole.len() <= 3 && !whole.starts_with('0') {
        return Err(format!(
            "amount {text:?} may be {whole}{fraction} or {whole}.{fraction}; write it with a decimal point and no \
             other separator, or say which sign it is with {remedy}"
        ));
    }
    Ok(format!("{}.{fraction}", whole.replace('.', "")))
}

/// Reads an amount whose decimal sign is known; `thousands` may separate groups of three digits.
fn written_with(cell: &str, decimal: char, thousands: char) -> Result<String, String> {
    let text = crate::delimited::trimmed(cell);
    let (whole, fraction) =
        text.split_once(decimal).map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(thousands);
    let first = groups.next().unwrap_or_default();
    let is_grouped = !whole.contains(thousands) || first.len() <= 3;
    let is_whole = is_number(first) && is_grouped && groups.all(|group| group.len() == 3 && is_number(group));
    if !is_whole || !fraction.is_none_or(is_number) {
        return Err(format!("amount {text:?} is not a number with {decimal:?} before its decimals"));
    }
    let whole = whole.replace(thousands, "");
    Ok(fraction.map_or(whole.clone(), |fraction| format!("{whole}.{fraction}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_decimal_sign_leaves_nothing_to_guess() {
        let comma = |text| written_with(text, ',', '.').ok();
        let point = |text| written_with(text, '.', ',').ok();
        for (text, as_comma, as_point) in [
            ("14,00", Some("14.00"), None),
            ("14.00", None, Some("14.00")),
            ("1,234", Some("1.234"), Some("1234")),
            ("1.234", Some("1234"), Some("1.234")),
            ("1.234,56", Some("1234.56"), None),
            ("1,234,567.89", None, Some("1234567.89")),
            ("14", Some("14"), Some("14")),
            ("1234,5", Some("1234.5"), None),
            ("1234.567,5", None, None),
            ("-14,00", None, None),
            (",50", None, None),
            ("14,", None, None),
            ("1,2,3", None, None),
            ("", None, None),
        ] {
            assert_eq!(comma(text).as_deref(), as_comma, "{text}");
            assert_eq!(point(text).as_deref(), as_point, "{text}");
        }
    }

    #[test]
    fn a_decimal_comma_is_read_or_refused_and_never_misread() {
        let read = |text: &str| {
            pointed(text, "decimal").map_err(|reason| assert!(reason.contains("may be"), "{reason}"))
        };
        for (text, expected) in [
            ("14,00", "14.00"),
            ("14,5", "14.5"),
            ("0,500", "0.500"),
            ("1.234,56", "1234.56"),
            ("1.234.567,89", "1234567.89"),
            ("1.234,567", "1234.567"),
            ("1234,567", "1234.567"),
            ("14.00", "14.00"),
            ("1.234", "1.234"),
            ("1,234.56", "1,234.56"),
            ("12.34,56", "12.34,56"),
            ("1,2,3", "1,2,3"),
            (",50", ",50"),
            ("-14,00", "-14,00"),
            ("14,", "14,"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["1,234", "12,345", "999,000"] {
            assert_eq!(read(text), Err(()), "{text}");
        }
    }
}
