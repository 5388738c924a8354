//! Every operation of the manual with its parameters: docs/src/reference/amazon-pay-mws.md section 3.2, and its
//! quota: 3.1.
//!
//! Owns: names, what is required, lengths, value sets. Must never know: what an operation does.

use crate::provider::Quota;

/// What a parameter's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// At most so many characters.
    Text(usize),
    /// Anything.
    Free,
    /// A decimal number of money.
    Amount,
    /// A currency that the section knows.
    Currency,
    /// `true` or `false`.
    Boolean,
    /// `0`, or 5 to 1440 in steps of 5, minutes.
    Timeout,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An https address.
    Url,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The name on the wire; a segment `N` stands for a number from 1.
    pub(super) name: &'static str,
    pub(super) is_required: bool,
    pub(super) shape: Shape,
}

/// Which quota applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Read,
    Write,
    Status,
    /// No figure is published; the writing ones' is pretended.
    Unpublished,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) action: &'static str,
    group: Group,
    pub(super) rules: &'static [Rule],
}

impl Operation {
    /// The documented quota (section 3.1).
    pub(super) fn quota(&self, is_sandbox: bool) -> Quota {
        match (self.group, is_sandbox) {
            (Group::Read, false) => Quota::new(20, 2, 1),
            (Group::Read, true) => Quota::new(5, 1, 1),
            (Group::Write | Group::Unpublished, false) => Quota::new(10, 1, 1),
            (Group::Write | Group::Unpublished, true) => Quota::new(2, 1, 2),
            (Group::Status, _) => Quota::new(2, 1, 300),
        }
    }
}

/// The operation of this exact name.
pub(super) fn find(action: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.action == action)
}

const fn r(name: &'static str, shape: Shape) -> Rule {
    Rule { name, is_required: true, shape }
}

const fn o(name: &'static str, shape: Shape) -> Rule {
    Rule { name, is_required: false, shape }
}

const fn operation(action: &'static str, group: Group, rules: &'static [Rule]) -> Operation {
    Operation { action, group, rules }
}

use Group::{Read, Status, Unpublished, Write};
use Shape::{Amount, Boolean, Currency, Free, OneOf, Text, Timeout, Url};

/// "ref32" of the manual.
const REFERENCE: Shape = Text(32);
const ORDER_ID: Rule = r("AmazonOrderReferenceId", Text(64));
const AUTHORIZATION_ID: Rule = r("AmazonAuthorizationId", Text(64));
const CAPTURE_ID: Rule = r("AmazonCaptureId", Text(64));
const REFUND_ID: Rule = r("AmazonRefundId", Text(64));
const AGREEMENT_ID: Rule = r("AmazonBillingAgreementId", Text(64));
const ACCESS_TOKEN: Rule = o("AccessToken", Free);
const ADDRESS_TOKEN: Rule = o("AddressConsentToken", Free);

const CREDIT_ID: Rule = r("AmazonProviderCreditId", Text(64));

const REVERSE_PROVIDER_CREDIT: &[Rule] = &[
    CREDIT_ID,
    r("CreditReversalReferenceId", REFERENCE),
    r("CreditReversalAmount.Amount", Amount),
    r("CreditReversalAmount.CurrencyCode", Currency),
    o("CreditReversalNote", Free),
];

const LIST_ORDER_REFERENCE: &[Rule] = &[
    r("QueryId", Free),
    r("QueryIdType", OneOf(&["SellerOrderId"])),
    r("PaymentDomain", OneOf(&["NA_USD", "EU_EUR", "EU_GBP", "FE_JPY"])),
    o("PageSize", Free),
    o("SortOrder", OneOf(&["Ascending", "Descending"])),
    o("CreatedTimeRange.StartTime", Free),
    o("CreatedTimeRange.EndTime", Free),
    o(
        "OrderReferenceStatusListFilter.OrderReferenceStatus.N",
        OneOf(&["Draft", "Open", "Suspended", "Canceled", "Closed"]),
    ),
];

