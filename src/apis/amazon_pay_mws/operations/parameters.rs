//! The parameters of every operation (docs/src/reference/amazon-pay-mws.md, section 3.2).
//!
//! Owns: names, what is required, lengths, value sets. Must never know: a call.

use crate::apis::amazon_pay_mws::kind::ObjectKind;

/// What a parameter's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Free text of at most this many characters.
    Text(usize),
    /// Text for which the reference gives no length; limited only to a sensible size.
    UnboundedText,
    /// "ref32": at most 32 characters, advised `a-z A-Z 0-9 - _`, unique per kind and seller.
    Reference,
    /// The id of an object.
    Id(ObjectKind),
    /// The id of something that is not watched; the string says what it is.
    OtherId(&'static str),
    /// A time, UTC.
    Time,
    /// A whole number above zero.
    Count,
    /// A decimal number above zero, with a `CurrencyCode` beside it.
    Amount,
    /// An ISO 4217 code that the payments section knows (section 1.5).
    Currency,
    /// `true` or `false`.
    Flag,
    /// Minutes: `0`, or 5 to 1440 in steps of 5.
    Timeout,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An `https` URL.
    Url,
    /// A token of the buyer: never shown.
    BuyerToken,
}

impl Value {
    /// In words, for help texts and problems.
    pub fn describe(self) -> String {
        match self {
            Value::Text(longest) => format!("text, at most {longest} characters"),
            Value::UnboundedText => "text".to_owned(),
            Value::Reference => "at most 32 letters, digits, - and _, never used before".to_owned(),
            Value::Id(kind) => format!("the {} id", kind.name()),
            Value::OtherId(what) => format!("the id of a {what}"),
            Value::Time => "a time such as 2026-01-31T00:00:00Z".to_owned(),
            Value::Count => "a whole number above zero".to_owned(),
            Value::Amount => "an amount such as 14.00".to_owned(),
            Value::Currency => "a currency such as EUR".to_owned(),
            Value::Flag => "true or false".to_owned(),
            Value::Timeout => "0, or 5 to 1440 minutes in steps of 5".to_owned(),
            Value::OneOf(words) => words.join(" or "),
            Value::Url => "an https URL".to_owned(),
            Value::BuyerToken => "the buyer's token".to_owned(),
        }
    }
}

/// One parameter of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The name on the wire; a component `N` stands for a number from 1.
    pub name: &'static str,
    /// Whether the call is refused without it.
    pub is_required: bool,
    /// Which values it may have.
    pub value: Value,
}

impl Parameter {
    /// Whether a name on the wire belongs to this parameter.
    pub fn is_named(&self, name: &str) -> bool {
        let (mut wanted, mut given) = (self.name.split('.'), name.split('.'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some("N"), Some(number)) => {
                    let is_number = !number.starts_with('0') && number.len() <= 4;
                    if !is_number || number.parse::<u16>().is_err() {
                        return false;
                    }
                }
                (Some(one), Some(other)) if one == other => {}
                _ => return false,
            }
        }
    }
}

const fn need(name: &'static str, value: Value) -> Parameter {
    Parameter { name, is_required: true, value }
}

const fn may(name: &'static str, value: Value) -> Parameter {
    Parameter { name, is_required: false, value }
}

use Value::{Amount, Currency, Flag, Reference, Text, Timeout, UnboundedText, Url};

const ORDER_ID: Parameter = need("AmazonOrderReferenceId", Value::Id(ObjectKind::OrderReference));
const AUTHORIZATION_ID: Parameter = need("AmazonAuthorizationId", Value::Id(ObjectKind::Authorization));
const CAPTURE_ID: Parameter = need("AmazonCaptureId", Value::Id(ObjectKind::Capture));
const REFUND_ID: Parameter = need("AmazonRefundId", Value::Id(ObjectKind::Refund));
const AGREEMENT_ID: Parameter = need("AmazonBillingAgreementId", Value::Id(ObjectKind::BillingAgreement));
const ACCESS_TOKEN: Parameter = may("AccessToken", Value::BuyerToken);
const ADDRESS_TOKEN: Parameter = may("AddressConsentToken", Value::BuyerToken);

