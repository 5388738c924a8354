//! What instant payment notifications say (docs/src/reference/amazon-pay-v2.md section 9).
//!
//! Owns: which changes are announced, and the message. Must never know: the envelope, who receives it.

use jiff::Timestamp;
use serde_json::json;

use super::super::plan::{Announcement, Content, Window};
use super::super::provider::Random;
use super::book::Book;
use super::charge::Charge;
use super::permission::Permission;
use super::refund::Refund;
use super::timeline::Change;

/// A state and its reason.
type Standing = (&'static str, Option<&'static str>);

fn standing(change: &Change) -> Standing {
    (change.state, change.reason)
}

/// Every change of this merchant's objects in the window, in the order of time.
pub(super) fn announcements(book: &Book, merchant: &str, window: Window) -> Vec<Announcement> {
    let mut found = Vec::new();
    for charge in book.charges.values().filter(|charge| &*charge.owner.merchant == merchant) {
        let object =
            Object { kind: "CHARGE", id: &charge.id, permission_id: &charge.permission_id, merchant };
        found.extend(of_charge(charge, window).into_iter().map(|change| object.announcement(change)));
    }
    for refund in book.refunds.values().filter(|refund| &*refund.owner.merchant == merchant) {
        let permission_id = refund.id.rsplit_once('-').map_or("", |(permission, _)| permission);
        let object = Object { kind: "REFUND", id: &refund.id, permission_id, merchant };
        found.extend(of_refund(refund, window).into_iter().map(|change| object.announcement(change)));
    }
    for permission in book.permissions.values().filter(|known| &*known.owner.merchant == merchant) {
        let id = &permission.id;
        let object = Object { kind: "CHARGE_PERMISSION", id, permission_id: id, merchant };
        let changes = of_permission(book, permission, window);
        found.extend(changes.into_iter().map(|change| object.announcement(change)));
    }
    found.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    found
}

fn of_charge(charge: &Charge, window: Window) -> Vec<(Timestamp, Standing)> {
    let moments = charge.timeline.moments().chain([charge.expires()]);
    let first = charge.timeline.first();
    window.changes(moments, first.at, || begun(first), |at| standing(&charge.status(at)))
}

fn of_refund(refund: &Refund, window: Window) -> Vec<(Timestamp, Standing)> {
    let (first, moments) = (refund.timeline.first(), refund.timeline.moments());
    window.changes(moments, first.at, || begun(first), |at| standing(refund.timeline.at(at)))
}

fn of_permission(book: &Book, permission: &Permission, window: Window) -> Vec<(Timestamp, Standing)> {
    let charges = book.charges_of(permission);
    let of_charges = charges.flat_map(|charge| charge.timeline.moments().chain([charge.expires()]));
    let moments = permission.timeline.moments().chain(of_charges).chain([permission.expires()]);
    let status = |at| standing(&book.permission_status(permission, at));
    // The beginning is not announced.
    window.changes(moments, permission.created, || status(permission.created), status)
}

/// What counts as the state before the first: what begins pending is not announced.
fn begun(first: &Change) -> Standing {
    if first.state.ends_with("Initiated") { standing(first) } else { ("", None) }
}

struct Object<'a> {
    kind: &'a str,
    id: &'a str,
    permission_id: &'a str,
    merchant: &'a str,
}

impl Object<'_> {
    fn announcement(&self, (at, (state, _)): (Timestamp, Standing)) -> Announcement {
        let matter = format!("notification {} {at}", self.id);
        let message = json!({
            "MerchantID": self.merchant,
            "ObjectType": self.kind,
            "ObjectId": self.id,
            "ChargePermissionId": self.permission_id,
            "NotificationType": "STATE_CHANGE",
            "NotificationId": Random::for_matter(0, &matter, 0).uuid(),
            "NotificationVersion": "V2",
        });
        let content = Content::Message(message.to_string());
        Announcement { at, id: self.id.to_owned(), state: state.to_owned(), serial: 0, content }
    }
}
