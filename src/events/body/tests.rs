//! What an event says, and what its id depends on.

use proptest::prelude::*;

use super::*;
use crate::payments::money::{Amounts, Money};
use crate::payments::observation::Observation;
use crate::payments::record::{Enrolment, Observed, Quarantine, Record, Transition};

/// A poll's answer at 09:30 that shows this state. The provider says that it began at 09:00.
pub(in crate::events) fn seen(state: &str) -> Observation {
    let text = json!({
        "id": "S01-1", "state": state, "reasons": [], "updated_at": "2026-01-15T09:00:00Z", "created_at": null,
        "expires_at": null, "amount": {"amount": "14.00", "currency": "EUR"}, "other_amounts": {},
        "merchant_reference": "ORDER-1", "parent": null, "children": [], "is_soft_decline": false,
        "environment": null, "evidence": {}, "request_id": null,
    });
    serde_json::from_value(text).unwrap()
}

/// A record that shows this state, and the row of the poll that found it.
pub(in crate::events) fn found(
    from: Option<&str>,
    state: &str,
    phase: Phase,
    outcome: Outcome,
) -> (Record, Transition) {
    let now = "2026-01-15T09:30:00Z".parse().unwrap();
    let object = "shop-de/charge/S01-1".parse().unwrap();
    let mut record = Record::enrolled(Enrolment { object, details: Default::default() }, now);
    let observation = seen(state);
    let row = Transition {
        from: from.map(str::to_owned),
        to: state.to_owned(),
        outcome,
        amount: observation.amount,
        happened_at: observation.updated_at.unwrap(),
        stored_cause: Some(Cause::Polled),
        ..Transition::unobserved(&record, phase, "polled", now)
    };
    record.observed = Some(Observed { observation, phase, since: now, seen_at: now });
    (record, row)
}

fn change<'a>(record: &'a Record, row: &'a Transition, earlier: &'a [Transition]) -> Change<'a> {
    Change { record, row, earlier, is_sandbox: false }
}

fn event(record: &Record, row: &Transition) -> (String, Event, Value) {
    let alert = made(&change(record, row, &[]), Format::Plain, "events/shop").unwrap();
    let event = *alert.event.unwrap();
    let body = serde_json::from_str(&event.body).unwrap();
    (alert.kind.to_string(), event, body)
}

fn captured() -> (Record, Transition) {
    let (mut record, row) = found(Some("Authorized"), "Captured", Phase::Final, Outcome::Succeeded);
    let taken = Money::parse("14", "EUR").ok();
    record.observed.as_mut().unwrap().observation.amounts = Amounts { captured: taken, ..Amounts::default() };
    (record, row)
}

#[test]
fn a_good_end_has_all_fields() {
    let (record, row) = captured();
    let (_, rows) = found(None, "Authorized", Phase::Resting, Outcome::Open);
    let overtaken = Transition { stored_cause: Some(Cause::Overtaken), ..rows.clone() };
    let alert = made(&change(&record, &row, &[rows, overtaken]), Format::Plain, "events/shop").unwrap();
    assert_eq!(alert.key, "events/shop/shop-de/charge/S01-1/0000000002");
    let event = alert.event.unwrap();
    assert_eq!(event.sequence, 2, "an answer that was overtaken is no event");
    assert!(event.id.starts_with("evt_") && !event.id.contains('.'));
    let body: Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "charge.captured",
            "timestamp": "2026-01-15T09:00:00Z",
            "data": {
                "format": 1, "account": "shop-de", "environment": "live", "kind": "charge", "id": "S01-1",
                "sequence": 2, "previous_state": "Authorized", "state": "Captured", "reason_codes": [],
                "phase": "final", "is_final": true, "outcome": "succeeded", "doubt": null,
                "amount": "14.00", "currency": "EUR",
                "amounts": {
                    "authorized": null, "captured": {"amount": "14.00", "currency": "EUR"}, "refunded": null,
                },
                "reference": "ORDER-1", "parent": null, "state_changed_at": "2026-01-15T09:00:00Z",
                "found_at": "2026-01-15T09:30:00Z",
            },
        })
    );
}

