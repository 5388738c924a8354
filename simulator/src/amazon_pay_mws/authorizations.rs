//! Authorize, GetAuthorizationDetails, CloseAuthorization.
//!
//! Owns: when an authorization may be made and ended (docs/src/reference/amazon-pay-mws.md sections 3.2, 4.1, 4.6).
//! Must never know: signatures.

use std::time::Duration;

use crate::plan::Step;

use super::books::{Caller, Referred};
use super::details;
use super::money::Money;
use super::refusal::{Code, Refusal};
use super::simulation::{self, Place, Simulation};
use super::world::{Call, NewAuthorization, World};
use super::xml::Element;

/// Authorizations of one order: the lower of the two documented numbers (section 3.3).
pub(super) const MOST_AUTHORIZATIONS: usize = 10;

/// `Authorize`.
pub(super) fn authorize(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let order_id = call.arguments.required("AmazonOrderReferenceId");
    let order = world.books.orders.find(&call.caller, order_id)?;
    let state = order.at(call.caller.at).state.to_owned();
    let reference = call.arguments.required("AuthorizationReferenceId");
    let parameters = call.arguments.all();
    let repeated = world.repeated(&call.caller, Referred::Authorization, reference, order_id, parameters)?;
    let id = match repeated {
        Some(id) => id,
        None if state == "Open" => authorize_anew(world, call, order_id)?,
        None => {
            let message = format!("The order reference is in the state {state}; it must be Open");
            return Err(Code::InvalidOrderReferenceStatus.because(message));
        }
    };
    Ok(vec![shown(world, &id, call)])
}

fn authorize_anew(world: &mut World<'_>, call: &Call, order_id: &str) -> Result<String, Refusal> {
    let amount = call.arguments.positive_money("AuthorizationAmount")?;
    check_amount(world, call, order_id, &amount)?;
    let simulated = simulated(world, call)?;
    let id = make(world, call, order_id, None, amount, simulated);
    world.books.orders.get_mut(order_id).timeline.withdraw(call.caller.at, super::orders::UNUSED);
    remember(world, call, order_id, &id);
    Ok(id)
}

/// Remembers for which authorization this call's reference id was used.
pub(super) fn remember(world: &mut World<'_>, call: &Call, parent_id: &str, id: &str) {
    let reference = call.arguments.required("AuthorizationReferenceId");
    let made = (id, Some(call.arguments.all()));
    world.books.remember(&call.caller, Referred::Authorization, reference, parent_id, made);
}

fn check_amount(world: &World<'_>, call: &Call, order_id: &str, amount: &Money) -> Result<(), Refusal> {
    let order = world.books.orders.get(order_id);
    let Some(total) = &order.is.total else {
        return Err(Code::TransactionAmountExceeded.because("The order has no total"));
    };
    if total.currency != amount.currency {
        return Err(Code::CurrencyMismatch.because("The currency differs from that of the order"));
    }
    if order.is.authorizations.len() >= MOST_AUTHORIZATIONS {
        return Err(Code::TransactionCountExceeded.because("The order has too many authorizations"));
    }
    let sum = world.books.committed(order_id, call.caller.at) + amount.amount;
    if amount.is_above_the_single_limit() || sum > total.with_overage() {
        return Err(Code::TransactionAmountExceeded.because("The amount is above what may be authorized"));
    }
    Ok(())
}

/// What the note of a sandbox call decides.
pub(super) fn simulated(world: &World<'_>, call: &Call) -> Result<Option<Simulation>, Refusal> {
    match call.arguments.get("SellerAuthorizationNote") {
        Some(note) if call.caller.is_sandbox => simulation::read(note, Place::Authorize, world.habits),
        _ => Ok(None),
    }
}

