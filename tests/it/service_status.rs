//! A provider's own status report controls polling, and nothing else.

use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";

/// Captures that stay Pending for two days, and the provider's status reports.
fn scenario(statuses: &str, count: u32, faults: &str) -> String {
    format!(
        r#"
seed = 7
[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "eu"
environment = "live"
access_key_id = "AKIAOLDSHOP000000000"
[[population]]
account = "old-shop"
kind = "capture"
count = {count}
reference_prefix = "ORDER-"
currencies = [{{ code = "USD", amount = ["14.00", "14.00"] }}]
outcome = [{{ steps = [{{ after_s = 172800, state = "Completed" }}] }}]
[[mws]]
account = "old-shop"
service_status = [{statuses}]
{faults}
"#
    )
}

fn asked(world: &World, operation: &str) -> u64 {
    let counts = world.simulator.counts();
    counts.operations.get(&("old-shop".to_owned(), operation.to_owned())).map_or(0, |counts| counts.requests)
}

async fn service(world: &World) -> Option<reconciled::control::messages::ServiceHealth> {
    world.daemon().service().status().await.unwrap().health.accounts.remove(0).service
}

const IMPATIENT: &str = "[poll]\npatience = \"2h\"\n";

#[tokio::test(start_paused = true)]
async fn yellow_widens_and_mutes_while_it_lasts_and_is_reported_once() {
    let yellow = r#"{ status = "YELLOW", from_s = 3600, to_s = 36000 }"#;
    let mut world = World::new(START, &scenario(yellow, 1, ""), IMPATIENT).await;
    let object = world.enrol_all("old-shop").await.remove(0);
    world.pass_hours(0.5).await;
    let green = service(&world).await.unwrap();
    assert_eq!((green.word.as_str(), green.steers, green.message), ("GREEN", false, None));
    world.pass_hours(1.0).await;
    let yellow = service(&world).await.unwrap();
    assert_eq!((yellow.word.as_str(), yellow.steers), ("YELLOW", true));
    assert_eq!(yellow.message.as_deref(), Some("The service status is YELLOW"));
    let polls = world.record(&object).await.polls;
    world.pass_hours(8.0).await;
    let more = world.record(&object).await.polls - polls;
    assert!((3..=5).contains(&more), "every two hours instead of every hour: {more} times in eight hours");
    assert!(world.events("overdue").is_empty(), "silence says nothing while the provider is in trouble");
    assert_eq!(world.record(&object).await.warned, Vec::<String>::new());
    world.pass_hours(4.0).await;
    assert_eq!(world.events("overdue").len(), 1, "afterwards it is told");
    assert!(!service(&world).await.unwrap().steers);
    let told = world.events("service-status");
    assert_eq!(told.len(), 2, "when it begins and when it ends");
    assert_eq!(world.events("declined").len() + world.events("quarantined").len(), 0);
    // Every 15 minutes when all is well, every 5 during trouble.
    let asked = asked(&world, "GetServiceStatus");
    assert!((100..=130).contains(&asked), "{asked} status requests");
    assert_eq!(world.simulator.counts().total().over_quota, 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn red_leaves_one_probe_a_minute_and_green_resumes_polling() {
    let red = r#"{ status = "RED", from_s = 5400, to_s = 16200 }"#;
    let mut world = World::new(START, &scenario(red, 150, ""), IMPATIENT).await;
    let objects = world.enrol_all("old-shop").await;
    world.pass_hours(2.0).await;
    let before = asked(&world, "GetCaptureDetails");
    world.pass_hours(2.0).await;
    let during = asked(&world, "GetCaptureDetails") - before;
    assert!((100..=121).contains(&during), "{during} requests in two hours of RED");
    assert!(world.events("overdue").is_empty());
    world.stop().await;
    world.start().await;
    world.pass_minutes(10.0).await;
    assert!(service(&world).await.unwrap().steers, "a restart remembers, and requests the status again");
    world.pass_hours(6.0).await;
    for object in &objects {
        let record = world.record(object).await;
        assert!(record.polls >= 2 && record.quarantine.is_none(), "{object}");
    }
    assert_eq!(world.events("overdue").len(), 150, "what is overdue is told once the provider is well");
    world.pass_hours(44.0).await;
    for object in &objects {
        assert_eq!(world.record(object).await.state(), Some("Completed"));
    }
    assert_eq!(world.simulator.counts().total().over_quota, 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn trouble_ends_also_when_green_comes_first_after_a_restart_or_after_a_long_silence() {
    let red = r#"{ status = "RED", from_s = 3600, to_s = 9000 }"#;
    let silence = "[[fault]]\nkind = \"server_error_503\"\noperation = \"GetServiceStatus\"\n\
                   from_s = 5400\nto_s = 14400\n";
    for restarts in [true, false] {
        let faults = if restarts { "" } else { silence };
        let mut world = World::new(START, &scenario(red, 1, faults), IMPATIENT).await;
        world.enrol_all("old-shop").await;
        world.pass_hours(1.5).await;
        assert_eq!(world.events("service-status").len(), 1, "{restarts}");
        if restarts {
            world.stop().await;
            world.pass_hours(1.5).await;
            world.start().await;
        }
        world.pass_hours(30.0).await;
        let told = world.events("service-status");
        assert_eq!(told.len(), 2, "it ends once and is not repeated, {restarts}: {told:?}");
        assert!(told[1]["headline"].as_str().unwrap().contains("GREEN again"), "{told:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn information_is_recorded_failures_hasten_the_next_request_and_a_key_disables_it() {
    let information = r#"{ status = "GREEN_I" }"#;
    let faults = "[[fault]]\nkind = \"server_error_503\"\noperation = \"GetCaptureDetails\"\nfrom_s = 1860\nto_s = 2400\n";
    let mut world =
        World::new(START, &scenario(information, 40, faults), "[poll]\ninterval = \"10m\"\n").await;
    world.enrol_all("old-shop").await;
    world.pass_minutes(30.0).await;
    let said = service(&world).await.unwrap();
    assert_eq!((said.word.as_str(), said.steers), ("GREEN_I", false));
    assert!(said.message.is_some());
    assert!(world.events("service-status").is_empty());
    let before = asked(&world, "GetServiceStatus");
    assert!((2..=3).contains(&before), "{before}");
    world.pass_minutes(8.0).await;
    assert!(asked(&world, "GetServiceStatus") > before, "failed polls are a reason to request the status");

    world.rewrite_config(|text| {
        text.replace("access_key_id = \"AKIA", "service_status = false\naccess_key_id = \"AKIA")
    });
    assert!(world.daemon().service().reload("uid:0").await.is_applied);
    let before = asked(&world, "GetServiceStatus");
    world.pass_hours(3.0).await;
    assert_eq!(asked(&world, "GetServiceStatus"), before);
    assert_eq!(service(&world).await, None);
    world.stop().await;
}