/// All operations of the reference.
pub(super) const OPERATIONS: &[Operation] = &[
    operation("GetServiceStatus", Status, &[]),
    operation("GetOrderReferenceDetails", Read, &[ORDER_ID, ACCESS_TOKEN, ADDRESS_TOKEN]),
    operation("GetAuthorizationDetails", Read, &[AUTHORIZATION_ID]),
    operation("GetCaptureDetails", Read, &[CAPTURE_ID]),
    operation("GetRefundDetails", Read, &[REFUND_ID]),
    operation("GetBillingAgreementDetails", Read, &[AGREEMENT_ID, ACCESS_TOKEN, ADDRESS_TOKEN]),
    operation("SetOrderReferenceDetails", Write, SET_ORDER_REFERENCE_DETAILS),
    operation("SetOrderAttributes", Write, SET_ORDER_ATTRIBUTES),
    operation("ConfirmOrderReference", Write, CONFIRM_ORDER_REFERENCE),
    operation("CancelOrderReference", Write, &[ORDER_ID, o("CancelationReason", Text(1024))]),
    operation("CloseOrderReference", Write, &[ORDER_ID, o("ClosureReason", Text(1024))]),
    operation("Authorize", Write, AUTHORIZE),
    operation("CloseAuthorization", Write, &[AUTHORIZATION_ID, o("ClosureReason", Text(255))]),
    operation("Capture", Write, CAPTURE),
    operation("Refund", Write, REFUND),
    operation("CreateOrderReferenceForId", Write, CREATE_ORDER_REFERENCE_FOR_ID),
    operation("SetBillingAgreementDetails", Write, SET_BILLING_AGREEMENT_DETAILS),
    operation("ConfirmBillingAgreement", Write, &[AGREEMENT_ID, o("SuccessUrl", Url), o("FailureUrl", Url)]),
    operation("ValidateBillingAgreement", Write, &[AGREEMENT_ID]),
    operation("AuthorizeOnBillingAgreement", Write, AUTHORIZE_ON_BILLING_AGREEMENT),
    operation("CloseBillingAgreement", Write, &[AGREEMENT_ID, o("ClosureReason", Text(1024))]),
    operation("ListOrderReference", Unpublished, LIST_ORDER_REFERENCE),
    operation("ListOrderReferenceByNextToken", Unpublished, &[r("NextPageToken", Free)]),
    operation("GetMerchantAccountStatus", Unpublished, &[]),
    operation("GetProviderCreditDetails", Unpublished, &[CREDIT_ID]),
    operation(
        "GetProviderCreditReversalDetails",
        Unpublished,
        &[r("AmazonProviderCreditReversalId", Text(64))],
    ),
    operation("ReverseProviderCredit", Unpublished, REVERSE_PROVIDER_CREDIT),
];

const SET_ORDER_REFERENCE_DETAILS: &[Rule] = &[
    ORDER_ID,
    r("OrderReferenceAttributes.OrderTotal.Amount", Amount),
    r("OrderReferenceAttributes.OrderTotal.CurrencyCode", Currency),
    o("OrderReferenceAttributes.PlatformId", Free),
    o("OrderReferenceAttributes.SellerNote", Text(1024)),
    o("OrderReferenceAttributes.SellerOrderAttributes.SellerOrderId", Free),
    o("OrderReferenceAttributes.SellerOrderAttributes.StoreName", Free),
    o("OrderReferenceAttributes.SellerOrderAttributes.CustomInformation", Free),
    o("OrderReferenceAttributes.SellerOrderAttributes.SupplementaryData", Free),
    o("OrderReferenceAttributes.RequestPaymentAuthorization", Boolean),
];

const SET_ORDER_ATTRIBUTES: &[Rule] = &[
    ORDER_ID,
    o("OrderAttributes.OrderTotal.Amount", Amount),
    o("OrderAttributes.OrderTotal.CurrencyCode", Currency),
    o("OrderAttributes.PlatformId", Free),
    o("OrderAttributes.SellerNote", Text(1024)),
    o("OrderAttributes.RequestPaymentAuthorization", Boolean),
    o("OrderAttributes.SellerOrderAttributes.SellerOrderId", Free),
    o("OrderAttributes.SellerOrderAttributes.StoreName", Free),
    o("OrderAttributes.SellerOrderAttributes.CustomInformation", Free),
    o("OrderAttributes.SellerOrderAttributes.SupplementaryData", Free),
    o("OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory.N", Free),
    o("OrderAttributes.PaymentServiceProviderAttributes.PaymentServiceProviderId", Free),
    o("OrderAttributes.PaymentServiceProviderAttributes.PaymentServiceProviderOrderId", Free),
];

const CONFIRM_ORDER_REFERENCE: &[Rule] = &[
    ORDER_ID,
    o("SuccessUrl", Url),
    o("FailureUrl", Url),
    o("AuthorizationAmount.Amount", Amount),
    o("AuthorizationAmount.CurrencyCode", Currency),
    o("ExpectImmediateAuthorization", Boolean),
];

const AUTHORIZE: &[Rule] = &[
    ORDER_ID,
    r("AuthorizationReferenceId", REFERENCE),
    r("AuthorizationAmount.Amount", Amount),
    r("AuthorizationAmount.CurrencyCode", Currency),
    o("SellerAuthorizationNote", Text(255)),
    o("TransactionTimeout", Timeout),
    o("CaptureNow", Boolean),
    o("SoftDescriptor", Text(16)),
    o("ProviderCreditList.member.N.ProviderId", Free),
    o("ProviderCreditList.member.N.CreditAmount.Amount", Amount),
    o("ProviderCreditList.member.N.CreditAmount.CurrencyCode", Currency),
];

