//! Charge permissions (docs/src/reference/amazon-pay-v2.md section 6.1).
//!
//! Owns: a permission's states, what its charges make of them, and its JSON with the buyer's data in
//! it. Must never know: the request that made it.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::super::plan::Truth;
use super::book::Owner;
use super::charge::Charge;
use super::price::Price;
use super::timeline::{Change, Timeline, Word, describe, written};

/// The documented states and reasons.
pub(super) const WORDS: &[Word] = &[
    Word { state: "Chargeable", reasons: &[] },
    Word {
        state: "NonChargeable",
        reasons: &[
            "PaymentMethodInvalid",
            "PaymentMethodDeleted",
            "PaymentMethodExpired",
            "PaymentMethodNotAllowed",
            "PaymentMethodNotSet",
            "BillingAddressDeleted",
            "ChargeInProgress",
            "MFAFailed",
            "AmountNotSet",
            "TransactionAmountExceeded",
        ],
    },
    Word {
        state: "Closed",
        reasons: &[
            "MerchantCanceled",
            "MerchantClosed",
            "BuyerCanceled",
            "BuyerClosed",
            "AmazonCanceled",
            "AmazonClosed",
            "Expired",
        ],
    },
];

/// A one-time permission ends after 180 days.
const EXPIRES_AFTER: SignedDuration = SignedDuration::from_hours(180 * 24);

/// One charge permission, one-time.
#[derive(Debug, Clone)]
pub(super) struct Permission {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) limit: Price,
    pub(super) merchant_reference: String,
    pub(super) created: Timestamp,
    pub(super) visible_from: Timestamp,
    pub(super) timeline: Timeline,
    pub(super) charge_ids: Vec<String>,
    /// What an update has set of `merchantMetadata`, besides the reference.
    pub(super) metadata: Map<String, Value>,
    /// What an update has set of `recurringMetadata`.
    pub(super) recurring: Map<String, Value>,
}

impl Permission {
    /// The state now: its own story, and what its charges did to it.
    pub(super) fn status<'charge>(
        &self,
        charges: impl Iterator<Item = &'charge Charge> + Clone,
        at: Timestamp,
    ) -> Change {
        let mut changes: Vec<Change> = self.timeline.until(at).cloned().collect();
        for charge in charges.clone() {
            changes.extend(charge.timeline.until(at).filter_map(effect));
        }
        changes.extend(self.exhausted(charges, at));
        let expires = self.expires();
        if at >= expires {
            changes.push(Change { at: expires, state: "Closed", reason: Some("Expired") });
        }
        changes.sort_by_key(|change| change.at);
        let closed = changes.iter().find(|change| change.state == "Closed");
        closed.or(changes.last()).cloned().unwrap_or_else(|| self.timeline.at(at).clone())
    }

    pub(super) fn expires(&self) -> Timestamp {
        self.created.checked_add(EXPIRES_AFTER).unwrap_or(Timestamp::MAX)
    }

    /// Amazon closes a permission whose whole limit is captured.
    fn exhausted<'charge>(
        &self,
        charges: impl Iterator<Item = &'charge Charge>,
        at: Timestamp,
    ) -> Option<Change> {
        let captured: Vec<(Timestamp, Decimal)> = charges
            .filter_map(|charge| Some((charge.status(at).at, charge.captured_at(at)?.amount)))
            .collect();
        let sum: Decimal = captured.iter().map(|(_, amount)| amount).sum();
        let last = captured.iter().map(|(moment, _)| *moment).max()?;
        (sum >= self.limit.amount).then_some(Change {
            at: last,
            state: "Closed",
            reason: Some("AmazonClosed"),
        })
    }

    /// The body of Get Charge Permission, with the personal data that a one-time permission shows for 30
    /// days; the people are made up.
    pub(super) fn json(&self, status: &Change, balance: Decimal, at: Timestamp) -> Value {
        let shows_buyer = at.duration_since(self.created) <= SignedDuration::from_hours(30 * 24);
        let reasons =
            status.reason.map(|code| json!([{"reasonCode": code, "reasonDescription": describe(code)}]));
        json!({
            "chargePermissionId": self.id,
            "chargePermissionReferenceId": null,
            "chargePermissionType": "OneTime",
            "buyer": shows_buyer.then(|| buyer(&self.id)),
            "shippingAddress": shows_buyer.then(address),
            "billingAddress": shows_buyer.then(address),
            "paymentPreferences": [{"paymentDescriptor": shows_buyer.then_some(PAYMENT_DESCRIPTOR)}],
            "statusDetails": {
                "state": status.state,
                "reasons": reasons,
                "lastUpdatedTimestamp": written(status.at),
            },
            "creationTimestamp": written(self.created),
            "expirationTimestamp": written(self.expires()),
            "releaseEnvironment": self.owner.environment(),
            "merchantMetadata": {
                "merchantReferenceId": self.merchant_reference,
                "merchantStoreName": self.metadata.get("merchantStoreName"),
                "noteToBuyer": self.metadata.get("noteToBuyer"),
                "customInformation": self.metadata.get("customInformation"),
            },
            "platformId": null,
            "limits": {
                "amountLimit": self.limit.json(),
                "amountBalance": self.limit.with_amount(balance).json(),
            },
            "presentmentCurrency": self.limit.currency,
            "recurringMetadata": (!self.recurring.is_empty()).then_some(&self.recurring),
        })
    }

    pub(super) fn truth(&self, status: &Change) -> Truth {
        Truth {
            id: self.id.clone(),
            kind: "charge-permission".to_owned(),
            state: status.state.to_owned(),
            reason: status.reason.map(ToOwned::to_owned),
            is_final: status.state == "Closed",
            is_declined: false,
            amount: self.limit.amount_text(),
            currency: self.limit.currency.to_owned(),
            merchant_reference: self.merchant_reference.clone(),
        }
    }
}

