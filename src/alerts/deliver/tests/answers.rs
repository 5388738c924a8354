//! Any script of answers that ends in success: nothing is lost, and what a receiver recognises is accepted once.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

/// What a receiver does with one message. It has taken it even if its answer is lost or is not a success.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Fails(u16),
    Throttles(u64),
    Hangs,
    TakesAndFails(u16),
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        prop_oneof![Just(500), Just(502), Just(503), Just(408), Just(301)].prop_map(Answer::Fails),
        prop_oneof![Just(401), Just(404)].prop_map(Answer::Fails),
        (0u64..4_000).prop_map(Answer::Throttles),
        Just(Answer::Hangs),
        Just(Answer::TakesAndFails(504)),
    ]
}

impl Answer {
    fn written(self) -> Result<Response, TransportError> {
        match self {
            Answer::Fails(code) | Answer::TakesAndFails(code) => status(code, None),
            Answer::Throttles(wait) => status(429, Some(&wait.to_string())),
            Answer::Hangs => Err(TransportError::Timeout),
        }
    }
}

/// Alerts about three objects, each raised at some second, and the answers before all are successes.
async fn play(raised: Vec<(u64, u32)>, answers: Vec<Answer>) -> Result<(), TestCaseError> {
    let scene = Scene::new().await;
    let mut script: Vec<_> = answers.iter().map(|answer| answer.written()).collect();
    script.push(status(204, None));
    let failures = answers.len();
    scene.network.script("office", script);
    let mut deliverer = scene.deliverer();
    let mut keys = Vec::new();
    for (number, (pause, object)) in raised.iter().enumerate() {
        let key = format!("k/{number}");
        scene.raise(Alert { key: key.clone(), ..alert(&format!("a/{object}")) }, &["office"]).await;
        keys.push((key, *object));
        scene.settle_down(&deliverer, Duration::from_secs(*pause)).await;
        if pause % 3 == 0 {
            deliverer = scene.deliverer();
        }
    }
    scene.settle_down(&deliverer, Duration::from_secs(60 * 3600)).await;
    prop_assert_eq!(scene.store.outbox_pending(), 0);
    let sent = scene.network.sent_to("office");
    // What the receiver has taken, by the answers that it gave, in order.
    let mut taken: Vec<&Sent> = Vec::new();
    for (place, one) in sent.iter().enumerate() {
        let is_taken = place >= failures || matches!(answers[place], Answer::TakesAndFails(_));
        if is_taken {
            taken.push(one);
        }
    }
    let of = |key: &str| -> Vec<usize> {
        let written = format!("\"key\":\"{key}\"");
        (0..taken.len()).filter(|place| taken[*place].body.contains(&written)).collect()
    };
    for (key, object) in &keys {
        let places = of(key);
        prop_assert!(!places.is_empty(), "{} is never lost", key);
        let ids: BTreeSet<_> = places.iter().map(|place| taken[*place].id.clone()).collect();
        prop_assert_eq!(ids.len(), 1, "by its id, {} is accepted exactly once", key);
        for (earlier, other) in keys.iter().take_while(|(other, _)| other != key) {
            if other == object {
                prop_assert!(of(earlier)[0] < places[0], "{} before {}", earlier, key);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_answers_that_end_in_success_lose_nothing_and_keep_the_order(
        raised in proptest::collection::vec((0u64..90, 0u32..3), 1..9),
        answers in proptest::collection::vec(any_answer(), 0..12),
    ) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(raised, answers))?;
    }
}
