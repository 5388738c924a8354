//! The health of a channel of notifications, and how polling follows it.

use std::time::Duration;

use reconciled::clock::Clock;
use reconciled::notifications::{Answer, Verdict};
use reconciled::payments::object::ObjectRef;

use crate::notifications::{channel, deliver, trust, world};
use crate::sns::{Sns, v2};
use crate::world::World;

/// Charges that are captured one after the other, one every ten minutes from the third hour on.
fn scenario(count: u32) -> String {
    let populations = (0..count).map(|number| {
        format!(
            "[[population]]\naccount = \"shop\"\nkind = \"authorization\"\ncount = 1\nreference_prefix = \"O{number}-\"\n\
             currencies = [{{ code = \"USD\", amount = [\"14.00\", \"14.00\"] }}]\n\
             outcome = [{{ steps = [{{ after_s = {}, state = \"Declined\", reason = \"HardDeclined\" }}] }}]\n",
            10_800 + 600 * number
        )
    });
    format!(
        r#"
seed = 7
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "sandbox"
public_key_id = "SANDBOX-ASHOPKEY"
quota = [{{ operation = "*", capacity = 10, refill = 1, per_s = 1 }}]
{}"#,
        populations.collect::<String>()
    )
}

async fn hint(world: &World, object: &ObjectRef, number: u64) {
    let message = Sns::get().notification(number, &v2("CHARGE", object.id.as_str()), world.daemon().now());
    assert_eq!(deliver(world, &message).await, Answer::Stored);
}

#[tokio::test(start_paused = true)]
async fn while_hints_come_polling_relaxes_and_when_they_stop_it_returns_to_the_full_rate_with_an_alert() {
    let (mut world, _folder) = world(&scenario(40), "[poll]\nrelaxed_interval = \"6h\"").await;
    trust(&world).await;
    let objects = world.enrol_all("shop").await;
    world.pass_hours(3.0).await;
    let polls_before = world.record(objects.last().unwrap()).await.polls;
    assert!(polls_before >= 3, "hourly: {polls_before}");
    world.clock.sleep(Duration::from_secs(30)).await;
    // Twelve are announced, as they happen.
    for (number, object) in (0..).zip(&objects[..12]) {
        hint(&world, object, number).await;
        world.clock.sleep(Duration::from_secs(5)).await;
        assert_eq!(world.record(object).await.state(), Some("Declined"), "{number}");
        world.clock.sleep(Duration::from_secs(595)).await;
    }
    let shown = channel(&world);
    assert_eq!(
        (shown.health, shown.kinds[&"charge".parse().unwrap()].health),
        (Verdict::Healthy, Verdict::Healthy)
    );
    assert_eq!(shown.delay_p50_below_s, Some(5));
    let charges = &shown.kinds[&"charge".parse().unwrap()];
    assert_eq!((charges.finals, charges.announced), (12, 12));
    let relaxed = world.record(objects.last().unwrap()).await;
    let wait = relaxed.due_at.unwrap().duration_since(relaxed.polled_at.unwrap());
    assert!(wait.as_hours() >= 5, "polled every six hours: {wait}");
    // From now on none is announced. Relaxed polling finds them late, and the twelfth is enough.
    world.pass_hours(12.0).await;
    let shown = channel(&world);
    assert_eq!(shown.health, Verdict::Silent);
    assert_eq!(world.events("notifications-silent").len(), 1);
    let headline = world.events("notifications-silent")[0]["headline"].as_str().unwrap().to_owned();
    assert!(headline.contains("charge"), "{headline}");
    let advice = world.events("notifications-silent")[0]["advice"].as_str().unwrap().to_owned();
    assert!(advice.contains("firewall") && advice.contains("topic"), "{advice}");
    for object in &objects {
        assert_eq!(world.record(object).await.state(), Some("Declined"), "polling finds every one");
    }
    world.stop().await;
    world.start().await;
    assert_eq!(channel(&world).health, Verdict::Silent, "a restart does not forget it");
    world.pass_hours(1.0).await;
    assert_eq!(world.events("notifications-silent").len(), 1);
    // The nightly report has the figures of its day. Nothing is polled any more, so the clock is sure after three hours.
    world.pass_hours(5.0).await;
    let summary = world.folder.path().join("reports/2027/01/2027-01-15/summary.json");
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let day = &summary["notifications"][0];
    assert_eq!((day["account"].as_str(), day["was_silent"].as_bool()), (Some("shop"), Some(true)));
    assert_eq!(day["silent_types"], serde_json::json!(["charge"]));
    assert_eq!(day["announced"], 12);
    assert!(day["final_states"].as_u64().unwrap() >= 30, "{day}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn hints_that_come_after_polling_found_the_final_states_are_no_silence() {
    let (mut world, _folder) = world(&scenario(14), "").await;
    trust(&world).await;
    let objects = world.enrol_all("shop").await;
    world.pass_hours(2.5).await;
    hint(&world, &objects[13], 0).await;
    // From then on polling is always faster, by five minutes at most.
    let mut late = objects.clone();
    for _ in 0..60 {
        world.pass_minutes(5.0).await;
        for object in std::mem::take(&mut late) {
            if world.record(&object).await.is_finished() {
                let number = objects.iter().position(|known| *known == object).unwrap();
                hint(&world, &object, u64::try_from(number + 1).unwrap()).await;
            } else {
                late.push(object);
            }
        }
    }
    assert_eq!(late, []);
    world.pass_minutes(30.0).await;
    let shown = channel(&world);
    let charges = &shown.kinds[&"charge".parse().unwrap()];
    assert_eq!((charges.finals, charges.announced, charges.health), (14, 14, Verdict::Healthy));
    assert_eq!((shown.counts.finished_objects, world.events("notifications-silent").len()), (14, 0));
    world.stop().await;
}
