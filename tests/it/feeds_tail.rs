//! Polling by batch in a whole daemon: more captures and refunds than single requests can poll in time.

use reconciled::control::messages::Selector;
use reconciled::payments::lifecycle::Phase;
use reconciled::payments::object::ObjectRef;

use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";
const COUNT: u64 = 400;

/// A live shop with pending captures that all complete after six hours; single requests can poll 60 an hour.
async fn shop(poll: &str) -> (World, Vec<ObjectRef>) {
    let scenario = format!(
        "seed = 5\n[[account]]\nname = \"uk\"\napi = \"amazon-pay-mws\"\nmerchant_id = \"A3EXAMPLEUK\"\n\
         region = \"eu\"\nenvironment = \"live\"\naccess_key_id = \"AKIAEXAMPLEUK\"\n\
         [[population]]\naccount = \"uk\"\nkind = \"capture\"\ncount = {COUNT}\nreference_prefix = \"late-\"\n\
         currencies = [{{ code = \"GBP\", amount = [\"10.00\", \"10.00\"] }}]\n\
         outcome = [{{ share = 0.9, steps = [{{ state = \"Pending\" }}, {{ after_s = 36000, state = \"Completed\" }}] }},\n\
         {{ share = 0.1, steps = [{{ state = \"Pending\" }}, {{ after_s = 36000, state = \"Declined\", reason = \"AmazonRejected\" }}] }}]\n"
    );
    let mut world = World::new(START, &scenario, "").await;
    world.stop().await;
    let slow = format!("allow_writes = false\nquota = {{ burst = 10, per_second = 0.0167 }}\n{poll}");
    world.rewrite_config(|text| text.replace("allow_writes = true\n", &slow));
    world.start().await;
    let objects = world.enrol_all("uk").await;
    (world, objects)
}

async fn finals(world: &World, objects: &[ObjectRef]) -> usize {
    let mut count = 0;
    for object in objects {
        count += usize::from(world.record(object).await.phase() == Phase::Final);
    }
    count
}

fn asked(world: &World, operation: &str) -> u64 {
    let counts = world.simulator.counts();
    counts.operations.get(&("uk".to_owned(), operation.to_owned())).map_or(0, |counts| counts.requests)
}

#[tokio::test(start_paused = true)]
async fn objects_beyond_the_quota_are_polled_by_batch_and_decided_like_any_poll() {
    let (world, objects) = shop("poll = { batch = \"auto\" }\n").await;
    world.pass_hours(2.0).await;
    let status = world.daemon().service().status().await.unwrap();
    assert_eq!(status.tails.len(), 1, "{:?}", status.tails);
    let tail = &status.tails[0].tail;
    assert_eq!((tail.moving, tail.batches), (COUNT, 1));
    assert!((300..400).contains(&tail.by_batch) && tail.saved > 250, "{tail:?}");
    let selector = Selector::from(objects[0].clone());
    let told = world.daemon().service().explain(&selector).await.unwrap().next_look;
    assert!(told.contains("polled by batch"), "{told}");
    world.pass_hours(7.0).await;
    assert_eq!(finals(&world, &objects).await, 0, "all are pending yet");
    let seen =
        |record: reconciled::payments::record::Record| record.observed.map(|observed| observed.seen_at);
    for object in &objects {
        let seen_at = seen(world.record(object).await).expect("each was observed");
        let age = reconciled::clock::Clock::now(&*world.clock).duration_since(seen_at);
        assert!(age.as_secs() < 3 * 3600, "{object} was observed {} s ago", age.as_secs());
    }
    world.pass_hours(5.0).await;
    assert_eq!(finals(&world, &objects).await, objects.len(), "an interval after the end all are known");
    let declined = world.events("declined").len();
    assert!((10..90).contains(&declined), "declines found by batch are reported: {declined}");
    assert_eq!(world.events("batch").len(), 0);
    let singly = asked(&world, "GetCaptureDetails");
    assert!(singly < 60 * 15, "{singly} single calls keep to their quota");
    let lists = asked(&world, "SubmitFeed") + asked(&world, "GetFeedSubmissionList");
    assert!(lists < 250, "{lists} requests for all the batches");
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_objects_are_polled_singly() {
    let (world, objects) = shop("").await;
    world.pass_hours(14.0).await;
    assert_eq!(asked(&world, "SubmitFeed"), 0);
    assert!(finals(&world, &objects).await < objects.len());
    let status = world.daemon().service().status().await.unwrap();
    assert!(status.tails.is_empty() && status.batches.is_empty());
}
