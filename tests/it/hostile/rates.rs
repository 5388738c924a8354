//! In virtual time: the rate of the other account, to the request.

use crate::canary::FAULTS;
use crate::world::World;

fn scenario(faults: &str) -> String {
    let account = |name: &str, api: &str, rest: &str| {
        format!(
            "[[account]]\nname = \"{name}\"\napi = \"{api}\"\nmerchant_id = \"A{name}\"\nregion = \"eu\"\n\
             environment = \"live\"\n{rest}\n\
             quota = [{{ operation = \"*\", capacity = 10, refill = 1, per_s = 1 }}]\n\
             [[population]]\naccount = \"{name}\"\nkind = \"refund\"\ncount = 400\n\
             currencies = [{{ code = \"USD\", amount = [\"14.00\", \"14.00\"] }}]\noutcome = [{{ steps = [] }}]\n"
        )
    };
    let good = account("good", "amazon-pay-v2", "public_key_id = \"LIVE-AGOODKEY\"");
    let bad = account("bad", "amazon-pay-v2", "public_key_id = \"LIVE-ABADKEY\"");
    format!("seed = 3\n{good}{bad}{faults}")
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
