//! The operations on billing agreements.
//!
//! Owns: when an agreement may be changed, confirmed, charged, closed (docs/src/reference/amazon-pay-mws.md
//! sections 3.2, 4.5, 4.6). Must never know: signatures.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::authorizations;
use super::books::{Agreement, Object, Order, Referred};
use super::details;
use super::money::Money;
use super::orders::{given_attributes, has_buyer_token};
use super::refusal::{Code, Refusal};
use super::timeline::{Timeline, days_later};
use super::world::{Call, World};
use super::xml::Element;

fn agreement_id(call: &Call) -> &str {
    call.arguments.required("AmazonBillingAgreementId")
}

fn wrong_status(state: &str) -> Refusal {
    Code::InvalidBillingAgreementStatus
        .because(format!("The billing agreement is in the state {state}; this call is not allowed in it"))
}

/// `GetBillingAgreementDetails`.
pub(super) fn get(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let object = world.books.agreements.find(&call.caller, agreement_id(call))?;
    let has_token = has_buyer_token(call)?;
    Ok(vec![shown(world, object, has_token, call.caller.at)])
}

fn shown(world: &World<'_>, object: &Object<Agreement>, has_token: bool, at: Timestamp) -> Element {
    let is = &object.is;
    let standing = object.at(at);
    let is_whole = has_token || standing.state != "Draft";
    let mut attributes = Vec::new();
    for name in ["SellerBillingAgreementId", "StoreName", "CustomInformation"] {
        if let Some(value) = is.attributes.get(name) {
            attributes.push(Element::text(name, value));
        }
    }
    let mut details = Element::of(
        "BillingAgreementDetails",
        vec![
            Element::text("AmazonBillingAgreementId", &object.id),
            limits(world, object, at),
            details::destination(is_whole),
            Element::text("ReleaseEnvironment", details::release(object.is_sandbox)),
            Element::of("SellerBillingAgreementAttributes", attributes),
            details::status("BillingAgreementStatus", standing, "LastUpdatedTimestamp"),
            Element::text("CreationTimestamp", details::time(object.created)),
            Element::text("ExpirationTimestamp", details::time(days_later(object.created, 180))),
            Element::text("BillingAgreementConsent", "true"),
            Element::text("OrderLanguage", "en-US"),
        ],
    );
    if is_whole {
        details.push(details::buyer());
    }
    for name in ["SellerNote", "PlatformId", "BillingAgreementType"] {
        if let Some(value) = is.attributes.get(name) {
            details.push(Element::text(name, value));
        }
    }
    if let Some(subscription) = &is.subscription {
        details.push(subscription.element("SubscriptionAmount"));
    }
    details
}

fn limits(world: &World<'_>, object: &Object<Agreement>, at: Timestamp) -> Element {
    let currency = currency(world, object);
    let limit = monthly_limit(world, &currency);
    let remaining = limit.with(limit.amount - charged_this_month(world, &object.id, at));
    let (start, end) = month_of(at);
    Element::of(
        "BillingAgreementLimits",
        vec![
            limit.element("AmountLimitPerTimePeriod"),
            Element::text("TimePeriodStartDate", details::time(start)),
            Element::text("TimePeriodEndDate", details::time(end)),
            remaining.element("CurrentRemainingBalance"),
        ],
    )
}

/// The currency of an agreement: that of its subscription or of its first order, else that of its region.
fn currency(world: &World<'_>, object: &Object<Agreement>) -> String {
    let of_orders = || {
        let totals = object.is.orders.iter().filter_map(|id| world.books.orders.get(id).is.total.as_ref());
        totals.map(|total| total.currency.clone()).next()
    };
    let of_region = || match object.id.get(1..3) {
        Some("02") => "EUR".to_owned(),
        Some("03") => "JPY".to_owned(),
        _ => "USD".to_owned(),
    };
    let subscription = object.is.subscription.as_ref().map(|money| money.currency.clone());
    subscription.or_else(of_orders).unwrap_or_else(of_region)
}

