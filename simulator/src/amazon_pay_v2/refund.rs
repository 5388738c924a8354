//! Refunds (docs/src/reference/amazon-pay-v2.md section 5).
//!
//! Owns: a refund's states, reasons and JSON. Must never know: the request that made it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::plan::Truth;
use super::book::Owner;
use super::price::Price;
use super::timeline::{Timeline, Word, status_details, written};

/// The documented states and reasons.
pub(super) const WORDS: &[Word] = &[
    Word { state: "RefundInitiated", reasons: &[] },
    Word { state: "Refunded", reasons: &[] },
    Word { state: "Declined", reasons: &["AmazonRejected", "ProcessingFailure"] },
];

/// One refund.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) charge_id: String,
    pub(super) amount: Price,
    pub(super) soft_descriptor: Option<String>,
    pub(super) merchant_reference: String,
    pub(super) created: Timestamp,
    pub(super) visible_from: Timestamp,
    pub(super) timeline: Timeline,
}

impl Refund {
    /// The body of Get Refund.
    pub(super) fn json(&self, at: Timestamp) -> Value {
        json!({
            "refundId": self.id,
            "chargeId": self.charge_id,
            "refundAmount": self.amount.json(),
            "softDescriptor": self.soft_descriptor,
            "creationTimestamp": written(self.created),
            "statusDetails": status_details(self.timeline.at(at)),
            "releaseEnvironment": self.owner.environment(),
        })
    }

    pub(super) fn truth(&self, at: Timestamp) -> Truth {
        let status = self.timeline.at(at);
        Truth {
            id: self.id.clone(),
            kind: "refund".to_owned(),
            state: status.state.to_owned(),
            reason: status.reason.map(ToOwned::to_owned),
            is_final: matches!(status.state, "Refunded" | "Declined"),
            is_declined: status.state == "Declined",
            amount: self.amount.amount_text(),
            currency: self.amount.currency.to_owned(),
            merchant_reference: self.merchant_reference.clone(),
        }
    }
}
