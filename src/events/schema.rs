//! JSON Schema (2020-12) of each type of event.
//!
//! Owns: the description of a body. Must never know: how one is made. Pure.

use serde_json::{Value, json};

use super::body::FORMAT;
use super::types;

/// The schema of the plain body of a type; none if there is no such type. The `data` of a CloudEvent is the same.
pub fn of(event_type: &str) -> Option<Value> {
    let data = match event_type {
        types::TEST => trial(),
        other if types::all().iter().any(|known| known == other) => change(other),
        _ => return None,
    };
    Some(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type,
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": event_type},
            "timestamp": time("When it happened: the provider's time, or else when it was found."),
            "data": data,
        },
    }))
}

fn trial() -> Value {
    json!({
        "type": "object",
        "required": ["receiver", "text"],
        "properties": {"receiver": {"type": "string"}, "text": {"type": "string"}},
    })
}

fn change(event_type: &str) -> Value {
    let (kind, word) = event_type.split_once('.').unwrap_or((event_type, ""));
    let is_doubted = [types::QUARANTINED, types::UNKNOWN_STATE].contains(&word);
    let doubt = json!({
        "type": "object",
        "description": "Why the provider's answer is not believed, and the state in it, word for word.",
        "required": ["cause", "state"],
        "properties": {"cause": {"type": "string"}, "state": {"type": ["string", "null"]}},
    });
    let amount =
        text_or_null("An exact decimal number in the currency's main unit.", r"^-?[0-9]+(\.[0-9]+)?$");
    let currency = text_or_null("ISO 4217.", "^[A-Z]{3}$");
    let money = json!({
        "type": ["object", "null"],
        "required": ["amount", "currency"],
        "properties": {
            "amount": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        },
    });
    let state = match word {
        types::QUARANTINED | types::UNKNOWN_STATE => json!({"type": ["string", "null"]}),
        _ => json!({"type": "string"}),
    };
    let outcome = match is_doubted {
        true => json!({"const": "undecided"}),
        false => {
            json!({"enum": ["undecided", "open", "succeeded", "closed", "declined", "canceled"]})
        }
    };
    let properties = json!({
        "format": {"const": FORMAT},
        "account": {"type": "string"},
        "environment": {"enum": ["live", "sandbox"]},
        "kind": {"const": kind.replace('_', "-")},
        "id": {"type": "string", "minLength": 1},
        "sequence": {"type": "integer", "minimum": 1, "description": "The event's place among those of its object."},
        "previous_state": {"type": ["string", "null"]},
        "state": state,
        "reason_codes": {"type": "array", "items": {"type": "string"}},
        "phase": {"enum": ["moving", "resting", "final"]},
        "is_final": if is_doubted { json!({"const": false}) } else { json!({"type": "boolean"}) },
        "outcome": outcome,
        "doubt": if is_doubted { doubt } else { json!({"type": "null"}) },
        "amount": amount,
        "currency": currency,
        "amounts": {
            "type": "object",
            "required": ["authorized", "captured", "refunded"],
            "properties": {"authorized": money, "captured": money, "refunded": money},
        },
        "reference": {"type": ["string", "null"]},
        "parent": {"type": ["string", "null"]},
        "state_changed_at": {"type": ["string", "null"], "format": "date-time"},
        "found_at": time("When it was found."),
    });
    let required: Vec<String> =
        properties.as_object().map(|known| known.keys().cloned().collect()).unwrap_or_default();
    json!({"type": "object", "required": required, "properties": properties})
}

fn time(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn text_or_null(description: &str, pattern: &str) -> Value {
    json!({"type": ["string", "null"], "pattern": pattern, "description": description})
}
