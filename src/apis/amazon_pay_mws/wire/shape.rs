//! Which elements are read for each kind of object (docs/src/reference/amazon-pay-mws.md, section 3.4).
//!
//! Owns: the names of elements. Must never know: XML, what the elements mean for the money.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::apis::amazon_pay_mws::kind::ObjectKind;

/// A path down from the details, name by name.
pub(super) type Path = &'static [&'static str];

/// Where everything is in the details of one kind.
pub(super) struct Shape {
    /// The element inside the result that holds the object.
    pub(super) details: &'static str,
    /// The element with `State` and `ReasonCode`.
    pub(super) status: &'static str,
    /// The seller's own reference.
    pub(super) reference: Path,
    /// The amount that the object is about; the first one that is there.
    pub(super) amount: &'static [&'static str],
    /// Other amounts.
    pub(super) other_amounts: &'static [Path],
    /// What `IdList` lists.
    pub(super) child: Option<ObjectKind>,
    /// What else is kept, word for word. It includes nobody's free text: `ReasonDescription` repeats what the seller
    /// gave as `ClosureReason` or `CancelationReason`, so it is not listed.
    pub(super) evidence: &'static [Path],
}

/// The shape of a kind.
pub(super) fn shape(kind: ObjectKind) -> Shape {
    match kind {
        ObjectKind::Authorization => Shape {
            details: "AuthorizationDetails",
            status: "AuthorizationStatus",
            reference: &["AuthorizationReferenceId"],
            amount: &["AuthorizationAmount"],
            other_amounts: &[&["CapturedAmount"], &["AuthorizationFee"]],
            child: Some(ObjectKind::Capture),
            evidence: &[&["CaptureNow"], &["SoftDecline"]],
        },
        ObjectKind::Capture => Shape {
            details: "CaptureDetails",
            status: "CaptureStatus",
            reference: &["CaptureReferenceId"],
            amount: &["CaptureAmount"],
            other_amounts: &[&["RefundedAmount"], &["CaptureFee"], &["ConvertedAmount"]],
            child: Some(ObjectKind::Refund),
            evidence: &[&["ConversionRate"]],
        },
        ObjectKind::Refund => Shape {
            details: "RefundDetails",
            status: "RefundStatus",
            reference: &["RefundReferenceId"],
            // One sample of the reference has the second name; fixtures and notifications have the first.
            amount: &["RefundAmount", "RefundedAmount"],
            other_amounts: &[&["FeeRefunded"], &["ConvertedAmount"]],
            child: None,
            evidence: &[&["RefundType"], &["ConversionRate"]],
        },
        ObjectKind::OrderReference => Shape {
            details: "OrderReferenceDetails",
            status: "OrderReferenceStatus",
            reference: &["SellerOrderAttributes", "SellerOrderId"],
            amount: &["OrderTotal"],
            other_amounts: &[],
            child: Some(ObjectKind::Authorization),
            evidence: &[&["PaymentAuthenticationStatus", "State"], &["ParentDetails", "Type"]],
        },
        ObjectKind::BillingAgreement => Shape {
            details: "BillingAgreementDetails",
            status: "BillingAgreementStatus",
            reference: &["SellerBillingAgreementAttributes", "SellerBillingAgreementId"],
            // An agreement itself moves no money: its amounts are limits and plans, and change every month.
            amount: &[],
            other_amounts: &[
                &["SubscriptionAmount"],
                &["BillingAgreementLimits", "AmountLimitPerTimePeriod"],
                &["BillingAgreementLimits", "CurrentRemainingBalance"],
            ],
            child: None,
            evidence: &[
                &["BillingAgreementConsent"],
                &["BillingAgreementType"],
                &["BillingAgreementLimits", "TimePeriodStartDate"],
                &["BillingAgreementLimits", "TimePeriodEndDate"],
            ],
        },
    }
}

/// Elements that every kind may have.
const COMMON: &[&str] = &[
    "Amount",
    "Constraint",
    "ConstraintID",
    "Constraints",
    "CreationTimestamp",
    "CurrencyCode",
    "ExpirationTimestamp",
    "Id",
    "IdList",
    "LastUpdateTimestamp",
    "LastUpdatedTimestamp",
    "ParentDetails",
    "ReasonCode",
    "ReleaseEnvironment",
    "RequestID",
    "RequestId",
    "ResponseMetadata",
    "SoftDecline",
    "State",
    "member",
];

/// Every element of any kind, and the common ones.
static READ: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| ObjectKind::ALL.into_iter().flat_map(names_of).chain(COMMON.iter().copied()).collect());

/// Whether an element of that local name is read at all. Every other one is dropped with everything in it.
pub(super) fn is_read(name: &str) -> bool {
    READ.contains(name) || name.ends_with("Result")
}

fn names_of(kind: ObjectKind) -> impl Iterator<Item = &'static str> {
    let shape = shape(kind);
    let paths = [shape.reference, shape.amount].into_iter();
    let paths = paths.chain(shape.other_amounts.iter().copied()).chain(shape.evidence.iter().copied());
    [shape.details, shape.status, kind.id_name()].into_iter().chain(paths.flatten().copied())
}
