//! Objects that a scenario brings to life, and the truth about all objects.
//!
//! Owns: parents of planted objects, which states are final. Must never know: requests.

use jiff::Timestamp;

use crate::plan::{Plan, Step, Truth};

use super::books::{Agreement, Books, Caller, Object, Order, Referred};
use super::money::Money;
use super::timeline::{Timeline, later};
use super::words;
use super::world::{NewAuthorization, NewChild, World};

/// Makes the object of a plan and returns its id.
///
/// Orders and agreements begin `Open`, or `Draft` when the first step leads to `Open` or to
/// `Canceled`/`Stale`; the other kinds begin `Pending`. A first step without delay replaces that state.
pub(super) fn plant(world: &mut World<'_>, caller: &Caller, plan: &Plan) -> Result<String, String> {
    words::check(&plan.kind, &plan.steps)?;
    let amount = Money::read(&plan.amount, &plan.currency)
        .ok_or_else(|| format!("{} {} is not an amount", plan.amount, plan.currency))?;
    let visible_from = later(caller.at, plan.invisible_for);
    match plan.kind.as_str() {
        "order-reference" => {
            let (timeline, _) = Timeline::planned(caller.at, beginning(&plan.steps), &plan.steps);
            let id = plant_order(world, caller, &amount, &plan.merchant_reference, timeline);
            world.books.orders.get_mut(&id).visible_from = visible_from;
            Ok(id)
        }
        "billing-agreement" => {
            let (timeline, _) = Timeline::planned(caller.at, beginning(&plan.steps), &plan.steps);
            let attribute = ("SellerBillingAgreementId".to_owned(), plan.merchant_reference.clone());
            let is = Agreement {
                attributes: [attribute].into(),
                subscription: Some(amount),
                ..Agreement::default()
            };
            let id = world.make_agreement(caller, timeline, is);
            world.books.agreements.get_mut(&id).visible_from = visible_from;
            Ok(id)
        }
        "authorization" => {
            let order_id = plant_parent_order(world, caller, &amount);
            Ok(plant_authorization(world, caller, (&order_id, &plan.merchant_reference), &amount, plan))
        }
        "capture" => {
            let authorization_id = plant_parent_authorization(world, caller, &amount);
            let new = child(authorization_id.clone(), plan, amount, caller.at);
            let id = world.make_capture(caller, new, &plan.steps);
            world.books.captures.get_mut(&id).visible_from = visible_from;
            remember(world, caller, Referred::Capture, plan, &authorization_id, &id);
            Ok(id)
        }
        "refund" => {
            let authorization_id = plant_parent_authorization(world, caller, &amount);
            let parent = NewChild {
                reference: authorization_id.clone(),
                ..child(authorization_id, plan, amount.clone(), caller.at)
            };
            let capture_id = world.make_capture(caller, parent, &[at_once("Completed", None)]);
            let new = child(capture_id.clone(), plan, amount, caller.at);
            let id = world.make_refund(caller, new, &plan.steps);
            world.books.refunds.get_mut(&id).visible_from = visible_from;
            remember(world, caller, Referred::Refund, plan, &capture_id, &id);
            Ok(id)
        }
        other => Err(format!("amazon-pay-mws cannot plant a {other}")),
    }
}

fn beginning(steps: &[Step]) -> &'static str {
    match steps.first().map(|step| (step.state.as_str(), step.reason.as_deref())) {
        Some(("Open", _) | ("Canceled", Some("Stale"))) => "Draft",
        _ => "Open",
    }
}

fn at_once(state: &str, reason: Option<&str>) -> Step {
    Step { after: std::time::Duration::ZERO, state: state.to_owned(), reason: reason.map(str::to_owned) }
}

fn child(parent_id: String, plan: &Plan, amount: Money, at: Timestamp) -> NewChild {
    NewChild {
        parent_id,
        reference: plan.merchant_reference.clone(),
        amount,
        note: None,
        soft_descriptor: None,
        created: at,
        visible_from: at,
    }
}

fn plant_order(
    world: &mut World<'_>,
    caller: &Caller,
    total: &Money,
    reference: &str,
    timeline: Timeline,
) -> String {
    let attribute = ("SellerOrderId".to_owned(), reference.to_owned());
    let is = Order { total: Some(total.clone()), attributes: [attribute].into(), ..Order::default() };
    world.make_order(caller, timeline, is)
}

