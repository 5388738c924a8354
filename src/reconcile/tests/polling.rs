//! How often objects are polled, and how many at once.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_process_never_has_more_requests_under_way_than_it_may() {
    let names: Vec<String> = (0..12).map(|number| format!("shop-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(&names, 4, None, |_| Answer::Hangs).await;
    stage.enrol(names.iter().map(|name| format!("{name}/parcel/P"))).await;
    stage.pass(3).await;
    assert_eq!(stage.provider.most_in_flight.load(Ordering::SeqCst), 2, "half is for the only poll of each");
    stage.enrol(names.iter().flat_map(|name| ["Q", "R"].map(|id| format!("{name}/parcel/{id}")))).await;
    stage.pass(5).await;
    assert!(stage.provider.most_in_flight.load(Ordering::SeqCst) <= 4);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_batches_that_is_held_for_long_is_reported_once_while_a_request_waits() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    let shop = AccountName::new("shop").unwrap();
    let account = Account::new(shop.clone(), Arc::clone(&stage.provider) as Arc<dyn Api>);
    let accounts = [Arc::new(account)];
    let pace = &stage.reconcile.pace;
    pace.set_quota(&shop, "SubmitFeed", Quota { burst: 10, per: Duration::from_secs(1) });
    pace.hold(&shop, "SubmitFeed", Duration::from_secs(1800));
    stage.reconcile.report_other_holds(&accounts).await.unwrap();
    assert_eq!(stage.alerts("provider-hold").await, [], "nothing waits for it");
    assert!(pace.take(&shop, "SubmitFeed").is_err());
    for _ in 0..3 {
        stage.reconcile.report_other_holds(&accounts).await.unwrap();
        stage.pass(5).await;
    }
    let told = stage.alerts("provider-hold").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].explanation.contains("A batch, a report or a call waits"), "{:?}", told[0]);
    stage.pass(20).await;
    drop(pace.take(&shop, "SubmitFeed").unwrap());
    stage.reconcile.report_other_holds(&accounts).await.unwrap();
    assert_eq!(stage.alerts("provider-hold-ended").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn neither_the_beginning_nor_the_end_of_a_hold_is_lost_when_the_process_is_killed() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    let shop = AccountName::new("shop").unwrap();
    let accounts = [Arc::new(Account::new(shop.clone(), Arc::clone(&stage.provider) as Arc<dyn Api>))];
    let pace = &stage.reconcile.pace;
    pace.set_quota(&shop, "SubmitFeed", Quota { burst: 10, per: Duration::from_secs(1) });
    pace.hold(&shop, "SubmitFeed", Duration::from_secs(1800));
    assert!(pace.take(&shop, "SubmitFeed").is_err());
    let killed = stage.killed_at_alerts();
    assert!(killed.report_other_holds(&accounts).await.is_err());
    let stored = stage.store.recall("provider-holds/other/shop").await.unwrap().unwrap();
    let since = serde_json::from_str::<BTreeMap<String, Timestamp>>(&stored).unwrap()["SubmitFeed"];
    for _ in 0..2 {
        stage.pass(5).await;
        stage.reconcile.report_other_holds(&accounts).await.unwrap();
    }
    let keys: Vec<String> = stage.alerts("provider-hold").await.into_iter().map(|alert| alert.key).collect();
    assert_eq!(keys, [format!("provider-hold/shop/SubmitFeed/{since}")]);
    stage.pass(25).await;
    drop(pace.take(&shop, "SubmitFeed").unwrap());
    assert!(killed.report_other_holds(&accounts).await.is_err());
    for _ in 0..2 {
        stage.reconcile.report_other_holds(&accounts).await.unwrap();
    }
    let ended = stage.alerts("provider-hold-ended").await;
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0].key.ends_with(&since.to_string()), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hint_during_a_poll_repeats_it_once() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    stage.enrol(parcels(1)).await;
    stage.pass(5).await;
    stage.provider.answers(|_| Answer::Hangs);
    stage.provider.take_asked();
    let hint = async || {
        let named = vec!["shop/parcel/P000".parse().unwrap()];
        stage.store.announce(named, stage.clock.now()).await.unwrap();
    };
    hint().await;
    stage.clock.sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.provider.in_flight.load(Ordering::SeqCst), 1);
    stage.provider.answers(|_| Answer::Shows);
    hint().await;
    stage.clock.sleep(Duration::from_secs(25)).await;
    assert_eq!(stage.provider.take_asked(), 2);
    stage.pass(10).await;
    assert_eq!(stage.provider.take_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_polled_less_often_while_it_is_announced_and_at_the_full_rate_once_it_is_not() {
    let stage = Stage::new(&["shop"], 256, None, |id| match id {
        "Q" => Answer::Refuses,
        _ => Answer::Shows,
    })
    .await;
    stage.enrol(parcels(40).chain(["shop/parcel/Q".to_owned(), "shop/letter/L".to_owned()])).await;
    stage.pass(24 * 60).await;
    let [parcel, letter] = ["parcel", "letter"].map(|kind| Kind::new(kind).unwrap());
    let account = &stage.accounts[0];
    stage.reconcile.relax(account, BTreeSet::from([parcel, letter.clone()])).await.unwrap();
    stage.pass(2 * 60).await;
    let wait = async |object: &str| {
        let record = stage.record(object).await;
        record.due_at.unwrap().duration_since(record.polled_at.unwrap()).as_hours()
    };
    assert!(wait("shop/parcel/P000").await >= 5 && wait("shop/letter/L").await >= 5);
    let apart = stage.record("shop/parcel/Q").await;
    assert!(apart.quarantine.is_some());
    stage.reconcile.relax(account, BTreeSet::from([letter])).await.unwrap();
    assert!(wait("shop/parcel/P000").await <= 1 && wait("shop/letter/L").await >= 5);
    assert_eq!(stage.record("shop/parcel/Q").await.due_at, apart.due_at, "it keeps its own interval");
}

#[test]
fn the_loop_of_an_account_does_not_look_at_all_others() {
    let source = include_str!("../watch.rs");
    assert!(!source.contains("tallies()"), "that clones every account's counts");
}
