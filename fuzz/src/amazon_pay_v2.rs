//! Answers of Amazon Pay v2.

use std::collections::BTreeSet;

use reconciled::apis::amazon_pay_v2::wire::{ObjectKind, read};
use reconciled::apis::decoding::decode;
use reconciled::http::Response;
use reconciled::payments::observation::Failure;
use rust_decimal::Decimal;

use super::promises::{amounts_stand_in, choice, is_failure, is_sight, numbers};

/// Words of the API.
pub const WORDS: &[&str] = &[
    "\"chargeId\":",
    "\"refundId\":",
    "\"amount\":",
    "\"currencyCode\":",
    "\"statusDetails\":",
    "\"state\":",
    "\"reasonCode\":",
    "\"reasons\":[",
    "null",
    "1E+2",
    "99999999999999999999999999999",
    "-0.00",
    "JPY",
    "KWD",
    "\\u0030",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "00000101T000000Z",
    "20231026T062827Z",
    "\u{feff}",
    "TooManyRequests",
];

const ASKED: [(ObjectKind, &str); 3] = [
    (ObjectKind::Charge, "S03-5890444-1926095-C064126"),
    (ObjectKind::Refund, "S01-5105180-3221187-R022311"),
    (ObjectKind::ChargePermission, "P01-1234567-1234567"),
];

/// The first byte chooses the requested object and whether the status was 2xx; the second line may be a
/// `Retry-After` header.
pub fn answer(data: &[u8]) {
    let Some((which, body)) = choice(data, 6) else { return };
    let (thing, id) = ASKED[which % 3];
    let status = if which < 3 { 200 } else { [400, 404, 429, 500, 503][body.len() % 5] };
    let header: String = body.iter().take(40).map(|byte| char::from(*byte)).collect();
    let headers =
        vec![("retry-after".to_owned(), header.clone()), ("x-amz-pay-request-id".to_owned(), header)];
    let response = Response { status, headers, body: body.to_vec() };
    let now = "2026-01-15T12:00:00Z".parse().expect("a moment");
    match read(thing, id, &response, now) {
        Ok(seen) => {
            assert_eq!(status, 200, "an error was read as an observation");
            assert_eq!(seen.id, id, "the answer is about another object");
            is_sight(&seen);
            amounts_stand_in(&seen, &known_numbers(body), false);
        }
        Err(failure) => {
            is_failure(&failure);
            let is_gone = matches!(failure, Failure::Gone { .. });
            assert!(!is_gone || status == 404, "an object is gone by status {status}");
        }
    }
}

/// The numbers in the body, and those in texts with escapes.
fn known_numbers(body: &[u8]) -> BTreeSet<Decimal> {
    let text = decode(body, None).text;
    let mut known = numbers(text.as_bytes());
    if let Ok(value) = serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        collect(&value, &mut known);
    }
    known
}

fn collect(value: &serde_json::Value, known: &mut BTreeSet<Decimal>) {
    match value {
        serde_json::Value::String(text) => known.extend(numbers(text.as_bytes())),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, known)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| collect(item, known)),
        _ => {}
    }
}
