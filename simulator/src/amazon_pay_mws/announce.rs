//! What instant payment notifications say (docs/src/reference/amazon-pay-mws.md section 8, amazon-pay-batch.md section 6).
//!
//! Owns: which changes are announced, the message and the XML in it. Must never know: the envelope, who receives it.
//!
//! No source tells how the notification of a completed batch is called or laid out: both are made up, with the two
//! facts that are known, the report's id and a summary.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;

use crate::plan::{Announcement, Content, Window};
use crate::provider::Random;

use super::books::{Agreement, Authorization, Books, Capture, Object, Order, Refund};
use super::counter::Feeds;
use super::details::{release, time};
use super::merchant::MwsMerchant;
use super::money::Money;
use super::timeline::{Standing, days_later};
use super::xml::Element;

/// The namespace of everything that was captured, Europe included (section 8.2).
const NAMESPACE: &str = "https://mws.amazonservices.com/ipn/OffAmazonPayments/2013-01-01";

/// Every change of this seller's objects in the window, in the order of time.
pub(super) fn announcements(
    books: &Books,
    feeds: &Feeds,
    seller: &MwsMerchant,
    window: Window,
) -> Vec<Announcement> {
    let mut found = Found { seller, window, announcements: Vec::new() };
    for object in books.orders.all() {
        found.add(object, ["OrderReferenceNotification", "OrderReferenceNotification"], |at| {
            order(object, at)
        });
    }
    for object in books.agreements.all() {
        let kind = "BillingAgreementNotification";
        found.add(object, [kind, kind], |at| agreement(object, at));
    }
    for object in books.authorizations.all() {
        let names = ["PaymentAuthorize", "AuthorizationNotification"];
        found.add(object, names, |at| authorization(books, object, at));
    }
    for object in books.captures.all() {
        found.add(object, ["PaymentCapture", "CaptureNotification"], |at| capture(books, object, at));
    }
    for object in books.refunds.all() {
        found.add(object, ["PaymentRefund", "RefundNotification"], |at| refund(object, at));
    }
    for completed in feeds.completed(&seller.seller_id, window) {
        let names = ["BatchCompleteNotification", "BatchCompleteNotification"];
        let subject =
            Subject { id: completed.report_id.clone(), is_sandbox: completed.is_sandbox, at: completed.at };
        let details = Element::of(
            "BatchDetails",
            vec![
                Element::text("FeedSubmissionId", &completed.feed_id),
                Element::text("ReportId", &completed.report_id),
                Element::text("RequestCount", completed.request_count.to_string()),
            ],
        );
        found.push(subject, "Completed", names, details);
    }
    found.announcements.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    found.announcements
}

struct Found<'a> {
    seller: &'a MwsMerchant,
    window: Window,
    announcements: Vec<Announcement>,
}

struct Subject {
    id: String,
    is_sandbox: bool,
    at: Timestamp,
}

impl Found<'_> {
    /// `names`: the notification's type, and the root of its XML.
    fn add<T>(&mut self, object: &Object<T>, names: [&str; 2], details: impl Fn(Timestamp) -> Element) {
        if object.seller_id != self.seller.seller_id {
            return;
        }
        let owned = |standing: Standing<'_>| (standing.state.to_owned(), standing.reason.map(str::to_owned));
        let first = || (object.timeline.first().to_owned(), None);
        let moments = object.timeline.moments();
        for (at, (state, _)) in self.window.changes(moments, object.created, first, |at| owned(object.at(at)))
        {
            let subject = Subject { id: object.id.clone(), is_sandbox: object.is_sandbox, at };
            self.push(subject, &state, names, details(at));
        }
    }

    fn push(&mut self, subject: Subject, state: &str, [kind, root]: [&str; 2], details: Element) {
        let Subject { id, is_sandbox, at } = subject;
        let line = Element::of(root, vec![details]).line();
        let opened = line.replacen(&format!("<{root}>"), &format!("<{root} xmlns=\"{NAMESPACE}\">"), 1);
        let matter = format!("notification {id} {at}");
        let mut message = json!({
            "NotificationReferenceId": Random::for_matter(0, &matter, 0).uuid(),
            "MarketplaceID": marketplace(self.seller, is_sandbox),
            "NotificationType": kind,
            "IsSample": false,
            "SellerId": self.seller.seller_id,
            "ReleaseEnvironment": release(is_sandbox),
            "Version": "2013-01-01",
            "NotificationData": format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{opened}"),
            "Timestamp": time(at),
        });
        if kind == "BillingAgreementNotification" {
            message["EventType"] = "BillingAgreementStatusUpdated".into();
        }
        let content = Content::Message(message.to_string());
        self.announcements.push(Announcement { at, id, state: state.to_owned(), serial: 0, content });
    }
}

fn marketplace(seller: &MwsMerchant, is_sandbox: bool) -> &'static str {
    match (seller.region_digits(), is_sandbox) {
        ("02", true) => "A3M3RRFO9XDT2G",
        ("02", false) => "AZAJMM36N6WQL",
        ("03", _) => "A31YDYE76E6TCP",
        (_, true) => "A3BXB0YN3XH17H",
        (_, false) => "AGWSWK15IEJJ7",
    }
}

