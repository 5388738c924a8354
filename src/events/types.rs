//! What each change is called: `charge.captured`, `refund.declined`, ...
//!
//! Owns: the one table of all APIs. Must never know: an API, a body, a receiver. Pure.

use crate::payments::change::Change;
use crate::payments::record::{Cause, Transition};

/// The state stays as it was; reasons or amounts are new.
pub const UPDATED: &str = "updated";
/// Something about the object cannot be right. Nothing new is concluded about its money until that is settled.
pub const QUARANTINED: &str = "quarantined";
/// The provider showed a state that is not in its manual.
pub const UNKNOWN_STATE: &str = "unknown_state";
/// A message that an operator sent to try a receiver.
pub const TEST: &str = "events.test";

/// The cause of a quarantine by an undocumented state.
const UNDOCUMENTED: &str = "unknown-state";

/// Kind, the provider's state word, and the second part of the type. Refunds of v2 and of MWS share their words.
const TABLE: &[(&str, &str, &str)] = &[
    ("charge", "AuthorizationInitiated", "authorization_initiated"),
    ("charge", "Authorized", "authorized"),
    ("charge", "CaptureInitiated", "capture_initiated"),
    ("charge", "Captured", "captured"),
    ("charge", "Canceled", "canceled"),
    ("charge", "Declined", "declined"),
    ("refund", "RefundInitiated", "pending"),
    ("refund", "Pending", "pending"),
    ("refund", "Refunded", "completed"),
    ("refund", "Completed", "completed"),
    ("refund", "Declined", "declined"),
    ("charge-permission", "Chargeable", "chargeable"),
    ("charge-permission", "NonChargeable", "non_chargeable"),
    ("charge-permission", "Closed", "closed"),
    ("authorization", "Pending", "pending"),
    ("authorization", "Open", "open"),
    ("authorization", "Declined", "declined"),
    ("authorization", "Closed", "closed"),
    ("capture", "Pending", "pending"),
    ("capture", "Completed", "completed"),
    ("capture", "Declined", "declined"),
    ("capture", "Closed", "closed"),
    ("order-reference", "Draft", "draft"),
    ("order-reference", "Open", "open"),
    ("order-reference", "Suspended", "suspended"),
    ("order-reference", "Canceled", "canceled"),
    ("order-reference", "Closed", "closed"),
    ("billing-agreement", "Draft", "draft"),
    ("billing-agreement", "Open", "open"),
    ("billing-agreement", "Suspended", "suspended"),
    ("billing-agreement", "Canceled", "canceled"),
    ("billing-agreement", "Closed", "closed"),
    ("aps-order", "01", "stored"),
    ("aps-order", "10", "incomplete"),
    ("aps-order", "15", "uncertain"),
    ("aps-order", "19", "pending"),
    ("aps-order", "20", "on_hold"),
    ("aps-order", "40", "in_review"),
    ("aps-order", "00", "request_refused"),
    ("aps-order", "00072", "given_up"),
    ("aps-order", "02", "authorized"),
    ("aps-order", "03", "authorization_failed"),
    ("aps-order", "04", "captured"),
    ("aps-order", "05", "capture_failed"),
    ("aps-order", "06", "refunded"),
    ("aps-order", "07", "refund_failed"),
    ("aps-order", "08", "voided"),
    ("aps-order", "09", "void_failed"),
    ("aps-order", "13", "purchase_failed"),
    ("aps-order", "14", "purchased"),
    ("aps-order", UNDECIDED_CODE, "undecided"),
];

/// Stands for every five-digit code of an APS order that leaves its last operation undecided.
const UNDECIDED_CODE: &str = "*";

/// The second part of the type of a documented state.
fn word(kind: &str, state: &str) -> Option<&'static str> {
    let rows = || TABLE.iter().filter(|(of, ..)| *of == kind);
    let exact = rows().find(|(_, known, _)| known.eq_ignore_ascii_case(state));
    let is_code = state.len() == 5 && state.bytes().all(|byte| byte.is_ascii_digit());
    let found = exact.or_else(|| rows().find(|(_, known, _)| is_code && *known == UNDECIDED_CODE));
    found.map(|(.., word)| *word)
}

fn joined(kind: &str, word: &str) -> String {
    format!("{}.{word}", kind.replace('-', "_"))
}

/// Whether a row of the history is an event. An answer older than what is known changes nothing, and the end of
/// watching is no news of the object.
pub fn is_event(row: &Transition) -> bool {
    !matches!(row.cause(), Cause::Overtaken | Cause::Forgotten)
}

/// What a change is called; none if it is no event. While something is in doubt, no type says more than that.
pub fn of(change: &Change<'_>) -> Option<String> {
    let (row, kind) = (change.row, change.row.object.kind.as_str());
    if !is_event(row) {
        return None;
    }
    let doubt = change.record.quarantine.as_ref().map(|quarantine| quarantine.cause.as_str());
    let second = match (doubt, row.cause()) {
        (Some(UNDOCUMENTED), _) => UNKNOWN_STATE,
        (Some(_), _) => QUARANTINED,
        (None, Cause::Changed) => UPDATED,
        (None, _) => word(kind, &row.to).unwrap_or(UNKNOWN_STATE),
    };
    Some(joined(kind, second))
}

/// Every type that a change can have, sorted.
pub fn all() -> Vec<String> {
    let of_states = TABLE.iter().map(|(kind, _, word)| joined(kind, word));
    let of_others = TABLE
        .iter()
        .flat_map(|(kind, ..)| [UPDATED, QUARANTINED, UNKNOWN_STATE].map(|word| joined(kind, word)));
    let mut all: Vec<String> = of_states.chain(of_others).collect();
    all.sort_unstable();
    all.dedup();
    all
}
