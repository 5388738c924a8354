//! The objects themselves (sections 4.1, 5 and 6.1).
//!
//! Owns: which field of which object is kept, and under which name. Must never know: statuses, headers.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::payments::money::{Amounts, Money};
use crate::payments::observation::Observation;

use super::Thing;
use super::scalar::{Price, Scalar, timestamp};

/// The longest text that is kept of a field, in characters.
const LONGEST_EVIDENCE: usize = 256;
/// The longest id, state or reason code that is believed, in bytes; the documented ones have at most 50.
const LONGEST_WORD: usize = 128;
/// The most reasons of one state that are believed.
const MOST_REASONS: usize = 16;

/// Every field that is read, of all three objects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
#[derive(Default)]
struct Fields<'a> {
    charge_id: Option<Scalar<'a>>,
    refund_id: Option<Scalar<'a>>,
    charge_permission_id: Option<Scalar<'a>>,
    charge_amount: Option<Scalar<'a>>,
    capture_amount: Option<Scalar<'a>>,
    refunded_amount: Option<Scalar<'a>>,
    refund_amount: Option<Scalar<'a>>,
    converted_amount: Option<Scalar<'a>>,
    limits: Option<Scalar<'a>>,
    status_details: Option<Scalar<'a>>,
    creation_timestamp: Option<Scalar<'a>>,
    expiration_timestamp: Option<Scalar<'a>>,
    release_environment: Option<Scalar<'a>>,
    merchant_metadata: Option<Scalar<'a>>,
    provider_metadata: Option<Scalar<'a>>,
    conversion_rate: Option<Scalar<'a>>,
    channel: Option<Scalar<'a>>,
    charge_initiator: Option<Scalar<'a>>,
    platform_id: Option<Scalar<'a>>,
    charge_permission_type: Option<Scalar<'a>>,
    charge_permission_reference_id: Option<Scalar<'a>>,
    presentment_currency: Option<Scalar<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct StatusDetails<'a> {
    state: Option<Scalar<'a>>,
    reason_code: Option<Scalar<'a>>,
    reason_description: Option<Scalar<'a>>,
    reasons: Option<Scalar<'a>>,
    last_updated_timestamp: Option<Scalar<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Reason<'a> {
    reason_code: Option<Scalar<'a>>,
    reason_description: Option<Scalar<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct MerchantMetadata<'a> {
    merchant_reference_id: Option<Scalar<'a>>,
    merchant_store_name: Option<Scalar<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct ProviderMetadata<'a> {
    provider_reference_id: Option<Scalar<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Limits<'a> {
    amount_limit: Option<Scalar<'a>>,
    amount_balance: Option<Scalar<'a>>,
}

/// Reads the body of a 2xx answer. The error says what is wrong and where, never what stands there.
pub(super) fn read(thing: Thing, body: &[u8]) -> Result<Observation, String> {
    let root: Scalar<'_> = serde_json::from_slice(body).map_err(|error| place("the answer", &error))?;
    let fields: Fields<'_> =
        root.object().ok_or("the answer is not an object")?.map_err(|error| place("the answer", &error))?;
    let (id, parent, amount) = match thing {
        Thing::Charge => {
            (fields.charge_id, fields.charge_permission_id, ("chargeAmount", fields.charge_amount))
        }
        Thing::Refund => (fields.refund_id, fields.charge_id, ("refundAmount", fields.refund_amount)),
        Thing::ChargePermission => (fields.charge_permission_id, None, ("limits", None)),
    };
    let id = word("the id", id.filter(|id| id.is_string()))?.ok_or("the answer has no id of the object")?;
    let mut notes = Notes::default();
    let status: StatusDetails<'_> = part("statusDetails", &fields.status_details)?;
    let state = word("the state", status.state.filter(|state| state.is_string()))?
        .ok_or("the answer has no state")?;
    let reasons = reasons(&status, &mut notes)?;
    // What only describes the order must not hide the state, whatever has become of its form.
    let metadata: MerchantMetadata<'_> =
        part("merchantMetadata", &fields.merchant_metadata).unwrap_or_default();
    let other_amounts = other_amounts(thing, &fields)?;
    let amount = money(amount.0, amount.1)?;
    let named = |name: &str| other_amounts.get(name).copied();
    let amounts = match thing {
        Thing::Charge => Amounts {
            authorized: amount,
            captured: named("captureAmount"),
            refunded: named("refundedAmount"),
        },
        Thing::Refund => Amounts { refunded: amount, ..Amounts::default() },
        Thing::ChargePermission => Amounts::default(),
    };
    keep_facts(&fields, &metadata, &mut notes);
    Ok(Observation {
        id,
        state,
        is_soft_decline: reasons.iter().any(|reason| reason.eq_ignore_ascii_case("SoftDeclined")),
        reasons,
        updated_at: notes.time("lastUpdatedTimestamp", status.last_updated_timestamp),
        created_at: notes.time("creationTimestamp", fields.creation_timestamp),
        expires_at: notes.time("expirationTimestamp", fields.expiration_timestamp),
        amount,
        amounts,
        other_amounts,
        merchant_reference: metadata.merchant_reference_id.and_then(Scalar::text).map(shortened),
        parent: word("the parent's id", parent)?,
        children: Vec::new(),
        environment: word("releaseEnvironment", fields.release_environment)?,
        evidence: notes.0,
        request_id: None,
        marks: Vec::new(),
    })
}

