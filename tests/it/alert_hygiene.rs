//! Whole-daemon stories about alerts: bursts, conditions that last, orders that are paid after all, and what had ended
//! before anybody watched it. Virtual time.

use crate::scenario::{self, Population, population, quota, shop};
use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";

const DECLINED_LATER: &str = r#"[{ after_s = 1800, state = "Declined", reason = "HardDeclined" }]"#;

/// The usual shop with the given populations and faults.
fn scenario(populations: &[Population<'_>], faults: &str) -> String {
    let populations: String = populations.iter().map(ToString::to_string).collect();
    scenario::of(7, &[&shop(), &quota(300, 10), &populations, &faults])
}

#[tokio::test(start_paused = true)]
async fn two_hundred_declines_are_a_handful_of_messages_and_none_is_lost() {
    let charges = population("shop", "authorization", 200, DECLINED_LATER);
    let mut world = World::new(START, &scenario(&[charges], ""), "").await;
    let objects = world.enrol_all("shop").await;
    world.pass_hours(3.0).await;
    assert_eq!(world.events("declined").len(), 200, "the back office gets each event");
    let texts = world.chat();
    assert!(texts.len() <= 30, "{} messages", texts.len());
    let summed: usize = texts
        .iter()
        .filter_map(|text| text.split_once("] ")?.1.split(' ').next()?.parse::<usize>().ok())
        .sum();
    let alone = texts.iter().filter(|text| text.contains("was declined")).count();
    assert_eq!(alone + summed, 200, "{texts:#?}");
    world.stop().await;
    world.start().await;
    world.pass_hours(1.0).await;
    assert_eq!(world.chat().len(), texts.len(), "a restart repeats nothing");
    for object in &objects {
        let told =
            world.events("declined").into_iter().filter(|event| event["object"]["id"] == object.id.as_str());
        assert_eq!(told.count(), 1);
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_repeated_daily_hides_its_consequences_and_ends_once() {
    let fault = "[[fault]]\nkind = \"refused_credentials\"\naccount = \"shop\"\nto_s = 180000\n";
    let refunds = population("shop", "refund", 20, "[]");
    let mut world = World::new(START, &scenario(&[refunds], fault), "").await;
    world.enrol_all("shop").await;
    world.pass_hours(30.0).await;
    let titled = |world: &World, mark: &str| world.chat().iter().filter(|text| text.contains(mark)).count();
    assert_eq!(titled(&world, "[CREDENTIALS REFUSED]"), 2, "{:#?}", world.chat());
    world.stop().await;
    world.start().await;
    world.pass_hours(40.0).await;
    assert_eq!(titled(&world, "[CREDENTIALS REFUSED]"), 3, "{:#?}", world.chat());
    assert_eq!(titled(&world, "[CREDENTIALS ACCEPTED]"), 1, "{:#?}", world.chat());
    let consequences = ["[NO SUCCESS]", "[BACKLOG]"].map(|mark| titled(&world, mark));
    assert_eq!(consequences, [0, 0], "{:#?}", world.chat());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_paid_after_its_decline_is_told_once() {
    let populations = [
        ("authorization", DECLINED_LATER),
        ("capture", r#"[{ after_s = 20000, state = "Captured" }]"#),
        ("refund", r#"[{ after_s = 30000, state = "Refunded" }]"#),
    ];
    let populations = populations.map(|(kind, steps)| population("shop", kind, 1, steps));
    let mut world = World::new(START, &scenario(&populations, ""), "").await;
    world.enrol_all("shop").await;
    world.pass_hours(3.0).await;
    let declined = world.events("declined").remove(0);
    assert!(world.events("recovered").is_empty());
    world.stop().await;
    world.start().await;
    world.pass_hours(12.0).await;
    let told = world.events("recovered");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["object"]["reference"], declined["object"]["reference"]);
    assert_ne!(told[0]["object"]["id"], declined["object"]["id"]);
    assert!(told[0]["headline"].as_str().unwrap().contains("was paid after all: 14.00 USD"), "{told:#?}");
    assert_eq!(world.chat().iter().filter(|text| text.contains("was paid after all")).count(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_had_ended_before_the_first_day_is_one_message_and_a_fresh_decline_is_its_own() {
    for report_history in [false, true] {
        let steps = r#"[{ after_s = 60, state = "Declined", reason = "HardDeclined" }]"#;
        let charges = population("shop", "authorization", 4, steps);
        let section = format!("[alerting]\nreport_history = {report_history}\n");
        let mut world = World::new(START, &scenario(&[charges], ""), &section).await;
        world.stop().await;
        // The simulator's objects end while the daemon is away; the store knows no first use of the account yet.
        world.pass_hours(72.0).await;
        std::fs::remove_dir_all(world.folder.path().join("store")).unwrap();
        world.start().await;
        world.enrol_all("shop").await;
        world.pass_hours(2.0).await;
        let expected = if report_history { 4 } else { 0 };
        assert_eq!(world.events("declined").len(), expected);
        world.pass_hours(24.0).await;
        let summed = world.events("already-ended");
        assert_eq!(summed.len(), usize::from(!report_history));
        if let Some(alert) = summed.first() {
            let headline = alert["headline"].as_str().unwrap();
            assert!(
                headline.contains("4 objects") && headline.contains("4 of them declined (56.00 USD)"),
                "{headline}"
            );
        }
        world.pass_hours(48.0).await;
        assert_eq!(world.events("already-ended").len(), usize::from(!report_history), "once");
        world.stop().await;
    }
}
