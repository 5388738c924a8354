//! The reason codes of the states (docs/src/reference/amazon-pay-v2.md, sections 4.5, 5 and 6.1).
//!
//! Owns: what each code means to a person, what to do next, how urgent it is.
//! Must never know: where the codes come from on the wire.

use crate::payments::lifecycle::{ReasonFacts, Tone};

/// For a declined charge without a more specific reason. A capture is declined only more than seven days after the
/// authorization, when goods may have shipped.
pub(super) const CHARGE_DECLINED_ADVICE: &str = "Cancel the order and ask the buyer to check out again with another payment method. If the capture was \
     declined (the charge was CaptureInitiated before), goods may have shipped already: stop or recall them, \
     or agree on another payment with the buyer.";

/// For a declined refund without a more specific reason.
pub(super) const REFUND_DECLINED_ADVICE: &str =
    "Refund the buyer in another way, such as a gift card or store credit, and tell them.";

const fn reason(name: &'static str, tone: Tone, meaning: &'static str, advice: &'static str) -> ReasonFacts {
    ReasonFacts { name, meaning, advice, tone }
}

const NOTHING_TO_DO: &str = "Nothing, if the shop asked for it; otherwise find out who did.";
const OTHER_PAYMENT_METHOD: &str =
    "Ask the buyer to choose another payment method in their Amazon account, or to check out again.";
const CHECK_OUT_AGAIN: &str = "Ask the buyer to check out again if anything is still to be paid.";

/// Reasons for a `Canceled` charge.
pub(super) const CHARGE_CANCELED: &[ReasonFacts] = &[
    reason(
        "ExpiredUnused",
        Tone::Notable,
        "The authorization expired after 30 days without a capture.",
        "If the order has shipped, it is unpaid: create a new charge while the charge permission is still \
         Chargeable, or ask the buyer to check out again. Otherwise cancel the order.",
    ),
    reason(
        "AmazonCanceled",
        Tone::Notable,
        "Amazon canceled the charge.",
        "Do not ship. Cancel the order and ask the buyer to check out again with another payment method. Seller \
         Central shows the transaction.",
    ),
    reason(
        "BuyerCanceled",
        Tone::Notable,
        "The buyer canceled the charge.",
        "Do not ship. Cancel the order, or ask the buyer to check out again with another payment method.",
    ),
    reason("MerchantCanceled", Tone::Expected, "The shop canceled the charge.", NOTHING_TO_DO),
    reason(
        "ChargePermissionCanceled",
        Tone::Expected,
        "The charge permission was closed together with its open charges.",
        NOTHING_TO_DO,
    ),
];

/// Reasons for a `Declined` charge, whether the authorization or the capture was refused.
pub(super) const CHARGE_DECLINED: &[ReasonFacts] = &[
    reason(
        "SoftDeclined",
        Tone::Alarming,
        "The payment method was refused for now; another attempt may succeed.",
        "Try a new charge once more while the charge permission is Chargeable. If that is declined too, cancel \
         the order and ask the buyer to check out again with another payment method.",
    ),
    reason(
        "HardDeclined",
        Tone::Alarming,
        "The payment method was refused permanently; another attempt with it will not succeed.",
        "Cancel the order and ask the buyer to check out again with another payment method.",
    ),
    reason(
        "AmazonRejected",
        Tone::Alarming,
        "Amazon refused the transaction and ended the charge permission too.",
        "Cancel the order and ask the buyer to check out again with another payment method, not with Amazon \
         Pay. Do not ship.",
    ),
    reason(
        "ProcessingFailure",
        Tone::Alarming,
        "Amazon could not process the transaction because of an error of its own.",
        "Try a new charge while the charge permission is Chargeable. If it is not, cancel the order and ask the \
         buyer to check out again with another payment method.",
    ),
    reason(
        "TransactionTimedOut",
        Tone::Alarming,
        "Amazon could not decide in time whether to accept the payment.",
        "Cancel the order and ask the buyer to check out again with another payment method. If this happens \
         often, let charges wait for their decision (canHandlePendingAuthorization).",
    ),
];

