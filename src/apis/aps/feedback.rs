//! Feedback: what the provider posts after a payment and after later changes (docs/src/reference/aps.md, section 5.6).
//!
//! Owns: its two forms (JSON and form fields), its signature, what it announces. Must never know: the network, storage.
//!
//! The text that is signed joins names and values without bounds, so a genuine signature also fits parameters that were
//! cut in other places. Such a message is refused as `recut` if a documented parameter is hidden in a name or in a
//! value. And the signature itself identifies a message, so one that was cut in a way that is not noticed counts as the
//! same message.

use std::time::Duration;

use serde_json::{Map, Value};

use super::sign::{self, Parameters, SIGNATURE};
use super::{Aps, ORDER};
use crate::apis::aps::config::Settings;
use crate::apis::notifications::{
    Envelope, Hint, Notification, Notifier, OTHER_ACCOUNT, Refused, UNREADABLE,
};
use crate::payments::object::{Kind, ObjectId};

/// Ten more tries, ten seconds apart; support can change both.
const REDELIVERED_FOR: Duration = Duration::from_secs(86_400);
/// The most parameters of one message. Those on record have some 30.
const MOST_PARAMETERS: usize = 200;

const RECUT: Refused = Refused::because("recut");
const WRONG_SIGNATURE: Refused = Refused::because("wrong_signature");
const MISSING_FIELD: Refused = Refused::because("missing_field");

/// The names of documented parameters of feedback.
const KNOWN: &[&str] = &[
    "access_code",
    "acquirer_response_code",
    "amount",
    "authorization_code",
    "authorized_amount",
    "captured_amount",
    "card_holder_name",
    "card_number",
    "command",
    "currency",
    "customer_email",
    "customer_ip",
    "customer_name",
    "eci",
    "expiry_date",
    "fort_id",
    "language",
    "maintenance_reference",
    "merchant_extra",
    "merchant_identifier",
    "merchant_reference",
    "order_description",
    "payment_option",
    "phone_number",
    "processor_response_code",
    "query_command",
    "reconciliation_reference",
    "refunded_amount",
    "remember_me",
    "response_code",
    "response_message",
    "return_url",
    "service_command",
    "settlement_reference",
    "status",
    "token_name",
    "transaction_code",
    "transaction_message",
    "transaction_status",
];

impl Notifier for Aps {
    fn envelope(&self) -> Envelope {
        Envelope::Own
    }

    fn read(&self, text: &[u8], media_type: &str) -> Result<Notification, Refused> {
        read(&self.settings, text, media_type)
    }

    fn redelivered_for(&self) -> Duration {
        REDELIVERED_FOR
    }

    fn announced_kinds(&self) -> &'static [&'static str] {
        &[ORDER]
    }

    fn where_to_paste(&self) -> &'static str {
        "the back office, Integration Settings, Technical Settings of the active channel: both feedback addresses"
    }

    fn refused_example(&self) -> (&'static str, Vec<u8>) {
        let body = r#"{"merchant_reference":"reconciled-check","response_code":"00000","signature":"00"}"#;
        ("application/json", body.as_bytes().to_vec())
    }
}

fn read(settings: &Settings, text: &[u8], media_type: &str) -> Result<Notification, Refused> {
    let parameters = parameters(text, media_type)?;
    let value = |name: &str| parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let signature = value(SIGNATURE).ok_or(Refused::because("unsigned"))?;
    if !settings.response_signer.is_genuine(&parameters, signature) {
        return Err(WRONG_SIGNATURE);
    }
    if is_recut(&parameters) {
        return Err(RECUT);
    }
    let is_other = |name: &str, own: &str| value(name).is_some_and(|named| named != own);
    if is_other("merchant_identifier", &settings.merchant_identifier)
        || is_other("access_code", &settings.access_code)
    {
        return Err(OTHER_ACCOUNT);
    }
    value("response_code").ok_or(MISSING_FIELD)?;
    let reference = value("merchant_reference").ok_or(MISSING_FIELD)?;
    let id = ObjectId::new(reference).map_err(|_| UNREADABLE)?;
    let kind = Kind::new(ORDER).expect("it consists of lower-case letters and a dash");
    Ok(Notification {
        key: Some(signature.trim().to_ascii_lowercase()),
        hints: vec![Hint { kind, id, wakes: None }],
        ..Notification::default()
    })
}

/// Whether the signed text also has other parameters, cut in another place: a known one that would stand exactly there
/// in the signed order, and is missing.
fn is_recut(parameters: &Parameters) -> bool {
    let signed: Vec<(&String, &String)> = parameters.iter().filter(|(name, _)| *name != SIGNATURE).collect();
    signed.iter().enumerate().any(|(place, (name, value))| {
        let (before, after) = (place.checked_sub(1).map(|before| signed[before].0), signed.get(place + 1));
        let could_stand = |hidden: &str, before: Option<&str>| {
            !parameters.contains_key(hidden)
                && before.is_none_or(|before| before < hidden)
                && after.is_none_or(|(after, _)| hidden < after.as_str())
        };
        let is_plain =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_known = KNOWN.contains(&name.as_str());
        let in_name = || {
            let before = before.map(String::as_str);
            KNOWN.iter().any(|known| name.ends_with(known) && could_stand(known, before))
        };
        let in_value = || {
            value.match_indices('=').any(|(at, _)| {
                KNOWN.iter().any(|known| value[..at].ends_with(known) && could_stand(known, Some(name)))
            })
        };
        !is_plain || (!is_known && in_name()) || in_value()
    })
}

/// JSON or form fields, whatever the media type says: both are seen with either.
fn parameters(text: &[u8], media_type: &str) -> Result<Parameters, Refused> {
    let json = || serde_json::from_slice::<OnceEach>(text).ok().map(|OnceEach(fields)| fields);
    let is_form = media_type == "application/x-www-form-urlencoded";
    let fields = if is_form { form(text).or_else(json) } else { json().or_else(|| form(text)) };
    fields.filter(|fields| fields.len() <= MOST_PARAMETERS).ok_or(UNREADABLE)
}

/// The fields of a form; none if one appears twice or it is no form.
fn form(text: &[u8]) -> Option<Parameters> {
    let text = std::str::from_utf8(text).ok()?;
    let mut fields = Parameters::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        if fields.insert(unescaped(name)?, unescaped(value)?).is_some() {
            return None;
        }
    }
    (!fields.is_empty()).then_some(fields)
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The fields of a JSON object. None may appear twice.
struct OnceEach(Parameters);

impl<'de> serde::Deserialize<'de> for OnceEach {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<OnceEach, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OnceEach;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<OnceEach, A::Error> {
                let mut fields = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a field appears twice"));
                    }
                }
                Ok(OnceEach(sign::parameters_of(&fields)))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
#[path = "feedback/tests.rs"]
mod tests;
