//! Objects as the elements of an answer: docs/src/reference/amazon-pay-mws.md section 3.4.
//!
//! Owns: which children an object has. Must never know: what may be done with it.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::books::{Authorization, Books, Capture, Object, Order, Refund};
use super::timeline::{Standing, days_later};
use super::xml::Element;

/// A time as on the wire: three fractional digits.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// `S(X)` of section 3.4, the time under a name of its own in agreements.
pub(super) fn status(name: &str, standing: Standing<'_>, time_name: &str) -> Element {
    let mut children =
        vec![Element::text(time_name, time(standing.since)), Element::text("State", standing.state)];
    if let Some(reason) = standing.reason {
        children.push(Element::text("ReasonCode", reason));
        children.push(Element::text("ReasonDescription", format!("Simulated: {reason}")));
    }
    Element::of(name, children)
}

fn id_list(ids: impl Iterator<Item = String>) -> Element {
    Element::of("IdList", ids.map(|id| Element::text("member", id)).collect())
}

fn soft_descriptor(details: &mut Element, text: Option<&String>) {
    if let Some(text) = text {
        details.push(Element::text("SoftDescriptor", format!("AMZ*{text}")));
    }
}

/// `<AuthorizationDetails>`.
pub(super) fn authorization(books: &Books, object: &Object<Authorization>, at: Timestamp) -> Element {
    let is = &object.is;
    let standing = object.at(at);
    let captures: Vec<&Object<Capture>> =
        is.captures.iter().map(|id| books.captures.get(id)).filter(|capture| capture.exists(at)).collect();
    let captured: Decimal = captures
        .iter()
        .filter(|capture| ["Completed", "Closed"].contains(&capture.at(at).state))
        .map(|capture| capture.is.amount.amount)
        .sum();
    let mut details = Element::of(
        "AuthorizationDetails",
        vec![
            Element::text("AmazonAuthorizationId", &object.id),
            Element::text("AuthorizationReferenceId", &object.reference),
            Element::text("SellerAuthorizationNote", is.note.as_deref().unwrap_or_default()),
            is.amount.element("AuthorizationAmount"),
            is.amount.with(captured).element("CapturedAmount"),
            is.amount.with(Decimal::new(0, 2)).element("AuthorizationFee"),
            id_list(captures.iter().map(|capture| capture.id.clone())),
            Element::text("CreationTimestamp", time(object.created)),
            Element::text("ExpirationTimestamp", time(is.expires)),
            status("AuthorizationStatus", standing, "LastUpdateTimestamp"),
            Element::text("CaptureNow", is.is_capture_now.to_string()),
        ],
    );
    if standing.state == "Declined" && standing.reason == Some("InvalidPaymentMethod") {
        details.push(Element::text("SoftDecline", is.is_soft_decline.to_string()));
    }
    if standing.state == "Open" || standing.state == "Closed" {
        details.push(Element::of("AuthorizationBillingAddress", address(true)));
    }
    soft_descriptor(&mut details, is.soft_descriptor.as_ref());
    details
}

/// `<CaptureDetails>`.
pub(super) fn capture(books: &Books, object: &Object<Capture>, at: Timestamp) -> Element {
    let is = &object.is;
    let refunds: Vec<&Object<Refund>> =
        is.refunds.iter().map(|id| books.refunds.get(id)).filter(|refund| refund.exists(at)).collect();
    let refunded: Decimal = refunds
        .iter()
        .filter(|refund| refund.at(at).state == "Completed")
        .map(|refund| refund.is.amount.amount)
        .sum();
    let mut details = Element::of(
        "CaptureDetails",
        vec![
            Element::text("AmazonCaptureId", &object.id),
            Element::text("CaptureReferenceId", &object.reference),
            Element::text("SellerCaptureNote", is.note.as_deref().unwrap_or_default()),
            is.amount.element("CaptureAmount"),
            is.amount.with(refunded).element("RefundedAmount"),
            is.amount.with(Decimal::new(0, 2)).element("CaptureFee"),
            id_list(refunds.iter().map(|refund| refund.id.clone())),
            Element::text("CreationTimestamp", time(object.created)),
            status("CaptureStatus", object.at(at), "LastUpdateTimestamp"),
        ],
    );
    if !is.credits.is_empty() {
        let summary = |id: &String| {
            let credit = books.credits.get(id);
            let provider = Element::text("ProviderSellerId", &credit.is.provider_id);
            Element::of("member", vec![provider, Element::text("ProviderCreditId", id)])
        };
        details.push(Element::of("ProviderCreditSummaryList", is.credits.iter().map(summary).collect()));
    }
    soft_descriptor(&mut details, is.soft_descriptor.as_ref());
    details
}

/// `<RefundDetails>`.
pub(super) fn refund(object: &Object<Refund>, at: Timestamp) -> Element {
    let is = &object.is;
    let mut details = Element::of(
        "RefundDetails",
        vec![
            Element::text("AmazonRefundId", &object.id),
            Element::text("RefundReferenceId", &object.reference),
            Element::text("SellerRefundNote", is.note.as_deref().unwrap_or_default()),
            Element::text("RefundType", "SellerInitiated"),
            is.amount.element("RefundAmount"),
            is.amount.with(Decimal::new(0, 2)).element("FeeRefunded"),
            Element::text("CreationTimestamp", time(object.created)),
            status("RefundStatus", object.at(at), "LastUpdateTimestamp"),
        ],
    );
    soft_descriptor(&mut details, is.soft_descriptor.as_ref());
    details
}