pub(super) const GET_ORDER: &[Parameter] = &[ORDER_ID, ACCESS_TOKEN, ADDRESS_TOKEN];
pub(super) const GET_AUTHORIZATION: &[Parameter] = &[AUTHORIZATION_ID];
pub(super) const GET_CAPTURE: &[Parameter] = &[CAPTURE_ID];
pub(super) const GET_REFUND: &[Parameter] = &[REFUND_ID];
pub(super) const GET_AGREEMENT: &[Parameter] = &[AGREEMENT_ID, ACCESS_TOKEN, ADDRESS_TOKEN];
pub(super) const CANCEL_ORDER: &[Parameter] = &[ORDER_ID, may("CancelationReason", Text(1024))];
pub(super) const CLOSE_ORDER: &[Parameter] = &[ORDER_ID, may("ClosureReason", Text(1024))];
pub(super) const CLOSE_AUTHORIZATION: &[Parameter] = &[AUTHORIZATION_ID, may("ClosureReason", Text(255))];
pub(super) const CLOSE_AGREEMENT: &[Parameter] = &[AGREEMENT_ID, may("ClosureReason", Text(1024))];
pub(super) const VALIDATE_AGREEMENT: &[Parameter] = &[AGREEMENT_ID];
pub(super) const CONFIRM_AGREEMENT: &[Parameter] =
    &[AGREEMENT_ID, may("SuccessUrl", Url), may("FailureUrl", Url)];

pub(super) const SET_ORDER: &[Parameter] = &[
    ORDER_ID,
    need("OrderReferenceAttributes.OrderTotal.Amount", Amount),
    need("OrderReferenceAttributes.OrderTotal.CurrencyCode", Currency),
    may("OrderReferenceAttributes.PlatformId", UnboundedText),
    may("OrderReferenceAttributes.SellerNote", Text(1024)),
    may("OrderReferenceAttributes.SellerOrderAttributes.SellerOrderId", UnboundedText),
    may("OrderReferenceAttributes.SellerOrderAttributes.StoreName", UnboundedText),
    may("OrderReferenceAttributes.SellerOrderAttributes.CustomInformation", UnboundedText),
    may("OrderReferenceAttributes.SellerOrderAttributes.SupplementaryData", UnboundedText),
    may("OrderReferenceAttributes.RequestPaymentAuthorization", Flag),
];

pub(super) const SET_ATTRIBUTES: &[Parameter] = &[
    ORDER_ID,
    may("OrderAttributes.OrderTotal.Amount", Amount),
    may("OrderAttributes.OrderTotal.CurrencyCode", Currency),
    may("OrderAttributes.PlatformId", UnboundedText),
    may("OrderAttributes.SellerNote", Text(1024)),
    may("OrderAttributes.RequestPaymentAuthorization", Flag),
    may("OrderAttributes.SellerOrderAttributes.SellerOrderId", UnboundedText),
    may("OrderAttributes.SellerOrderAttributes.StoreName", UnboundedText),
    may("OrderAttributes.SellerOrderAttributes.CustomInformation", UnboundedText),
    may("OrderAttributes.SellerOrderAttributes.SupplementaryData", UnboundedText),
    may("OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory.N", UnboundedText),
    may("OrderAttributes.PaymentServiceProviderAttributes.PaymentServiceProviderId", UnboundedText),
    may("OrderAttributes.PaymentServiceProviderAttributes.PaymentServiceProviderOrderId", UnboundedText),
];

pub(super) const CONFIRM_ORDER: &[Parameter] = &[
    ORDER_ID,
    may("SuccessUrl", Url),
    may("FailureUrl", Url),
    may("AuthorizationAmount.Amount", Amount),
    may("AuthorizationAmount.CurrencyCode", Currency),
    may("ExpectImmediateAuthorization", Flag),
];

pub(super) const AUTHORIZE: &[Parameter] = &[
    ORDER_ID,
    need("AuthorizationReferenceId", Reference),
    need("AuthorizationAmount.Amount", Amount),
    need("AuthorizationAmount.CurrencyCode", Currency),
    may("SellerAuthorizationNote", Text(255)),
    may("TransactionTimeout", Timeout),
    may("CaptureNow", Flag),
    may("SoftDescriptor", Text(16)),
    may("ProviderCreditList.member.N.ProviderId", UnboundedText),
    may("ProviderCreditList.member.N.CreditAmount.Amount", Amount),
    may("ProviderCreditList.member.N.CreditAmount.CurrencyCode", Currency),
];

pub(super) const CAPTURE: &[Parameter] = &[
    AUTHORIZATION_ID,
    need("CaptureReferenceId", Reference),
    need("CaptureAmount.Amount", Amount),
    need("CaptureAmount.CurrencyCode", Currency),
    may("SellerCaptureNote", Text(255)),
    may("SoftDescriptor", Text(16)),
    may("ProviderCreditList.member.N.ProviderId", UnboundedText),
    may("ProviderCreditList.member.N.CreditAmount.Amount", Amount),
    may("ProviderCreditList.member.N.CreditAmount.CurrencyCode", Currency),
];

pub(super) const REFUND: &[Parameter] = &[
    CAPTURE_ID,
    need("RefundReferenceId", Reference),
    need("RefundAmount.Amount", Amount),
    need("RefundAmount.CurrencyCode", Currency),
    may("SellerRefundNote", Text(255)),
    may("SoftDescriptor", Text(16)),
    may("ProviderCreditReversalList.member.N.ProviderId", UnboundedText),
    may("ProviderCreditReversalList.member.N.CreditReversalAmount.Amount", Amount),
    may("ProviderCreditReversalList.member.N.CreditReversalAmount.CurrencyCode", Currency),
];

