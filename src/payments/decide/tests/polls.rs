//! When an object is polled next, and what failed polls do.

use super::*;

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
