//! Single operations in seeded bad worlds: any fault at any request, a kill at any moment, the command
//! repeated until it is done. Each operation is done once, and the object it created is watched.

use std::time::Duration;

use amazon_pay_simulator::fault::{Fault, FaultKind};
use amazon_pay_simulator::plan::Plan;
use amazon_pay_simulator::provider::Random;
use reconciled::clock::Clock;
use reconciled::control::messages::{CallList, CallOutcome, CallWanted};
use reconciled::payments::object::ObjectRef;

use crate::calls::{SCENARIO, plan};
use crate::world::World;

const FAULTS: [FaultKind; 11] = [
    FaultKind::ServerError500,
    FaultKind::ServerError502,
    FaultKind::ServerError503,
    FaultKind::ServerError504,
    FaultKind::HtmlErrorPage,
    FaultKind::Throttle,
    FaultKind::Hang,
    FaultKind::Reset,
    FaultKind::TruncatedBody,
    FaultKind::HangMidBody,
    FaultKind::EmptyBody,
];

/// A command; `@3` in a value stands for the object created by command 3.
struct Step {
    account: &'static str,
    operation: &'static str,
    pairs: Vec<(&'static str, String)>,
    /// Runs only after these are done.
    after: &'static [usize],
}

fn step(
    (account, operation): (&'static str, &'static str),
    pairs: &[(&'static str, &str)],
    after: &'static [usize],
) -> Step {
    let pairs = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Step { account, operation, pairs, after }
}

/// Two charges, one captured and refunded twice, one canceled; the same at MWS.
fn steps(permission: &str, order: &str) -> Vec<Step> {
    let charge = |key: &'static str| {
        step(
            ("shop", "CreateCharge"),
            &[
                ("chargePermissionId", permission),
                ("chargeAmount.amount", "10.00"),
                ("chargeAmount.currencyCode", "EUR"),
                ("idempotencyKey", key),
            ],
            &[],
        )
    };
    let refund = |key: &'static str| {
        step(
            ("shop", "CreateRefund"),
            &[
                ("chargeId", "@0"),
                ("refundAmount.amount", "4.00"),
                ("refundAmount.currencyCode", "EUR"),
                ("idempotencyKey", key),
            ],
            &[2],
        )
    };
    let authorize = |reference: &'static str| {
        step(
            ("old-shop", "Authorize"),
            &[
                ("AmazonOrderReferenceId", order),
                ("AuthorizationReferenceId", reference),
                ("AuthorizationAmount.Amount", "10.00"),
                ("AuthorizationAmount.CurrencyCode", "USD"),
                ("TransactionTimeout", "0"),
            ],
            &[],
        )
    };
    let refund_of = |reference: &'static str| {
        step(
            ("old-shop", "Refund"),
            &[
                ("AmazonCaptureId", "@8"),
                ("RefundReferenceId", reference),
                ("RefundAmount.Amount", "4.00"),
                ("RefundAmount.CurrencyCode", "USD"),
            ],
            &[8],
        )
    };
    vec![
        charge("charge-1"),
        charge("charge-2"),
        step(
            ("shop", "CaptureCharge"),
            &[("chargeId", "@0"), ("captureAmount.amount", "10.00"), ("captureAmount.currencyCode", "EUR")],
            &[0],
        ),
        refund("refund-1"),
        refund("refund-2"),
        step(("shop", "CancelCharge"), &[("chargeId", "@1"), ("cancellationReason", "not needed")], &[1]),
        authorize("authorize-1"),
        authorize("authorize-2"),
        step(
            ("old-shop", "Capture"),
            &[
                ("AmazonAuthorizationId", "@6"),
                ("CaptureReferenceId", "capture-1"),
                ("CaptureAmount.Amount", "10.00"),
                ("CaptureAmount.CurrencyCode", "USD"),
            ],
            &[6],
        ),
        refund_of("refund-1"),
        refund_of("refund-2"),
        step(("old-shop", "CloseAuthorization"), &[("AmazonAuthorizationId", "@7")], &[7]),
        step(("old-shop", "CloseOrderReference"), &[("AmazonOrderReferenceId", order)], &[6, 7]),
    ]
}

/// Draws faults for a while: none, of everything, or of some operations.
fn spoil(world: &World, random: &mut Random) {
    let mut faults = Vec::new();
    for _ in 0..random.below(4) {
        let kind = FAULTS[usize::try_from(random.below(FAULTS.len() as u64)).unwrap()];
        let from = world.clock.monotonic() + Duration::from_millis(random.below(5_000));
        faults.push(Fault {
            kind,
            account: None,
            operation: None,
            share: [0.3, 0.7, 1.0][usize::try_from(random.below(3)).unwrap()],
            from,
            until: Some(from + Duration::from_millis(random.below(60_000))),
            retry_after_s: None,
            status: 401,
            skew_s: 0,
        });
    }
    world.simulator.set_faults(faults);
}

