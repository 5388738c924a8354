//! Single values exactly as they appear in JSON.
//!
//! Owns: exact numbers, both forms of a timestamp, duplicate names. Must never know: which field a value
//! belongs to.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::apis::decoding::NO_LETTER;
use crate::apis::marks::{Marks, Odd, Oddity};
use crate::payments::money::{BadMoney, Currency, Money};

/// Why a field has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OddField {
    /// It does not have the expected form.
    #[error("{0} cannot be read")]
    Unfit(&'static str),
    /// A list that is longer than allowed.
    #[error("{0} has more than {1} entries")]
    TooMany(&'static str, usize),
    /// Two values under one name.
    #[error("{0} stands more than once")]
    Twice(&'static str),
}

impl Odd for OddField {
    fn oddity(&self) -> Oddity {
        if matches!(self, OddField::Twice(_)) { Oddity::DuplicateField } else { Oddity::UnreadableField }
    }
}

/// A value as it was sent. A number keeps all its digits, because it never becomes a float.
#[derive(Deserialize, Clone, Copy)]
#[serde(transparent)]
pub(super) struct Scalar<'a>(#[serde(borrow)] &'a RawValue);

impl<'a> Scalar<'a> {
    /// The raw text in the answer.
    pub(super) fn raw(self) -> &'a str {
        self.0.get()
    }

    /// The exact text of a string, number or boolean. None for a value that means nothing.
    pub(super) fn text(self, name: &'static str) -> Result<Option<String>, OddField> {
        if self.is_nothing() {
            return Ok(None);
        }
        let raw = self.raw();
        match raw.bytes().next() {
            Some(b'"') => serde_json::from_str(raw)
                .ok()
                .filter(|text: &String| !text.contains(NO_LETTER))
                .map(|text| Some(text).filter(|text| !text.trim().is_empty()))
                .ok_or(OddField::Unfit(name)),
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => Ok(Some(raw.to_owned())),
            _ => Err(OddField::Unfit(name)),
        }
    }

    /// Whether it is a string.
    pub(super) fn is_string(self) -> bool {
        self.raw().starts_with('"')
    }

    /// The value as an object. An empty one for a value that means nothing.
    pub(super) fn object(self, name: &'static str) -> Result<Object<'a>, OddField> {
        if self.is_nothing() {
            return Ok(Object::default());
        }
        serde_json::from_str(self.raw()).map_err(|_| OddField::Unfit(name))
    }

    /// The value as a list. An empty one for a value that means nothing.
    pub(super) fn list(self, name: &'static str) -> Result<Vec<Scalar<'a>>, OddField> {
        if self.is_nothing() {
            return Ok(Vec::new());
        }
        serde_json::from_str(self.raw()).map_err(|_| OddField::Unfit(name))
    }

    /// Null means absent. So does an empty text, object or list, because writers of JSON confuse them.
    pub(super) fn is_nothing(self) -> bool {
        let mut letters = self.raw().chars().filter(|letter| !letter.is_whitespace());
        match (letters.next(), letters.next(), letters.next()) {
            (Some('"'), Some('"'), None) | (Some('{'), Some('}'), None) | (Some('['), Some(']'), None) => {
                true
            }
            _ => self.raw() == "null",
        }
    }
}

/// An object's fields in the order sent. If a name appears more than once, all its values are kept.
#[derive(Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Scalar<'a>)>);

impl<'a> Object<'a> {
    /// The value with this name. A name that appears more than once is marked.
    ///
    /// # Errors
    /// When the name appears with different values, because none of them can be trusted.
    pub(super) fn only(&self, name: &'static str, marks: &mut Marks) -> Result<Option<Scalar<'a>>, OddField> {
        let mut named = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| *value);
        let first = named.next();
        for other in named {
            marks.take::<(), _>(Err(OddField::Twice(name)));
            if first.is_some_and(|first| first.raw() != other.raw()) {
                return Err(OddField::Twice(name));
            }
        }
        Ok(first)
    }

    /// The value with this name. None, and a mark, when the name appears with different values.
    pub(super) fn get(&self, name: &'static str, marks: &mut Marks) -> Option<Scalar<'a>> {
        let read = self.only(name, marks);
        marks.take(read)
    }

    /// The object with this name; an empty one when there is none. A value of another form is marked.
    pub(super) fn part(&self, name: &'static str, marks: &mut Marks) -> Object<'a> {
        let read = self.get(name, marks).map(|value| value.object(name));
        read.map(|read| marks.take(read)).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// `{"amount": "14.00", "currencyCode": "USD"}` (section 3). The amount may also be a number. None when both are
/// missing.
///
/// # Errors
/// When only one of the two is present, or the amount cannot be read exactly.
pub(super) fn price(
    value: Scalar<'_>,
    name: &'static str,
    marks: &mut Marks,
) -> Result<Option<Money>, OddField> {
    let price = value.object(name)?;
    let mut part = |part| match price.only(part, marks)? {
        Some(value) => value.text(part),
        None => Ok(None),
    };
    match (part("amount")?, part("currencyCode")?) {
        (None, None) => Ok(None),
        (Some(amount), Some(currency)) => {
            read_money(&amount, &currency).map(Some).map_err(|_| OddField::Unfit(name))
        }
        _ => Err(OddField::Unfit(name)),
    }
}

fn read_money(amount: &str, currency: &str) -> Result<Money, BadMoney> {
    if !amount.contains(['e', 'E']) {
        return Money::parse(amount, currency);
    }
    // Some JSON writers print a round number as 1E+2, which is exact too.
    let code: Currency = currency.parse()?;
    let bad = || BadMoney::Amount(amount.chars().take(40).collect());
    let exact = Decimal::from_scientific(amount).map_err(|_| bad())?;
    let is_small = amount.len() <= 28 && exact.scale() <= 12;
    if is_small { Money::new(exact, code) } else { Err(bad()) }
}

/// `20190714T155300Z` or `2022-12-07T17:08:26.717Z`.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
