//! Accounts that are polled by learnt ages.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_adaptive_account_plans_first_polls_and_keeps_what_it_learns() {
    let stage = Stage::new(&[LEARNER], 256, None, |_| Answer::Shows).await;
    let now = stage.clock.now();
    let made = |id: &str, ago_s: u64| Enrolment {
        object: format!("{LEARNER}/parcel/{id}").parse().unwrap(),
        details: Details {
            created_at: Some(crate::time::earlier(now, Duration::from_secs(ago_s))),
            ..Details::default()
        },
    };
    stage.store.enrol(vec![made("NEW", 5), made("OLD", 3600)], now).await.unwrap();
    stage.clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(*stage.provider.asked.lock().unwrap(), ["OLD"], "what is new is not polled at once");
    stage.pass(64).await;
    let new = stage.record("learner/parcel/NEW").await;
    assert!(new.polls >= 1 && new.observed.is_some(), "{new:?}");
    let waits = new.due_at.unwrap().duration_since(new.polled_at.unwrap()).as_secs();
    assert!((30..=63 * 60).contains(&waits), "{waits}");
    let account = &stage.accounts[0];
    let outlook = stage.reconcile.outlook(account, &new).unwrap();
    assert!(outlook.alike < 0.5 && (0.0..100.0).contains(&outlook.share), "{outlook:?}");
    stage.provider.answers(|id| if id == "OLD" { Answer::Ends } else { Answer::Shows });
    stage.pass(64).await;
    assert_eq!(stage.record("learner/parcel/OLD").await.due_at, None);
    let after = stage.reconcile.outlook(account, &stage.record("learner/parcel/NEW").await).unwrap();
    assert!((after.alike - 1.0).abs() < 0.01 && after.share > outlook.share, "{outlook:?} {after:?}");
    let overview = stage.reconcile.overview(account).await.unwrap().unwrap();
    assert_eq!((overview.ledger.ends, overview.curves.len()), (1, 2), "a letter, a parcel");
    assert_eq!(stage.reconcile.ledger(&account.name), Some(overview.ledger));
    let curve = &overview.curves[1];
    assert!(curve.ends == 1 && !curve.polls_at_s.is_empty() && curve.ages.len() > 10, "{curve:?}");
    stage.stop.cancel();
    stage.pass(2).await;
    let now = stage.clock.now();
    let pace = Pace::new(stage.clock.clone());
    let stored = super::super::stored_overviews(&stage.store, &pace, &stage.accounts, 20, now).await.unwrap();
    assert_eq!((stored.len(), stored[0].1.curves[1].ends), (1, 1), "{stored:?}");
    let stored = stage.store.recall("adaptive/learner").await.unwrap().unwrap();
    let known: crate::payments::adaptive::Adaptive = serde_json::from_str(&stored).unwrap();
    assert!(known.is_sound());
}

#[tokio::test(start_paused = true)]
async fn an_account_with_a_fixed_rhythm_learns_nothing() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    stage.enrol(parcels(2)).await;
    stage.pass(90).await;
    assert_eq!(stage.reconcile.outlook(&stage.accounts[0], &stage.record("shop/parcel/P000").await), None);
    stage.stop.cancel();
    stage.pass(2).await;
    assert_eq!(stage.store.recall("adaptive/shop").await.unwrap(), None);
}
