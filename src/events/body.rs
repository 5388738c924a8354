//! The bytes of an event and its id.
//!
//! Owns: the names of the fields, which are those of `list --json` wherever both say the same. Must never know: a
//! receiver's address, how an event is delivered. Pure.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::types;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::change::Change;
use crate::payments::event::Event;
use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::record::Cause;
use crate::text;
use crate::webhook::event_id;

/// The version of the field `data`. It grows when a field changes its meaning or goes; new fields do not change it.
pub const FORMAT: u32 = 1;

/// The longest text of the provider's, in bytes of JSON. With the most reasons there are fifteen such texts, so a body
/// stays below the 20 kB of section 2.1 of docs/src/reference/operations.md.
const TEXT_LIMIT: usize = 1_100;
/// The maximum number of reasons.
const REASONS_LIMIT: usize = 10;

/// The form of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `type`, `timestamp` and `data`, as Standard Webhooks recommends.
    #[default]
    Plain,
    /// CloudEvents 1.0 in structured mode.
    CloudEvents,
}

impl Format {
    /// The media type of such a body.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Plain => "application/json; charset=utf-8",
            Format::CloudEvents => "application/cloudevents+json; charset=utf-8",
        }
    }

    fn write(self, envelope: &Envelope<'_>, data: Value) -> String {
        let Envelope { id, event_type, source, subject, at } = envelope;
        let body = match self {
            Format::Plain => json!({"type": event_type, "timestamp": at.to_string(), "data": data}),
            Format::CloudEvents => json!({
                "specversion": "1.0",
                "id": id,
                "source": format!("/reconciled/{source}"),
                "type": format!("reconciled.{event_type}"),
                "subject": subject,
                "time": at.to_string(),
                "datacontenttype": "application/json",
                "data": data,
            }),
        };
        text::json(&body.to_string()).into_owned()
    }
}

/// What surrounds the data.
struct Envelope<'a> {
    id: &'a str,
    event_type: &'a str,
    source: String,
    subject: String,
    at: Timestamp,
}

/// The event of a change, as the outbox holds it, for a target; none if the change is no event.
pub fn made(change: &Change<'_>, format: Format, target: &str) -> Option<Alert> {
    let event_type = types::of(change)?;
    let Change { record, row, earlier, .. } = *change;
    let (object, id) = (&row.object, id(change, &event_type));
    let sequence = 1 + earlier.iter().filter(|row| types::is_event(row)).count() as u64;
    let envelope = Envelope {
        id: &id,
        event_type: &event_type,
        source: object.account.to_string(),
        subject: format!("{}/{}", object.kind, object.id),
        at: row.happened_at,
    };
    let body = format.write(&envelope, data(change, sequence));
    Some(Alert {
        key: format!("{target}/{object}/{sequence:010}"),
        object: Some(object.clone()),
        merchant_reference: record.merchant_reference().map(str::to_owned),
        amount: row.amount,
        amounts: row.amounts,
        state: Some(row.to.clone()),
        reason: row.reasons.first().cloned(),
        occurred_at: row.happened_at,
        event: Some(Box::new(Event { id, sequence, media_type: format.media_type().to_owned(), body })),
        ..Alert::new(AlertKind::from(event_type), "", Severity::Info, &object.account, row.seen_at)
    })
}

/// The body and the id of a message that only tries a receiver.
pub fn trial(format: Format, receiver: &str, now: Timestamp) -> Event {
    let id = event_id(&format!("{}/{receiver}/{now}", types::TEST));
    let envelope = Envelope {
        id: &id,
        event_type: types::TEST,
        source: "test".to_owned(),
        subject: receiver.to_owned(),
        at: now,
    };
    let data =
        json!({"receiver": receiver, "text": "A test of reconciled. Nothing happened to any payment."});
    let body = format.write(&envelope, data);
    Event { id, sequence: 0, media_type: format.media_type().to_owned(), body }
}