/// Runs a command, and may kill the process meanwhile. Returns the created object when it was done.
async fn attempt(world: &mut World, wanted: CallWanted, random: &mut Random) -> Option<Option<String>> {
    let service = world.daemon().service();
    let asking = tokio::spawn(async move { service.run_call(wanted).await });
    if random.below(3) == 0 {
        let lives = if random.below(2) == 0 { random.below(400) } else { random.below(90_000) };
        world.clock.sleep(Duration::from_millis(lives)).await;
        world.stop().await;
        world.start().await;
        return None;
    }
    let answered = asking.await.unwrap();
    let ran = answered.unwrap_or_else(|problem| panic!("{problem:?}"));
    match ran.outcome {
        // It was done before and cannot be read just now: the watched objects still give its id.
        CallOutcome::Done => Some(ran.object.map(|object| object.id).or_else(|| {
            let object: ObjectRef = ran.watched.first()?.parse().unwrap();
            Some(object.id.to_string())
        })),
        CallOutcome::InDoubt | CallOutcome::TryLater => None,
        CallOutcome::Refused | CallOutcome::NotAllowed => panic!("{ran:?}"),
    }
}

async fn live(seed: u64) {
    let mut random = Random::for_matter(seed, "calls", 0);
    let mut world = World::new("2027-01-15T06:00:00Z", SCENARIO, "").await;
    let permission = world.simulator.plant("shop", &plan("charge-permission", "Chargeable", "EUR")).unwrap();
    let whole = Plan { amount: "100.00".to_owned(), ..plan("order-reference", "Open", "USD") };
    let order = world.simulator.plant("old-shop", &whole).unwrap();
    let steps = steps(&permission, &order);
    let mut made: Vec<Option<Option<String>>> = vec![None; steps.len()];
    let mut rounds = 0;
    while made.iter().any(Option::is_none) {
        rounds += 1;
        assert!(rounds < 200, "seed {seed}: {made:?}");
        if rounds == 40 {
            world.simulator.calm();
        }
        for (number, step) in steps.iter().enumerate() {
            let is_ready = step.after.iter().all(|other| made[*other].is_some());
            if made[number].is_some() || !is_ready {
                continue;
            }
            spoil(&world, &mut random);
            let pairs = step.pairs.iter().map(|(name, value)| {
                let of = value.strip_prefix('@').map(|other| other.parse::<usize>().unwrap());
                let id = of.map(|other| made[other].clone().unwrap().expect("it created an object"));
                ((*name).to_owned(), id.unwrap_or_else(|| value.clone()))
            });
            let wanted = CallWanted {
                account: step.account.parse().unwrap(),
                operation: step.operation.to_owned(),
                parameters: pairs.collect(),
                confirmed: true,
                wait_s: 20,
            };
            made[number] = attempt(&mut world, wanted, &mut random).await;
        }
        world.pass_minutes(f64::from(u32::try_from(random.below(20)).unwrap())).await;
    }
    world.simulator.calm();
    world.pass_hours(1.0).await;
    judge(&world, seed).await;
    world.stop().await;
}

async fn judge(world: &World, seed: u64) {
    let truths = world.simulator.truths();
    let mut owned = Vec::new();
    for (account, kind, kinds, expected) in [
        ("shop", "charge", &["charge", "authorization", "capture"][..], 2),
        ("shop", "refund", &["refund"], 2),
        ("old-shop", "authorization", &["authorization"], 2),
        ("old-shop", "capture", &["capture"], 1),
        ("old-shop", "refund", &["refund"], 2),
    ] {
        let currency = if account == "shop" { "EUR" } else { "USD" };
        let found: Vec<_> = truths
            .iter()
            .filter(|truth| truth.currency == currency && kinds.contains(&truth.kind.as_str()))
            .collect();
        assert_eq!(found.len(), expected, "seed {seed}: {account} {kind}: {found:?}");
        owned.extend(found.iter().map(|truth| format!("{account}/{kind}/{}", truth.id)));
    }
    for object in owned {
        let object: ObjectRef = object.parse().unwrap();
        let record = world.daemon().store().record(&object).await.unwrap();
        let record = record.unwrap_or_else(|| panic!("seed {seed}: {object} is not watched"));
        assert_eq!(record.quarantine, None, "seed {seed}: {object}");
    }
    let open = world.daemon().service().list_calls(&CallList::default()).await.unwrap();
    assert!(open.is_empty(), "seed {seed}: {open:?}");
}

#[tokio::test(start_paused = true)]
async fn each_operation_is_done_once_and_watched_whatever_happens() {
    let seeds = std::env::var("RECONCILED_CALL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        live(seed).await;
    }
}
