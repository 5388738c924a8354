//! The states of the five kinds, with what each means and what a person should do
//! (docs/src/reference/amazon-pay-mws.md, section 4).
//!
//! Owns: states, reasons, what can follow. Must never know: the network, XML, records, the clock.
//! State words and reason codes are compared without case: answers write `Closed`, one documented
//! notification writes `CLOSED`.

mod authorization;
mod billing_agreement;
mod capture;
mod order_reference;
mod refund;

use std::time::Duration;

pub use self::authorization::Authorization;
pub use self::billing_agreement::BillingAgreement;
pub use self::capture::Capture;
pub use self::order_reference::OrderReference;
pub use self::refund::Refund;
use super::kind::ObjectKind;
use crate::payments::lifecycle::{Lifecycle, Outcome, ReasonFacts, Tone};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The states of a kind.
pub fn of(kind: ObjectKind) -> &'static dyn Lifecycle {
    match kind {
        ObjectKind::Authorization => &Authorization,
        ObjectKind::Capture => &Capture,
        ObjectKind::Refund => &Refund,
        ObjectKind::OrderReference => &OrderReference,
        ObjectKind::BillingAgreement => &BillingAgreement,
    }
}

/// A risk hint for states that have not failed. It does not affect the money (section 4, general rules).
const STOP_SHIPMENT: ReasonFacts = ReasonFacts {
    name: "StopShipmentAtypicalAuth",
    meaning: "Amazon finds this payment unusual and advises not to ship for now. The payment itself has not \
              failed, and no money is affected.",
    advice: "Hold the shipment and check the order in Seller Central. Ship once Amazon has cleared it; if \
             in doubt, ask Amazon Pay merchant support or refund the buyer.",
    tone: Tone::Notable,
};

/// The variant of `states` that has this name, compared without case.
fn find<S: Copy>(states: &[S], name: fn(S) -> &'static str, word: &str) -> Option<S> {
    states.iter().copied().find(|state| name(*state).eq_ignore_ascii_case(word))
}

/// What the first reason that `outcome_of` knows says about the money.
fn outcome_by_reason(reasons: &[String], outcome_of: fn(&str) -> Option<Outcome>) -> Option<Outcome> {
    reasons.iter().find_map(|reason| outcome_of(reason))
}

#[cfg(test)]
mod tests;
