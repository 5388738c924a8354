//! The operations on order references.
//!
//! Owns: when an order may be changed, confirmed, cancelled, closed (docs/src/reference/amazon-pay-mws.md
//! sections 3.2, 4.4, 4.6). Must never know: signatures.

use super::arguments::Arguments;
use super::books::{Object, Order};
use super::details;
use super::refusal::{Code, Refusal};
use super::simulation::{self, Place};
use super::timeline::{Expected, minutes_later};
use super::world::{Call, World};
use super::xml::Element;

/// The cause of what is expected only of an order that is never authorized.
pub(super) const UNUSED: &str = "unused";

/// Attributes that `SetOrderReferenceDetails` and `SetOrderAttributes` share, by their last segment.
const ATTRIBUTES: [&str; 9] = [
    "PlatformId",
    "SellerNote",
    "RequestPaymentAuthorization",
    "SellerOrderAttributes.SellerOrderId",
    "SellerOrderAttributes.StoreName",
    "SellerOrderAttributes.CustomInformation",
    "SellerOrderAttributes.SupplementaryData",
    "PaymentServiceProviderAttributes.PaymentServiceProviderId",
    "PaymentServiceProviderAttributes.PaymentServiceProviderOrderId",
];

/// The attributes given under `prefix`, by their last segment.
pub(super) fn given_attributes<'a>(
    arguments: &'a Arguments,
    prefix: &str,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    ATTRIBUTES.into_iter().filter_map(move |path| {
        let name = path.rsplit('.').next().unwrap_or(path);
        arguments.get(&format!("{prefix}{path}")).map(|value| (name, value))
    })
}

fn order_id(call: &Call) -> &str {
    call.arguments.required("AmazonOrderReferenceId")
}

fn shown(world: &World<'_>, call: &Call, id: &str) -> Vec<Element> {
    vec![details::order(world.books, world.books.orders.get(id), false, call.caller.at)]
}

/// `GetOrderReferenceDetails`.
pub(super) fn get(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let object = world.books.orders.find(&call.caller, order_id(call))?;
    let has_token = has_buyer_token(call)?;
    Ok(vec![details::order(world.books, object, has_token, call.caller.at)])
}

/// Whether the call carries a buyer's token; sending both kinds is an error.
pub(super) fn has_buyer_token(call: &Call) -> Result<bool, Refusal> {
    let (access, consent) = (call.arguments.get("AccessToken"), call.arguments.get("AddressConsentToken"));
    match (access, consent) {
        (Some(_), Some(_)) => {
            Err(Code::AmbiguousToken.because("Send AccessToken or AddressConsentToken, not both"))
        }
        (None, None) => Ok(false),
        (Some(token), None) | (None, Some(token)) if token.starts_with("Atza|") => Ok(true),
        _ => Err(Code::InvalidAddressConsentToken.because("The token is not valid or has expired")),
    }
}

/// `SetOrderReferenceDetails`.
pub(super) fn set_details(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let prefix = "OrderReferenceAttributes.";
    let id = order_id(call);
    let state = world.books.orders.find(&call.caller, id)?.at(call.caller.at).state;
    if state != "Draft" {
        return Err(not_modifiable(state));
    }
    let total = call.arguments.money("OrderReferenceAttributes.OrderTotal")?;
    let note = call.arguments.get("OrderReferenceAttributes.SellerNote").filter(|_| call.caller.is_sandbox);
    let simulated = match note {
        Some(note) => simulation::read(note, Place::SetOrderReferenceDetails, world.habits)?,
        None => None,
    };
    let order = &mut world.books.orders.get_mut(id).is;
    order.total = total;
    for (name, value) in given_attributes(&call.arguments, prefix) {
        order.attributes.insert(name.to_owned(), value.to_owned());
    }
    if note.is_some() {
        // Overwriting the note removes the constraint (section 9).
        order.attributes.remove("SimulatedConstraint");
    }
    if let Some(constraint) = simulated.and_then(|simulation| simulation.constraint) {
        order.attributes.insert("SimulatedConstraint".to_owned(), constraint);
    }
    follow_reference(world.books.orders.get_mut(id));
    Ok(shown(world, call, id))
}

fn not_modifiable(state: &str) -> Refusal {
    Code::OrderReferenceNotModifiable
        .because(format!("The order reference is in the state {state} and cannot be modified so"))
}

fn follow_reference(order: &mut Object<Order>) {
    if let Some(reference) = order.is.attributes.get("SellerOrderId") {
        order.reference.clone_from(reference);
    }
}

