//! Decisions about objects of a lifecycle of our own.

mod alerting;
mod any_story;
mod deadlines;
mod doubts;
mod polls;

use std::time::Duration;

use super::*;
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone, problems};
use crate::payments::money::{Amounts, Money};
use crate::payments::schedule::Policy;
use crate::time::later;

/// A small lifecycle of our own: these tests name no provider.
struct Parcel;

const REASONS: &[ReasonFacts] = &[
    ReasonFacts { name: "Broken", meaning: "It broke.", advice: "Send another.", tone: Tone::Alarming },
    ReasonFacts { name: "ByUs", meaning: "We stopped it.", advice: "Nothing.", tone: Tone::Expected },
    ReasonFacts { name: "ByThem", meaning: "They stopped it.", advice: "Ask them.", tone: Tone::Notable },
];

impl Lifecycle for Parcel {
    fn states(&self) -> &'static [&'static str] {
        &["Started", "Reserved", "Sending", "Arrived", "Refused", "Stopped"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        let facts = |name, phase, outcome, next, patience, guarantee| StateFacts {
            name,
            phase,
            outcome,
            moves: match name {
                "Reserved" | "Sending" => Moves::Authorizes,
                "Arrived" => Moves::Captures,
                _ => Moves::Nothing,
            },
            meaning: "As it says.",
            next,
            patience,
            guarantee,
        };
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        match word {
            "Started" => Some(facts(
                "Started",
                Phase::Moving,
                Outcome::Undecided,
                &["Reserved", "Refused", "Stopped"],
                hours(24),
                None,
            )),
            "Reserved" => Some(facts(
                "Reserved",
                Phase::Resting,
                Outcome::Open,
                &["Sending", "Stopped"],
                None,
                hours(168),
            )),
            "Sending" => Some(facts(
                "Sending",
                Phase::Moving,
                Outcome::Undecided,
                &["Arrived", "Refused"],
                hours(48),
                None,
            )),
            "Arrived" => Some(facts("Arrived", Phase::Final, Outcome::Succeeded, &[], None, None)),
            "Refused" => Some(facts("Refused", Phase::Final, Outcome::Declined, &[], None, None)),
            "Stopped" => Some(facts("Stopped", Phase::Final, Outcome::Canceled, &[], None, None)),
            _ => None,
        }
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        if matches!(state, "Refused" | "Stopped") { REASONS } else { &[] }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        match state {
            "Refused" => "Send it another way.",
            "Stopped" => "Find out who stopped it.",
            _ => "",
        }
    }
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

fn policy() -> Policy {
    Policy { jitter_permille: 0, ..Policy::default() }
}

fn new() -> Record {
    let object = "shop/parcel/P-1".parse().unwrap();
    let details = Details { merchant_reference: Some("ORDER-7".to_owned()), ..Details::default() };
    Record::enrolled(Enrolment { object, details }, at(0))
}

fn observed(state: &str, hours: i64) -> Observation {
    Observation {
        updated_at: Some(at(hours)),
        created_at: Some(at(0)),
        expires_at: Some(at(720)),
        amount: Money::parse("14.00", "EUR").ok(),
        amounts: Amounts {
            authorized: Money::parse("14.00", "EUR").ok(),
            captured: Money::parse("14.00", "EUR").ok().filter(|_| state.eq_ignore_ascii_case("Arrived")),
            refunded: None,
        },
        request_id: Some("r-1".to_owned()),
        ..Observation::plain("P-1", state)
    }
}

fn step(record: &Record, seen: Result<Observation, Failure>, hours: i64) -> Decision {
    let policy = policy();
    decide(
        &Setting { lifecycle: &Parcel, policy: &policy, where_to_look: "the parcel page", is_sandbox: false },
        record,
        seen.as_ref(),
        at(hours),
    )
}

fn after(states: &[(&str, i64)]) -> Record {
    states
        .iter()
        .fold(new(), |record, (state, hours)| step(&record, Ok(observed(state, *hours)), *hours).record)
}

fn kinds(decision: &Decision) -> Vec<&str> {
    decision.alerts.iter().map(|alert| alert.kind.as_str()).collect()
}

fn due_in_s(decision: &Decision, hours: i64) -> Option<i64> {
    decision.record.due_at.map(|due| due.as_second() - at(hours).as_second())
}

#[test]
fn the_sample_lifecycle_is_sound() {
    assert_eq!(problems(&Parcel), Vec::<String>::new());
}

/// Warns this many minutes before the guarantee of an authorization ends (after seven days).
fn warned(tags: &[&str], countdowns_min: &[u64], left_min: i64) -> Decision {
    let record = after(&[("Reserved", 0)]);
    let made_at = record.made_at();
    let record = Record { warned: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..record };
    let countdowns = countdowns_min.iter().map(|minutes| Duration::from_secs(minutes * 60)).collect();
    let policy = Policy { countdowns, ..policy() };
    let setting = Setting { lifecycle: &Parcel, policy: &policy, where_to_look: "look", is_sandbox: false };
    let guarantee = milestones(&record, Parcel.state("Reserved").as_ref(), &policy)[0].at;
    assert!(guarantee > made_at);
    let now = guarantee - SignedDuration::from_mins(left_min);
    let seen = observed("Reserved", 0);
    decide(&setting, &record, Ok(&seen), now)
}
