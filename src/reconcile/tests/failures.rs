//! Objects, kinds and accounts whose requests fail.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_object_that_is_always_refused_costs_the_others_nothing_and_is_named() {
    let stage = Stage::new(&["shop"], 256, None, |id| match id {
        "A" => Answer::Refuses,
        _ => Answer::Shows,
    })
    .await;
    stage.enrol(parcels(40).chain(["shop/parcel/A".to_owned()])).await;
    stage.pass(24 * 60).await;
    let polls = stage.tally().polls;
    assert!((40 * 23..=40 * 26 + 20).contains(&polls), "{polls} polls of 40 objects in a day");
    for kind in ["credentials-refused", "credentials-accepted", "no-success"] {
        assert_eq!(stage.alerts(kind).await, [], "{kind}");
    }
    let told = stage.alerts("quarantined").await;
    assert_eq!(told.len(), 1);
    assert!(told[0].headline.contains('A') && told[0].explanation.contains("HTTP 403"), "{:?}", told[0]);
    assert!(told[0].explanation.contains("others of this account are answered"), "{:?}", told[0]);
    assert_eq!(stage.record("shop/parcel/A").await.quarantine.unwrap().cause, "refused");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_panics_gives_its_place_back_counts_and_is_reported() {
    for health in [None, Some(Health::Degraded)] {
        let stage = Stage::new(&["shop"], 256, health, |id| match id {
            "A" => Answer::Panics,
            _ => Answer::Shows,
        })
        .await;
        stage.enrol(parcels(3).chain(["shop/parcel/A".to_owned()])).await;
        stage.pass(6 * 60).await;
        for object in parcels(3) {
            let polls = stage.record(&object).await.polls;
            assert!(polls >= 3, "{object}: {polls} polls in six hours, {health:?}");
        }
        let record = stage.record("shop/parcel/A").await;
        assert_eq!(record.quarantine.as_ref().map(|quarantine| quarantine.cause.as_str()), Some("garbled"));
        assert_eq!(stage.alerts("defect").await.len(), 1, "{health:?}");
        stage.provider.answers(|_| Answer::Shows);
        stage.pass(24 * 60).await;
        let record = stage.record("shop/parcel/A").await;
        assert!(record.observed.is_some() && record.quarantine.is_none(), "{health:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_a_trickle_is_told_and_everything_overdue_is_seen_as_fast_as_the_quota_allows() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    stage.enrol(parcels(600)).await;
    stage.pass(30).await;
    assert_eq!(stage.provider.take_asked(), 600);
    for answer in [Answer::Unavailable, Answer::Hangs, Answer::Refuses] {
        stage.provider.answers(move |_| answer);
        stage.pass(6 * 60).await;
        let asked = stage.provider.take_asked();
        assert!((10..=420).contains(&asked), "{asked} requests in six hours, {answer:?}");
        let is_refused = answer == Answer::Refuses;
        let tally = stage.tally();
        assert_eq!(
            (tally.refused_since.is_some(), tally.no_success_since.is_some()),
            (is_refused, !is_refused)
        );
        stage.provider.answers(|_| Answer::Shows);
        stage.reconcile.answered_elsewhere(&AccountName::new("shop").unwrap());
        // The quota lets 10 requests go at once and one per second, so 600 objects need 590 s. A probe may be a
        // minute away.
        stage.clock.sleep(Duration::from_secs(590 * 11 / 10 + 30)).await;
        let asked = stage.provider.take_asked();
        assert!((600..=620).contains(&asked), "{asked} of 600, {answer:?}");
        let tally = stage.tally();
        assert_eq!((tally.refused_since, tally.no_success_since), (None, None));
        stage.pass(10).await;
        stage.provider.take_asked();
    }
    let told = |alerts: Vec<Alert>| alerts.into_iter().map(|alert| alert.headline).collect::<Vec<_>>();
    let no_success = told(stage.alerts("no-success").await);
    assert_eq!(
        no_success.len(),
        4,
        "two outages, each reported when it began and when it ended: {no_success:?}"
    );
    assert_eq!(told(stage.alerts("credentials-refused").await).len(), 1);
    assert_eq!(told(stage.alerts("credentials-accepted").await).len(), 1);
    assert_eq!(stage.alerts("quarantined").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_alone_is_refused_leaves_the_others_their_rhythm() {
    let stage = Stage::new(&["shop"], 256, None, |id| match id.starts_with('L') {
        true => Answer::Refuses,
        false => Answer::Shows,
    })
    .await;
    let letters = (0..20).map(|number| format!("shop/letter/L{number:03}"));
    stage.enrol(letters.chain(parcels(20))).await;
    stage.pass(24 * 60).await;
    let parcel = stage.record("shop/parcel/P007").await;
    assert!((23..=26).contains(&parcel.polls), "{} polls", parcel.polls);
    let told = stage.alerts("credentials-refused").await;
    let headlines: Vec<&str> = told.iter().map(|alert| alert.headline.as_str()).collect();
    assert!(headlines.iter().any(|headline| headline.contains("letters")), "{headlines:?}");
    assert!(headlines.len() <= 2, "{headlines:?}");
    let tally = stage.tally();
    assert_eq!((tally.refused_since, tally.refused_kinds.len()), (None, 1));
    let asked = stage.provider.take_asked_about("L001");
    assert!(asked <= 12, "{asked} requests about one letter in a day");
}

#[tokio::test(start_paused = true)]
async fn a_lone_object_that_fails_is_no_closed_account_but_the_account_is_not_well() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Refuses).await;
    stage.enrol(parcels(1)).await;
    stage.pass(40).await;
    assert_eq!(stage.alerts("credentials-refused").await, []);
    let told = stage.alerts("no-success").await;
    assert_eq!(told.len(), 1);
    assert!(told[0].explanation.contains("HTTP 403"), "{:?}", told[0]);
    assert_eq!(stage.record("shop/parcel/P000").await.quarantine, None, "it is not known who is responsible");
    stage.provider.answers(|_| Answer::Shows);
    stage.pass(65).await;
    assert_eq!(stage.alerts("no-success").await.len(), 2);
    assert!(stage.record("shop/parcel/P000").await.observed.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_alert_was_lost_is_reported_by_the_next_process_under_its_key() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Refuses).await;
    let since = "2027-01-15T05:00:00Z";
    stage.store.remember("account-refused/market", since).await.unwrap();
    let market = AccountName::new("market").unwrap();
    let account = Arc::new(Account::new(market, Arc::clone(&stage.provider) as Arc<dyn Api>));
    for _ in 0..2 {
        tokio::spawn(Arc::clone(&stage.reconcile).watch(Arc::clone(&account), stage.stop.child_token()));
        stage.pass(1).await;
    }
    let told = stage.alerts("credentials-refused").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].key, format!("credentials-refused/market/{since}"));
}

#[tokio::test(start_paused = true)]
async fn trouble_of_the_provider_is_reported_even_if_the_process_was_killed_when_it_began() {
    let stage = Stage::new(&[], 256, Some(Health::Unavailable), |_| Answer::Shows).await;
    let shop = AccountName::new("shop").unwrap();
    let pace = &stage.reconcile.pace;
    pace.set_quota(&shop, "GetServiceStatus", Quota { burst: 10, per: Duration::from_secs(1) });
    pace.assume_full(&shop, "GetServiceStatus");
    let account = Arc::new(Account::new(shop, Arc::clone(&stage.provider) as Arc<dyn Api>));
    let killed = stage.killed_at_alerts();
    assert!(killed.follow_service(Arc::clone(&account), stage.stop.clone()).await.is_err());
    tokio::spawn(Arc::clone(&stage.reconcile).follow_service(account, stage.stop.clone()));
    stage.pass(15).await;
    assert_eq!(stage.alerts("service-status").await.len(), 1);
}