/// What a charge's change means for its permission (4.5 and 6.1).
fn effect(change: &Change) -> Option<Change> {
    let (state, reason) = match (change.state, change.reason) {
        ("AuthorizationInitiated", _) => ("NonChargeable", Some("ChargeInProgress")),
        ("Declined", Some("AmazonRejected")) => ("Closed", Some("AmazonCanceled")),
        ("Declined", Some("HardDeclined")) => ("NonChargeable", Some("PaymentMethodInvalid")),
        ("Canceled", Some("ChargePermissionCanceled")) => return None,
        _ => ("Chargeable", None),
    };
    Some(Change { at: change.at, state, reason })
}

const NAME: &str = "Erika Mustermann";
const EMAIL: &str = "erika.mustermann@example.com";
const PHONE: &str = "+15555550123";
const STREET: &str = "Heidestrasse 17";
const POSTAL_CODE: &str = "51147";
const PAYMENT_DESCRIPTOR: &str = "Visa ****1111 (Amazon Pay)";

/// Every personal word that the provider's answers contain: none of them may be found in anything that
/// a client keeps, logs or sends on.
pub const PERSONAL_DATA: [&str; 6] = [NAME, EMAIL, PHONE, STREET, POSTAL_CODE, PAYMENT_DESCRIPTOR];

fn buyer(id: &str) -> Value {
    json!({
        "buyerId": format!("amzn1.account.{}", id.replace('-', "")),
        "name": NAME,
        "email": EMAIL,
        "phoneNumber": PHONE,
        "primeMembershipTypes": null,
    })
}

fn address() -> Value {
    json!({
        "name": NAME,
        "addressLine1": STREET,
        "addressLine2": null,
        "addressLine3": null,
        "city": "Koeln",
        "county": null,
        "district": null,
        "stateOrRegion": null,
        "postalCode": POSTAL_CODE,
        "countryCode": "DE",
        "phoneNumber": PHONE,
    })
}
