//! One line of an enrolment: what a shop writes in a file, a batch or a flag, read strictly.
//!
//! Owns: the fields' names and their spelling variants, and how text becomes a [`Wanted`].
//! Must never know: which accounts and kinds exist (the host checks that), files, sockets, storage.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::delimited::{nearest, plain, trimmed};
use crate::payments::money::Money;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::{Details, Record};

pub use crate::delimited::LINE_BYTES_MAX;

/// The longest merchant reference or parent id, in characters.
const TEXT_CHARACTERS_MAX: usize = 256;

/// An object that somebody wants watched, before account and kind are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The line it stood on, counted from 1; 0 when it came alone.
    pub line: u64,
    /// Whose, when said; else the host finds it from the id's form.
    pub account: Option<AccountName>,
    /// What it is, when said; else the host finds it from the id's form.
    pub kind: Option<Kind>,
    /// The provider's id.
    pub id: ObjectId,
    /// What the shop knows about it.
    pub details: Details,
}

/// The fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Whose.
    Account,
    /// What it is.
    Kind,
    /// The provider's id.
    Id,
    /// How much, in the main unit.
    Amount,
    /// ISO 4217.
    Currency,
    /// The shop's own order number.
    Reference,
    /// When the shop made it.
    CreatedAt,
    /// The object it belongs to.
    Parent,
}

impl Field {
    /// All fields, in the order in which they are written.
    pub const ALL: [Field; 8] = [
        Field::Account,
        Field::Kind,
        Field::Id,
        Field::Amount,
        Field::Currency,
        Field::Reference,
        Field::CreatedAt,
        Field::Parent,
    ];

    /// The name to use in a header or as a JSON key.
    pub fn name(self) -> &'static str {
        match self {
            Field::Account => "account",
            Field::Kind => "kind",
            Field::Id => "id",
            Field::Amount => "amount",
            Field::Currency => "currency",
            Field::Reference => "reference",
            Field::CreatedAt => "created_at",
            Field::Parent => "parent",
        }
    }
}

/// What a header or key stands for: a field, and the kind of object when the name tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The field.
    pub field: Field,
    /// The kind that a name such as `AmazonCaptureId` implies.
    pub kind: Option<&'static str>,
}

