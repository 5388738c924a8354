//! Single operations in a whole daemon: sent once, resolved when the answer is lost, watched at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::fault::{Fault, FaultKind};
use amazon_pay_simulator::plan::{Plan, Step};
use reconciled::apis::pace::{Pace, Quota};
use reconciled::clock::{Clock, SharedClock};
use reconciled::control::messages::{CallAttempt, CallList, CallOutcome, CallRan, CallResolve, CallWanted};
use reconciled::control::problem::{Cause, Problem};
use reconciled::payments::object::ObjectRef;

use crate::memory::Memory;
use crate::world::World;

pub const SCENARIO: &str = r#"
seed = 11
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "live"
public_key_id = "LIVE-ASHOPKEY"
[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "na"
environment = "live"
access_key_id = "AKIAOLDSHOP000000000"
[[account]]
name = "pay"
api = "aps"
merchant_id = "CycHPay"
environment = "live"
access_code = "zx0IPay"
"#;

/// Checks that every story kept the quota.
fn keeps_the_quota(world: &World) {
    assert_eq!(world.simulator.counts().total().over_quota, 0);
}

async fn world() -> World {
    let world = World::new("2027-01-15T06:00:00Z", SCENARIO, "").await;
    // The budgets begin empty.
    world.pass_minutes(11.0).await;
    world
}

pub fn plan(kind: &str, state: &str, currency: &str) -> Plan {
    Plan {
        kind: kind.to_owned(),
        amount: "100.00".to_owned(),
        currency: currency.to_owned(),
        merchant_reference: "ORDER-1".to_owned(),
        steps: vec![Step { after: Duration::ZERO, state: state.to_owned(), reason: None }],
        invisible_for: Duration::ZERO,
    }
}

fn plant(world: &World, account: &str, kind: &str, state: &str) -> String {
    let currency = if account == "shop" { "EUR" } else { "USD" };
    world.simulator.plant(account, &plan(kind, state, currency)).unwrap()
}

fn wanted(account: &str, operation: &str, pairs: &[(&str, &str)]) -> CallWanted {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    CallWanted {
        account: account.parse().unwrap(),
        operation: operation.to_owned(),
        parameters: pairs.collect::<BTreeMap<_, _>>(),
        confirmed: true,
        wait_s: 60,
    }
}

async fn run(world: &World, wanted: CallWanted) -> Result<CallRan, Problem> {
    world.daemon().service().run_call(wanted).await
}

async fn call(world: &World, account: &str, operation: &str, pairs: &[(&str, &str)]) -> CallRan {
    run(world, wanted(account, operation, pairs)).await.unwrap()
}

async fn done(world: &World, account: &str, operation: &str, pairs: &[(&str, &str)]) -> CallRan {
    let ran = call(world, account, operation, pairs).await;
    assert_eq!((ran.outcome, ran.detail.as_deref()), (CallOutcome::Done, None), "{operation}: {ran:?}");
    ran
}

async fn attempts(world: &World, all: bool) -> Vec<CallAttempt> {
    world.daemon().service().list_calls(&CallList { account: None, all }).await.unwrap()
}

fn id(ran: &CallRan) -> String {
    ran.object.as_ref().expect("it shows an object").id.clone()
}

fn state(ran: &CallRan) -> &str {
    &ran.object.as_ref().expect("it shows an object").state
}

/// The number of objects of a kind at the provider.
fn count(world: &World, kind: &str) -> usize {
    world.simulator.truths().iter().filter(|truth| truth.kind == kind).count()
}

fn requests(world: &World, account: &str, operation: &str) -> u64 {
    let counts = world.simulator.counts();
    counts.operations.get(&(account.to_owned(), operation.to_owned())).map_or(0, |counts| counts.requests)
}

/// A fault of one operation from now on, temporary or permanent.
fn fault(world: &World, kind: FaultKind, operation: &str, lasts: Option<Duration>) {
    let from = world.clock.monotonic();
    world.simulator.set_faults(vec![Fault {
        kind,
        account: None,
        operation: Some(operation.to_owned()),
        share: 1.0,
        from,
        until: lasts.map(|lasts| from + lasts),
        retry_after_s: None,
        status: 401,
        skew_s: 0,
    }]);
}

const EUR: &str = "EUR";

fn capture<'a>(id: &'a str, amount: &'a str) -> [(&'a str, &'a str); 3] {
    [("chargeId", id), ("captureAmount.amount", amount), ("captureAmount.currencyCode", EUR)]
}

