use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::payments::alert::Severity;
use crate::payments::lifecycle::Lifecycle;
use crate::payments::lifecycle::{Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone, problems};
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
        id: "P-1".to_owned(),
        state: state.to_owned(),
        reasons: Vec::new(),
        updated_at: Some(at(hours)),
        created_at: Some(at(0)),
        expires_at: Some(at(720)),
        amount: Money::parse("14.00", "EUR").ok(),
        amounts: Amounts {
            authorized: Money::parse("14.00", "EUR").ok(),
            captured: Money::parse("14.00", "EUR").ok().filter(|_| state.eq_ignore_ascii_case("Arrived")),
            refunded: None,
        },
        other_amounts: BTreeMap::new(),
        merchant_reference: None,
        parent: None,
        children: Vec::new(),
        is_soft_decline: false,
        environment: None,
        evidence: BTreeMap::new(),
        request_id: Some("r-1".to_owned()),
        marks: Vec::new(),
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

#[test]
fn each_phase_has_its_rhythm() {
    let rhythm = |states: &[(&str, i64)], next: &str, hours| {
        due_in_s(&step(&after(states), Ok(observed(next, hours)), hours), hours)
    };
    assert_eq!(rhythm(&[], "Started", 0), Some(3600));
    assert_eq!(rhythm(&[("Started", 0)], "Reserved", 1), Some(12 * 3600));
    assert_eq!(rhythm(&[("Started", 0)], "Refused", 1), None);
    assert_eq!(rhythm(&[("Reserved", 0)], "Arrived", 1), None);
}

#[test]
fn a_decline_alert_has_all_facts_and_is_sent_once() {
    let mut seen = observed("Refused", 20);
    seen.reasons = vec!["Broken".to_owned()];
    let decision = step(&after(&[("Started", 0)]), Ok(seen.clone()), 21);
    let alert = &decision.alerts[0];
    assert_eq!((kinds(&decision), alert.severity), (vec!["declined"], Severity::Critical));
    assert_eq!(alert.headline, "14.00 EUR for order ORDER-7: parcel P-1 was declined after Started");
    assert_eq!(alert.explanation, "Broken: It broke.");
    assert_eq!(alert.advice, "Send another.");
    assert_eq!(alert.where_to_look, "the parcel page");
    assert_eq!((alert.occurred_at, alert.found_at), (at(20), at(21)));
    assert_eq!(decision.transition.as_ref().unwrap().from.as_deref(), Some("Started"));
    assert!(decision.record.is_finished());
    let again = step(&decision.record, Ok(seen), 22);
    assert!(again.alerts.is_empty() && again.transition.is_none() && !again.is_news);
}

#[test]
fn a_decline_after_the_authorization_warns_that_goods_may_have_shipped() {
    let declined_after = |states: &[(&str, i64)]| {
        let mut seen = observed("Refused", 20);
        seen.reasons = vec!["Broken".to_owned()];
        step(&after(states), Ok(seen), 21).alerts.remove(0).advice
    };
    assert_eq!(declined_after(&[("Started", 0)]), "Send another.");
    assert!(declined_after(&[("Reserved", 0), ("Sending", 5)]).contains("may have shipped"));
    assert!(declined_after(&[("Reserved", 0)]).contains("may have shipped"));
}

