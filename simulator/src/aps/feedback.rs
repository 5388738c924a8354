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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::ApsSignature;
    use super::super::order::{NewOrder, later};
    use super::*;

    #[test]
    fn every_operation_is_announced_under_its_command() {
        let merchant = ApsMerchant {
            merchant_identifier: "M".to_owned(),
            access_code: "A".to_owned(),
            request_phrase: "PASS".to_owned(),
            response_phrase: "RESP".to_owned(),
            signature: ApsSignature::Hmac512,
            is_sandbox: true,
        };
        let at = |second| later(Timestamp::UNIX_EPOCH, Duration::from_secs(second));
        let new = NewOrder {
            merchant: "M",
            merchant_reference: "order-1",
            fort_id: "149295435400084001".to_owned(),
            amount_minor: 1000,
            currency: "AED",
            at: at(1),
        };
        let mut order = Order::new(new, "19000");
        let happened = [
            ("02000", "AUTHORIZATION"),
            ("04000", "CAPTURE"),
            ("04000", "CAPTURE"),
            ("06000", "REFUND"),
            ("07048", "REFUND"),
            ("14000", "PURCHASE"),
            ("13666", "PURCHASE"),
            ("08000", "VOID_AUTHORIZATION"),
        ];
        for (code, _) in happened {
            order.happen(at(9), code, 500);
        }
        let mut desk = Desk::default();
        desk.orders.insert(("M".to_owned(), "order-1".to_owned()), order);
        let window = Window { after: at(0), until: at(9) };
        let found = announcements(&desk, &merchant, window);
        assert_eq!(found.len(), happened.len(), "the pending beginning is not announced");
        let serials: std::collections::BTreeSet<usize> = found.iter().map(|one| one.serial).collect();
        assert_eq!(serials.len(), found.len(), "operations of one moment differ");
        for (one, (code, command)) in found.iter().zip(happened) {
            let Content::Feedback(fields) = &one.content else { panic!("it is feedback") };
            let get =
                |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            assert_eq!((get("response_code"), get("status")), (Some(code), Some(&code[..2])));
            assert_eq!((get("command"), get("amount")), (Some(command), Some("500")));
            assert_eq!(get("signature"), Some(signature(ApsSignature::Hmac512, "RESP", fields).as_str()));
        }
        assert_eq!(announcements(&desk, &merchant, Window { after: at(9), until: at(99) }), []);
    }
}