/// What serde_json has to say, without the text it says it about.
fn place(what: &str, error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Syntax => "is not JSON",
        serde_json::error::Category::Data | serde_json::error::Category::Io => "has not the expected form",
    };
    format!("{what} {kind} (line {}, column {})", error.line(), error.column())
}

/// A part that may be absent or null; anything but an object in its place is an error.
fn part<'a, T: Deserialize<'a> + Default>(name: &str, value: &'a Option<Scalar<'a>>) -> Result<T, String> {
    let Some(value) = value.as_ref().filter(|value| !value.is_null()) else { return Ok(T::default()) };
    let read = value.object().ok_or_else(|| format!("{name} is not an object"))?;
    read.map_err(|error| place(name, &error))
}

/// An id or a word of Amazon's vocabulary: kept letter for letter, but not at any length.
fn word(name: &str, value: Option<Scalar<'_>>) -> Result<Option<String>, String> {
    let text = value.and_then(Scalar::text);
    match &text {
        Some(long) if long.len() > LONGEST_WORD => Err(format!("{name} is longer than any word")),
        _ => Ok(text),
    }
}

/// The one `reasonCode` of charges and refunds, or the list of a charge permission (section 3).
fn reasons(status: &StatusDetails<'_>, notes: &mut Notes) -> Result<Vec<String>, String> {
    let name = "statusDetails.reasons";
    let listed: Vec<Reason<'_>> = match status.reasons.as_ref().filter(|value| !value.is_null()) {
        None => Vec::new(),
        Some(value) => value
            .list()
            .ok_or_else(|| format!("{name} is not a list"))?
            .map_err(|error| place(name, &error))?,
    };
    if listed.len() > MOST_REASONS {
        return Err(format!("{name} has more than {MOST_REASONS} entries"));
    }
    let single = Reason { reason_code: status.reason_code, reason_description: status.reason_description };
    let mut codes: Vec<String> = Vec::new();
    for reason in std::iter::once(&single).chain(&listed) {
        if let Some(code) = word("reasonCode", reason.reason_code)?
            && !codes.contains(&code)
        {
            codes.push(code);
        }
        notes.keep("reasonDescription", reason.reason_description);
    }
    Ok(codes)
}

/// An amount that decides something must be read exactly, or the whole answer is not believed.
fn money(name: &str, value: Option<Scalar<'_>>) -> Result<Option<Money>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let price: Price<'_> = value
        .object()
        .ok_or_else(|| format!("{name} is not an amount with a currency"))?
        .map_err(|error| place(name, &error))?;
    price.money().transpose().map_err(|_| format!("{name} cannot be read exactly"))
}

fn other_amounts(thing: Thing, fields: &Fields<'_>) -> Result<BTreeMap<String, Money>, String> {
    let limits: Limits<'_> = match thing {
        Thing::ChargePermission => part("limits", &fields.limits)?,
        Thing::Charge | Thing::Refund => Limits::default(),
    };
    let named = match thing {
        Thing::Charge => {
            vec![("captureAmount", fields.capture_amount), ("refundedAmount", fields.refunded_amount)]
        }
        Thing::Refund => Vec::new(),
        Thing::ChargePermission => {
            vec![("amountLimit", limits.amount_limit), ("amountBalance", limits.amount_balance)]
        }
    };
    let mut amounts = BTreeMap::new();
    for (name, value) in named {
        if let Some(amount) = money(name, value)? {
            amounts.insert(name.to_owned(), amount);
        }
    }
    Ok(amounts)
}

fn keep_facts(fields: &Fields<'_>, metadata: &MerchantMetadata<'_>, notes: &mut Notes) {
    let provider: ProviderMetadata<'_> =
        part("providerMetadata", &fields.provider_metadata).unwrap_or_default();
    for (name, value) in [
        ("channel", fields.channel),
        ("chargeInitiator", fields.charge_initiator),
        ("chargePermissionReferenceId", fields.charge_permission_reference_id),
        ("chargePermissionType", fields.charge_permission_type),
        ("conversionRate", fields.conversion_rate),
        ("merchantStoreName", metadata.merchant_store_name),
        ("platformId", fields.platform_id),
        ("presentmentCurrency", fields.presentment_currency),
        ("providerReferenceId", provider.provider_reference_id),
    ] {
        notes.keep(name, value);
    }
    // The guide shows a bare number here, recorded answers a price: told, not counted with.
    let converted = fields.converted_amount.as_ref();
    match converted.and_then(|value| value.object::<Price<'_>>()) {
        Some(Ok(price)) => {
            if let Some(Ok(converted)) = price.money() {
                notes.0.insert("convertedAmount".to_owned(), converted.to_string());
            }
        }
        Some(Err(_)) => {}
        None => notes.keep("convertedAmount", fields.converted_amount),
    }
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST_EVIDENCE { text } else { text.chars().take(LONGEST_EVIDENCE).collect() }
}

/// Fields kept as text under Amazon's names.
#[derive(Default)]
struct Notes(BTreeMap<String, String>);

impl Notes {
    fn keep(&mut self, name: &str, value: Option<Scalar<'_>>) {
        if let Some(text) = value.and_then(Scalar::text) {
            self.0.insert(name.to_owned(), shortened(text));
        }
    }

    /// A time; one that cannot be read is kept as text.
    fn time(&mut self, name: &str, value: Option<Scalar<'_>>) -> Option<jiff::Timestamp> {
        let read = timestamp(&value.and_then(Scalar::text)?);
        if read.is_none() {
            self.keep(name, value);
        }
        read
    }
}