fn plant_parent_order(world: &mut World<'_>, caller: &Caller, total: &Money) -> String {
    let is = Order { total: Some(total.clone()), ..Order::default() };
    world.make_order(caller, Timeline::starting(caller.at, "Open"), is)
}

fn plant_authorization(
    world: &mut World<'_>,
    caller: &Caller,
    (order_id, reference): (&str, &str),
    amount: &Money,
    plan: &Plan,
) -> String {
    let mut new = new_authorization(order_id, reference, amount, caller.at);
    new.visible_from = later(caller.at, plan.invisible_for);
    let id = world.make_authorization(caller, new, &plan.steps);
    remember(world, caller, Referred::Authorization, plan, order_id, &id);
    id
}

fn new_authorization(order_id: &str, reference: &str, amount: &Money, at: Timestamp) -> NewAuthorization {
    NewAuthorization {
        order_id: order_id.to_owned(),
        agreement_id: None,
        reference: reference.to_owned(),
        amount: amount.clone(),
        note: None,
        soft_descriptor: None,
        is_capture_now: false,
        is_soft_decline: false,
        mended_after_minutes: None,
        timeout_minutes: None,
        visible_from: at,
    }
}

/// The authorization, captured and closed, above a planted capture or refund, with its order.
fn plant_parent_authorization(world: &mut World<'_>, caller: &Caller, amount: &Money) -> String {
    let order_id = plant_parent_order(world, caller, amount);
    let new = new_authorization(&order_id, &order_id, amount, caller.at);
    let id = world.make_authorization(caller, new, &[at_once("Open", None)]);
    world.books.end_authorization(&id, caller.at, "MaxCapturesProcessed");
    id
}

fn remember(
    world: &mut World<'_>,
    caller: &Caller,
    referred: Referred,
    plan: &Plan,
    parent_id: &str,
    id: &str,
) {
    world.books.remember(caller, referred, &plan.merchant_reference, parent_id, (id, None));
}

/// The truth about every object that exists at this time, in the order of the ids.
pub(super) fn truths(books: &Books, at: Timestamp) -> Vec<Truth> {
    let mut truths = Vec::new();
    for object in books.orders.all() {
        let total = object.is.total.as_ref();
        truths.extend(truth(object, "order-reference", total, at, &["Canceled", "Closed"]));
    }
    for object in books.agreements.all() {
        let amount = object.is.subscription.as_ref();
        truths.extend(truth(object, "billing-agreement", amount, at, &["Canceled", "Closed"]));
    }
    for object in books.authorizations.all() {
        truths.extend(truth(object, "authorization", Some(&object.is.amount), at, &["Declined", "Closed"]));
    }
    for object in books.captures.all() {
        let last = &["Declined", "Completed", "Closed"];
        truths.extend(truth(object, "capture", Some(&object.is.amount), at, last));
    }
    for object in books.refunds.all() {
        truths.extend(truth(object, "refund", Some(&object.is.amount), at, &["Declined", "Completed"]));
    }
    for object in books.credits.all() {
        truths.extend(truth(object, "provider-credit", Some(&object.is.amount), at, &["Completed"]));
    }
    for object in books.reversals.all() {
        truths.extend(truth(object, "provider-credit-reversal", Some(&object.is.amount), at, &["Completed"]));
    }
    truths.sort_by(|one, other| one.id.cmp(&other.id));
    truths
}

fn truth<T>(
    object: &Object<T>,
    kind: &str,
    amount: Option<&Money>,
    at: Timestamp,
    last: &[&str],
) -> Option<Truth> {
    if !object.exists(at) {
        return None;
    }
    let standing = object.at(at);
    Some(Truth {
        id: object.id.clone(),
        kind: kind.to_owned(),
        state: standing.state.to_owned(),
        reason: standing.reason.map(str::to_owned),
        is_final: last.contains(&standing.state),
        is_declined: standing.state == "Declined",
        amount: amount.map(|money| money.amount.to_string()).unwrap_or_default(),
        currency: amount.map(|money| money.currency.clone()).unwrap_or_default(),
        merchant_reference: object.reference.clone(),
    })
}