/// `SetOrderAttributes`: after confirmation a missing value can be added, an existing one not overwritten.
pub(super) fn set_attributes(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let prefix = "OrderAttributes.";
    let id = order_id(call);
    let order = world.books.orders.find(&call.caller, id)?;
    let state = order.at(call.caller.at).state.to_owned();
    if !["Draft", "Open", "Suspended"].contains(&state.as_str()) {
        return Err(wrong_status(&state));
    }
    let total = call.arguments.money("OrderAttributes.OrderTotal")?;
    let categories =
        call.arguments.list("OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory");
    let is_other =
        |(name, value): (&str, &str)| order.is.attributes.get(name).is_some_and(|known| known != value);
    let overwrites = given_attributes(&call.arguments, prefix).any(is_other)
        || (!categories.is_empty() && !order.is.categories.is_empty() && order.is.categories != categories);
    let changes_total = total.is_some() && total != order.is.total;
    if state != "Draft" && (overwrites || changes_total) {
        return Err(not_modifiable(&state));
    }
    let categories: Vec<String> = categories.into_iter().map(str::to_owned).collect();
    let order = &mut world.books.orders.get_mut(id).is;
    if total.is_some() {
        order.total = total;
    }
    if !categories.is_empty() {
        order.categories = categories;
    }
    for (name, value) in given_attributes(&call.arguments, prefix) {
        order.attributes.insert(name.to_owned(), value.to_owned());
    }
    follow_reference(world.books.orders.get_mut(id));
    Ok(shown(world, call, id))
}

fn wrong_status(state: &str) -> Refusal {
    Code::InvalidOrderReferenceStatus
        .because(format!("The order reference is in the state {state}; this call is not allowed in it"))
}

/// `ConfirmOrderReference`. Confirming again is the same as confirming once.
pub(super) fn confirm(world: &mut World<'_>, call: &Call) -> Result<(), Refusal> {
    let id = order_id(call);
    let order = world.books.orders.find(&call.caller, id)?;
    call.arguments.money("AuthorizationAmount")?;
    match order.at(call.caller.at).state {
        "Open" => return Ok(()),
        "Draft" => {}
        "Suspended" => {
            return Err(Code::PaymentMethodNotUpdated.because("The buyer has not set a valid payment method"));
        }
        state => return Err(wrong_status(state)),
    }
    let constraints = details::order_constraints(&order.is, "Draft");
    if !constraints.is_empty() {
        let message = format!("The order reference has constraints: {}", constraints.join(", "));
        return Err(Code::ConstraintsExist.because(message));
    }
    let timeline = &mut world.books.orders.get_mut(id).timeline;
    timeline.change(call.caller.at, "Open", None);
    if call.arguments.flag("ExpectImmediateAuthorization", false) {
        let at = minutes_later(call.caller.at, 60);
        let closed = Expected { at, state: "Closed", reason: None, only_from: &["Open"] };
        timeline.expect_because(UNUSED, closed);
    }
    Ok(())
}

/// `CancelOrderReference`. Cancelling again is the same as cancelling once.
pub(super) fn cancel(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let (id, at) = (order_id(call), call.caller.at);
    let order = world.books.orders.find(&call.caller, id)?;
    let standing = order.at(at);
    match (standing.state, standing.reason) {
        ("Canceled", Some("SellerCanceled")) => return Ok(Vec::new()),
        ("Draft" | "Open" | "Suspended", _) => {}
        (state, _) => return Err(wrong_status(state)),
    }
    if !world.books.good_captures(id, at).is_empty() {
        return Err(Code::InvalidCancelAttempt.because("The order has captures and cannot be cancelled"));
    }
    for authorization_id in order.is.authorizations.clone() {
        let state = world.books.authorizations.get(&authorization_id).at(at).state;
        if state == "Pending" || state == "Open" {
            world.books.end_authorization(&authorization_id, at, "OrderReferenceCanceled");
        }
    }
    world.books.orders.get_mut(id).timeline.end(at, "Canceled", Some("SellerCanceled"));
    Ok(Vec::new())
}

/// `CloseOrderReference`. Authorizations stay as they are; closing again is the same as closing once.
pub(super) fn close(world: &mut World<'_>, call: &Call) -> Result<(), Refusal> {
    let (id, at) = (order_id(call), call.caller.at);
    let standing = world.books.orders.find(&call.caller, id)?.at(at);
    match (standing.state, standing.reason) {
        ("Closed", Some("SellerClosed")) => return Ok(()),
        ("Open" | "Suspended", _) => {}
        ("Draft", _) => {
            return Err(Code::InvalidCloseAttempt.because("A Draft order reference cannot be closed"));
        }
        (state, _) => return Err(wrong_status(state)),
    }
    let note = call.arguments.get("ClosureReason").filter(|_| call.caller.is_sandbox);
    let simulated = match note {
        Some(note) => simulation::read(note, Place::CloseOrderReference, world.habits)?,
        None => None,
    };
    let reason = simulated.and_then(|simulation| simulation.steps.into_iter().next()?.reason);
    let reason = reason.unwrap_or_else(|| "SellerClosed".to_owned());
    world.books.orders.get_mut(id).timeline.end(at, "Closed", Some(&reason));
    Ok(())
}