fn refund<'a>(id: &'a str, amount: &'a str) -> [(&'a str, &'a str); 3] {
    [("chargeId", id), ("refundAmount.amount", amount), ("refundAmount.currencyCode", EUR)]
}

fn charge<'a>(permission: &'a str, amount: &'a str) -> [(&'a str, &'a str); 3] {
    [("chargePermissionId", permission), ("chargeAmount.amount", amount), ("chargeAmount.currencyCode", EUR)]
}

fn authorize<'a>(order: &'a str, reference: &'a str, amount: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("AmazonOrderReferenceId", order),
        ("AuthorizationReferenceId", reference),
        ("AuthorizationAmount.Amount", amount),
        ("AuthorizationAmount.CurrencyCode", "USD"),
        ("TransactionTimeout", "0"),
    ]
}

fn capture_of<'a>(authorization: &'a str, reference: &'a str, amount: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AmazonAuthorizationId", authorization),
        ("CaptureReferenceId", reference),
        ("CaptureAmount.Amount", amount),
        ("CaptureAmount.CurrencyCode", "USD"),
    ]
}

fn refund_of<'a>(capture: &'a str, reference: &'a str, amount: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AmazonCaptureId", capture),
        ("RefundReferenceId", reference),
        ("RefundAmount.Amount", amount),
        ("RefundAmount.CurrencyCode", "USD"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_charge_goes_through_its_life_by_calls_and_its_children_are_watched() {
    let world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    let shown = done(&world, "shop", "GetChargePermission", &[("chargePermissionId", &permission)]).await;
    assert_eq!((state(&shown), shown.watched.len(), &shown.attempt), ("Chargeable", 0, &None));
    let made = done(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
    assert_eq!((state(&made), made.sent), ("Authorized", 1));
    let charge_id = id(&made);
    let object: ObjectRef = format!("shop/charge/{charge_id}").parse().unwrap();
    assert_eq!(made.watched, [object.to_string()]);
    let captured = done(&world, "shop", "CaptureCharge", &capture(&charge_id, "50.00")).await;
    assert_eq!(state(&captured), "Captured");
    world.pass_minutes(1.0).await;
    assert_eq!(world.record(&object).await.state(), Some("Captured"), "it is polled again at once");
    let refunded = done(&world, "shop", "CreateRefund", &refund(&charge_id, "20.00")).await;
    assert_eq!((state(&refunded), refunded.watched.len()), ("RefundInitiated", 1));
    let other = done(&world, "shop", "CreateCharge", &charge(&permission, "5.00")).await;
    let reason = ("cancellationReason", "not needed");
    let canceled = done(&world, "shop", "CancelCharge", &[("chargeId", &id(&other)), reason]).await;
    assert_eq!(state(&canceled), "Canceled");
    let closing = [("chargePermissionId", permission.as_str()), ("closureReason", "all done")];
    assert_eq!(state(&done(&world, "shop", "CloseChargePermission", &closing).await), "Closed");
    world.pass_hours(3.0).await;
    let refund_object: ObjectRef = refunded.watched[0].parse().unwrap();
    assert_eq!(world.record(&refund_object).await.state(), Some("Refunded"));
    assert!(world.record(&object).await.quarantine.is_none());
    assert_eq!((count(&world, "refund"), attempts(&world, false).await), (1, Vec::new()));
    assert_eq!(attempts(&world, true).await.len(), 6);
    keeps_the_quota(&world);
}

#[tokio::test(start_paused = true)]
async fn an_order_goes_through_its_life_by_calls_and_its_children_are_watched() {
    let world = world().await;
    let order = plant(&world, "old-shop", "order-reference", "Open");
    let status = done(&world, "old-shop", "GetServiceStatus", &[]).await;
    assert_eq!(status.facts.get("Status").map(String::as_str), Some("GREEN"));
    let authorized = done(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
    assert_eq!(state(&authorized), "Open");
    let authorization = id(&authorized);
    let asked = [("AmazonAuthorizationId", authorization.as_str())];
    assert_eq!(state(&done(&world, "old-shop", "GetAuthorizationDetails", &asked).await), "Open");
    let captured = done(&world, "old-shop", "Capture", &capture_of(&authorization, "cap-1", "60.00")).await;
    let refunded = done(&world, "old-shop", "Refund", &refund_of(&id(&captured), "ref-1", "10.00")).await;
    let ordered = [("AmazonOrderReferenceId", order.as_str()), ("ClosureReason", "shipped")];
    let closed = done(&world, "old-shop", "CloseOrderReference", &ordered).await;
    assert_eq!((closed.object, closed.watched.len()), (None, 0));
    world.pass_hours(4.0).await;
    for (watched, state) in [(&authorized, "Closed"), (&captured, "Completed"), (&refunded, "Completed")] {
        let object: ObjectRef = watched.watched[0].parse().unwrap();
        let record = world.record(&object).await;
        assert_eq!((record.state(), &record.quarantine), (Some(state), &None), "{object}");
    }
    keeps_the_quota(&world);
}

/// Answers lost before and after the provider acted, and answers that cannot be read.
const LOSSES: [FaultKind; 6] = [
    FaultKind::ServerError500,
    FaultKind::ServerError504,
    FaultKind::Reset,
    FaultKind::TruncatedBody,
    FaultKind::HangMidBody,
    FaultKind::EmptyBody,
];

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_of_amazon_pay_v2_the_request_is_repeated_under_the_same_key() {
    for kind in LOSSES {
        let world = world().await;
        let permission = plant(&world, "shop", "charge-permission", "Chargeable");
        let once = Some(Duration::from_millis(500));
        fault(&world, kind, "CreateCharge", once);
        let made = done(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
        assert_eq!((made.sent, count(&world, "authorization") + count(&world, "charge")), (2, 1), "{kind:?}");
        let charge_id = id(&made);
        fault(&world, kind, "CaptureCharge", once);
        let captured = done(&world, "shop", "CaptureCharge", &capture(&charge_id, "50.00")).await;
        assert_eq!((captured.sent, state(&captured)), (2, "Captured"), "{kind:?}");
        fault(&world, kind, "CreateRefund", once);
        let refunded = done(&world, "shop", "CreateRefund", &refund(&charge_id, "50.00")).await;
        assert_eq!((refunded.sent, count(&world, "refund")), (2, 1), "{kind:?}");
        assert_eq!(refunded.watched.len(), 1);
        fault(&world, kind, "CloseChargePermission", once);
        let closing = [("chargePermissionId", permission.as_str()), ("closureReason", "all done")];
        let closed = done(&world, "shop", "CloseChargePermission", &closing).await;
        assert_eq!(state(&closed), "Closed", "{kind:?}");
        keeps_the_quota(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_of_mws_the_object_is_looked_up_before_anything_is_sent_again() {
    for kind in LOSSES {
        let has_acted = matches!(kind, FaultKind::TruncatedBody | FaultKind::HangMidBody);
        let sent = if has_acted { 1 } else { 2 };
        let world = world().await;
        let order = plant(&world, "old-shop", "order-reference", "Open");
        let once = Some(Duration::from_millis(500));
        fault(&world, kind, "Authorize", once);
        let authorized = done(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
        assert_eq!((authorized.sent, count(&world, "authorization")), (sent, 1), "{kind:?}");
        fault(&world, kind, "Capture", once);
        let authorization = id(&authorized);
        let captured =
            done(&world, "old-shop", "Capture", &capture_of(&authorization, "cap-1", "60.00")).await;
        assert_eq!((captured.sent, count(&world, "capture")), (sent, 1), "{kind:?}");
        assert_eq!(captured.object.as_ref().unwrap().merchant_reference.as_deref(), Some("cap-1"));
        fault(&world, kind, "Refund", once);
        let refunded = done(&world, "old-shop", "Refund", &refund_of(&id(&captured), "ref-1", "10.00")).await;
        assert_eq!((refunded.sent, count(&world, "refund")), (sent, 1), "{kind:?}");
        assert_eq!(refunded.watched.len(), 1);
        fault(&world, kind, "CloseOrderReference", once);
        let closing = [("AmazonOrderReferenceId", order.as_str())];
        let closed = done(&world, "old-shop", "CloseOrderReference", &closing).await;
        assert_eq!(closed.sent, sent, "{kind:?}");
        keeps_the_quota(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn an_identical_call_is_never_done_twice_and_another_needs_its_own_reference() {
    let world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    let first = done(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
    let again = done(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
    assert!(again.was_done_before && !first.was_done_before);
    assert_eq!((id(&again), &again.watched, again.sent), (id(&first), &first.watched, 1));
    assert_eq!(requests(&world, "shop", "CreateCharge"), 1);
    let mut second = charge(&permission, "50.00").to_vec();
    second.push(("idempotencyKey", "second-1"));
    let second = done(&world, "shop", "CreateCharge", &second).await;
    assert_ne!(id(&second), id(&first));
    let mut other = charge(&permission, "49.00").to_vec();
    other.push(("idempotencyKey", "second-1"));
    let problem = run(&world, wanted("shop", "CreateCharge", &other)).await.unwrap_err();
    assert_eq!(problem.cause, Cause::Conflict);
    assert!(problem.detail.contains("CreateCharge/second-1"), "{problem:?}");

    let order = plant(&world, "old-shop", "order-reference", "Open");
    done(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
    let again = done(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
    assert!(again.was_done_before);
    let other = run(&world, wanted("old-shop", "Authorize", &authorize(&order, "auth-1", "61.00"))).await;
    assert_eq!(other.unwrap_err().cause, Cause::Conflict);
    assert_eq!(requests(&world, "old-shop", "Authorize"), 1);
    // An object that is already closed is not closed again.
    let closing = [("chargePermissionId", permission.as_str()), ("closureReason", "all done")];
    assert!(!done(&world, "shop", "CloseChargePermission", &closing).await.was_done_before);
    let again = done(&world, "shop", "CloseChargePermission", &closing).await;
    assert_eq!((again.was_done_before, state(&again)), (true, "Closed"));
    assert_eq!(requests(&world, "shop", "CloseChargePermission"), 1);
    // An operation that only sets a value may be repeated.
    let total = |amount: &'static str| {
        [
            ("AmazonOrderReferenceId", "x"),
            ("OrderReferenceAttributes.OrderTotal.Amount", amount),
            ("OrderReferenceAttributes.OrderTotal.CurrencyCode", "USD"),
        ]
    };
    let draft = plant(&world, "old-shop", "order-reference", "Draft");
    for amount in ["10.00", "11.00", "10.00"] {
        let mut pairs = total(amount);
        pairs[0].1 = &draft;
        let set = done(&world, "old-shop", "SetOrderReferenceDetails", &pairs).await;
        assert_eq!(set.object.unwrap().amount.unwrap().amount_text(), amount);
    }
    assert_eq!(requests(&world, "old-shop", "SetOrderReferenceDetails"), 3);
    keeps_the_quota(&world);
}

#[tokio::test(start_paused = true)]
async fn the_same_command_twice_at_once_is_one_call() {
    let world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    let pairs = charge(&permission, "50.00");
    let both = futures_util::future::join(
        call(&world, "shop", "CreateCharge", &pairs),
        call(&world, "shop", "CreateCharge", &pairs),
    );
    let (one, other) = both.await;
    assert_eq!((one.outcome, other.outcome), (CallOutcome::Done, CallOutcome::Done));
    assert_ne!(one.was_done_before, other.was_done_before);
    assert_eq!((id(&one), requests(&world, "shop", "CreateCharge")), (id(&other), 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_permission_and_the_request_is_shown() {
    let mut world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    let order = plant(&world, "old-shop", "order-reference", "Open");
    let before = world.simulator.counts().total().requests;
    let mut unconfirmed = wanted("shop", "CreateCharge", &charge(&permission, "50.00"));
    unconfirmed.confirmed = false;
    let ran = run(&world, unconfirmed.clone()).await.unwrap();
    assert_eq!((ran.outcome, ran.missing), (CallOutcome::NotAllowed, vec!["--yes".to_owned()]));
    let shown = ran.would_send.unwrap();
    assert_eq!(shown.line, "POST http://127.0.0.1:9/v2/charges");
    assert!(shown.fields.contains(&("chargeAmount.amount".to_owned(), "50.00".to_owned())), "{shown:?}");
    assert!(shown.fields.iter().any(|(name, value)| name == "idempotencyKey" && value.len() == 32));
    world.stop().await;
    world.rewrite_config(|text| text.replace("allow_writes = true", "allow_writes = false"));
    world.start().await;
    let ran = call(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
    assert_eq!((ran.outcome, ran.missing), (CallOutcome::NotAllowed, vec!["allow_writes".to_owned()]));
    let ran = call(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
    assert_eq!(ran.outcome, CallOutcome::NotAllowed);
    let line = ran.would_send.unwrap().line;
    assert_eq!(line, "POST http://127.0.0.1:9/OffAmazonPayments/2013-01-01");
    assert_eq!(run(&world, unconfirmed).await.unwrap().missing, ["allow_writes", "--yes"]);
    assert_eq!(
        (world.simulator.counts().total().requests, attempts(&world, true).await),
        (before, Vec::new())
    );
    // Reading needs no permission.
    world.pass_minutes(1.0).await;
    let shown = done(&world, "shop", "GetChargePermission", &[("chargePermissionId", &permission)]).await;
    assert_eq!(state(&shown), "Chargeable");
}

#[tokio::test(start_paused = true)]
async fn all_problems_of_a_call_are_reported_before_anything_is_sent() {
    let world = world().await;
    let before = world.simulator.counts().total().requests;
    let bad = [("chargePermissionId", "S01-1234567-1234567"), ("chargeAmount.amount", "0"), ("amount", "1")];
    let problem = run(&world, wanted("shop", "CreateCharge", &bad)).await.unwrap_err();
    assert_eq!(problem.cause, Cause::Unprocessable);
    for part in ["chargeAmount.currencyCode: is missing", "amount: is not a parameter of CreateCharge"] {
        assert!(problem.detail.contains(part), "{}", problem.detail);
    }
    let sandbox = run(&world, wanted("shop", "CreateCharge", &charge("S01-1234567-1234567", "1.00"))).await;
    assert!(sandbox.unwrap_err().detail.contains("sandbox"));
    let problem = run(&world, wanted("shop", "Refund", &[])).await.unwrap_err();
    assert!(problem.detail.contains("is not an operation of this API"), "{problem:?}");
    let problem = run(&world, wanted("pay", "CAPTURE", &[])).await.unwrap_err();
    assert!(problem.remedy.contains("reconciled batch submit"), "{problem:?}");
    let problem = run(&world, wanted("nobody", "GetCharge", &[])).await.unwrap_err();
    assert!(problem.remedy.contains("old-shop"), "{problem:?}");
    assert_eq!(world.simulator.counts().total().requests, before);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_and_nothing_is_watched() {
    let world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    let ran = call(&world, "shop", "CreateCharge", &charge(&permission, "140000.00")).await;
    assert_eq!((ran.outcome, ran.watched.len(), ran.sent), (CallOutcome::Refused, 0, 1));
    assert!(ran.detail.unwrap().contains("TransactionAmountExceeded"));
    let order = plant(&world, "old-shop", "order-reference", "Draft");
    let ran = call(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
    assert_eq!((ran.outcome, ran.sent), (CallOutcome::Refused, 1));
    assert!(ran.detail.unwrap().contains("InvalidOrderReferenceStatus"));
    // A reference under which nothing was done is free for another call; a stored key is not.
    let open = plant(&world, "old-shop", "order-reference", "Open");
    let freed = done(&world, "old-shop", "Authorize", &authorize(&open, "auth-1", "60.00")).await;
    assert_eq!(freed.sent, 1);
    let standings: Vec<String> =
        attempts(&world, true).await.into_iter().map(|attempt| attempt.standing).collect();
    assert_eq!(standings, ["done", "refused"]);
    fault(&world, FaultKind::RefusedCredentials, "CreateCharge", None);
    let ran = call(&world, "shop", "CreateCharge", &charge(&permission, "1.00")).await;
    assert_eq!((ran.outcome, attempts(&world, false).await.len()), (CallOutcome::Refused, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unresolved_call_stays_in_doubt_until_it_is_resolved() {
    let world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    fault(&world, FaultKind::TruncatedBody, "CreateCharge", None);
    let ran = call(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
    assert_eq!((ran.outcome, ran.sent), (CallOutcome::InDoubt, 3));
    assert_eq!((count(&world, "authorization") + count(&world, "charge"), ran.watched.len()), (1, 0));
    let open = attempts(&world, false).await;
    assert_eq!((open.len(), open[0].sent, open[0].standing.as_str()), (1, 3, "in doubt"));
    world.pass_minutes(30.0).await;
    assert_eq!(attempts(&world, false).await.len(), 1, "no lookup can tell");
    assert_eq!(world.events("call").len(), 1, "reported once: {:?}", world.chat());
    world.simulator.calm();
    let again = done(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await;
    assert_eq!(
        (again.was_done_before, again.watched.len(), attempts(&world, false).await.len()),
        (false, 1, 0)
    );
    assert_eq!(count(&world, "authorization") + count(&world, "charge"), 1);
    keeps_the_quota(&world);
}

#[tokio::test(start_paused = true)]
async fn the_daemon_looks_up_what_happened_to_calls_in_doubt() {
    let world = world().await;
    let order = plant(&world, "old-shop", "order-reference", "Open");
    let authorized = done(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "60.00")).await;
    let silent = |kind, operation: &str| Fault {
        kind,
        account: None,
        operation: Some(operation.to_owned()),
        share: 1.0,
        from: Duration::ZERO,
        until: None,
        retry_after_s: None,
        status: 401,
        skew_s: 0,
    };
    // The provider captures, but none of its answers arrive; the refund never reaches it.
    world.simulator.set_faults(vec![
        silent(FaultKind::TruncatedBody, "Capture"),
        silent(FaultKind::ServerError503, "GetAuthorizationDetails"),
        silent(FaultKind::Reset, "Refund"),
        silent(FaultKind::ServerError503, "GetCaptureDetails"),
    ]);
    let authorization = id(&authorized);
    let ran = call(&world, "old-shop", "Capture", &capture_of(&authorization, "cap-1", "60.00")).await;
    assert_eq!((ran.outcome, ran.sent), (CallOutcome::InDoubt, 1), "it is not sent again unchecked");
    let capture_id = world
        .simulator
        .truths()
        .into_iter()
        .find(|truth| truth.kind == "capture")
        .expect("the provider has it")
        .id;
    let ran = call(&world, "old-shop", "Refund", &refund_of(&capture_id, "ref-1", "10.00")).await;
    assert_eq!(ran.outcome, CallOutcome::InDoubt);
    assert_eq!(attempts(&world, false).await.len(), 2);
    world.simulator.calm();
    world.pass_minutes(30.0).await;
    let all = attempts(&world, true).await;
    let standing =
        |label: &str| all.iter().find(|attempt| attempt.attempt == label).unwrap().standing.as_str();
    assert_eq!((standing("Capture/cap-1"), standing("Refund/ref-1")), ("done", "not done"));
    let object: ObjectRef = format!("old-shop/capture/{capture_id}").parse().unwrap();
    assert_eq!(world.record(&object).await.state(), Some("Completed"));
    assert_eq!((count(&world, "capture"), count(&world, "refund")), (1, 0));
    assert_eq!(requests(&world, "old-shop", "Capture"), 1);
    // A call that was not done may be done now, under the same reference.
    let refunded = done(&world, "old-shop", "Refund", &refund_of(&capture_id, "ref-1", "10.00")).await;
    assert_eq!((refunded.was_done_before, count(&world, "refund")), (false, 1));
    keeps_the_quota(&world);
}

#[tokio::test(start_paused = true)]
async fn the_charge_shows_the_daemon_what_happened_to_a_capture_in_doubt() {
    for (kind, standing) in [(FaultKind::TruncatedBody, "done"), (FaultKind::Reset, "not done")] {
        let world = world().await;
        let permission = plant(&world, "shop", "charge-permission", "Chargeable");
        let charge_id = id(&done(&world, "shop", "CreateCharge", &charge(&permission, "50.00")).await);
        fault(&world, kind, "CaptureCharge", None);
        let ran = call(&world, "shop", "CaptureCharge", &capture(&charge_id, "50.00")).await;
        assert_eq!((ran.outcome, attempts(&world, false).await.len()), (CallOutcome::InDoubt, 1));
        world.pass_minutes(30.0).await;
        let all = attempts(&world, true).await;
        let attempt = all.iter().find(|attempt| attempt.attempt.starts_with("CaptureCharge/")).unwrap();
        assert_eq!((attempt.standing.as_str(), attempt.sent), (standing, 3), "{kind:?}");
        keeps_the_quota(&world);
    }
}

/// Another program of the same merchant makes a call that nothing here observes.
async fn by_another_program(world: &World, account: &str, operation: &str, pairs: &[(&str, &str)]) {
    let clock: SharedClock = world.clock.clone();
    let memory = Memory::new(Arc::clone(&world.simulator), clock.clone(), Duration::from_millis(40));
    let config = world.config();
    let configured = config.accounts.iter().find(|one| one.name.as_str() == account).unwrap();
    let api = configured.api.build(Arc::new(memory), clock.clone());
    let caller = api.calls().unwrap();
    let pace = Pace::new(clock);
    pace.set_quota(&configured.name, operation, Quota { burst: 1, per: Duration::from_secs(1) });
    pace.assume_full(&configured.name, operation);
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let planned = caller.plan(operation, &pairs.collect()).unwrap();
    let permit = pace.take(&configured.name, operation).unwrap();
    caller.carry_out(&planned, permit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reference_in_use_is_looked_up_before_the_call_is_answered() {
    let world = world().await;
    let order = plant(&world, "old-shop", "order-reference", "Open");
    let mut authorizations = Vec::new();
    for reference in ["auth-1", "auth-2", "auth-3"] {
        let made = done(&world, "old-shop", "Authorize", &authorize(&order, reference, "30.00")).await;
        authorizations.push(id(&made));
    }
    let [first, second, third] = authorizations.try_into().unwrap();
    // The same call was made before with different text: it is done.
    let mut noted = capture_of(&first, "cap-1", "20.00").to_vec();
    noted.push(("SellerCaptureNote", "from the other program"));
    by_another_program(&world, "old-shop", "Capture", &noted).await;
    let ran = call(&world, "old-shop", "Capture", &capture_of(&first, "cap-1", "20.00")).await;
    assert_eq!((ran.outcome, ran.was_done_before), (CallOutcome::Done, true), "{ran:?}");
    assert_eq!((ran.watched.len(), count(&world, "capture")), (1, 1));
    // Another amount under the same reference is not this call.
    by_another_program(&world, "old-shop", "Capture", &capture_of(&second, "cap-2", "5.00")).await;
    let ran = call(&world, "old-shop", "Capture", &capture_of(&second, "cap-2", "15.00")).await;
    assert_eq!(ran.outcome, CallOutcome::InDoubt, "{ran:?}");
    assert!(ran.detail.unwrap().contains("its amount is 5.00 USD"));
    // The reference was used elsewhere and never sent from here: refused.
    let other = plant(&world, "old-shop", "authorization", "Open");
    by_another_program(&world, "old-shop", "Capture", &capture_of(&other, "cap-3", "5.00")).await;
    let ran = call(&world, "old-shop", "Capture", &capture_of(&third, "cap-3", "5.00")).await;
    assert_eq!(ran.outcome, CallOutcome::Refused, "{ran:?}");
    assert!(ran.detail.unwrap().contains("DuplicateReferenceId"));
}

#[tokio::test(start_paused = true)]
async fn a_repetition_whose_reference_is_in_use_stays_in_doubt_until_a_person_resolves_it() {
    let world = world().await;
    let order = plant(&world, "old-shop", "order-reference", "Open");
    let first = id(&done(&world, "old-shop", "Authorize", &authorize(&order, "auth-1", "50.00")).await);
    let second = id(&done(&world, "old-shop", "Authorize", &authorize(&order, "auth-2", "50.00")).await);
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    // Sent, with unknown outcome.
    fault(&world, FaultKind::Reset, "Capture", None);
    let ran = call(&world, "old-shop", "Capture", &capture_of(&first, "cap-1", "20.00")).await;
    assert_eq!(ran.outcome, CallOutcome::InDoubt);
    let mut keyed = charge(&permission, "50.00").to_vec();
    keyed.push(("idempotencyKey", "key-1"));
    fault(&world, FaultKind::Reset, "CreateCharge", None);
    assert_eq!(call(&world, "shop", "CreateCharge", &keyed).await.outcome, CallOutcome::InDoubt);
    world.simulator.calm();
    // Meanwhile something else uses the reference and the key.
    by_another_program(&world, "old-shop", "Capture", &capture_of(&second, "cap-1", "20.00")).await;
    let mut other = charge(&permission, "49.00").to_vec();
    other.push(("idempotencyKey", "key-1"));
    by_another_program(&world, "shop", "CreateCharge", &other).await;
    let ran = call(&world, "old-shop", "Capture", &capture_of(&first, "cap-1", "20.00")).await;
    assert_eq!(ran.outcome, CallOutcome::InDoubt, "{ran:?}");
    assert!(ran.detail.unwrap().contains("DuplicateReferenceId"));
    let ran = call(&world, "shop", "CreateCharge", &keyed).await;
    assert_eq!(ran.outcome, CallOutcome::InDoubt, "{ran:?}");
    assert!(ran.detail.unwrap().contains("DuplicateIdempotencyKey"));
    world.pass_hours(1.0).await;
    assert_eq!(attempts(&world, false).await.len(), 2, "not being listed does not resolve it");
    let told = world.events("call");
    assert!(told.iter().any(|event| event.to_string().contains("CreateCharge/key-1")), "{told:?}");
    assert!(told.iter().any(|event| event.to_string().contains("Capture/cap-1")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_create_a_second_object_is_never_sent_again_and_a_person_resolves_it() {
    let world = world().await;
    let agreement = plant(&world, "old-shop", "billing-agreement", "Open");
    let pairs = [("Id", agreement.as_str()), ("IdType", "BillingAgreement")];
    fault(&world, FaultKind::TruncatedBody, "CreateOrderReferenceForId", None);
    for _ in 0..2 {
        let ran = call(&world, "old-shop", "CreateOrderReferenceForId", &pairs).await;
        assert_eq!((ran.outcome, ran.sent), (CallOutcome::InDoubt, 1));
    }
    let label = format!("CreateOrderReferenceForId/{agreement}");
    let end = async |attempt: &str, was_done: bool| {
        let account = "old-shop".parse().unwrap();
        let request = CallResolve { account, attempt: attempt.to_owned(), was_done };
        world.daemon().service().resolve_call(&request).await
    };
    assert_eq!(end("Capture/none", true).await.unwrap_err().cause, Cause::NotFound);
    assert_eq!(end(&label, false).await.unwrap().standing, "not done");
    assert_eq!(end(&label, false).await.unwrap_err().cause, Cause::Conflict);
    world.simulator.calm();
    let made = done(&world, "old-shop", "CreateOrderReferenceForId", &pairs).await;
    assert_eq!(made.watched.len(), 1);
    assert_eq!(requests(&world, "old-shop", "CreateOrderReferenceForId"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_budget_no_longer_than_allowed() {
    let world = world().await;
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    for number in 0..10 {
        let mut pairs = charge(&permission, "1.00").to_vec();
        let key = format!("key-{number}");
        pairs.push(("idempotencyKey", &key));
        done(&world, "shop", "CreateCharge", &pairs).await;
    }
    let mut hurried = wanted("shop", "CreateCharge", &charge(&permission, "1.00"));
    hurried.wait_s = 0;
    let ran = run(&world, hurried).await.unwrap();
    assert_eq!((ran.outcome, ran.sent, ran.attempt), (CallOutcome::TryLater, 0, None));
    done(&world, "shop", "CreateCharge", &charge(&permission, "1.00")).await;
    fault(&world, FaultKind::Throttle, "GetChargePermission", None);
    let ran = call(&world, "shop", "GetChargePermission", &[("chargePermissionId", &permission)]).await;
    assert_eq!(ran.outcome, CallOutcome::TryLater);
    keeps_the_quota(&world);
}

#[tokio::test(start_paused = true)]
async fn neither_the_answer_nor_the_store_holds_buyer_data_or_a_secret() {
    let mut world = world().await;
    const NOTE: &str = "canary-note-for-the-buyer";
    let permission = plant(&world, "shop", "charge-permission", "Chargeable");
    let mut pairs = charge(&permission, "50.00").to_vec();
    pairs.push(("merchantMetadata.noteToBuyer", NOTE));
    pairs.push(("merchantMetadata.customInformation", "canary-custom"));
    let mut ran = vec![done(&world, "shop", "CreateCharge", &pairs).await];
    ran.push(done(&world, "shop", "GetChargePermission", &[("chargePermissionId", &permission)]).await);
    let order = plant(&world, "old-shop", "order-reference", "Open");
    let asked = [("AmazonOrderReferenceId", order.as_str()), ("AccessToken", "canary-token")];
    let mut token = wanted("old-shop", "GetOrderReferenceDetails", &asked);
    ran.push(run(&world, token.clone()).await.unwrap());
    let mut noted = authorize(&order, "auth-1", "60.00").to_vec();
    noted.push(("SellerAuthorizationNote", "canary-seller-note"));
    ran.push(done(&world, "old-shop", "Authorize", &noted).await);
    fault(&world, FaultKind::TruncatedBody, "CreateCharge", None);
    pairs.push(("idempotencyKey", "second"));
    ran.push(call(&world, "shop", "CreateCharge", &pairs).await);
    token.parameters.insert("AddressConsentToken".to_owned(), "canary-consent".to_owned());
    let problem = run(&world, token).await.unwrap_err();
    world.stop().await;
    let mut left = format!("{problem:?} {}", serde_json::to_string(&ran).unwrap()).into_bytes();
    for entry in walk(&world.folder.path().join("store")) {
        left.extend(std::fs::read(entry).unwrap());
    }
    let has = |text: &str| left.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("auth-1") && has("CreateCharge"), "there is something to search");
    let mut secrets = vec!["canary".to_owned(), "AKIAOLDSHOP000000000".to_owned()];
    secrets.extend(amazon_pay_simulator::amazon_pay_v2::PERSONAL_DATA.iter().map(|text| (*text).to_owned()));
    for secret in secrets {
        assert!(!has(&secret), "{secret} was left");
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
