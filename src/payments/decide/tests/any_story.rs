//! Promises that hold for any observations in any order.

use proptest::prelude::*;

use super::*;

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
