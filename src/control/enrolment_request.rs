//! One line of an enrolment, as a shop writes it in a file, a batch or a flag, parsed strictly.
//!
//! Owns: how texts by field become a [`EnrolmentRequest`]. Must never know: which accounts and kinds exist (the host checks
//! that), files, sockets, storage.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::fields::{Field, meaning, meant};
use super::watched::WatchedObject;
use crate::delimited::trimmed;
use crate::payments::money::Money;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::Details;

pub use crate::delimited::LINE_BYTES_MAX;

/// The longest merchant reference or parent id, in characters.
const TEXT_CHARACTERS_MAX: usize = 256;

/// An object that somebody wants to watch, before account and kind are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRequest {
    /// Its line number, counted from 1; 0 when it came alone.
    pub line: u64,
    /// The account, if given. Otherwise the host determines it from the format of the id.
    pub account: Option<AccountName>,
    /// The kind, if given. Otherwise the host determines it from the format of the id.
    pub kind: Option<Kind>,
    /// The provider's id.
    pub id: ObjectId,
    /// What the shop knows about it.
    pub details: Details,
}

/// The form of an [`EnrolmentRequest`] as JSON, for the API's description.
#[derive(ToSchema)]
#[schema(as = EnrolmentRequest)]
#[allow(dead_code, reason = "only its description is used")]
struct Line {
    /// The number of the line; where it stands unless given.
    line: Option<u64>,
    /// Your name of the account. Determined from the format of the id unless given.
    account: Option<AccountName>,
    /// The kind: `charge`, `refund`, ... Determined from the format of the id unless given.
    kind: Option<Kind>,
    /// The provider's id.
    id: ObjectId,
    /// The amount, exact, in the currency's main unit: `14.00`. Needs a currency.
    amount: Option<String>,
    /// ISO 4217.
    currency: Option<String>,
    /// The shop's own reference.
    #[schema(max_length = 256)]
    reference: Option<String>,
    /// When the shop created it, with its zone.
    created_at: Option<Timestamp>,
    /// The provider's id of the parent object.
    #[schema(max_length = 256)]
    parent: Option<String>,
}

impl PartialSchema for EnrolmentRequest {
    fn schema() -> RefOr<Schema> {
        Line::schema()
    }
}

impl ToSchema for EnrolmentRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Line::schemas(schemas);
    }
}

/// The raw texts of one line, by field. Absent and blank mean the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(BTreeMap<Field, String>);

impl Texts {
    /// Sets a field; blank text leaves it unset. Fails when it is already set.
    pub fn set(&mut self, field: Field, text: &str) -> Result<(), String> {
        let text = trimmed(text);
        if text.is_empty() {
            return Ok(());
        }
        match self.0.insert(field, text.to_owned()) {
            None => Ok(()),
            Some(_) => Err(format!("{} is given twice", field.name())),
        }
    }

    /// Sets a field only if it is not set yet.
    pub fn set_default(&mut self, field: Field, text: &str) {
        self.0.entry(field).or_insert_with(|| text.to_owned());
    }

    fn get(&self, field: Field) -> Option<&str> {
        self.0.get(&field).map(String::as_str)
    }

    /// Parses the fields. The error is a sentence that names the field.
    pub fn read(&self, line: u64) -> Result<EnrolmentRequest, String> {
        let id = self.get(Field::Id).ok_or("no id: every line must name one object")?;
        if ["null", "none", "nil", "nan", "undefined"].contains(&id.to_ascii_lowercase().as_str()) {
            return Err(format!("no id: {id:?} means none"));
        }
        Ok(EnrolmentRequest {
            line,
            account: self
                .get(Field::Account)
                .map(AccountName::new)
                .transpose()
                .map_err(|bad| bad.to_string())?,
            kind: self.get(Field::Kind).map(read_kind).transpose()?,
            id: ObjectId::new(id).map_err(|bad| bad.to_string())?,
            details: self.details()?,
        })
    }

    fn details(&self) -> Result<Details, String> {
        Ok(Details {
            amount: self.amount()?,
            merchant_reference: self.free_text(Field::Reference)?,
            created_at: self.get(Field::CreatedAt).map(read_time).transpose()?,
            parent: self.free_text(Field::Parent)?,
        })
    }

    fn amount(&self) -> Result<Option<Money>, String> {
        match (self.get(Field::Amount), self.get(Field::Currency)) {
            (Some(amount), Some(currency)) => {
                let money =
                    Money::parse(amount, &currency.to_ascii_uppercase()).map_err(|bad| bad.to_string())?;
                above_zero(money).map(Some)
            }
            (Some(_), None) => Err("amount without currency".to_owned()),
            (None, _) => Ok(None),
        }
    }

    fn free_text(&self, field: Field) -> Result<Option<String>, String> {
        let Some(text) = self.get(field) else { return Ok(None) };
        if text.chars().count() > TEXT_CHARACTERS_MAX {
            return Err(format!("{} is longer than {TEXT_CHARACTERS_MAX} characters", field.name()));
        }
        if text.chars().any(|letter| letter.is_control() || turns_text(letter)) {
            return Err(format!("{} has a control character", field.name()));
        }
        Ok(Some(text.to_owned()))
    }
}

