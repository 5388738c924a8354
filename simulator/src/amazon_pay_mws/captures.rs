//! Capture, Refund and their look-ups.
//!
//! Owns: when money may be taken and given back (docs/src/reference/amazon-pay-mws.md sections 3.2, 4.2, 4.3, 4.6).
//! Must never know: signatures.

use std::time::Duration;

use jiff::SignedDuration;
use rust_decimal::Decimal;

use crate::plan::Step;

use super::books::Referred;
use super::credits;
use super::details;
use super::money::Money;
use super::refusal::{Code, Refusal};
use super::simulation::{self, Place};
use super::world::{Call, NewChild, World};
use super::xml::Element;

/// Refunds of one capture (section 3.2).
pub(super) const MOST_REFUNDS: usize = 10;
/// A capture within this time of its authorization is processed at once (section 4.2).
const PROMPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `Capture`.
pub(super) fn capture(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let authorization_id = call.arguments.required("AmazonAuthorizationId");
    let authorization = world.books.authorizations.find(&call.caller, authorization_id)?;
    let state = authorization.at(call.caller.at).state.to_owned();
    let reference = call.arguments.required("CaptureReferenceId");
    let parameters = call.arguments.all();
    let repeated =
        world.repeated(&call.caller, Referred::Capture, reference, authorization_id, parameters)?;
    let id = match repeated {
        Some(id) => id,
        None if state == "Open" => capture_anew(world, call, authorization_id)?,
        None => {
            let message = format!("The authorization is in the state {state}; it must be Open");
            return Err(Code::InvalidAuthorizationStatus.because(message));
        }
    };
    Ok(vec![details::capture(world.books, world.books.captures.get(&id), call.caller.at)])
}

fn capture_anew(world: &mut World<'_>, call: &Call, authorization_id: &str) -> Result<String, Refusal> {
    let amount = call.arguments.positive_money("CaptureAmount")?;
    let credits_asked = credits::asked(call)?;
    let authorization = world.books.authorizations.get(authorization_id);
    check_currency(&authorization.is.amount, &amount)?;
    if amount.amount > authorization.is.amount.amount || amount.is_above_the_single_limit() {
        return Err(Code::TransactionAmountExceeded.because("The amount is above what may be captured"));
    }
    let is_prompt = call.caller.at.duration_since(authorization.created) <= PROMPT;
    let steps = capture_steps(world, call, is_prompt)?;
    let is_declined_at_once =
        steps.first().is_some_and(|step| step.after.is_zero() && step.state == "Declined");
    if !is_declined_at_once {
        // Any one capture closes the authorization (section 10); a declined one may be tried again.
        world.books.end_authorization(authorization_id, call.caller.at, "MaxCapturesProcessed");
    }
    let new = new_child(call, authorization_id, amount, ("CaptureReferenceId", "SellerCaptureNote"));
    let reference = new.reference.clone();
    let id = world.make_capture(&call.caller, new, &steps);
    credits::give(world, call, &id, credits_asked);
    let made = (id.as_str(), Some(call.arguments.all()));
    world.books.remember(&call.caller, Referred::Capture, &reference, authorization_id, made);
    Ok(id)
}

fn capture_steps(world: &mut World<'_>, call: &Call, is_prompt: bool) -> Result<Vec<Step>, Refusal> {
    if let Some(steps) = simulated(world, call, "SellerCaptureNote", Place::Capture)? {
        return Ok(steps);
    }
    let after = if is_prompt { Duration::ZERO } else { world.habits.late_capture_delay };
    let usual = Step { after, state: "Completed".into(), reason: None };
    Ok(world.fate(&call.caller, "capture").unwrap_or_else(|| vec![usual]))
}

fn simulated(world: &World<'_>, call: &Call, note: &str, place: Place) -> Result<Option<Vec<Step>>, Refusal> {
    match call.arguments.get(note) {
        Some(note) if call.caller.is_sandbox => {
            Ok(simulation::read(note, place, world.habits)?.map(|simulation| simulation.steps))
        }
        _ => Ok(None),
    }
}

fn check_currency(known: &Money, given: &Money) -> Result<(), Refusal> {
    if known.currency == given.currency {
        Ok(())
    } else {
        Err(Code::CurrencyMismatch.because("The currency differs from that of the order"))
    }
}

fn new_child(call: &Call, parent_id: &str, amount: Money, names: (&str, &str)) -> NewChild {
    NewChild {
        parent_id: parent_id.to_owned(),
        reference: call.arguments.required(names.0).to_owned(),
        amount,
        note: call.arguments.get(names.1).map(str::to_owned),
        soft_descriptor: call.arguments.get("SoftDescriptor").map(str::to_owned),
        created: call.caller.at,
        visible_from: call.caller.at,
    }
}

/// `GetCaptureDetails`.
pub(super) fn get_capture(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("AmazonCaptureId");
    let object = world.books.captures.find(&call.caller, id)?;
    Ok(vec![details::capture(world.books, object, call.caller.at)])
}

/// `Refund`.
pub(super) fn refund(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let capture_id = call.arguments.required("AmazonCaptureId");
    let capture = world.books.captures.find(&call.caller, capture_id)?;
    let state = capture.at(call.caller.at).state.to_owned();
    let reference = call.arguments.required("RefundReferenceId");
    let parameters = call.arguments.all();
    let repeated = world.repeated(&call.caller, Referred::Refund, reference, capture_id, parameters)?;
    let id = match repeated {
        Some(id) => id,
        None if state == "Completed" => refund_anew(world, call, capture_id)?,
        None => {
            let message = format!("The capture is in the state {state}; it must be Completed");
            return Err(Code::CaptureNotRefundable.because(message));
        }
    };
    Ok(vec![details::refund(world.books.refunds.get(&id), call.caller.at)])
}

fn refund_anew(world: &mut World<'_>, call: &Call, capture_id: &str) -> Result<String, Refusal> {
    let amount = call.arguments.positive_money("RefundAmount")?;
    let captured = world.books.captures.get(capture_id).is.amount.clone();
    check_currency(&captured, &amount)?;
    if world.books.captures.get(capture_id).is.refunds.len() >= MOST_REFUNDS {
        return Err(Code::TransactionCountExceeded.because("The capture has too many refunds"));
    }
    let earlier = world.books.good_refunds(capture_id, call.caller.at);
    let earlier: Decimal = earlier.iter().map(|refund| refund.is.amount.amount).sum();
    if earlier + amount.amount > captured.with_overage() {
        return Err(Code::TransactionAmountExceeded.because("The amount is above what may be refunded"));
    }
    let steps = match simulated(world, call, "SellerRefundNote", Place::Refund)? {
        Some(steps) => steps,
        None => {
            let after = world.habits.refund_delay;
            let usual = Step { after, state: "Completed".into(), reason: None };
            world.fate(&call.caller, "refund").unwrap_or_else(|| vec![usual])
        }
    };
    let new = new_child(call, capture_id, amount, ("RefundReferenceId", "SellerRefundNote"));
    let reference = new.reference.clone();
    let id = world.make_refund(&call.caller, new, &steps);
    let made = (id.as_str(), Some(call.arguments.all()));
    world.books.remember(&call.caller, Referred::Refund, &reference, capture_id, made);
    Ok(id)
}

/// `GetRefundDetails`.
pub(super) fn get_refund(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("AmazonRefundId");
    let object = world.books.refunds.find(&call.caller, id)?;
    Ok(vec![details::refund(object, call.caller.at)])
}