#[test]
fn only_unexpected_ends_raise_alerts() {
    let noise = |reason: &str| {
        let mut seen = observed("Stopped", 1);
        seen.reasons = vec![reason.to_owned()];
        step(&after(&[("Started", 0)]), Ok(seen), 1)
            .alerts
            .into_iter()
            .map(|alert| alert.kind.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(noise("ByUs"), Vec::<String>::new());
    assert_eq!(noise("ByThem"), ["canceled"]);
    assert_eq!(noise("Surprise"), ["quarantined"]);
}

#[test]
fn impossible_answers_are_quarantined_and_kept_word_for_word() {
    let doubted = |states: &[(&str, i64)], change: &dyn Fn(&mut Observation), hours| {
        let mut seen = observed("Started", hours);
        change(&mut seen);
        let decision = step(&after(states), Ok(seen.clone()), hours);
        let quarantine = decision.record.quarantine.clone().unwrap();
        assert_eq!(quarantine.evidence, Some(seen));
        assert_eq!(kinds(&decision), ["quarantined"]);
        assert_eq!(due_in_s(&decision, hours), Some(5 * 60));
        (quarantine.cause, decision.record.state().map(str::to_owned))
    };
    let kept = Some("Started".to_owned());
    assert_eq!(
        doubted(&[("Started", 0)], &|seen| seen.state = "Flying".into(), 1),
        ("unknown-state".into(), kept.clone())
    );
    assert_eq!(
        doubted(&[("Started", 0)], &|seen| seen.id = "P-2".into(), 1),
        ("different-id".into(), kept.clone())
    );
    assert_eq!(
        doubted(&[("Arrived", 0)], &|seen| seen.state = "Reserved".into(), 1),
        ("impossible-move".into(), Some("Arrived".into()))
    );
    assert_eq!(
        doubted(&[("Started", 0)], &|seen| seen.amount = Money::parse("15", "EUR").ok(), 1),
        ("different-amount".into(), kept.clone())
    );
    assert_eq!(
        doubted(&[("Started", 0)], &|seen| seen.amount = Money::parse("14", "USD").ok(), 1),
        ("different-currency".into(), kept)
    );
}

#[test]
fn a_quarantine_alerts_once_and_ends_when_all_makes_sense_again() {
    let strange = Ok(observed("Flying", 1));
    let first = step(&after(&[("Started", 0)]), strange.clone(), 1);
    let second = step(&first.record, strange, 7);
    assert!(second.alerts.is_empty() && !second.is_news);
    assert_eq!(second.record.quarantine.as_ref().unwrap().since, at(1));
    let third = step(&second.record, Ok(observed("Reserved", 8)), 13);
    assert_eq!(third.record.quarantine, None);
    assert_eq!(third.transition.unwrap().note, "released from quarantine");
    assert_eq!(third.record.state(), Some("Reserved"));
}

#[test]
fn snapshots_may_skip_states_and_older_answers_change_nothing() {
    assert_eq!(kinds(&step(&after(&[("Started", 0)]), Ok(observed("Arrived", 9)), 9)), Vec::<&str>::new());
    let record = after(&[("Started", 0), ("Reserved", 5)]);
    let overtaken = step(&record, Ok(observed("Started", 4)), 6);
    assert_eq!(overtaken.record.state(), Some("Reserved"));
    assert!(overtaken.alerts.is_empty());
    let row = overtaken.transition.unwrap();
    assert_eq!((row.cause(), row.to.as_str()), (Cause::Overtaken, "Started"), "it leaves a trace");
    assert_eq!(overtaken.record.due_at, Some(later(at(6), Duration::from_secs(60))), "and is polled soon");
}

#[test]
fn an_older_answer_is_believed_at_once_if_it_leads_on_and_otherwise_when_repeated() {
    // One second "older" than the authorization: a decline all the same.
    let record = after(&[("Started", 0), ("Sending", 5)]);
    let mut declined = observed("Refused", 5);
    declined.updated_at = Some(later(at(4), Duration::from_secs(3599)));
    declined.reasons = vec!["Broken".to_owned()];
    let told = step(&record, Ok(declined), 6);
    assert_eq!((told.record.state(), kinds(&told)), (Some("Refused"), vec!["declined"]));

    let record = after(&[("Started", 0), ("Reserved", 5)]);
    let first = step(&record, Ok(observed("Started", 4)), 6);
    let again = step(&first.record, Ok(observed("Started", 4)), 7);
    assert_eq!(again.record.quarantine.unwrap().cause, "impossible-move", "it repeats: a person must look");
    assert_eq!(kinds(&step(&first.record, Ok(observed("Reserved", 5)), 7)), Vec::<&str>::new());
}

#[test]
fn a_wrong_enrolled_amount_delays_no_decline() {
    let mut seen = observed("Refused", 1);
    seen.reasons = vec!["Broken".to_owned()];
    seen.amount = euros("15.00");
    let decision = step(&after(&[("Started", 0)]), Ok(seen), 1);
    assert_eq!(kinds(&decision), ["declined", "quarantined"]);
    assert_eq!(decision.record.state(), Some("Refused"));
}

#[test]
fn only_live_money_and_last_countdowns_are_loud() {
    let mut seen = observed("Refused", 1);
    seen.reasons = vec!["Broken".to_owned()];
    let (policy, record) = (policy(), after(&[("Started", 0)]));
    for (is_sandbox, severity) in [(false, Severity::Critical), (true, Severity::Warning)] {
        let setting = Setting { lifecycle: &Parcel, policy: &policy, where_to_look: "", is_sandbox };
        let decision = decide(&setting, &record, Ok(&seen), at(1));
        assert_eq!(decision.alerts[0].severity, severity, "sandbox: {is_sandbox}");
    }
    for (left_min, severity) in [(100, Severity::Info), (20, Severity::Warning)] {
        assert_eq!(warned(&[], &[120, 30], left_min).alerts[0].severity, severity, "{left_min} min left");
    }
}

fn euros(amount: &str) -> Option<Money> {
    Money::parse(amount, "EUR").ok()
}

fn arrived(captured: Option<Money>, hours: i64) -> Observation {
    let mut seen = observed("Arrived", hours);
    seen.amounts.captured = captured;
    seen
}

#[test]
fn the_amount_that_moved_is_booked_not_the_requested_one() {
    let record = after(&[("Started", 0), ("Reserved", 1)]);
    let part = step(&record, Ok(arrived(euros("5.00"), 2)), 2);
    let row = part.transition.unwrap();
    assert_eq!((row.amount, row.moves), (euros("5.00"), Moves::Captures));
    assert_eq!((row.amounts.authorized, row.amounts.captured), (euros("14.00"), euros("5.00")));
    assert_eq!((row.to.as_str(), row.cause()), ("Arrived", Cause::Marked("different-amount".to_owned())));
    assert_eq!(part.alerts[0].explanation, "5.00 EUR was captured, not 14.00 EUR.");
    assert_eq!(part.alerts[0].amounts.captured, euros("5.00"));
    // The rest comes later, and only the rest moves then.
    let rest = step(&part.record, Ok(arrived(euros("14.00"), 2)), 3);
    let row = rest.transition.unwrap();
    assert_eq!((row.amount, row.cause()), (euros("9.00"), Cause::Released));
    assert!(rest.record.is_finished());
    // All at once.
    let whole = step(&record, Ok(arrived(euros("14.00"), 2)), 2);
    assert_eq!(kinds(&whole), Vec::<&str>::new());
    assert_eq!(whole.transition.unwrap().amount, euros("14.00"));
}

#[test]
fn a_good_state_without_money_is_not_a_success() {
    let record = after(&[("Started", 0), ("Reserved", 1)]);
    for (captured, cause) in [
        (euros("0.00"), "different-amount"),
        (euros("15.00"), "different-amount"),
        (Money::parse("14.00", "USD").ok(), "different-currency"),
        (None, "missing-amount"),
    ] {
        let decision = step(&record, Ok(arrived(captured, 2)), 2);
        assert_eq!(decision.record.quarantine.as_ref().unwrap().cause, cause, "{captured:?}");
        assert_eq!(kinds(&decision), ["quarantined"]);
        let row = decision.transition.unwrap();
        let is_nothing = captured == euros("0.00");
        assert_eq!(row.outcome == Outcome::Succeeded, !is_nothing, "{captured:?}");
        assert_eq!(row.amount, captured);
    }
}

#[test]
fn repetition_does_not_settle_a_doubt() {
    // Without an enrolled amount, the first observed one is expected.
    let record = after(&[("Started", 0)]);
    let mut seen = observed("Started", 0);
    (seen.amount, seen.amounts.authorized) = (euros("1400.00"), euros("1400.00"));
    let first = step(&record, Ok(seen.clone()), 1);
    assert_eq!(first.record.quarantine.as_ref().unwrap().cause, "different-amount");
    let second = step(&first.record, Ok(seen.clone()), 2);
    assert!(second.record.quarantine.is_some() && second.alerts.is_empty());
    // An unbelievable answer in between does not make the amount right either.
    let between = step(&second.record, Ok(observed("Flying", 2)), 3);
    let third = step(&between.record, Ok(seen.clone()), 4);
    assert_eq!(third.record.quarantine.as_ref().unwrap().cause, "different-amount");
    // The provider corrects it.
    assert_eq!(step(&third.record, Ok(observed("Started", 0)), 5).record.quarantine, None);
    // Or a person accepts it: exactly this, and nothing else.
    let mut accepted = third.record.clone();
    let quarantine = accepted.quarantine.take().unwrap();
    accepted.accepted = Some(crate::payments::record::Accepted {
        cause: quarantine.cause,
        explanation: quarantine.explanation,
        by: "carla".to_owned(),
        at: at(5),
    });
    let after_accepting = step(&accepted, Ok(seen.clone()), 6);
    assert_eq!((after_accepting.record.quarantine.clone(), kinds(&after_accepting)), (None, Vec::new()));
    (seen.amount, seen.amounts.authorized) = (euros("9.00"), euros("9.00"));
    assert!(step(&accepted, Ok(seen), 6).record.quarantine.is_some());
}

#[test]
fn another_doubtful_amount_is_news() {
    let doubted = |amount: &str| {
        let mut seen = observed("Started", 0);
        (seen.amount, seen.amounts.authorized) = (euros(amount), euros(amount));
        Ok(seen)
    };
    let first = step(&after(&[("Started", 0)]), doubted("15.00"), 1);
    let second = step(&first.record, doubted("16.00"), 2);
    assert_eq!(kinds(&second), ["quarantined"]);
    assert!(second.alerts[0].explanation.contains("16.00 EUR"));
    assert_ne!(first.alerts[0].key, second.alerts[0].key);
}

#[test]
fn an_end_without_a_reason_alerts_like_the_worst_reason() {
    let silent = step(&after(&[("Started", 0)]), Ok(observed("Stopped", 1)), 1);
    assert_eq!(
        (kinds(&silent), silent.alerts[0].advice.as_str()),
        (vec!["canceled"], "Find out who stopped it.")
    );
    assert!(silent.alerts[0].explanation.ends_with("No reason was given."));
}

#[test]
fn each_change_within_a_state_has_its_own_alert_key() {
    let refused = |reason: &str| {
        let mut seen = observed("Refused", 1);
        seen.reasons = vec![reason.to_owned()];
        Ok(seen)
    };
    let mut record = after(&[("Started", 0)]);
    let mut keys = std::collections::BTreeSet::new();
    for (hours, reason) in [(1, "Broken"), (2, "ByUs"), (3, "Broken")] {
        let decision = step(&record, refused(reason), hours);
        assert_eq!(kinds(&decision), ["declined"], "{reason}");
        assert!(keys.insert(decision.alerts[0].key.clone()), "{keys:?}");
        record = decision.record;
    }
}

#[test]
fn marks_and_sandbox_answers_are_reported_although_the_state_is_believed() {
    let mut seen = observed("Refused", 1);
    seen.reasons = vec!["Broken".to_owned()];
    seen.marks = vec![crate::payments::observation::Mark::new("unreadable-field", "A field was odd.")];
    seen.environment = Some("Sandbox".to_owned());
    let decision = step(&after(&[("Started", 0)]), Ok(seen), 1);
    assert_eq!(
        (decision.record.state(), kinds(&decision)),
        (Some("Refused"), vec!["declined", "quarantined"])
    );
    let quarantine = decision.record.quarantine.unwrap();
    assert_eq!(quarantine.cause, "different-environment");
    assert!(
        quarantine.explanation.contains("a live account")
            && quarantine.explanation.contains("A field was odd.")
    );
}

#[test]
fn a_final_state_in_doubt_is_polled_less_and_less_often_and_then_no_more() {
    let mut decision = step(&after(&[("Reserved", 0)]), Ok(arrived(euros("5.00"), 1)), 1);
    let mut waits = Vec::new();
    let mut now = at(1);
    while let Some(due_at) = decision.record.due_at {
        waits.push(due_at.duration_since(now).as_secs() / 60);
        now = due_at;
        let policy = policy();
        let setting = Setting {
            lifecycle: &Parcel,
            policy: &policy,
            where_to_look: "the parcel page",
            is_sandbox: false,
        };
        decision = decide(&setting, &decision.record, Ok(&arrived(euros("5.00"), 1)), now);
        assert!(waits.len() < 50, "{waits:?}");
    }
    assert_eq!(waits[..4], [5, 15, 60, 360]);
    assert!(waits.len() < 12 && decision.record.quarantine.is_some(), "{waits:?}");
}

#[test]
fn failures_never_move_an_object() {
    let transient = || Failure::Transient { detail: "504".into() };
    let mut record = after(&[("Started", 0)]);
    for (failures, wait_s) in [(1, 60), (2, 120), (3, 240)] {
        let decision = step(&record, Err(transient()), 1);
        assert_eq!(decision.record.trouble.failures, failures);
        assert_eq!(due_in_s(&decision, 1), Some(wait_s));
        assert!(decision.alerts.is_empty());
        record = decision.record;
    }
    assert_eq!(record.state(), Some("Started"));
    let good = step(&record, Ok(observed("Started", 0)), 2);
    assert_eq!(good.record.trouble, Trouble::default());
}

#[test]
fn throttling_costs_an_object_neither_its_place_nor_its_priority() {
    let mut record = after(&[("Started", 0)]);
    record.is_asked = true;
    let decision = step(&record, Err(Failure::Throttled { retry_after: None, detail: "429".into() }), 3);
    assert_eq!(decision.record.due_at, record.due_at);
    assert!(decision.record.is_asked);
    assert_eq!(decision.record.trouble, Trouble::default());
}

#[test]
fn not_found_first_means_not_yet_visible() {
    let gone = || Err(Failure::Gone { detail: "404".into() });
    let first = step(&new(), gone(), 0);
    assert_eq!((due_in_s(&first, 0), kinds(&first).len()), (Some(10), 0));
    let second = step(&first.record, gone(), 0);
    assert_eq!(due_in_s(&second, 0), Some(30));
    let late = step(&second.record, gone(), 1);
    assert_eq!(late.record.quarantine.as_ref().unwrap().cause, "not-found");
    assert_eq!(kinds(&late), ["quarantined"]);
    let row = late.transition.as_ref().unwrap();
    assert_eq!(
        (row.from.as_deref(), row.to.as_str(), row.note.as_str()),
        (None, "unseen", "quarantined: not-found")
    );
    assert!(step(&late.record, gone(), 7).alerts.is_empty());
    let found = step(&late.record, Ok(observed("Started", 0)), 8);
    assert_eq!(found.record.quarantine, None);
}

#[test]
fn several_useless_answers_in_a_row_end_in_quarantine() {
    let mut record = after(&[("Started", 0)]);
    for number in 1..=5 {
        let decision = step(&record, Err(Failure::Garbled { detail: "not JSON".into() }), 1);
        assert_eq!(decision.record.quarantine.is_some(), number == 5);
        record = decision.record;
    }
}

#[test]
fn overdue_is_reported_once_even_when_every_poll_fails() {
    let record = after(&[("Started", 0)]);
    assert!(step(&record, Ok(observed("Started", 0)), 23).alerts.is_empty());
    let late = step(&record, Err(Failure::Transient { detail: "timed out".into() }), 25);
    assert_eq!(kinds(&late), ["overdue"]);
    assert!(late.is_news);
    assert!(step(&late.record, Ok(observed("Started", 0)), 26).alerts.is_empty());
    let unseen = step(&new(), Err(Failure::Transient { detail: "timed out".into() }), 25);
    assert_eq!(kinds(&unseen), ["overdue"]);
}

#[test]
fn an_unused_reservation_counts_down_and_is_polled_in_time() {
    let record = after(&[("Reserved", 0)]);
    let quiet = step(&record, Ok(observed("Reserved", 0)), 100);
    assert!(quiet.alerts.is_empty());
    let first = step(&quiet.record, Ok(observed("Reserved", 0)), 121);
    assert_eq!(kinds(&first), ["expiring"]);
    assert!(first.alerts[0].headline.contains("ends in 1d 23h"), "{}", first.alerts[0].headline);
    let second = step(&first.record, Ok(observed("Reserved", 0)), 145);
    assert_eq!(kinds(&second), ["expiring"]);
    assert!(step(&second.record, Ok(observed("Reserved", 0)), 150).alerts.is_empty());
    // A countdown comes before the resting interval ends, so the poll is early.
    let early = step(&record, Ok(observed("Reserved", 0)), 115);
    assert_eq!(due_in_s(&early, 115), Some(5 * 3600));
    // One warning after a long silence, not two.
    assert_eq!(kinds(&step(&record, Ok(observed("Reserved", 0)), 150)), ["expiring"]);
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

#[test]
fn countdowns_within_an_hour_are_distinguished() {
    let first = warned(&[], &[90, 60, 45], 80);
    assert_eq!(
        (kinds(&first), first.record.warned.as_slice()),
        (vec!["expiring"], &["guarantee-90m".to_owned()][..])
    );
    let second = warned(&["guarantee-90m"], &[90, 60, 45], 50);
    assert_eq!(
        (kinds(&second), second.record.warned.last().unwrap().as_str()),
        (vec!["expiring"], "guarantee-1h")
    );
    let third = warned(&["guarantee-90m", "guarantee-1h"], &[90, 60, 45], 40);
    assert_eq!(
        (kinds(&third), third.record.warned.last().unwrap().as_str()),
        (vec!["expiring"], "guarantee-45m")
    );
    assert_ne!(first.alerts[0].key, second.alerts[0].key);
}

#[test]
fn a_countdown_sent_under_a_tag_of_whole_hours_is_not_sent_again() {
    for (tag, countdown, left) in [
        ("guarantee-1h", 90, 80),
        ("guarantee-1h", 60, 50),
        ("guarantee-0h", 45, 40),
        ("guarantee-24h", 1440, 1400),
    ] {
        let decision = warned(&[tag], &[countdown], left);
        assert!(decision.alerts.is_empty(), "{tag} for {countdown} minutes");
        assert_eq!(decision.record.warned, [tag]);
    }
}

#[test]
fn dates_from_a_clock_that_was_ahead_no_longer_count() {
    let ahead = after(&[("Started", 400 * 24)]);
    let ahead = Record { enrolled_at: at(400 * 24), ..ahead };
    let decision = step(&ahead, Ok(observed("Started", 0)), 1);
    let known = decision.record.observed.as_ref().unwrap();
    assert_eq!((decision.record.enrolled_at, known.since, known.seen_at), (at(1), at(1), at(1)));
    assert!(decision.is_news, "it is written down");
    let failed = step(&ahead, Err(Failure::Transient { detail: "x".into() }), 1);
    assert_eq!(failed.record.enrolled_at, at(1));
    // A difference of an hour may be a corrected clock.
    let hour = Record { enrolled_at: at(2), ..new() };
    assert_eq!(step(&hour, Ok(observed("Started", 1)), 1).record.enrolled_at, at(2));
}

#[test]
fn children_are_enrolled_when_first_observed() {
    let mut seen = observed("Sending", 1);
    seen.children = vec![crate::payments::observation::Child {
        kind: "refund".parse().unwrap(),
        id: "R-1".parse().unwrap(),
    }];
    let decision = step(&after(&[("Started", 0)]), Ok(seen.clone()), 1);
    assert_eq!(decision.enrol[0].object.to_string(), "shop/refund/R-1");
    assert_eq!(decision.enrol[0].details.merchant_reference.as_deref(), Some("ORDER-7"));
    assert!(step(&decision.record, Ok(seen), 2).enrol.is_empty());
}

#[test]
fn two_reasons_of_one_unknown_state_are_two_alerts_also_at_one_moment() {
    let flying = |reason: &str| Ok(Observation { reasons: vec![reason.to_owned()], ..observed("Flying", 1) });
    let first = step(&after(&[("Started", 0)]), flying("Broken"), 1);
    let second = step(&first.record, flying("ByUs"), 1);
    assert_eq!((first.alerts.len(), second.alerts.len()), (1, 1));
    assert_ne!(first.alerts[0].key, second.alerts[0].key);
}

fn any_seen() -> impl Strategy<Value = Result<Observation, Failure>> {
    prop_oneof![
        (0usize..8, 0i64..200, 0usize..4).prop_map(|(state, hours, reason)| {
            let words =
                ["Started", "Reserved", "Sending", "Arrived", "Refused", "Stopped", "Flying", "arrived"];
            let mut seen = observed(words[state], hours);
            seen.reasons =
                ["Broken", "ByUs", "Odd"].get(reason).map(|code| (*code).to_owned()).into_iter().collect();
            Ok(seen)
        }),
        Just(Err(Failure::Transient { detail: "x".into() })),
        Just(Err(Failure::Gone { detail: "x".into() })),
        Just(Err(Failure::Garbled { detail: "x".into() })),
        Just(Err(Failure::Throttled { retry_after: None, detail: "x".into() })),
    ]
}

proptest! {
    /// For any observations in any order: a finished object is final and not quarantined; every other object has a
    /// poll due within the longest interval; a failure never changes what was observed; each decline and each alert
    /// key is reported once.
    #[test]
    fn any_story_keeps_its_promises(story in proptest::collection::vec((any_seen(), 0i64..30), 1..40)) {
        let mut record = new();
        let mut keys = std::collections::BTreeSet::new();
        let mut hours = 0;
        for (seen, wait) in story {
            hours += wait;
            let failed = seen.is_err();
            let throttled = matches!(seen, Err(Failure::Throttled { .. }));
            let was_finished = record.is_finished();
            let decision = step(&record, seen, hours);
            prop_assert_eq!(decision.record.revision, record.revision + 1);
            if failed {
                prop_assert_eq!(&decision.record.observed, &record.observed);
                let note = decision.transition.as_ref().map(|row| row.note.as_str());
                prop_assert!(note.is_none_or(|note| note.starts_with("quarantined")), "{note:?}");
            }
            for alert in &decision.alerts {
                prop_assert!(keys.insert(alert.key.clone()), "{} twice", alert.key);
            }
            match decision.record.due_at {
                None => prop_assert!(throttled && was_finished || decision.record.phase() == Phase::Final),
                Some(due) if !throttled => {
                    prop_assert!(due > at(hours));
                    prop_assert!(due <= later(at(hours), Duration::from_secs(12 * 3600)));
                }
                Some(_) => {}
            }
            record = decision.record;
        }
    }
}
