//! The request for an order's status, and its answer (docs/src/reference/aps.md, sections 5.1, 5.2 and 5.5).
//!
//! Owns: what each field means, and which answer is a failure. Must never know: the network, the clock,
//! what a state means. The customer's and the card's fields are never read.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::code::{Blame, Code};
use super::config::Settings;
use super::sign::{Parameters, SIGNATURE, Signer, parameters_of};
use crate::apis::marks::{Marks, Oddity};
use crate::apis::transport::failure_of_status;
use crate::payments::money::{Amounts, Currency, Money};
use crate::payments::object::ObjectId;
use crate::payments::observation::{Failure, Observation};
use crate::text::sha256;

/// The most bytes of an answer about one order; the documented fields have fewer than 2,000.
pub const LONGEST_BODY_BYTES: usize = 64 * 1024;
/// The longest merchant reference (section 5.1).
pub const LONGEST_REFERENCE: usize = 40;
/// The longest text that is kept as evidence (section 5.2).
const LONGEST_TEXT: usize = 150;

/// "Order not found" (section 5.4).
const NOT_FOUND: &str = "036";
/// The query itself was answered (section 5.2).
const ANSWERED: &str = "12000";

/// Fields that are kept unchanged. All others, including the customer's and the card's, are not kept.
const EVIDENCE: [&str; 12] = [
    "fort_id",
    "response_code",
    "transaction_status",
    "transaction_code",
    "transaction_message",
    "authorized_amount",
    "captured_amount",
    "refunded_amount",
    "currency",
    "processor_response_code",
    "acquirer_response_code",
    "reconciliation_reference",
];

/// Required fields, and fields that say whose answer it is.
const NEEDED: [&str; 9] = [
    SIGNATURE,
    "access_code",
    "merchant_identifier",
    "response_code",
    "merchant_reference",
    "transaction_code",
    "transaction_status",
    "batch_reference",
    "batch_id",
];

const TOTALS: [&str; 3] = ["authorized_amount", "captured_amount", "refunded_amount"];

const VERIFIED: &str = "verified";

/// The parameters of every request that identify the caller.
pub fn caller(settings: &Settings) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, value) in [
        ("access_code", settings.access_code.as_str()),
        ("merchant_identifier", &settings.merchant_identifier),
        ("language", settings.language),
    ] {
        parameters.insert(name.to_owned(), value.to_owned());
    }
    parameters
}

/// The signed request for one order, by the merchant's reference (section 5.1).
pub fn question(settings: &Settings, id: &ObjectId) -> Parameters {
    let mut parameters = caller(settings);
    parameters.insert("query_command".to_owned(), "CHECK_STATUS".to_owned());
    parameters.insert("merchant_reference".to_owned(), id.as_str().to_owned());
    settings.request_signer.signed(parameters)
}

/// Parameters as a JSON body, with keys in order and every value a string (section 4.1, "Numbers in JSON").
pub fn json_body(parameters: &Parameters) -> Vec<u8> {
    let fields: Map<String, Value> =
        parameters.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    Value::Object(fields).to_string().into_bytes()
}

/// What a status other than 2xx means. Business errors come with status 200 (section 1), so a 404 means that the
/// address is wrong and says nothing about an order.
pub fn refusal_of_status(status: u16, retry_after: Option<Duration>) -> Failure {
    let detail = format!("HTTP {status}");
    match status {
        404 | 405 | 410 => Failure::Refused {
            is_whole_account: true,
            detail: format!("{detail}: is the endpoint's address right?"),
        },
        _ => failure_of_status(status, retry_after, detail),
    }
}

/// An answer about this account whose signature, if it has one, is genuine.
#[derive(Debug)]
pub struct Opened {
    /// Its fields.
    pub fields: Map<String, Value>,
    /// Whether it has a signature.
    pub is_signed: bool,
    /// What is odd about it.
    pub marks: Marks,
}

