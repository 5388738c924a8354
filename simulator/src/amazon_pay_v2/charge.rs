//! Charges (docs/src/reference/amazon-pay-v2.md section 4).
//!
//! Owns: a charge's states, reasons, expiry and JSON. Must never know: the request that made it.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::plan::Truth;
use super::book::Owner;
use super::price::Price;
use super::timeline::{Change, Timeline, Word, status_details, written};

/// The documented states and reasons (4.3, 4.5).
pub(super) const WORDS: &[Word] = &[
    Word { state: "AuthorizationInitiated", reasons: &[] },
    Word { state: "Authorized", reasons: &[] },
    Word { state: "CaptureInitiated", reasons: &[] },
    Word { state: "Captured", reasons: &[] },
    Word {
        state: "Canceled",
        reasons: &[
            "ExpiredUnused",
            "AmazonCanceled",
            "MerchantCanceled",
            "ChargePermissionCanceled",
            "BuyerCanceled",
        ],
    },
    Word {
        state: "Declined",
        reasons: &[
            "SoftDeclined",
            "HardDeclined",
            "AmazonRejected",
            "ProcessingFailure",
            "TransactionTimedOut",
        ],
    },
];

const DAY_HOURS: i64 = 24;

/// An authorization that is not captured ends after 30 days (4.1).
const EXPIRES_AFTER: SignedDuration = SignedDuration::from_hours(30 * DAY_HOURS);

/// A capture later than this after the authorization is pending first (4.4).
const IMMEDIATE_CAPTURE_FOR: SignedDuration = SignedDuration::from_hours(7 * DAY_HOURS);

/// One charge.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) kind: &'static str,
    pub(super) permission_id: String,
    pub(super) amount: Price,
    pub(super) captured: Decimal,
    pub(super) soft_descriptor: Option<String>,
    pub(super) merchant_reference: Option<String>,
    /// A payment service provider's own reference.
    pub(super) provider_reference: Option<String>,
    pub(super) created: Timestamp,
    pub(super) visible_from: Timestamp,
    pub(super) timeline: Timeline,
}

impl Charge {
    /// The state now. Whoever stays `Authorized` until the end of the 30 days is cancelled.
    pub(super) fn status(&self, at: Timestamp) -> Change {
        let now = self.timeline.at(at);
        let expires = self.expires();
        if now.state == "Authorized" && at >= expires {
            return Change { at: expires, state: "Canceled", reason: Some("ExpiredUnused") };
        }
        now.clone()
    }

    pub(super) fn expires(&self) -> Timestamp {
        self.created.checked_add(EXPIRES_AFTER).unwrap_or(Timestamp::MAX)
    }

    /// Whether a capture asked for now happens at once.
    pub(super) fn captures_at_once(&self, at: Timestamp) -> bool {
        at.duration_since(self.status(at).at) <= IMMEDIATE_CAPTURE_FOR
    }

    /// Money that this charge holds of its permission's limit.
    pub(super) fn held(&self, at: Timestamp) -> Decimal {
        match self.status(at).state {
            "Captured" | "CaptureInitiated" => self.captured,
            "Canceled" | "Declined" => Decimal::ZERO,
            _ => self.amount.amount,
        }
    }

    /// Money captured so far; `None` until then.
    pub(super) fn captured_at(&self, at: Timestamp) -> Option<Price> {
        (self.status(at).state == "Captured").then(|| self.amount.with_amount(self.captured))
    }

    /// The body of Get Charge, in the order of the recorded answers (4.1).
    pub(super) fn json(&self, at: Timestamp, refunded: Decimal) -> Value {
        let captured = self.captured_at(at);
        json!({
            "chargeId": self.id,
            "chargeAmount": self.amount.json(),
            "chargePermissionId": self.permission_id,
            "captureAmount": captured.map(|price| price.json()),
            "refundedAmount": captured.map(|price| price.with_amount(refunded).json()),
            "softDescriptor": self.soft_descriptor,
            "providerMetadata": {"providerReferenceId": self.provider_reference},
            "convertedAmount": null,
            "conversionRate": null,
            "channel": null,
            "chargeInitiator": null,
            "statusDetails": status_details(&self.status(at)),
            "creationTimestamp": written(self.created),
            "expirationTimestamp": written(self.expires()),
            "releaseEnvironment": self.owner.environment(),
            "merchantMetadata": {
                "merchantReferenceId": self.merchant_reference,
                "merchantStoreName": null,
                "noteToBuyer": null,
                "customInformation": null,
            },
            "platformId": null,
            "webCheckoutDetails": null,
        })
    }

    pub(super) fn truth(&self, at: Timestamp) -> Truth {
        let status = self.status(at);
        Truth {
            id: self.id.clone(),
            kind: self.kind.to_owned(),
            state: status.state.to_owned(),
            reason: status.reason.map(ToOwned::to_owned),
            is_final: matches!(status.state, "Captured" | "Canceled" | "Declined"),
            is_declined: status.state == "Declined",
            amount: self.amount.amount_text(),
            currency: self.amount.currency.to_owned(),
            merchant_reference: self.merchant_reference.clone().unwrap_or_default(),
        }
    }
}
