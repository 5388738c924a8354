//! Answers in doubt: quarantines, their causes and their end.

use super::*;

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
fn a_wrong_enrolled_amount_delays_no_decline() {
    let mut seen = observed("Refused", 1);
    seen.reasons = vec!["Broken".to_owned()];
    seen.amount = euros("15.00");
    let decision = step(&after(&[("Started", 0)]), Ok(seen), 1);
    assert_eq!(kinds(&decision), ["declined", "quarantined"]);
    assert_eq!(decision.record.state(), Some("Refused"));
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