/// Makes an authorization as the parameters of `Authorize` and `AuthorizeOnBillingAgreement` say.
pub(super) fn make(
    world: &mut World<'_>,
    call: &Call,
    order_id: &str,
    agreement_id: Option<&str>,
    amount: Money,
    simulated: Option<Simulation>,
) -> String {
    let timeout_minutes: u64 =
        call.arguments.get("TransactionTimeout").and_then(|text| text.parse().ok()).unwrap_or(1440);
    let is_synchronous = timeout_minutes == 0;
    let is_capture_now = call.arguments.flag("CaptureNow", false);
    let simulated = simulated.unwrap_or_default();
    let steps = steps(world, &call.caller, &simulated, is_synchronous, is_capture_now);
    let new = NewAuthorization {
        order_id: order_id.to_owned(),
        agreement_id: agreement_id.map(str::to_owned),
        reference: call.arguments.required("AuthorizationReferenceId").to_owned(),
        amount,
        note: call.arguments.get("SellerAuthorizationNote").map(str::to_owned),
        // Used only with CaptureNow (section 3.2).
        soft_descriptor: call.arguments.get("SoftDescriptor").filter(|_| is_capture_now).map(str::to_owned),
        is_capture_now,
        is_soft_decline: simulated.is_soft_decline,
        // Only for asynchronous authorizations (section 9).
        mended_after_minutes: simulated.mended_after_minutes.filter(|_| !is_synchronous),
        timeout_minutes: (!is_synchronous).then_some(timeout_minutes),
        visible_from: call.caller.at,
    };
    world.make_authorization(&call.caller, new, &steps)
}

fn steps(
    world: &mut World<'_>,
    caller: &Caller,
    simulated: &Simulation,
    is_synchronous: bool,
    is_capture_now: bool,
) -> Vec<Step> {
    let usual = || Step { after: world.habits.authorization_delay, state: "Open".into(), reason: None };
    let usual = vec![usual()];
    let mut steps = if simulated.steps.is_empty() {
        world.fate(caller, "authorization").unwrap_or(usual)
    } else {
        simulated.steps.clone()
    };
    if is_synchronous {
        make_synchronous(&mut steps);
    }
    let opening = steps.iter().position(|step| step.state == "Open");
    if let (true, Some(opening)) = (is_capture_now, opening) {
        // CaptureNow: where it would open, it is captured at once and closed (section 4.1).
        steps.truncate(opening + 1);
        steps[opening].state = "Closed".into();
        steps[opening].reason = Some("MaxCapturesProcessed".into());
    }
    steps
}

/// A synchronous authorization is never Pending; one that nobody decides is timed out (section 4.1).
fn make_synchronous(steps: &mut Vec<Step>) {
    let first = steps.iter().position(|step| step.state != "Pending").unwrap_or(steps.len());
    steps.drain(..first);
    match steps.first_mut() {
        Some(step) => step.after = Duration::ZERO,
        None => steps.push(Step {
            after: Duration::ZERO,
            state: "Declined".into(),
            reason: Some("TransactionTimedOut".into()),
        }),
    }
}

fn shown(world: &World<'_>, id: &str, call: &Call) -> Element {
    details::authorization(world.books, world.books.authorizations.get(id), call.caller.at)
}

/// `GetAuthorizationDetails`.
pub(super) fn get(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("AmazonAuthorizationId");
    let object = world.books.authorizations.find(&call.caller, id)?;
    Ok(vec![details::authorization(world.books, object, call.caller.at)])
}

/// `CloseAuthorization`. Closing again is the same as closing once.
pub(super) fn close(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("AmazonAuthorizationId");
    let standing = world.books.authorizations.find(&call.caller, id)?.at(call.caller.at);
    match (standing.state, standing.reason) {
        ("Pending" | "Open", _) => {
            world.books.end_authorization(id, call.caller.at, "SellerClosed");
            Ok(Vec::new())
        }
        ("Closed", Some("SellerClosed")) => Ok(Vec::new()),
        (state, _) => Err(Code::InvalidAuthorizationStatus
            .because(format!("The authorization is in the state {state} and cannot be closed"))),
    }
}