#[test]
fn a_cloud_event_has_all_required_attributes_and_the_same_data() {
    let (record, row) = captured();
    let plain = made(&change(&record, &row, &[]), Format::Plain, "events/a").unwrap().event.unwrap();
    let cloud = made(&change(&record, &row, &[]), Format::CloudEvents, "events/b").unwrap().event.unwrap();
    assert_eq!(cloud.media_type, "application/cloudevents+json; charset=utf-8");
    assert_eq!(plain.id, cloud.id);
    let (plain, body): (Value, Value) =
        (serde_json::from_str(&plain.body).unwrap(), serde_json::from_str(&cloud.body).unwrap());
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["id"], cloud.id.as_str());
    assert_eq!(body["source"], "/reconciled/shop-de");
    assert_eq!(body["type"], "reconciled.charge.captured");
    assert_eq!(body["subject"], "charge/S01-1");
    assert_eq!((&body["time"], &body["data"]), (&plain["timestamp"], &plain["data"]));
}

#[test]
fn a_doubt_is_never_good_news() {
    let quarantine = |cause: &str, state: &str| Quarantine {
        cause: cause.to_owned(),
        explanation: String::new(),
        since: "2026-01-15T09:30:00Z".parse().unwrap(),
        evidence: Some(seen(state)),
        expected: None,
    };
    for (cause, state, expected) in [
        ("unknown-state", "Wibble\u{202e}", "charge.unknown_state"),
        ("impossible-move", "Captured", "charge.quarantined"),
        ("different-amount", "Captured", "charge.quarantined"),
    ] {
        let (mut record, mut row) = captured();
        record.quarantine = Some(quarantine(cause, state));
        row.stored_cause = Some(Cause::SetApart(cause.to_owned()));
        row.to = state.to_owned();
        let (event_type, event, body) = event(&record, &row);
        assert_eq!(event_type, expected);
        let data = &body["data"];
        assert_eq!((&data["is_final"], &data["outcome"]), (&json!(false), &json!("undecided")), "{cause}");
        assert_eq!(data["doubt"], json!({"cause": cause, "state": state}), "word for word");
        assert!(!event.body.chars().any(text::is_harmful), "{:?}", event.body);
    }
    // Nothing was observed at all.
    let (mut record, mut row) = captured();
    (record.observed, row.to) = (None, "unseen".to_owned());
    record.quarantine = Some(Quarantine { evidence: None, ..quarantine("not-found", "") });
    let (event_type, _, body) = event(&record, &row);
    assert_eq!(event_type, "charge.quarantined");
    assert_eq!((&body["data"]["state"], &body["data"]["doubt"]["state"]), (&Value::Null, &Value::Null));
}

#[test]
fn every_row_of_a_history_has_its_type_or_none() {
    let (record, row) = captured();
    for (cause, expected) in [
        (Cause::Polled, Some("charge.captured")),
        (Cause::Released, Some("charge.captured")),
        (Cause::Accepted, Some("charge.captured")),
        (Cause::Changed, Some("charge.updated")),
        (Cause::Overtaken, None),
        (Cause::Forgotten, None),
    ] {
        let row = Transition { stored_cause: Some(cause.clone()), ..row.clone() };
        assert_eq!(types::of(&change(&record, &row, &[])).as_deref(), expected, "{cause:?}");
    }
    let shouted = Transition { to: "CAPTURED".to_owned(), ..row.clone() };
    assert_eq!(types::of(&change(&record, &shouted, &[])).as_deref(), Some("charge.captured"));
    let newer = Transition { to: "Wibble".to_owned(), ..row };
    assert_eq!(types::of(&change(&record, &newer, &[])).as_deref(), Some("charge.unknown_state"));
}