/// `5.0` and `5.25`, as notifications write amounts (section 8.3).
fn money(name: &str, money: &Money, amount: Decimal) -> Element {
    let plain = amount.normalize();
    let text = if plain.scale() == 0 { format!("{plain}.0") } else { plain.to_string() };
    Element::of(name, vec![Element::text("Amount", text), Element::text("CurrencyCode", &money.currency)])
}

fn status(name: &str, standing: Standing<'_>) -> Element {
    let mut children = vec![
        Element::text("State", standing.state),
        Element::text("LastUpdateTimestamp", time(standing.since)),
    ];
    children.extend(standing.reason.map(|reason| Element::text("ReasonCode", reason)));
    Element::of(name, children)
}

fn ids(found: Vec<&str>) -> Element {
    Element::of("IdList", found.into_iter().map(|id| Element::text("Id", id)).collect())
}

fn soft_descriptor(text: Option<&String>) -> Element {
    Element::text("SoftDescriptor", text.map_or_else(|| "AMZ*shop".to_owned(), |text| format!("AMZ*{text}")))
}

fn order(object: &Object<Order>, at: Timestamp) -> Element {
    let mut children = vec![Element::text("AmazonOrderReferenceId", &object.id)];
    children.extend(object.is.total.as_ref().map(|total| money("OrderTotal", total, total.amount)));
    let attributes = vec![
        Element::text("SellerId", &object.seller_id),
        Element::text("SellerOrderId", &object.reference),
        Element::of("OrderItemCategories", Vec::new()),
    ];
    children.push(Element::of("SellerOrderAttributes", attributes));
    children.push(status("OrderReferenceStatus", object.at(at)));
    children.push(Element::text("CreationTimestamp", time(object.created)));
    children.push(Element::text("ExpirationTimestamp", time(days_later(object.created, 180))));
    Element::of("OrderReference", children)
}

fn agreement(object: &Object<Agreement>, at: Timestamp) -> Element {
    let attributes = vec![
        Element::text("SellerId", &object.seller_id),
        Element::text("SellerBillingAgreementId", &object.reference),
    ];
    let children = vec![
        Element::text("AmazonBillingAgreementId", &object.id),
        Element::of("SellerBillingAgreementAttributes", attributes),
        status("BillingAgreementStatus", object.at(at)),
        Element::text("CreationTimestamp", time(object.created)),
        Element::text("BillingAgreementConsent", "true"),
    ];
    Element::of("BillingAgreement", children)
}

fn authorization(books: &Books, object: &Object<Authorization>, at: Timestamp) -> Element {
    let is = &object.is;
    let captures: Vec<&Object<Capture>> =
        is.captures.iter().map(|id| books.captures.get(id)).filter(|capture| capture.exists(at)).collect();
    let good = captures.iter().filter(|capture| ["Completed", "Closed"].contains(&capture.at(at).state));
    let captured: Decimal = good.map(|capture| capture.is.amount.amount).sum();
    let children = vec![
        Element::text("AmazonAuthorizationId", &object.id),
        Element::text("AuthorizationReferenceId", &object.reference),
        money("AuthorizationAmount", &is.amount, is.amount.amount),
        money("CapturedAmount", &is.amount, captured),
        money("AuthorizationFee", &is.amount, Decimal::ZERO),
        ids(captures.iter().map(|capture| capture.id.as_str()).collect()),
        Element::text("CreationTimestamp", time(object.created)),
        Element::text("ExpirationTimestamp", time(is.expires)),
        status("AuthorizationStatus", object.at(at)),
        Element::of("OrderItemCategories", Vec::new()),
        Element::text("CaptureNow", is.is_capture_now.to_string()),
        soft_descriptor(is.soft_descriptor.as_ref()),
    ];
    Element::of("AuthorizationDetails", children)
}

fn capture(books: &Books, object: &Object<Capture>, at: Timestamp) -> Element {
    let is = &object.is;
    let refunds: Vec<&Object<Refund>> =
        is.refunds.iter().map(|id| books.refunds.get(id)).filter(|refund| refund.exists(at)).collect();
    let done = refunds.iter().filter(|refund| refund.at(at).state == "Completed");
    let refunded: Decimal = done.map(|refund| refund.is.amount.amount).sum();
    let children = vec![
        Element::text("AmazonCaptureId", &object.id),
        Element::text("CaptureReferenceId", &object.reference),
        money("CaptureAmount", &is.amount, is.amount.amount),
        money("RefundedAmount", &is.amount, refunded),
        money("CaptureFee", &is.amount, Decimal::ZERO),
        ids(refunds.iter().map(|refund| refund.id.as_str()).collect()),
        Element::text("CreationTimestamp", time(object.created)),
        status("CaptureStatus", object.at(at)),
        soft_descriptor(is.soft_descriptor.as_ref()),
    ];
    Element::of("CaptureDetails", children)
}

fn refund(object: &Object<Refund>, at: Timestamp) -> Element {
    let is = &object.is;
    let children = vec![
        Element::text("AmazonRefundId", &object.id),
        Element::text("RefundReferenceId", &object.reference),
        Element::text("RefundType", "SellerInitiated"),
        money("RefundAmount", &is.amount, is.amount.amount),
        money("FeeRefunded", &is.amount, Decimal::ZERO),
        Element::text("CreationTimestamp", time(object.created)),
        status("RefundStatus", object.at(at)),
        soft_descriptor(is.soft_descriptor.as_ref()),
    ];
    Element::of("RefundDetails", children)
}