/// When the provider says that the reported answer was current.
fn provider_time(change: &Change<'_>) -> Option<Timestamp> {
    let record = change.record;
    let doubted = record.quarantine.as_ref().and_then(|quarantine| quarantine.evidence.as_ref());
    let believed = record.observed.as_ref().map(|observed| &observed.observation);
    doubted.or(believed).and_then(|seen| seen.updated_at)
}

/// Derived from account, object, type, state and the provider's time, with reasons and amounts, which can change while
/// the other facts stay. What only we know (a doubt, its end) has our own time in its place, and so has a state that the
/// provider does not date, unless it is the last one: an object can enter others again.
fn id(change: &Change<'_>, event_type: &str) -> String {
    let row = change.row;
    let is_dated_by_provider =
        change.record.quarantine.is_none() && matches!(row.cause(), Cause::Polled | Cause::Changed);
    let time = match provider_time(change) {
        Some(at) if is_dated_by_provider => at.to_string(),
        None if is_dated_by_provider && row.phase == Phase::Final => String::new(),
        _ => row.seen_at.to_string(),
    };
    let amounts = row_amounts(change).to_string();
    let facts = [&row.object.to_string(), event_type, &row.to, &time, &row.reasons.join(","), &amounts];
    event_id(&facts.join("\u{1f}"))
}

/// What is believed about the object's money, apart from each other.
fn row_amounts(change: &Change<'_>) -> Value {
    let amounts = change.record.observed.as_ref().map(|seen| seen.observation.amounts).unwrap_or_default();
    let priced = |money: crate::payments::money::Money| json!({"amount": money.amount_text(), "currency": money.currency});
    json!({
        "authorized": amounts.authorized.map(priced),
        "captured": amounts.captured.map(priced),
        "refunded": amounts.refunded.map(priced),
    })
}

fn data(change: &Change<'_>, sequence: u64) -> Value {
    let Change { record, row, is_sandbox, .. } = *change;
    let quarantine = record.quarantine.as_ref();
    let seen = record.observed.as_ref().map(|observed| &observed.observation);
    let parent = record.details.parent.as_ref().or(seen.and_then(|seen| seen.parent.as_ref()));
    let amount = record.amount();
    let doubt = quarantine.map(|quarantine| {
        let shown = quarantine.evidence.as_ref().map(|seen| cut(&seen.state));
        json!({"cause": quarantine.cause, "state": shown})
    });
    let is_sure = quarantine.is_none();
    json!({
        "format": FORMAT,
        "account": row.object.account,
        "environment": if is_sandbox { "sandbox" } else { "live" },
        "kind": row.object.kind,
        "id": row.object.id,
        "sequence": sequence,
        "previous_state": row.from.as_deref().map(cut),
        "state": record.state().map(cut),
        "reason_codes": row.reasons.iter().take(REASONS_LIMIT).map(|reason| cut(reason)).collect::<Vec<_>>(),
        "phase": record.phase(),
        "is_final": is_sure && record.phase() == Phase::Final,
        "outcome": if is_sure { row.outcome } else { Outcome::Undecided },
        "doubt": doubt,
        "amount": amount.map(|money| money.amount_text()),
        "currency": amount.map(|money| money.currency),
        "amounts": row_amounts(change),
        "reference": record.merchant_reference().map(cut),
        "parent": parent.map(|parent| cut(parent)),
        "state_changed_at": provider_time(change).map(|at| at.to_string()),
        "found_at": row.seen_at.to_string(),
    })
}

fn cut(text: &str) -> String {
    let mut length = 0;
    let fits = |letter: &char| {
        length += longest_in_json(*letter);
        length <= TEXT_LIMIT
    };
    text.chars().take_while(fits).collect()
}

/// The most bytes that a letter may have in JSON: an escape has six, and letters beyond the first plane need two.
fn longest_in_json(letter: char) -> usize {
    match letter {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        _ => 6 * letter.len_utf16(),
    }
}

#[cfg(test)]
pub(super) mod tests;