#[test]
fn every_body_is_as_short_as_the_standard_asks() {
    for letters in ["a", "\"", "é\u{1b}", "\u{e0001}", "\u{1f600}", "\u{202e}\u{e0001}"] {
        let (mut record, mut row) = captured();
        let long = letters.repeat(50_000);
        row.object.account = "a".repeat(64).parse().unwrap();
        row.object.id = "S".repeat(64).parse().unwrap();
        row.from = Some(long.clone());
        row.to = long.clone();
        row.reasons = vec![long.clone(); 50];
        record.details.merchant_reference = Some(long.clone());
        record.details.parent = Some(long.clone());
        let money = Money::parse("99999999.99", "EUR").ok();
        let observation = &mut record.observed.as_mut().unwrap().observation;
        observation.state = long.clone();
        observation.amounts = Amounts { authorized: money, captured: money, refunded: money };
        record.quarantine = Some(Quarantine {
            cause: "unknown-state".to_owned(),
            explanation: String::new(),
            since: "2026-01-15T09:30:00Z".parse().unwrap(),
            evidence: Some(seen(&long)),
            expected: None,
        });
        for format in [Format::Plain, Format::CloudEvents] {
            let event = made(&change(&record, &row, &[]), format, "events/shop").unwrap().event.unwrap();
            assert!(event.body.len() < 20_000, "{} of {letters:?}", event.body.len());
            let body: Value = serde_json::from_str(&event.body).unwrap();
            let data = &body["data"];
            assert_eq!(data["reason_codes"].as_array().unwrap().len(), 10);
            for text in [&data["state"], &data["doubt"]["state"], &data["reference"], &data["parent"]] {
                assert!(text.as_str().unwrap().chars().count() >= 90, "{text}");
            }
        }
    }
}

#[test]
fn a_trial_is_signed_and_shaped_like_an_event() {
    let now = "2026-01-15T09:30:00Z".parse().unwrap();
    let body: Value = serde_json::from_str(&trial(Format::Plain, "shop", now).body).unwrap();
    assert_eq!(body["type"], "events.test");
    assert_ne!(trial(Format::Plain, "shop", now).id, trial(Format::Plain, "other", now).id);
}

#[test]
fn a_state_that_the_provider_does_not_date_is_dated_by_us_unless_it_is_the_last() {
    let id = |state: &str, phase: Phase, seen_at: &str| {
        let (mut record, mut row) = found(None, state, phase, Outcome::Open);
        record.observed.as_mut().unwrap().observation.updated_at = None;
        row.seen_at = seen_at.parse().unwrap();
        event(&record, &row).1.id
    };
    let (early, late) = ("2026-01-15T09:30:00Z", "2026-01-16T09:30:00Z");
    assert_eq!(id("Captured", Phase::Final, early), id("Captured", Phase::Final, late));
    assert_ne!(id("Authorized", Phase::Resting, early), id("Authorized", Phase::Resting, late));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A lost store forgets the history, the previous state and when something was found; the id stays.
    #[test]
    fn the_id_survives_a_lost_store(
        from in proptest::option::of("[A-Za-z]{1,9}"), minutes in 0i64..100_000, earlier in 0usize..4, polls: u64,
    ) {
        let (record, row) = captured();
        let expected = event(&record, &row).1.id;
        let lost = Transition { from, seen_at: row.seen_at + jiff::SignedDuration::from_mins(minutes), ..row.clone() };
        let record = Record { polls, revision: polls, ..record };
        let history = vec![row; earlier];
        let again = made(&change(&record, &lost, &history), Format::Plain, "events/other").unwrap();
        let again = again.event.unwrap();
        prop_assert_eq!(again.id, expected);
        prop_assert_eq!(again.sequence, earlier as u64 + 1);
    }

    /// Anything that makes it another fact makes it another id.
    #[test]
    fn other_facts_have_other_ids(what in 0usize..7, word in "[A-Z][a-z]{3,9}", cents in 1i64..1_000) {
        let (mut record, mut row) = captured();
        let expected = event(&record, &row).1.id;
        let seen = &mut record.observed.as_mut().unwrap().observation;
        match what {
            0 => row.object.id = format!("S02-{word}").parse().unwrap(),
            1 => row.object.account = word.parse().unwrap(),
            2 => row.to = word,
            3 => row.reasons = vec![word],
            4 => seen.updated_at = seen.updated_at.map(|at| at + jiff::SignedDuration::from_secs(cents)),
            5 => seen.amounts.refunded = Money::parse(&format!("0.{cents:03}"), "KWD").ok(),
            _ => row.stored_cause = Some(Cause::Changed),
        }
        prop_assert_ne!(event(&record, &row).1.id, expected);
    }
}