/// `<OrderReference>` of a list: how an order stands, without its buyer.
pub(super) fn listed_order(object: &Object<Order>, at: Timestamp) -> Element {
    let mut listed = Element::of(
        "OrderReference",
        vec![
            Element::text("AmazonOrderReferenceId", &object.id),
            Element::text("ReleaseEnvironment", release(object.is_sandbox)),
            seller_order_attributes(&object.is),
            status("OrderReferenceStatus", object.at(at), "LastUpdateTimestamp"),
            Element::text("CreationTimestamp", time(object.created)),
        ],
    );
    if let Some(total) = &object.is.total {
        listed.push(total.element("OrderTotal"));
    }
    listed
}

/// `<OrderReferenceDetails>`. The whole address is shown with a buyer's token or after confirmation.
pub(super) fn order(books: &Books, object: &Object<Order>, has_token: bool, at: Timestamp) -> Element {
    let is = &object.is;
    let standing = object.at(at);
    let is_whole = has_token || standing.state != "Draft";
    let mut details = Element::of(
        "OrderReferenceDetails",
        vec![
            Element::text("AmazonOrderReferenceId", &object.id),
            destination(is_whole),
            Element::text("ReleaseEnvironment", release(object.is_sandbox)),
            seller_order_attributes(is),
            status("OrderReferenceStatus", standing, "LastUpdateTimestamp"),
            Element::text("CreationTimestamp", time(object.created)),
            Element::text("ExpirationTimestamp", time(days_later(object.created, 180))),
            Element::text("OrderLanguage", "en-US"),
            Element::text("PaymentAuthenticationStatus", ""),
            Element::text(
                "RequestPaymentAuthorization",
                is.attributes.get("RequestPaymentAuthorization").map_or("false", String::as_str),
            ),
            id_list(
                is.authorizations
                    .iter()
                    .filter(|id| books.authorizations.get(id).exists(at))
                    .map(ToString::to_string),
            ),
        ],
    );
    if is_whole {
        details.push(buyer());
        let billing = Element::of("PhysicalAddress", address(true));
        details.push(Element::of("BillingAddress", vec![Element::text("AddressType", "Physical"), billing]));
    }
    if let Some(total) = &is.total {
        details.push(total.element("OrderTotal"));
    }
    for name in ["SellerNote", "PlatformId"] {
        if let Some(value) = is.attributes.get(name) {
            details.push(Element::text(name, value));
        }
    }
    if let Some(agreement_id) = &is.agreement_id {
        let parent = vec![Element::text("Type", "BillingAgreement"), Element::text("Id", agreement_id)];
        details.push(Element::of("ParentDetails", parent));
    }
    let constraints = order_constraints(is, standing.state);
    if !constraints.is_empty() {
        details.push(constraint_list(&constraints));
    }
    push_provider_attributes(&mut details, is);
    details
}

/// What keeps a Draft order from being confirmed (section 3.4).
pub(super) fn order_constraints(order: &Order, state: &str) -> Vec<&'static str> {
    let mut constraints = Vec::new();
    if state == "Draft" {
        if order.total.is_none() {
            constraints.push("AmountNotSet");
        }
        if order.attributes.contains_key("SimulatedConstraint") {
            constraints.push("PaymentMethodNotAllowed");
        }
    }
    constraints
}

fn constraint_list(ids: &[&str]) -> Element {
    let constraint = |id: &&str| {
        let description = format!("Simulated: {id}");
        Element::of(
            "Constraint",
            vec![Element::text("ConstraintID", *id), Element::text("Description", description)],
        )
    };
    Element::of("Constraints", ids.iter().map(constraint).collect())
}

fn seller_order_attributes(order: &Order) -> Element {
    let mut children = Vec::new();
    for name in ["SellerOrderId", "StoreName", "CustomInformation", "SupplementaryData"] {
        if let Some(value) = order.attributes.get(name) {
            children.push(Element::text(name, value));
        }
    }
    let categories = order.categories.iter().map(|one| Element::text("OrderItemCategory", one)).collect();
    children.push(Element::of("OrderItemCategories", categories));
    Element::of("SellerOrderAttributes", children)
}

fn push_provider_attributes(details: &mut Element, order: &Order) {
    let names = ["PaymentServiceProviderId", "PaymentServiceProviderOrderId"];
    let children: Vec<Element> = names
        .iter()
        .filter_map(|name| order.attributes.get(*name).map(|value| Element::text(name, value)))
        .collect();
    if !children.is_empty() {
        details.push(Element::of("PaymentServiceProviderAttributes", children));
    }
}

/// `Sandbox` or `Live`.
pub(super) fn release(is_sandbox: bool) -> &'static str {
    if is_sandbox { "Sandbox" } else { "Live" }
}

/// A made-up buyer: personal data that a client must not keep.
pub(super) fn buyer() -> Element {
    Element::of(
        "Buyer",
        vec![
            Element::text("Name", "Erika Mustermann & Söhne"),
            Element::text("Email", "erika.mustermann@example.com"),
            Element::text("Phone", "+49 30 12345678"),
        ],
    )
}

/// Where the goods go.
pub(super) fn destination(is_whole: bool) -> Element {
    let physical = Element::of("PhysicalDestination", address(is_whole));
    Element::of("Destination", vec![Element::text("DestinationType", "Physical"), physical])
}

fn address(is_whole: bool) -> Vec<Element> {
    let mut children = vec![
        Element::text("City", "Berlin"),
        Element::text("StateOrRegion", ""),
        Element::text("PostalCode", "10117"),
        Element::text("CountryCode", "DE"),
    ];
    if is_whole {
        children.push(Element::text("Name", "Erika Mustermann"));
        children.push(Element::text("AddressLine1", "Musterstraße 17"));
        children.push(Element::text("Phone", "+49 30 12345678"));
    }
    children
}