fn monthly_limit(world: &World<'_>, currency: &str) -> Money {
    let limit = Decimal::from(world.habits.agreement_monthly_limit);
    let amount = if currency == "JPY" { limit * Decimal::ONE_HUNDRED } else { limit };
    Money { amount, currency: currency.to_owned() }
}

fn month_of(at: Timestamp) -> (Timestamp, Timestamp) {
    let date = at.to_zoned(TimeZone::UTC).date();
    let midnight = |date: jiff::civil::Date| date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let end = midnight(date.last_of_month()).map(|last| days_later(last, 1));
    (midnight(date.first_of_month()).unwrap_or(at), end.unwrap_or(at))
}

fn charged_this_month(world: &World<'_>, agreement_id: &str, at: Timestamp) -> Decimal {
    let (start, _) = month_of(at);
    let orders = world.books.agreements.get(agreement_id).is.orders.iter();
    orders
        .flat_map(|id| &world.books.orders.get(id).is.authorizations)
        .map(|id| world.books.authorizations.get(id))
        .filter(|authorization| authorization.created >= start && authorization.at(at).state != "Declined")
        .map(|authorization| authorization.is.amount.amount)
        .sum()
}

/// `SetBillingAgreementDetails`.
pub(super) fn set_details(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = agreement_id(call);
    let state = world.books.agreements.find(&call.caller, id)?.at(call.caller.at).state;
    if state != "Draft" {
        let message = format!("The billing agreement is in the state {state} and cannot be modified");
        return Err(Code::BillingAgreementNotModifiable.because(message));
    }
    if call.arguments.has_only(&["AmazonBillingAgreementId"]) {
        return Err(Code::InvalidParameterValue.because("At least one attribute is required"));
    }
    let subscription = call.arguments.money("BillingAgreementAttributes.SubscriptionAmount")?;
    let agreement = world.books.agreements.get_mut(id);
    for path in [
        "PlatformId",
        "SellerNote",
        "BillingAgreementType",
        "SellerBillingAgreementAttributes.SellerBillingAgreementId",
        "SellerBillingAgreementAttributes.StoreName",
        "SellerBillingAgreementAttributes.CustomInformation",
    ] {
        if let Some(value) = call.arguments.get(&format!("BillingAgreementAttributes.{path}")) {
            let name = path.rsplit('.').next().unwrap_or(path);
            agreement.is.attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    if subscription.is_some() {
        agreement.is.subscription = subscription;
    }
    if let Some(reference) = agreement.is.attributes.get("SellerBillingAgreementId") {
        agreement.reference.clone_from(reference);
    }
    Ok(vec![shown(world, world.books.agreements.get(id), false, call.caller.at)])
}

/// `ConfirmBillingAgreement`: opens a Draft one, and a Suspended one after correction (section 4.5).
pub(super) fn confirm(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = agreement_id(call);
    match world.books.agreements.find(&call.caller, id)?.at(call.caller.at).state {
        "Open" => {}
        "Draft" | "Suspended" => {
            world.books.agreements.get_mut(id).timeline.change(call.caller.at, "Open", None);
        }
        state => return Err(wrong_status(state)),
    }
    Ok(Vec::new())
}

/// `ValidateBillingAgreement`.
pub(super) fn validate(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let standing = world.books.agreements.find(&call.caller, agreement_id(call))?.at(call.caller.at);
    let mut result = match standing.state {
        "Open" => vec![Element::text("ValidationResult", "Success")],
        "Suspended" => vec![
            Element::text("ValidationResult", "Failure"),
            Element::text("FailureReasonCode", standing.reason.unwrap_or("InvalidPaymentMethod")),
        ],
        state => return Err(wrong_status(state)),
    };
    result.push(details::status("BillingAgreementStatus", standing, "LastUpdatedTimestamp"));
    Ok(result)
}

/// `CloseBillingAgreement`. Open authorizations stay as they are.
pub(super) fn close(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = agreement_id(call);
    let standing = world.books.agreements.find(&call.caller, id)?.at(call.caller.at);
    match (standing.state, standing.reason) {
        ("Closed", Some("SellerClosed")) => {}
        ("Open" | "Suspended", _) => {
            let timeline = &mut world.books.agreements.get_mut(id).timeline;
            timeline.end(call.caller.at, "Closed", Some("SellerClosed"));
        }
        (state, _) => return Err(wrong_status(state)),
    }
    Ok(Vec::new())
}

/// `CreateOrderReferenceForId`.
pub(super) fn create_order(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = call.arguments.required("Id");
    let agreement = world.books.agreements.find(&call.caller, id)?;
    let is_confirmed = call.arguments.flag("ConfirmNow", false);
    let total = call.arguments.money("OrderReferenceAttributes.OrderTotal")?;
    match agreement.at(call.caller.at).state {
        "Open" => {}
        "Draft" if is_confirmed => return Err(wrong_status("Draft")),
        "Draft" if agreement.is.orders.is_empty() => {}
        "Draft" => {
            let message = "A Draft billing agreement has one order reference at most";
            return Err(Code::OrderReferenceCountExceeded.because(message));
        }
        state => return Err(wrong_status(state)),
    }
    if is_confirmed && total.is_none() {
        return Err(
            Code::InvalidParameterValue.because("ConfirmNow needs OrderReferenceAttributes.OrderTotal")
        );
    }
    let mut order = Order { total, agreement_id: Some(id.to_owned()), ..Order::default() };
    for (name, value) in given_attributes(&call.arguments, "OrderReferenceAttributes.") {
        order.attributes.insert(name.to_owned(), value.to_owned());
    }
    if let Some(data) = call.arguments.get("OrderReferenceAttributes.SupplementaryData") {
        order.attributes.insert("SupplementaryData".to_owned(), data.to_owned());
    }
    let first = if is_confirmed { "Open" } else { "Draft" };
    let order_id = world.make_order(&call.caller, Timeline::starting(call.caller.at, first), order);
    Ok(vec![details::order(world.books, world.books.orders.get(&order_id), false, call.caller.at)])
}

/// `AuthorizeOnBillingAgreement`: makes and confirms an order, authorizes it, closes it.
pub(super) fn authorize(world: &mut World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let id = agreement_id(call);
    let state = world.books.agreements.find(&call.caller, id)?.at(call.caller.at).state.to_owned();
    let reference = call.arguments.required("AuthorizationReferenceId");
    let parameters = call.arguments.all();
    let repeated = world.repeated(&call.caller, Referred::Authorization, reference, id, parameters)?;
    let authorization_id = match repeated {
        Some(authorization_id) => authorization_id,
        None if state == "Open" => authorize_anew(world, call, id)?,
        None => return Err(wrong_status(&state)),
    };
    let authorization = world.books.authorizations.get(&authorization_id);
    Ok(vec![
        details::authorization(world.books, authorization, call.caller.at),
        Element::text("AmazonOrderReferenceId", &authorization.is.order_id),
    ])
}

fn authorize_anew(world: &mut World<'_>, call: &Call, id: &str) -> Result<String, Refusal> {
    let amount = call.arguments.positive_money("AuthorizationAmount")?;
    if amount.is_above_the_single_limit() {
        return Err(Code::TransactionAmountExceeded.because("The amount is above what may be authorized"));
    }
    let limit = monthly_limit(world, &amount.currency);
    if charged_this_month(world, id, call.caller.at) + amount.amount > limit.amount {
        return Err(Code::PeriodicAmountExceeded.because("The monthly limit of the agreement is exceeded"));
    }
    let simulated = authorizations::simulated(world, call)?;
    let mut order =
        Order { total: Some(amount.clone()), agreement_id: Some(id.to_owned()), ..Order::default() };
    for (name, value) in given_attributes(&call.arguments, "") {
        order.attributes.insert(name.to_owned(), value.to_owned());
    }
    let at = call.caller.at;
    let order_id = world.make_order(&call.caller, Timeline::starting(at, "Open"), order);
    let authorization_id = authorizations::make(world, call, &order_id, Some(id), amount, simulated);
    world.books.orders.get_mut(&order_id).timeline.end(at, "Closed", Some("SellerClosed"));
    authorizations::remember(world, call, id, &authorization_id);
    Ok(authorization_id)
}
