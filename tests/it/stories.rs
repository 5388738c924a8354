//! Days in a daemon's life: whole-daemon stories, each a timeline, in virtual time.

use reconciled::control::messages::AccountState;
use reconciled::payments::lifecycle::Phase;

use crate::scenario::{self, Population, old_shop, population, quota, shop};
use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";

/// One live v2 shop and one live MWS shop, with the given populations and the rest.
fn scenario(populations: &[Population<'_>], rest: &str) -> String {
    let quota = quota(10, 1);
    let populations: String = populations.iter().map(ToString::to_string).collect();
    scenario::of(7, &[&shop(), &quota, &old_shop("live"), &quota, &populations, &rest])
}

#[tokio::test(start_paused = true)]
async fn a_decline_at_hour_twenty_is_reported_once_with_what_to_do_next() {
    let steps = r#"[{ after_s = 72000, state = "Declined", reason = "HardDeclined" }]"#;
    let mut world =
        World::new(START, &scenario(&[population("shop", "authorization", 1, steps)], ""), "").await;
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_hours(19.5).await;
    let record = world.record(&object).await;
    assert_eq!((record.state(), record.phase()), (Some("AuthorizationInitiated"), Phase::Moving));
    assert!((19..=22).contains(&record.polls), "hourly, give or take: {} polls", record.polls);
    assert!(world.events("declined").is_empty());
    world.pass_hours(2.0).await;
    let record = world.record(&object).await;
    assert_eq!((record.state(), record.is_finished()), (Some("Declined"), true));
    let told = world.events("declined");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["object"]["id"], object.id.as_str());
    assert_eq!(told[0]["object"]["reference"], "ORDER-000000");
    let priced = &told[0]["object"];
    assert_eq!((priced["amount"].as_str(), priced["currency"].as_str()), (Some("14.00"), Some("USD")));
    assert_eq!(priced["reason_codes"][0], "HardDeclined");
    assert!(told[0]["advice"].as_str().unwrap().contains("payment method"), "{}", told[0]["advice"]);
    assert_eq!(world.chat().iter().filter(|text| text.contains("declined")).count(), 1);
    let polls = record.polls;
    world.pass_hours(48.0).await;
    assert_eq!(world.record(&object).await.polls, polls, "no poll after the final state");
    assert_eq!(world.events("declined").len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_history_names_the_request_and_the_answer_that_show_each_state() {
    let steps = r#"[{ after_s = 7000, state = "Declined", reason = "AmazonRejected" }]"#;
    let payment = r#"[{ state = "20" }, { after_s = 7000, state = "14" }]"#;
    let populations = [
        population("shop", "refund", 1, steps),
        population("old-shop", "refund", 1, steps),
        population("pay", "aps-order", 1, payment),
    ];
    let mut world = World::new(START, &scenario(&populations, &scenario::pay_shop()), "").await;
    let mut objects = Vec::new();
    for account in ["shop", "old-shop", "pay"] {
        objects.extend(world.enrol_all(account).await);
    }
    world.pass_hours(4.0).await;
    for object in objects {
        let history = world.daemon().store().history(&object).await.unwrap();
        assert!(history.len() >= 2, "{history:?}");
        for row in &history {
            let source = row.source.as_ref().unwrap();
            let sha256 = source.sha256.as_deref().unwrap();
            assert!(world.memory.has_answered(sha256), "{row:?}");
            // Amazon Payment Services names no request.
            assert_eq!(source.request_id.is_some(), object.account.as_str() != "pay", "{row:?}");
        }
        let digests: Vec<_> = history.iter().map(|row| &row.source).collect();
        assert!(digests.windows(2).all(|pair| pair[0] != pair[1]), "{digests:?}");
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_declined_refund_says_how_else_to_pay_the_buyer_back() {
    let steps = r#"[{ after_s = 7000, state = "Declined", reason = "AmazonRejected" }]"#;
    let populations = ["shop", "old-shop"].map(|account| population(account, "refund", 1, steps));
    let mut world = World::new(START, &scenario(&populations, ""), "").await;
    world.enrol_all("shop").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(4.0).await;
    let told = world.events("declined");
    assert_eq!(told.len(), 2);
    for event in told {
        let advice = event["advice"].as_str().unwrap();
        assert!(
            advice.contains("gift card") || advice.contains("store credit") || advice.contains("another way"),
            "{advice}"
        );
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_forgets_nothing_and_grants_no_second_burst() {
    let steps = r#"[{ after_s = 36000, state = "Captured" }]"#;
    let captures = population("shop", "capture", 200, steps);
    let mut world = World::new(START, &scenario(&[captures], ""), "").await;
    let objects = world.enrol_all("shop").await;
    world.pass_minutes(1.0).await;
    world.stop().await;
    world.start().await;
    world.pass_hours(6.0).await;
    world.stop().await;
    world.pass_hours(3.0).await;
    world.start().await;
    world.pass_hours(3.0).await;
    for object in &objects {
        let record = world.record(object).await;
        assert_eq!(record.state(), Some("Captured"));
        assert!(record.is_finished());
    }
    assert_eq!(world.simulator.counts().total().over_quota, 0);
    assert!(world.events("declined").is_empty());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_saturated_hour_uses_the_whole_quota_and_no_more() {
    let refunds = population("shop", "refund", 5000, "[]");
    let mut world = World::new(START, &scenario(&[refunds], ""), "").await;
    world.enrol_all("shop").await;
    // The first minute spends the burst; after that, one request a second is the limit.
    world.pass_minutes(5.0).await;
    let before = world.simulator.counts().of_account("shop").requests;
    world.pass_hours(1.0).await;
    let counts = world.simulator.counts().of_account("shop");
    let used = counts.requests - before;
    assert!((3564..=3600).contains(&used), "{used} requests in an hour of 3600");
    assert_eq!((counts.over_quota, counts.throttled), (0, 0));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_hour_is_waited_out_and_costs_no_object_its_place() {
    let steps = r#"[{ after_s = 1800, state = "Refunded" }]"#;
    let faults = "[[fault]]\nkind = \"throttle\"\nretry_after_s = 30\nfrom_s = 60\nto_s = 3660\n";
    let refunds = population("shop", "refund", 50, steps);
    let mut world = World::new(START, &scenario(&[refunds], faults), "").await;
    let objects = world.enrol_all("shop").await;
    world.pass_hours(1.5).await;
    let throttled = world.simulator.counts().of_account("shop").injected();
    assert!(
        throttled > 0 && throttled <= 125,
        "{throttled} requests against a closed door in an hour, Retry-After 30 s"
    );
    world.pass_hours(1.5).await;
    for object in &objects {
        assert_eq!(world.record(object).await.state(), Some("Refunded"));
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_reported_once_and_delays_no_other_account() {
    let steps = r#"[{ after_s = 3000, state = "Refunded" }]"#;
    let completed = r#"[{ after_s = 3000, state = "Completed" }]"#;
    let faults = "[[fault]]\nkind = \"refused_credentials\"\naccount = \"shop\"\nto_s = 21600\n";
    let populations =
        [population("shop", "refund", 20, steps), population("old-shop", "refund", 1, completed)];
    let mut world = World::new(START, &scenario(&populations, faults), "").await;
    let refused = world.enrol_all("shop").await;
    let other = world.enrol_all("old-shop").await.remove(0);
    world.pass_hours(2.5).await;
    assert_eq!(world.record(&other).await.state(), Some("Completed"));
    let asked = world.simulator.counts().of_account("shop").requests;
    // The burst counts once, then two single requests; probes after 5, 10, 20 and 30 minutes.
    assert!(asked <= 10 + 2 + 6, "a refused account is probed rarely: {asked} requests");
    assert_eq!(world.events("credentials-refused").len(), 1);
    world.stop().await;
    world.start().await;
    world.pass_hours(1.0).await;
    assert_eq!(world.events("credentials-refused").len(), 1, "a restart does not tell it again");
    world.pass_hours(4.0).await;
    assert_eq!(world.events("credentials-accepted").len(), 1);
    for object in &refused {
        assert_eq!(world.record(object).await.state(), Some("Refunded"));
    }
    assert!(world.events("declined").is_empty() && world.events("quarantined").is_empty());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_object_that_is_always_refused_is_quarantined_and_the_others_keep_their_rhythm() {
    let aps = r#"
[[account]]
name = "order-shop"
api = "aps"
merchant_id = "CycHZxVj"
environment = "live"
access_code = "zx0IPmPy5jp1vAz8Kpg7"
"#;
    for (account, kind, status) in
        [("shop", "refund", 403), ("old-shop", "refund", 401), ("order-shop", "aps-order", 404)]
    {
        let objects = population(account, kind, 41, "[]");
        let mut world = World::new(START, &scenario(&[objects], aps), "").await;
        let planted = world.simulator.planted();
        world.memory.refuse(&planted[0].truth.id, status);
        let objects = world.enrol_all(account).await;
        world.pass_hours(24.0).await;
        let (refused, others): (Vec<_>, Vec<_>) =
            objects.iter().partition(|object| object.id.as_str() == planted[0].truth.id);
        let mut polls = 0;
        for object in others {
            polls += world.record(object).await.polls;
        }
        assert!((40 * 22..=40 * 27).contains(&polls), "{account}: {polls} polls of 40 objects in a day");
        let told = world.events("quarantined");
        assert_eq!(told.len(), 1, "{account}: {told:?}");
        assert_eq!(told[0]["object"]["id"], refused[0].id.as_str());
        for kind in ["credentials-refused", "credentials-accepted", "no-success"] {
            assert!(world.events(kind).is_empty(), "{account}: {:?}", world.events(kind));
        }
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_without_success_is_unhealthy_and_that_is_reported_once_over_restarts() {
    let faults = "[[fault]]\nkind = \"hang\"\naccount = \"shop\"\nfrom_s = 1800\nto_s = 21600\n";
    let refunds = population("shop", "refund", 20, "[]");
    let mut world = World::new(START, &scenario(&[refunds], faults), "").await;
    world.enrol_all("shop").await;
    let state = async |world: &World| {
        let health = world.daemon().service().status().await.unwrap().health;
        health.accounts[0].state.clone()
    };
    world.pass_hours(0.5).await;
    assert_eq!(state(&world).await, AccountState::Ok);
    world.pass_hours(1.0).await;
    let ill = state(&world).await;
    assert!(matches!(&ill, AccountState::NoSuccess { detail, .. } if detail.contains("deadline")), "{ill:?}");
    assert_eq!(world.events("no-success").len(), 1);
    world.stop().await;
    world.start().await;
    world.pass_hours(2.0).await;
    assert!(matches!(state(&world).await, AccountState::NoSuccess { .. }), "a restart remembers");
    assert_eq!(world.events("no-success").len(), 1, "and does not tell it again");
    world.pass_hours(3.0).await;
    assert_eq!(state(&world).await, AccountState::Ok);
    let told = world.events("no-success");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1]["severity"], "info");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn success_of_another_operation_reopens_a_refused_account_at_once() {
    let faults = "[[fault]]\nkind = \"refused_credentials\"\naccount = \"old-shop\"\nto_s = 7200\n";
    let scenario = scenario(&[population("old-shop", "refund", 20, "[]")], faults);
    // Probes alone would come too late.
    let mut world = World::new(START, &scenario, "[polling]\nprobe_interval = \"12h\"\n").await;
    world.enrol_all("old-shop").await;
    world.pass_hours(1.9).await;
    assert_eq!(world.events("credentials-refused").len(), 1);
    // The provider's status is requested every few minutes with the same key.
    world.pass_hours(0.5).await;
    assert_eq!(world.events("credentials-accepted").len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_temporary_404_is_no_trouble_and_a_lasting_one_is_reported() {
    let steps = r#"[{ after_s = 1000, state = "Captured" }]"#;
    let late = scenario(&[population("shop", "capture", 1, steps)], "not_found_for_s = 120\n");
    let mut world = World::new(START, &late, "").await;
    let appears = world.enrol_all("shop").await.remove(0);
    let never: reconciled::payments::object::ObjectRef =
        "shop/charge/P02-9999999-9999999-C999999".parse().unwrap();
    let enrolment_request = reconciled::control::enrolment_request::EnrolmentRequest::plain(never.clone());
    world.daemon().service().enrol(vec![enrolment_request]).await.unwrap();
    world.pass_hours(3.0).await;
    assert_eq!(world.record(&appears).await.state(), Some("Captured"));
    assert_eq!(world.record(&appears).await.quarantine, None);
    let record = world.record(&never).await;
    assert_eq!(record.quarantine.as_ref().unwrap().cause, "not-found");
    assert_eq!(world.events("quarantined").len(), 1);
    let polls = record.polls;
    world.pass_hours(24.0).await;
    let later = world.record(&never).await.polls;
    assert!((3..=5).contains(&(later - polls)), "polled slowly: {} times in a day", later - polls);
    assert_eq!(world.events("quarantined").len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_reload_keeps_the_old_configuration_and_says_why() {
    let mut world = World::new(START, &scenario(&[population("shop", "refund", 1, "[]")], ""), "").await;
    let object = world.enrol_all("shop").await.remove(0);
    let good = std::fs::read_to_string(world.config_path()).unwrap();
    world.rewrite_config(|text| text.replace("region = \"eu\"", "region = \"moon\"") + "\n[nonsense]\n");
    let reloaded = world.daemon().service().reload("uid:0").await;
    assert!(!reloaded.is_applied);
    assert_eq!(reloaded.problems.len(), 2, "{:?}", reloaded.problems);
    assert!(reloaded.problems.iter().any(|problem| problem.contains("region") && problem.contains("moon")));
    let polls = world.record(&object).await.polls;
    world.pass_hours(2.5).await;
    assert!(world.record(&object).await.polls >= polls + 2, "it continues as before");
    world.rewrite_config(|_| good + "\n[poll]\ninterval = \"10m\"\n");
    assert!(world.daemon().service().reload("uid:0").await.is_applied);
    world.pass_hours(1.2).await;
    let polls = world.record(&object).await.polls;
    world.pass_hours(1.0).await;
    assert!(world.record(&object).await.polls >= polls + 5, "the new interval applies");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn missed_report_nights_are_made_up_at_the_start() {
    let steps = r#"[{ after_s = 3000, state = "Declined", reason = "AmazonRejected" }]"#;
    let mut world = World::new(START, &scenario(&[population("shop", "refund", 1, steps)], ""), "").await;
    world.enrol_all("shop").await;
    world.pass_hours(3.0).await;
    world.stop().await;
    world.pass_hours(75.0).await;
    world.start().await;
    world.pass_minutes(2.0).await;
    for day in ["2027-01-15", "2027-01-16", "2027-01-17"] {
        let service = world.daemon().service();
        let report = service.report(Some(day.parse().unwrap())).await.unwrap();
        assert!(report.was_there, "{day} was not created automatically");
        let folder = std::path::Path::new(&report.path);
        assert!(folder.join("manifest.json").exists(), "{}", folder.display());
    }
    world.stop().await;
}
