//! What a provider's Retry-After may do: delay an operation as long as it is plausible, and never silently.

use reconciled::control::messages::PollRequest;

use crate::world::World;

/// Twenty refunds of one shop, polled every hour; the provider throttles as the fault says.
fn scenario(api: &str, fault: &str) -> String {
    let credentials = match api {
        "amazon-pay-v2" => "region = \"eu\"\npublic_key_id = \"LIVE-ASHOPKEY\"",
        _ => "region = \"na\"\naccess_key_id = \"AKIASHOP000000000000\"",
    };
    format!(
        "seed = 11\n[[account]]\nname = \"shop\"\napi = \"{api}\"\nmerchant_id = \"A1SHOP\"\n\
         environment = \"live\"\n{credentials}\n\
         quota = [{{ operation = \"*\", capacity = 10, refill = 1, per_s = 1 }}]\n\
         [[population]]\naccount = \"shop\"\nkind = \"refund\"\ncount = 20\n\
         currencies = [{{ code = \"USD\", amount = [\"14.00\", \"14.00\"] }}]\noutcome = [{{ steps = [] }}]\n\
         [[fault]]\nkind = \"throttle\"\n{fault}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn an_implausible_retry_after_is_tried_again_every_minute() {
    for api in ["amazon-pay-v2", "amazon-pay-mws"] {
        let fault = "retry_after_s = 2300000000\nfrom_s = 3000\nto_s = 4200";
        let mut world = World::new("2027-01-15T06:00:00Z", &scenario(api, fault), "").await;
        let objects = world.enrol_all("shop").await;
        world.pass_minutes(72.0).await;
        let throttled = world.simulator.counts().of_account("shop").injected();
        assert!(
            (10..=25).contains(&throttled),
            "{api}: {throttled} in the 16 minutes in which objects are due"
        );
        let told = world.events("provider-hold");
        assert_eq!(told.len(), 1, "{api}: repeated waits of a minute count as a long hold: {told:?}");
        assert_eq!(world.events("provider-hold-ended").len(), 1, "{api}");
        for object in &objects {
            let polls = world.record(object).await.polls;
            assert!(polls >= 2, "{api}: {object} was not polled within two minutes of the end");
        }
        assert_eq!(world.simulator.counts().total().over_quota, 0);
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn half_an_hour_is_waited_shown_and_reported_and_survives_a_restart() {
    let fault = "retry_after_s = 1800\nfrom_s = 3000\nto_s = 4200";
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario("amazon-pay-v2", fault), "").await;
    let objects = world.enrol_all("shop").await;
    world.pass_minutes(62.0).await;
    let service = world.daemon().service();
    let status = service.status().await.unwrap();
    let complaint = status.health.complaints.join("\n");
    assert!(
        complaint.contains("the provider of shop allows no GetRefund before 2027-01-15T07:"),
        "{complaint}"
    );
    let request = PollRequest { all: true, dry_run: true, ..PollRequest::default() };
    let plan = service.poll(&request).await.unwrap();
    let remark = plan.plan[0].remark.as_deref().unwrap_or_default();
    assert!(remark.contains("the provider allows no GetRefund before"), "{remark}");
    assert!(plan.first_at.unwrap() > status.now);
    let told = service.explain(&objects[0].to_string().parse().unwrap()).await.unwrap();
    assert!(told.next_look.contains("the provider allows no GetRefund before"), "{}", told.next_look);
    let events = world.events("provider-hold");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0]["explanation"].as_str().unwrap().contains("a decline would be noticed late"));

    world.stop().await;
    world.start().await;
    world.pass_minutes(5.0).await;
    assert_eq!(world.events("provider-hold").len(), 1, "a restart does not tell again");
    let throttled = world.simulator.counts().of_account("shop").injected();
    assert!((1..=10).contains(&throttled), "those that had left together: {throttled}");
    world.pass_minutes(25.0).await;
    assert_eq!(world.simulator.counts().of_account("shop").injected(), throttled, "obeyed to its end");
    assert_eq!(world.events("provider-hold-ended").len(), 1);
    for object in &objects {
        assert!(world.record(object).await.polls >= 2, "{object}");
    }
    let service = world.daemon().service();
    assert!(service.status().await.unwrap().health.complaints.is_empty());
    assert_eq!(world.simulator.counts().total().over_quota, 0);
    world.stop().await;
}
