//! In virtual time: the rate of the other account, to the request.

use crate::canary::FAULTS;
use crate::scenario::{self, population, quota, v2_shop};
use crate::world::World;

fn scenario(faults: &str) -> String {
    let good = v2_shop("good", "Agood", "LIVE-AGOODKEY");
    let bad = v2_shop("bad", "Abad", "LIVE-ABADKEY");
    let [good_refunds, bad_refunds] = ["good", "bad"].map(|account| population(account, "refund", 400, "[]"));
    let quota = quota(10, 1);
    scenario::of(3, &[&good, &quota, &good_refunds, &bad, &quota, &bad_refunds, &faults])
}

#[tokio::test(start_paused = true)]
async fn faults_at_one_account_leave_the_other_its_rate() {
    let faults: String = FAULTS
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let (from, to) = (number * 12, number * 12 + 12);
            format!("[[fault]]\nkind = \"{kind}\"\naccount = \"bad\"\nfrom_s = {from}\nto_s = {to}\n")
        })
        .collect();
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario(&faults), "").await;
    world.enrol_all("bad").await;
    world.enrol_all("good").await;
    world.pass_minutes(0.2).await;
    for number in 0..FAULTS.len() - 1 {
        let before = world.simulator.counts().of_account("good");
        world.pass_minutes(0.2).await;
        let after = world.simulator.counts().of_account("good");
        let polled = after.requests - before.requests;
        assert!((11..=13).contains(&polled), "{polled} in the twelve seconds of {}", FAULTS[number + 1]);
    }
    let counts = world.simulator.counts();
    assert_eq!((counts.of_account("good").throttled, counts.total().over_quota), (0, 0));
    assert!(counts.of_account("bad").faults.len() >= 8, "{:?}", counts.of_account("bad").faults);
    for kind in ["declined", "credentials-refused"] {
        let told = world.events(kind);
        assert!(told.iter().all(|event| event["account"] != "good"), "{told:?}");
    }
    assert!(world.events("declined").is_empty(), "nothing was concluded about money");
    world.stop().await;
}