pub(super) const CREATE_ORDER: &[Parameter] = &[
    need("Id", Value::Id(ObjectKind::BillingAgreement)),
    need("IdType", Value::OneOf(&["BillingAgreement"])),
    may("InheritShippingAddress", Flag),
    may("ConfirmNow", Flag),
    may("OrderReferenceAttributes.OrderTotal.Amount", Amount),
    may("OrderReferenceAttributes.OrderTotal.CurrencyCode", Currency),
    may("OrderReferenceAttributes.PlatformId", UnboundedText),
    may("OrderReferenceAttributes.SellerNote", Text(1024)),
    may("OrderReferenceAttributes.SellerOrderAttributes.SellerOrderId", UnboundedText),
    may("OrderReferenceAttributes.SellerOrderAttributes.StoreName", UnboundedText),
    may("OrderReferenceAttributes.SellerOrderAttributes.CustomInformation", UnboundedText),
    // The SDKs put it here in this call only.
    may("OrderReferenceAttributes.SupplementaryData", UnboundedText),
    may("OrderReferenceAttributes.RequestPaymentAuthorization", Flag),
];

pub(super) const SET_AGREEMENT: &[Parameter] = &[
    AGREEMENT_ID,
    may("BillingAgreementAttributes.PlatformId", UnboundedText),
    may("BillingAgreementAttributes.SellerNote", Text(1024)),
    may(
        "BillingAgreementAttributes.SellerBillingAgreementAttributes.SellerBillingAgreementId",
        UnboundedText,
    ),
    may("BillingAgreementAttributes.SellerBillingAgreementAttributes.StoreName", UnboundedText),
    may("BillingAgreementAttributes.SellerBillingAgreementAttributes.CustomInformation", UnboundedText),
    may(
        "BillingAgreementAttributes.BillingAgreementType",
        Value::OneOf(&["CustomerInitiatedTransaction", "MerchantInitiatedTransaction"]),
    ),
    may("BillingAgreementAttributes.SubscriptionAmount.Amount", Amount),
    may("BillingAgreementAttributes.SubscriptionAmount.CurrencyCode", Currency),
];

pub(super) const AUTHORIZE_ON_AGREEMENT: &[Parameter] = &[
    AGREEMENT_ID,
    need("AuthorizationReferenceId", Reference),
    need("AuthorizationAmount.Amount", Amount),
    need("AuthorizationAmount.CurrencyCode", Currency),
    may("SellerAuthorizationNote", Text(255)),
    may("TransactionTimeout", Timeout),
    may("CaptureNow", Flag),
    may("SoftDescriptor", Text(16)),
    may("SellerNote", Text(1024)),
    may("PlatformId", UnboundedText),
    may("InheritShippingAddress", Flag),
    may("SellerOrderAttributes.SellerOrderId", UnboundedText),
    may("SellerOrderAttributes.StoreName", UnboundedText),
    may("SellerOrderAttributes.CustomInformation", UnboundedText),
    may("SellerOrderAttributes.SupplementaryData", UnboundedText),
];

const CREDIT_ID: Parameter = need("AmazonProviderCreditId", Value::OtherId("provider credit"));

pub(super) const GET_CREDIT: &[Parameter] = &[CREDIT_ID];
pub(super) const GET_CREDIT_REVERSAL: &[Parameter] =
    &[need("AmazonProviderCreditReversalId", Value::OtherId("provider credit reversal"))];
pub(super) const REVERSE_CREDIT: &[Parameter] = &[
    CREDIT_ID,
    need("CreditReversalReferenceId", Reference),
    need("CreditReversalAmount.Amount", Amount),
    need("CreditReversalAmount.CurrencyCode", Currency),
    may("CreditReversalNote", UnboundedText),
];

const STATES: &[&str] = &["Draft", "Open", "Suspended", "Canceled", "Closed"];

pub(super) const LIST_ORDERS: &[Parameter] = &[
    need("QueryId", UnboundedText),
    need("QueryIdType", Value::OneOf(&["SellerOrderId"])),
    need("PaymentDomain", Value::OneOf(&["NA_USD", "EU_EUR", "EU_GBP", "FE_JPY"])),
    may("PageSize", Value::Count),
    may("SortOrder", Value::OneOf(&["Ascending", "Descending"])),
    may("CreatedTimeRange.StartTime", Value::Time),
    may("CreatedTimeRange.EndTime", Value::Time),
    may("OrderReferenceStatusListFilter.OrderReferenceStatus.N", Value::OneOf(STATES)),
];
pub(super) const LIST_MORE_ORDERS: &[Parameter] = &[need("NextPageToken", UnboundedText)];