/// A JSON object that also records duplicate names.
struct Fields {
    /// The last value of each name.
    last: Map<String, Value>,
    /// Names that appear more than once, and whether all their values are the same.
    repeated: BTreeMap<String, bool>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields { last: Map::new(), repeated: BTreeMap::new() };
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if let Some(before) = fields.last.insert(name.clone(), value) {
                        let is_same = fields.last.get(&name) == Some(&before);
                        *fields.repeated.entry(name).or_insert(true) &= is_same;
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Opens an answer to any command.
///
/// # Errors
/// What is wrong with it, in words without its text.
pub fn open(body: &[u8], signer: &Signer, settings: &Settings) -> Result<Opened, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    let Fields { last: mut fields, repeated } = serde_json::from_str(text)
        .map_err(|error| format!("it is not a JSON object, line {}", error.line()))?;
    let signature = fields.get(SIGNATURE);
    if let Some(signature) = signature {
        let signature = signature.as_str().unwrap_or_default();
        if !signer.is_genuine(&parameters_of(&fields), signature) {
            return Err("its signature does not match the response phrase".to_owned());
        }
    }
    let is_signed = signature.is_some();
    let mut marks = Marks::default();
    for (name, is_same) in repeated {
        if !NEEDED.contains(&name.as_str()) && !EVIDENCE.contains(&name.as_str()) {
            continue;
        }
        if !is_same && NEEDED.contains(&name.as_str()) {
            return Err(format!("{name} appears more than once, with two values"));
        }
        if !is_same {
            fields.remove(&name);
        }
        marks.add(Oddity::DuplicateField, format!("In the answer, {name} stands more than once."));
    }
    for (name, own) in
        [("access_code", &settings.access_code), ("merchant_identifier", &settings.merchant_identifier)]
    {
        if text_of(&fields, name).is_some_and(|theirs| theirs != *own) {
            return Err(format!("its {name} belongs to another account"));
        }
    }
    Ok(Opened { fields, is_signed, marks })
}

/// Reads an answer to CHECK_STATUS that came with status 200. With `must_be_signed`, an answer without a signature is
/// refused; otherwise it gets a mark.
///
/// # Errors
/// [`Failure::Gone`] when the order is not known, [`Failure::Refused`] and [`Failure::Transient`] when the
/// query failed (which says nothing about the payment), [`Failure::Garbled`] when the answer is not valid.
pub fn read(
    settings: &Settings,
    asked: &ObjectId,
    body: &[u8],
    must_be_signed: bool,
) -> Result<Observation, Failure> {
    let garbled = |detail: String| Failure::Garbled { detail: format!("HTTP 200, {detail}") };
    let mut opened = open(body, &settings.response_signer, settings).map_err(garbled)?;
    let outcome = code(&opened.fields, "response_code").map_err(garbled)?;
    if !opened.is_signed {
        if must_be_signed {
            return Err(garbled("it has no signature, but this account's answers are signed".to_owned()));
        }
        opened.marks.add(Oddity::Unsigned, "The answer has no signature: nobody can tell who wrote it.");
    }
    if outcome.as_str() != ANSWERED {
        return Err(failure(&outcome));
    }
    let observation = observe(settings, asked, opened).map_err(garbled)?;
    Ok(Observation { answer_sha256: Some(sha256(body)), ..observation })
}

/// What a failure of the query itself means. It says nothing about a payment (section 5.5).
pub fn failure(outcome: &Code) -> Failure {
    let detail = format!("response_code {outcome}");
    if outcome.message() == NOT_FOUND {
        return Failure::Gone { detail };
    }
    match outcome.blame() {
        Blame::Account => Failure::Refused { is_whole_account: true, detail },
        Blame::Caller | Blame::Nobody => Failure::Refused { is_whole_account: false, detail },
        Blame::Provider => Failure::Transient { detail },
    }
}

fn observe(settings: &Settings, asked: &ObjectId, opened: Opened) -> Result<Observation, String> {
    let Opened { fields, mut marks, .. } = opened;
    let fields = &fields;
    let reference = text_of(fields, "merchant_reference").ok_or("merchant_reference is missing")?;
    if reference != asked.as_str() {
        return Err("it is about another order than the requested one".to_owned());
    }
    let transaction = code(fields, "transaction_code")?;
    if let Some(status) = text_of(fields, "transaction_status")
        && status != transaction.status()
    {
        return Err("transaction_status and transaction_code contradict each other".to_owned());
    }
    let (state, reason) = transaction.state_and_reason();
    let (amount, other_amounts) = amounts(settings, fields, &mut marks);
    check_total(transaction.as_str(), fields, &mut marks);
    Ok(Observation {
        id: reference.clone(),
        state: state.to_owned(),
        reasons: reason.map(str::to_owned).into_iter().collect(),
        updated_at: None,
        created_at: None,
        expires_at: None,
        amount,
        amounts: Amounts {
            authorized: other_amounts.get("authorized_amount").copied(),
            captured: other_amounts.get("captured_amount").copied(),
            refunded: other_amounts.get("refunded_amount").copied(),
        },
        other_amounts,
        merchant_reference: Some(reference),
        parent: None,
        children: Vec::new(),
        is_soft_decline: false,
        environment: None,
        evidence: evidence(fields),
        request_id: None,
        answer_sha256: None,
        marks: marks.into_list(),
    })
}

/// The order's amount and totals. The order's amount is the authorized amount, or else the captured one. Without a
/// currency, or with a currency whose decimals the provider's own tools count differently, the totals stay evidence.
/// So does a total that is not a whole number.
fn amounts(
    settings: &Settings,
    fields: &Map<String, Value>,
    marks: &mut Marks,
) -> (Option<Money>, BTreeMap<String, Money>) {
    let told = match text_of(fields, "currency").map(|word| word.parse()) {
        Some(Err(_)) => {
            marks.add(Oddity::UnreadableField, "In the answer, currency cannot be read.");
            None
        }
        Some(Ok(currency)) => Some(currency),
        None => settings.currency,
    };
    let currency = told.filter(|currency| !is_disputed(*currency));
    let mut totals = BTreeMap::new();
    for name in TOTALS {
        let text = text_of(fields, name);
        let is_odd = text.is_none() && fields.get(name).is_some_and(|value| !is_nothing(value));
        let text = text.unwrap_or_default();
        if is_odd || !(text.is_empty() || is_whole(text.strip_prefix('-').unwrap_or(&text))) {
            marks.add(Oddity::UnreadableField, format!("In the answer, {name} cannot be read."));
        } else if text.starts_with('-') {
            marks.add(Oddity::NegativeAmount, format!("In the answer, {name} is less than nothing."));
        } else if let Some(money) = currency.and_then(|currency| from_minor(&text, currency)) {
            totals.insert(name.to_owned(), money);
        }
    }
    let above_zero = |name: &str| totals.get(name).copied().filter(|money| !money.amount.is_zero());
    (above_zero("authorized_amount").or_else(|| above_zero("captured_amount")), totals)
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A successful operation has moved something, so a total of zero contradicts it.
fn check_total(transaction: &str, fields: &Map<String, Value>, marks: &mut Marks) {
    let name = match transaction {
        "02000" => "authorized_amount",
        "04000" | "14000" => "captured_amount",
        "06000" => "refunded_amount",
        _ => return,
    };
    if text_of(fields, name).is_some_and(|text| text.bytes().all(|byte| byte == b'0')) {
        marks.add(Oddity::ZeroAmount, format!("The operation is said to have gone well, and {name} is 0."));
    }
}

/// Currencies whose decimals the provider's tools count differently from ISO 4217 (section 3.3).
pub fn is_disputed(currency: Currency) -> bool {
    matches!(currency.as_str(), "XOF" | "XPF" | "UYI" | "UYW")
}

fn is_whole(text: &str) -> bool {
    (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An amount in the currency's smallest unit, at most 18 digits.
pub fn from_minor(text: &str, currency: Currency) -> Option<Money> {
    let minor: i64 = is_whole(text).then(|| text.parse().ok())??;
    Money::new(Decimal::new(minor, currency.exponent()), currency).ok()
}

/// Whether the answer had a signature. If so, it was genuine.
pub fn is_signed(seen: &Observation) -> bool {
    seen.evidence.get(SIGNATURE).is_some_and(|seal| seal == VERIFIED)
}

fn evidence(fields: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut evidence = BTreeMap::new();
    for name in EVIDENCE {
        if let Some(text) = text_of(fields, name) {
            let kept = text.chars().take(LONGEST_TEXT).collect();
            evidence.insert(name.to_owned(), kept);
        }
    }
    let seal = if fields.contains_key(SIGNATURE) { VERIFIED } else { "absent" };
    evidence.insert(SIGNATURE.to_owned(), seal.to_owned());
    evidence
}

/// A required code.
///
/// # Errors
/// When it is missing or not five digits.
pub fn code(fields: &Map<String, Value>, name: &str) -> Result<Code, String> {
    let text = text_of(fields, name).ok_or_else(|| format!("{name} is missing"))?;
    Code::new(&text).map_err(|problem| format!("{name}: {problem}"))
}

/// A field's text, or its number as text. None for an empty field.
pub fn text_of(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match fields.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[path = "wire/tests.rs"]
pub(super) mod tests;
