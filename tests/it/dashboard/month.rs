//! A month of two shops: objects that were decided, some that still move, one in doubt, and declines to deal with.

use std::net::TcpListener;
use std::time::Duration;

use amazon_pay_simulator::plan::{Plan, Step};
use reconciled::access::Caller;
use reconciled::access::users::Users;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{DeclineDone, DeclineList, Matchers, SilenceAdd};
use reconciled::payments::money::Money;
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::Details;

use crate::world::World;

const START: &str = "2027-01-02T00:00:00Z";

const SCENARIO: &str = r#"
seed = 21
[[account]]
name = "shop-de"
api = "amazon-pay-v2"
merchant_id = "A1SHOPDE"
region = "eu"
environment = "live"
public_key_id = "LIVE-ASHOPDEKEY"
quota = [{ operation = "*", capacity = 20, refill = 5, per_s = 1 }]
[[account]]
name = "shop-jp"
api = "amazon-pay-v2"
merchant_id = "A1SHOPJP"
region = "jp"
environment = "live"
public_key_id = "LIVE-ASHOPJPKEY"
quota = [{ operation = "*", capacity = 20, refill = 5, per_s = 1 }]
"#;

pub struct Month {
    pub world: World,
    /// An object that was declined today.
    pub declined: ObjectRef,
    /// The hour of the day at its end.
    pub hour: f64,
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Month {
    /// Plants an object and enrols it. `steps` are seconds, state and reason.
    pub async fn add(
        &self,
        account: &str,
        kind: &str,
        amount: &str,
        steps: &[(u64, &str, Option<&str>)],
    ) -> ObjectRef {
        add(&self.world, account, kind, amount, amount, steps).await
    }
}

async fn add(
    world: &World,
    account: &str,
    kind: &str,
    amount: &str,
    expected: &str,
    steps: &[(u64, &str, Option<&str>)],
) -> ObjectRef {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let currency = if account == "shop-jp" { "JPY" } else { "EUR" };
    let step = |(after_s, state, reason): &(u64, &str, Option<&str>)| Step {
        after: Duration::from_secs(*after_s),
        state: (*state).to_owned(),
        reason: reason.map(str::to_owned),
    };
    let plan = Plan {
        kind: kind.to_owned(),
        amount: amount.to_owned(),
        currency: currency.to_owned(),
        merchant_reference: format!("2027-{number:05}"),
        steps: steps.iter().map(step).collect(),
        invisible_for: Duration::ZERO,
    };
    let id = world.simulator.plant(account, &plan).unwrap();
    let kind = if kind == "refund" { "refund" } else { "charge" };
    let object: ObjectRef = format!("{account}/{kind}/{id}").parse().unwrap();
    let details = Details {
        amount: Money::parse(expected, currency).ok(),
        merchant_reference: Some(plan.merchant_reference.clone()),
        ..Details::default()
    };
    let line = EnrolmentRequest { details, ..EnrolmentRequest::plain(object.clone()) };
    let result = world.daemon().service().enrol(vec![line]).await.unwrap().remove(0);
    assert_eq!(result.reason, None);
    object
}

/// Lets a month pass, or its first days, and leaves the last day in its middle. Of every four days, the second has a
/// decline.
pub async fn a_month(days: u64) -> Month {
    let tcp = format!("[control.tcp]\nlisten = \"127.0.0.1:{}\"\n", free_port());
    let world = World::new(START, SCENARIO, &tcp).await;
    const HOUR: u64 = 3_600;
    for day in 0..days {
        for number in 0..(3 + day * 7 % 5) {
            let after = HOUR * (1 + (day + number * 5) % 17);
            let cents = (day * 37 + number * 113) % 90 + 10;
            add(
                &world,
                "shop-de",
                "capture",
                &format!("{}.{cents}", 9 + cents),
                &format!("{}.{cents}", 9 + cents),
                &[(after, "Captured", None)],
            )
            .await;
        }
        add(&world, "shop-jp", "capture", "4200", "4200", &[(HOUR * 2, "Captured", None)]).await;
        if day % 3 == 0 {
            add(&world, "shop-de", "refund", "19.90", "19.90", &[(HOUR * 5, "Refunded", None)]).await;
        }
        if day % 4 == 1 {
            let reason = Some(if day % 8 == 1 { "HardDeclined" } else { "AmazonRejected" });
            add(&world, "shop-de", "authorization", "59.00", "59.00", &[(HOUR * 3, "Declined", reason)])
                .await;
        }
        world.pass_hours(24.0).await;
    }
    let service = world.daemon().service();
    let me = Caller::own(&Users::of_machine());
    // The declines of the weeks before are dealt with.
    for decline in service.declines(&DeclineList::default()).await.unwrap().items {
        let done = DeclineDone { key: decline.row.alert.key.clone(), done: true };
        service.carry_out(done, &me).await.unwrap();
    }
    let reason = Some("HardDeclined");
    let declined =
        add(&world, "shop-de", "authorization", "129.00", "129.00", &[(HOUR * 2, "Declined", reason)]).await;
    add(
        &world,
        "shop-jp",
        "authorization",
        "18500",
        "18500",
        &[(HOUR * 3, "Declined", Some("TransactionTimedOut"))],
    )
    .await;
    add(&world, "shop-de", "refund", "49.90", "49.90", &[(HOUR * 4, "Declined", Some("AmazonRejected"))])
        .await;
    // The shop expects another amount.
    add(&world, "shop-de", "capture", "35.00", "53.00", &[(HOUR, "Captured", None)]).await;
    for number in 0..60 {
        let amount = format!("{}.50", 20 + number);
        add(
            &world,
            "shop-de",
            "authorization",
            &amount,
            &amount,
            &[(HOUR * (1 + number % 20), "Authorized", None)],
        )
        .await;
        if number % 3 == 0 {
            add(
                &world,
                "shop-de",
                "capture",
                &amount,
                &amount,
                &[(HOUR * (1 + number % 9), "Captured", None)],
            )
            .await;
        }
    }
    let silence = SilenceAdd {
        matchers: Matchers { accounts: ["shop-jp".to_owned()].into(), ..Matchers::default() },
        reason: "the bank works on it until Thursday".to_owned(),
        for_s: Some(40 * HOUR),
        ..SilenceAdd::default()
    };
    let hour = 10.5;
    world.pass_hours(5.0).await;
    service.carry_out(silence, &me).await.unwrap();
    world.pass_hours(hour - 5.0).await;
    Month { world, declined, hour }
}