/// Spelling variants, compared without case and punctuation: the field names of both APIs, our own lists and
/// nightly files, the tables of common shop systems. An order's total is none of the amounts: it is not what one
/// charge, capture or refund moves.
const VARIANTS: &[(&str, Field, Option<&str>)] = &[
    ("account", Field::Account, None),
    ("accountname", Field::Account, None),
    ("kind", Field::Kind, None),
    ("transactiontype", Field::Kind, None),
    ("type", Field::Kind, None),
    ("objecttype", Field::Kind, None),
    ("id", Field::Id, None),
    ("objectid", Field::Id, None),
    ("amazontransactionid", Field::Id, None),
    ("pendingid", Field::Id, None),
    ("chargeid", Field::Id, Some("charge")),
    ("amazonchargeid", Field::Id, Some("charge")),
    ("swagamazonpaychargeid", Field::Id, Some("charge")),
    ("oscamazonchargeid", Field::Id, Some("charge")),
    ("refundid", Field::Id, Some("refund")),
    ("chargepermissionid", Field::Id, Some("charge-permission")),
    ("amazonchargepermissionid", Field::Id, Some("charge-permission")),
    ("swagamazonpaychargepermissionid", Field::Id, Some("charge-permission")),
    ("oscamazonchargepermissionid", Field::Id, Some("charge-permission")),
    ("amazonauthorizationid", Field::Id, Some("authorization")),
    ("authorizationid", Field::Id, Some("authorization")),
    ("amazoncaptureid", Field::Id, Some("capture")),
    ("captureid", Field::Id, Some("capture")),
    ("amazonrefundid", Field::Id, Some("refund")),
    ("amazonorderreferenceid", Field::Id, Some("order-reference")),
    ("orderreferenceid", Field::Id, Some("order-reference")),
    ("amazonreferenceid", Field::Id, Some("order-reference")),
    ("billingagreementid", Field::Id, Some("billing-agreement")),
    ("amazonbillingagreementid", Field::Id, Some("billing-agreement")),
    ("amount", Field::Amount, None),
    ("chargeamount", Field::Amount, None),
    ("captureamount", Field::Amount, None),
    ("refundamount", Field::Amount, None),
    ("authorizationamount", Field::Amount, None),
    ("chargeamountamount", Field::Amount, None),
    ("captureamountamount", Field::Amount, None),
    ("refundamountamount", Field::Amount, None),
    ("authorizationamountamount", Field::Amount, None),
    ("currency", Field::Currency, None),
    ("chargeamountcurrencycode", Field::Currency, None),
    ("captureamountcurrencycode", Field::Currency, None),
    ("refundamountcurrencycode", Field::Currency, None),
    ("authorizationamountcurrencycode", Field::Currency, None),
    ("currencycode", Field::Currency, None),
    ("reference", Field::Reference, None),
    ("merchantreference", Field::Reference, None),
    ("merchantreferenceid", Field::Reference, None),
    ("order", Field::Reference, None),
    ("orderid", Field::Reference, None),
    ("ordernumber", Field::Reference, None),
    ("incrementid", Field::Reference, None),
    ("sellerorderid", Field::Reference, None),
    ("authorizationreferenceid", Field::Reference, None),
    ("capturereferenceid", Field::Reference, None),
    ("refundreferenceid", Field::Reference, None),
    ("createdat", Field::CreatedAt, None),
    ("created", Field::CreatedAt, None),
    ("madeat", Field::CreatedAt, None),
    ("creationtimestamp", Field::CreatedAt, None),
    ("parent", Field::Parent, None),
    ("parentid", Field::Parent, None),
];

/// What a header cell or JSON key means; none when it is not one of ours.
pub fn meaning(name: &str) -> Option<Meaning> {
    let name = plain(name);
    VARIANTS
        .iter()
        .find(|(variant, _, _)| *variant == name)
        .map(|(_, field, kind)| Meaning { field: *field, kind: *kind })
}

/// The name that an unknown one is probably meant to be: a misspelt `amount` would otherwise silently switch
/// the check of the amount off.
pub fn meant(name: &str) -> Option<&'static str> {
    let ours = Field::ALL.iter().map(|field| field.name());
    nearest(name, ours).or_else(|| nearest(name, VARIANTS.iter().map(|(variant, _, _)| *variant)))
}

/// The raw texts of one line by field; absent and blank are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(BTreeMap<Field, String>);

impl Texts {
    /// Sets a field; blank text leaves it unset. Errors when it is set already.
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

    /// Sets a field only if nothing stands there yet.
    pub fn set_default(&mut self, field: Field, text: &str) {
        self.0.entry(field).or_insert_with(|| text.to_owned());
    }

    fn get(&self, field: Field) -> Option<&str> {
        self.0.get(&field).map(String::as_str)
    }