const CAPTURE: &[Rule] = &[
    AUTHORIZATION_ID,
    r("CaptureReferenceId", REFERENCE),
    r("CaptureAmount.Amount", Amount),
    r("CaptureAmount.CurrencyCode", Currency),
    o("SellerCaptureNote", Text(255)),
    o("SoftDescriptor", Text(16)),
    o("ProviderCreditList.member.N.ProviderId", Free),
    o("ProviderCreditList.member.N.CreditAmount.Amount", Amount),
    o("ProviderCreditList.member.N.CreditAmount.CurrencyCode", Currency),
];

const REFUND: &[Rule] = &[
    CAPTURE_ID,
    r("RefundReferenceId", REFERENCE),
    r("RefundAmount.Amount", Amount),
    r("RefundAmount.CurrencyCode", Currency),
    o("SellerRefundNote", Text(255)),
    o("SoftDescriptor", Text(16)),
    o("ProviderCreditReversalList.member.N.ProviderId", Free),
    o("ProviderCreditReversalList.member.N.CreditReversalAmount.Amount", Amount),
    o("ProviderCreditReversalList.member.N.CreditReversalAmount.CurrencyCode", Currency),
];

const CREATE_ORDER_REFERENCE_FOR_ID: &[Rule] = &[
    r("Id", Text(64)),
    r("IdType", OneOf(&["BillingAgreement"])),
    o("InheritShippingAddress", Boolean),
    o("ConfirmNow", Boolean),
    o("OrderReferenceAttributes.OrderTotal.Amount", Amount),
    o("OrderReferenceAttributes.OrderTotal.CurrencyCode", Currency),
    o("OrderReferenceAttributes.PlatformId", Free),
    o("OrderReferenceAttributes.SellerNote", Text(1024)),
    o("OrderReferenceAttributes.SellerOrderAttributes.SellerOrderId", Free),
    o("OrderReferenceAttributes.SellerOrderAttributes.StoreName", Free),
    o("OrderReferenceAttributes.SellerOrderAttributes.CustomInformation", Free),
    o("OrderReferenceAttributes.SellerOrderAttributes.SupplementaryData", Free),
    // Where the SDKs put it in this call.
    o("OrderReferenceAttributes.SupplementaryData", Free),
    o("OrderReferenceAttributes.RequestPaymentAuthorization", Boolean),
];

const SET_BILLING_AGREEMENT_DETAILS: &[Rule] = &[
    AGREEMENT_ID,
    o("BillingAgreementAttributes.PlatformId", Free),
    o("BillingAgreementAttributes.SellerNote", Text(1024)),
    o("BillingAgreementAttributes.SellerBillingAgreementAttributes.SellerBillingAgreementId", Free),
    o("BillingAgreementAttributes.SellerBillingAgreementAttributes.StoreName", Free),
    o("BillingAgreementAttributes.SellerBillingAgreementAttributes.CustomInformation", Free),
    o(
        "BillingAgreementAttributes.BillingAgreementType",
        OneOf(&["CustomerInitiatedTransaction", "MerchantInitiatedTransaction"]),
    ),
    o("BillingAgreementAttributes.SubscriptionAmount.Amount", Amount),
    o("BillingAgreementAttributes.SubscriptionAmount.CurrencyCode", Currency),
];

const AUTHORIZE_ON_BILLING_AGREEMENT: &[Rule] = &[
    AGREEMENT_ID,
    r("AuthorizationReferenceId", REFERENCE),
    r("AuthorizationAmount.Amount", Amount),
    r("AuthorizationAmount.CurrencyCode", Currency),
    o("SellerAuthorizationNote", Text(255)),
    o("TransactionTimeout", Timeout),
    o("CaptureNow", Boolean),
    o("SoftDescriptor", Text(16)),
    o("SellerNote", Text(1024)),
    o("PlatformId", Free),
    o("InheritShippingAddress", Boolean),
    o("SellerOrderAttributes.SellerOrderId", Free),
    o("SellerOrderAttributes.StoreName", Free),
    o("SellerOrderAttributes.CustomInformation", Free),
    o("SellerOrderAttributes.SupplementaryData", Free),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_twenty_seven_operations() {
        let mut names: Vec<&str> = OPERATIONS.iter().map(|operation| operation.action).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 27);
        assert!(find("getservicestatus").is_none(), "the case is exact");
    }

    #[test]
    fn the_documented_quotas() {
        let table = [
            ("GetCaptureDetails", Quota::new(20, 2, 1), Quota::new(5, 1, 1)),
            ("Authorize", Quota::new(10, 1, 1), Quota::new(2, 1, 2)),
            ("GetServiceStatus", Quota::new(2, 1, 300), Quota::new(2, 1, 300)),
        ];
        for (action, live, sandbox) in table {
            let operation = find(action).expect("in the table");
            assert_eq!((operation.quota(false), operation.quota(true)), (live, sandbox), "{action}");
        }
    }
}