/// Reasons for a `Declined` refund.
pub(super) const REFUND_DECLINED: &[ReasonFacts] = &[
    reason(
        "AmazonRejected",
        Tone::Alarming,
        "Amazon refused the refund, often because the merchant account's balance is negative.",
        "Settle a negative balance in Seller Central and request a new refund, or refund the buyer in another \
         way, such as a gift card or store credit.",
    ),
    reason(
        "ProcessingFailure",
        Tone::Alarming,
        "Amazon had an error, or a claim or chargeback has already repaid the buyer.",
        "Check in Seller Central whether the buyer was repaid. If not, request a new refund (with a new \
         idempotency key) while the charge is Captured, or refund the buyer in another way, such as a gift \
         card or store credit.",
    ),
];

/// Reasons for a `NonChargeable` charge permission.
pub(super) const PERMISSION_NON_CHARGEABLE: &[ReasonFacts] = &[
    reason(
        "PaymentMethodInvalid",
        Tone::Notable,
        "The last charge was declined, so the payment method counts as invalid.",
        OTHER_PAYMENT_METHOD,
    ),
    reason(
        "PaymentMethodDeleted",
        Tone::Notable,
        "The buyer has removed the payment method.",
        OTHER_PAYMENT_METHOD,
    ),
    reason("PaymentMethodExpired", Tone::Notable, "The payment method has expired.", OTHER_PAYMENT_METHOD),
    reason(
        "PaymentMethodNotAllowed",
        Tone::Notable,
        "The payment method cannot be used for this purchase.",
        OTHER_PAYMENT_METHOD,
    ),
    reason(
        "PaymentMethodNotSet",
        Tone::Notable,
        "The buyer has not chosen a payment method.",
        OTHER_PAYMENT_METHOD,
    ),
    reason(
        "BillingAddressDeleted",
        Tone::Notable,
        "The buyer has removed the billing address.",
        "Ask the buyer to add a billing address in their Amazon account.",
    ),
    reason(
        "MFAFailed",
        Tone::Notable,
        "The buyer did not pass the bank's additional check.",
        "Ask the buyer to check out again and to confirm the payment with their bank.",
    ),
    reason(
        "AmountNotSet",
        Tone::Notable,
        "No amount was set for it.",
        "Set the amount by updating the checkout session or the charge permission.",
    ),
    reason(
        "TransactionAmountExceeded",
        Tone::Notable,
        "Its charges have reached the amount that it allows.",
        "Make no more charges with it. Ask the buyer to check out again for the rest.",
    ),
    reason(
        "ChargeInProgress",
        Tone::Expected,
        "A charge is being processed.",
        "Wait for the charge to be decided.",
    ),
];

/// Reasons for a `Closed` charge permission.
pub(super) const PERMISSION_CLOSED: &[ReasonFacts] = &[
    reason("MerchantCanceled", Tone::Expected, "The shop closed it.", NOTHING_TO_DO),
    reason("MerchantClosed", Tone::Expected, "The shop closed it.", NOTHING_TO_DO),
    reason(
        "AmazonClosed",
        Tone::Expected,
        "Amazon closed it because its whole amount was captured.",
        "Nothing: it has served its purpose.",
    ),
    reason(
        "AmazonCanceled",
        Tone::Notable,
        "Amazon canceled it.",
        "Do not ship anything unpaid. Check the transaction in Seller Central.",
    ),
    reason("BuyerCanceled", Tone::Notable, "The buyer canceled it.", CHECK_OUT_AGAIN),
    reason("BuyerClosed", Tone::Notable, "The buyer closed it.", CHECK_OUT_AGAIN),
    reason(
        "Expired",
        Tone::Notable,
        "It has expired: it lasts 180 days for a single order, 13 months for a recurring one.",
        CHECK_OUT_AGAIN,
    ),
];