    /// Reads the fields. Errors with the reason in words, naming the field.
    pub fn read(&self, line: u64) -> Result<Wanted, String> {
        let id = self.get(Field::Id).ok_or("no id: every line names one object")?;
        if ["null", "none", "nil", "nan", "undefined"].contains(&id.to_ascii_lowercase().as_str()) {
            return Err(format!("no id: {id:?} stands for none"));
        }
        Ok(Wanted {
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

/// Whether a letter only turns the direction of the text after it: it makes an alert or a table say what it
/// does not.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An amount that something can move.
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
        format!("created_at {:?} is not a moment with zone such as 2026-01-31T14:30:00Z", shortened(text))
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Reads one JSON object. Errors with the reason in words; an unknown key is refused, because a
/// misspelt `amount` would otherwise silently switch the check of the amount off.
pub fn from_json(text: &[u8], line: u64) -> Result<Wanted, String> {
    let value: Value = serde_json::from_slice(text).map_err(|bad| format!("not JSON: {bad}"))?;
    let Value::Object(map) = value else { return Err("not a JSON object".to_owned()) };
    if map.get("object").is_some_and(Value::is_object) {
        return from_record(Value::Object(map), line);
    }
    let (texts, own_line) = texts_of(&map)?;
    texts.read(own_line.unwrap_or(line))
}

/// A record as `list --json` prints it: what it was enrolled with.
fn from_record(value: Value, line: u64) -> Result<Wanted, String> {
    let record: Record = serde_json::from_value(value)
        .map_err(|bad| format!("not a record as \"reconciled list --json\" prints it: {bad}"))?;
    if let Some(money) = record.details.amount {
        above_zero(money)?;
    }
    Ok(Wanted { line, details: record.details, ..Wanted::plain(record.object) })
}

/// The texts of a JSON object, and its `line` when it has one.
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
            let hint = meant(key).map(|meant| format!("; is it {meant}?")).unwrap_or_default();
            return Err(format!("unknown key {:?}{hint}; known are {}", shortened(key), known.join(", ")));
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
        Value::Number(_) => {
            Err(format!("{} is a JSON fraction, which may lose digits: write it as text", shortened(key)))
        }
        _ => Err(format!("{} is not text", shortened(key))),
    }
}

impl Wanted {
    /// An object that is fully named, without details.
    pub fn plain(object: ObjectRef) -> Wanted {
        Wanted {
            line: 0,
            account: Some(object.account),
            kind: Some(object.kind),
            id: object.id,
            details: Details::default(),
        }
    }

    /// The inverse of [`from_json`]: one line without its end.
    pub fn to_json(&self) -> String {
        let mut map = serde_json::Map::new();
        if self.line > 0 {
            map.insert("line".to_owned(), Value::from(self.line));
        }
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
        for (field, value) in Field::ALL.into_iter().zip(values) {
            if let Some(value) = value {
                map.insert(field.name().to_owned(), Value::String(value));
            }
        }
        Value::Object(map).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(json: &str, expected: Result<&str, &str>) {
        match (from_json(json.as_bytes(), 7), expected) {
            (Ok(wanted), Ok(shown)) => assert_eq!(wanted.to_json(), shown, "{json}"),
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{json}: {reason}"),
            (other, _) => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn lines_are_read_in_every_spelling_or_refused_with_the_reason() {
        check(r#"{"id":"S01-1-1-C1"}"#, Ok(r#"{"line":7,"id":"S01-1-1-C1"}"#));
        check(
            r#"{"chargeId":"S01-1-1-C1","charge_amount":"14","currencyCode":"eur","MerchantReferenceId":" A 1 "}"#,
            Ok(
                r#"{"line":7,"kind":"charge","id":"S01-1-1-C1","amount":"14.00","currency":"EUR","reference":"A 1"}"#,
            ),
        );
        check(
            r#"{"line":3,"AmazonCaptureId":"P01-1-1-C1","account":"shop","amount":500,"currency":"JPY"}"#,
            Ok(
                r#"{"line":3,"account":"shop","kind":"capture","id":"P01-1-1-C1","amount":"500","currency":"JPY"}"#,
            ),
        );
        check(
            r#"{"kind":"CHARGE_PERMISSION","id":"a","created_at":"20190714T155300Z","parent":null,"amount":""}"#,
            Ok(r#"{"line":7,"kind":"charge-permission","id":"a","created_at":"2019-07-14T15:53:00Z"}"#),
        );
        check("[]", Err("not a JSON object"));
        check("{", Err("not JSON"));
        check("{}", Err("no id"));
        check(r#"{"id":"a b"}"#, Err("not allowed"));
        check(r#"{"id":"a","amount":"1"}"#, Err("without currency"));
        check(r#"{"id":"a","amount":14.5,"currency":"EUR"}"#, Err("JSON fraction"));
        check(r#"{"id":"a","amount":"1,50","currency":"EUR"}"#, Err("plain decimal"));
        check(r#"{"id":"a","amout":"1"}"#, Err("unknown key \"amout\"; is it amount?; known are"));
        check(r#"{"id":"a","colour":"1"}"#, Err("unknown key \"colour\"; known are"));
        check(r#"{"id":"a","amount":"0.00","currency":"EUR"}"#, Err("amount 0.00 EUR is not above zero"));
        check(r#"{"id":"a","amount":"-14","currency":"EUR"}"#, Err("amount -14.00 EUR is not above zero"));
        check(r#"{"id":"NULL","amount":"1","currency":"EUR"}"#, Err("no id: \"NULL\" stands for none"));
        check(
            r#"{"id":"\u00a0a\u200b","kind":"ChargePermission"}"#,
            Ok(r#"{"line":7,"kind":"charge-permission","id":"a"}"#),
        );
        check(r#"{"id":"a","reference":"A\u202e1"}"#, Err("control character"));
        check(r#"{"id":"a","objectId":"b"}"#, Err("given twice"));
        check(r#"{"id":"a","reference":"x\u0007"}"#, Err("control character"));
        check(r#"{"id":"a","created_at":"yesterday"}"#, Err("not a moment"));
        check(r#"{"id":"a","created_at":"2026-01-31 14:30"}"#, Err("not a moment"));
        check(r#"{"id":"a","parent":["b"]}"#, Err("not text"));
        check(r#"{"id":"a","line":"x"}"#, Err("whole number"));
    }

    #[test]
    fn a_record_of_the_list_says_what_it_was_enrolled_with() {
        let enrolled = r#"{"account":"shop","kind":"charge","id":"S01","amount":"14.00","currency":"EUR","reference":"A-1"}"#;
        let wanted = from_json(enrolled.as_bytes(), 7).unwrap();
        let object = "shop/charge/S01".parse().unwrap();
        let enrolment = crate::payments::record::Enrolment { object, details: wanted.details.clone() };
        let record = Record::enrolled(enrolment, "2026-01-15T09:30:00Z".parse().unwrap());
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(from_json(line.as_bytes(), 7), Ok(wanted));
        check(
            r#"{"object":{"account":"shop","kind":"charge","id":"S01"},"amuont":"1"}"#,
            Err("not a record"),
        );
    }

    #[test]
    fn columns_of_other_things_are_not_taken_for_slips() {
        for name in
            ["note", "updated_at", "created_by", "discount", "count", "state", "payment", "phase", "ip"]
        {
            assert_eq!(meant(name), None, "{name}");
        }
        for (name, expected) in [
            ("amuont", "amount"),
            ("Ammount", "amount"),
            ("curency", "currency"),
            ("chrage_id", "chargeid"),
            ("refrence", "reference"),
        ] {
            assert_eq!(meant(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn no_variant_is_listed_twice_or_spelt_so_that_it_cannot_be_found() {
        for (variant, field, kind) in VARIANTS {
            assert_eq!(meaning(variant), Some(Meaning { field: *field, kind: *kind }), "{variant}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_line_survives_its_own_text(
            id in "[A-Za-z0-9._~-]{1,64}", minor in 0i64..1_000_000, reference in "[ -~]{0,40}",
            line in 1u64..9_000_000_000, second in 0i64..4_000_000_000
        ) {
            let money = Money::parse(&format!("{}.{:02}", minor / 100, minor % 100), "EUR").unwrap();
            let reference = reference.trim();
            let wanted = Wanted {
                line,
                account: None,
                kind: Some(Kind::new("charge").unwrap()),
                id: ObjectId::new(id).unwrap(),
                details: Details {
                    amount: Some(money),
                    merchant_reference: (!reference.is_empty()).then(|| reference.to_owned()),
                    created_at: Some(Timestamp::from_second(second).unwrap()),
                    parent: None,
                },
            };
            prop_assert_eq!(from_json(wanted.to_json().as_bytes(), 1).unwrap(), wanted);
        }

        #[test]
        fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_json(&bytes, 1);
        }
    }
}
