//! Which alerts a decision raises, and what they say.

use super::*;
use crate::payments::alert::Severity;

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
fn two_reasons_of_one_unknown_state_are_two_alerts_also_at_one_moment() {
    let flying = |reason: &str| Ok(Observation { reasons: vec![reason.to_owned()], ..observed("Flying", 1) });
    let first = step(&after(&[("Started", 0)]), flying("Broken"), 1);
    let second = step(&first.record, flying("ByUs"), 1);
    assert_eq!((first.alerts.len(), second.alerts.len()), (1, 1));
    assert_ne!(first.alerts[0].key, second.alerts[0].key);
}
