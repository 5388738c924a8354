//! Direct and notification feedback (docs/src/reference/aps.md, section 5.6).
//!
//! Owns: which operations are announced, and with which parameters. Must never know: where they are sent, or how they
//! are encoded.

use super::super::plan::{Announcement, Content, Window};
use super::codes;
use super::desk::Desk;
use super::merchant::ApsMerchant;
use super::order::{Event, Order};
use super::signature::signature;

/// What happened to this merchant's orders in the window, in the order of time: every operation, but not that an order
/// was only stored or is pending from the beginning.
pub(super) fn announcements(desk: &Desk, merchant: &ApsMerchant, window: Window) -> Vec<Announcement> {
    let mut found = Vec::new();
    let orders = desk.orders.values().filter(|order| order.merchant == merchant.merchant_identifier);
    for order in orders {
        for (place, event) in order.events().iter().enumerate().filter(|(_, event)| window.has(event.at)) {
            let is_pending = matches!(event.code.get(..2), Some("01" | "19"));
            if place > 0 || !is_pending {
                found.push(announcement(merchant, order, (place, event)));
            }
        }
    }
    found.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    found
}

fn announcement(merchant: &ApsMerchant, order: &Order, (serial, event): (usize, &Event)) -> Announcement {
    let status = event.code.get(..2).unwrap_or_default();
    let mut fields: Vec<(String, String)> = [
        ("command", command(status)),
        ("access_code", &merchant.access_code),
        ("merchant_identifier", &merchant.merchant_identifier),
        ("merchant_reference", &order.merchant_reference),
        ("amount", &event.amount_minor.to_string()),
        ("currency", &order.currency),
        ("language", "en"),
        ("fort_id", &order.fort_id),
        ("response_code", &event.code),
        ("response_message", codes::message(&event.code)),
        ("status", status),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    fields.push(("signature".to_owned(), signature(merchant.signature, &merchant.response_phrase, &fields)));
    Announcement {
        at: event.at,
        id: order.merchant_reference.clone(),
        state: event.code.clone(),
        serial,
        content: Content::Feedback(fields),
    }
}

/// The operation that ends with this status (section 5.3).
fn command(status: &str) -> &'static str {
    match status {
        "02" | "03" => "AUTHORIZATION",
        "04" | "05" => "CAPTURE",
        "06" | "07" => "REFUND",
        "08" | "09" => "VOID_AUTHORIZATION",
        _ => "PURCHASE",
    }
}