/// Whether a character only changes the direction of the text after it. Such a character can make an alert or a table
/// appear to say something else.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks that an amount is above zero.
fn above_zero(money: Money) -> Result<Money, String> {
    if money.amount > rust_decimal::Decimal::ZERO {
        Ok(money)
    } else {
        Err(format!("amount {money} is not above zero; leave it out if it is not known"))
    }
}

/// A kind in any of the usual spellings: `charge-permission`, `CHARGE_PERMISSION`, `Charge Permission`,
/// `ChargePermission`.
pub fn read_kind(text: &str) -> Result<Kind, String> {
    let mut words = String::new();
    let mut was_small = false;
    for letter in trimmed(text).chars() {
        if was_small && letter.is_ascii_uppercase() {
            words.push('-');
        }
        was_small = letter.is_ascii_lowercase();
        words.push(if matches!(letter, '_' | ' ') { '-' } else { letter.to_ascii_lowercase() });
    }
    Kind::new(words).map_err(|bad| bad.to_string())
}

fn read_time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        format!("created_at {:?} is not a time with a zone, such as 2026-01-31T14:30:00Z", shortened(text))
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Parses one JSON object. The error is a sentence. An unknown key is rejected: otherwise a misspelled `amount` would
/// silently disable the check of the amount.
pub fn from_json(text: &[u8], line: u64) -> Result<EnrolmentRequest, String> {
    let value: Value = serde_json::from_slice(text).map_err(|bad| format!("not JSON: {bad}"))?;
    let Value::Object(map) = value else { return Err("not a JSON object".to_owned()) };
    from_map(map, line)
}

fn from_map(map: serde_json::Map<String, Value>, line: u64) -> Result<EnrolmentRequest, String> {
    if map.contains_key("format") {
        return from_listed(Value::Object(map), line);
    }
    let (texts, own_line) = texts_of(&map)?;
    texts.read(own_line.unwrap_or(line))
}

/// An object as `list --json` prints it; takes the details with which it was enrolled.
fn from_listed(value: Value, line: u64) -> Result<EnrolmentRequest, String> {
    let listed = WatchedObject::read(value)?;
    // It gets the same checks as any other line.
    let mut texts = Texts::default();
    let plain = EnrolmentRequest {
        details: listed.enrolled_with.clone(),
        ..EnrolmentRequest::plain(listed.object())
    };
    for (field, text) in plain.texts().0 {
        texts.set(field, &text)?;
    }
    texts.read(line)
}

/// The texts of a JSON object, and its `line` if it has one.
pub fn texts_of(map: &serde_json::Map<String, Value>) -> Result<(Texts, Option<u64>), String> {
    let mut texts = Texts::default();
    let mut line = None;
    let mut implied = None;
    for (key, value) in map {
        if key == "line" {
            line = Some(value.as_u64().ok_or("line is not a whole number")?);
            continue;
        }
        let Some(meaning) = meaning(key) else {
            let known: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
            let hint = meant(key).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            return Err(format!(
                "unknown key {:?}{hint}; known keys are {}",
                shortened(key),
                known.join(", ")
            ));
        };
        let text = scalar(key, value)?;
        if meaning.kind.is_some() && !text.trim().is_empty() {
            implied = meaning.kind;
        }
        texts.set(meaning.field, &text)?;
    }
    if let Some(kind) = implied {
        texts.set_default(Field::Kind, kind);
    }
    Ok((texts, line))
}

fn scalar(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Value::Number(_) => Err(format!(
            "{} is a fractional number, which may lose digits: write it as a string",
            shortened(key)
        )),
        _ => Err(format!("{} is not a string", shortened(key))),
    }
}

impl EnrolmentRequest {
    /// An object that is fully named, without details.
    pub fn plain(object: ObjectRef) -> EnrolmentRequest {
        EnrolmentRequest {
            line: 0,
            account: Some(object.account),
            kind: Some(object.kind),
            id: object.id,
            details: Details::default(),
        }
    }

    /// The inverse of [`from_json`]: one line without a line break.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an enrolment has text keys only")
    }

    fn texts(&self) -> Texts {
        let amount = self.details.amount.as_ref();
        let values = [
            self.account.as_ref().map(ToString::to_string),
            self.kind.as_ref().map(ToString::to_string),
            Some(self.id.to_string()),
            amount.map(Money::amount_text),
            amount.map(|money| money.currency.to_string()),
            self.details.merchant_reference.clone(),
            self.details.created_at.map(|at| at.to_string()),
            self.details.parent.clone(),
        ];
        let given = Field::ALL.into_iter().zip(values).filter_map(|(field, value)| Some((field, value?)));
        Texts(given.collect())
    }
}

impl Serialize for EnrolmentRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.line > 0 {
            map.serialize_entry("line", &self.line)?;
        }
        for (field, text) in &self.texts().0 {
            map.serialize_entry(field.name(), text)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for EnrolmentRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EnrolmentRequest, D::Error> {
        let map = serde_json::Map::deserialize(deserializer)?;
        from_map(map, 0).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "wanted/tests.rs"]
mod tests;
