//! The operations that an operator may call: optional and required parameters, and what is sent
//! (docs/src/reference/amazon-pay-v2.md, sections 1.1, 2.5, 4.2, 5 and 6.1).
//!
//! Owns: the table of operations, the check of a call before it is sent, its path and body. Must never
//! know: the network, the clock, who may write.

mod call;
mod check;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::apis::config::Environment;
use crate::apis::pace::Quota;
use crate::apis::transport::Method;

pub use self::call::Call;
use super::wire::ObjectKind;
use super::{GET_CHARGE, GET_CHARGE_PERMISSION, GET_REFUND};

/// What a parameter's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Free text of at most this many characters.
    Text(usize),
    /// Text whose maximum length is not documented; limited only by our own bound.
    UnboundedText,
    /// The id of an object.
    Id(ObjectKind),
    /// A decimal number above zero; comes with a `currencyCode`.
    Amount,
    /// ISO 4217.
    Currency,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An `https` address.
    Url,
    /// The idempotency key (section 2.5).
    Key,
}

impl Value {
    /// In words, for help and problems.
    pub fn describe(self) -> String {
        match self {
            Value::Text(longest) => format!("text, at most {longest} characters"),
            Value::UnboundedText => "text".to_owned(),
            Value::Id(ObjectKind::Charge) => "the id of a charge".to_owned(),
            Value::Id(ObjectKind::Refund) => "the id of a refund".to_owned(),
            Value::Id(ObjectKind::ChargePermission) => "the id of a charge permission".to_owned(),
            Value::Amount => "an amount such as 14.00".to_owned(),
            Value::Currency => "a currency such as EUR".to_owned(),
            Value::Flag => "true or false".to_owned(),
            Value::OneOf(words) => words.join(" or "),
            Value::Url => "an https address".to_owned(),
            Value::Key => {
                "at most 32 letters, digits, - and _; derived from the other parameters when left out"
                    .to_owned()
            }
        }
    }
}

/// Where a parameter goes in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the JSON body; dots separate nested objects.
    Body,
    /// In a header.
    Header,
}

/// One parameter of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The name in the JSON body, or the name of the id in the path.
    pub name: &'static str,
    /// Whether the call is refused without it.
    pub is_required: bool,
    /// What it may be.
    pub value: Value,
    /// Where it goes in the request.
    pub place: Place,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// The guide's name, without spaces.
    pub name: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path below the base, with `{}` as the placeholder for the id.
    pub path: &'static str,
    /// The kind of object that the answer shows.
    pub shows: ObjectKind,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

impl Operation {
    /// Whether it changes anything at the provider.
    pub fn is_write(&self) -> bool {
        self.method != Method::Get
    }

    /// Whether it creates an object rather than changing one.
    pub fn is_making(&self) -> bool {
        self.parameters.iter().all(|parameter| parameter.place != Place::Path)
    }
}

/// The name of the idempotency key among the parameters.
pub const KEY: &str = "idempotencyKey";

const fn need(name: &'static str, value: Value) -> Parameter {
    Parameter { name, is_required: true, value, place: Place::Body }
}

const fn may(name: &'static str, value: Value) -> Parameter {
    Parameter { name, is_required: false, value, place: Place::Body }
}

const fn path(name: &'static str, object_kind: ObjectKind) -> Parameter {
    Parameter { name, is_required: true, value: Value::Id(object_kind), place: Place::Path }
}

use Value::{Amount, Currency, Flag, Text, UnboundedText, Url};

const KEY_HEADER: Parameter =
    Parameter { name: KEY, is_required: false, value: Value::Key, place: Place::Header };
const SOFT_DESCRIPTOR: Parameter = may("softDescriptor", Text(16));
const CHANNELS: &[&str] = &["Web", "Phone", "App", "Alexa", "PointOfSale", "FireTv", "Offline", "Amazon"];

const CREATE_CHARGE: &[Parameter] = &[
    need("chargePermissionId", Value::Id(ObjectKind::ChargePermission)),
    need("chargeAmount.amount", Amount),
    need("chargeAmount.currencyCode", Currency),
    may("captureNow", Flag),
    SOFT_DESCRIPTOR,
    may("canHandlePendingAuthorization", Flag),
    may("providerMetadata.providerReferenceId", UnboundedText),
    may("merchantMetadata.merchantReferenceId", UnboundedText),
    may("merchantMetadata.merchantStoreName", UnboundedText),
    may("merchantMetadata.noteToBuyer", UnboundedText),
    may("merchantMetadata.customInformation", UnboundedText),
    may("platformId", UnboundedText),
    may("chargeInitiator", Value::OneOf(&["CITU", "MITU", "CITR", "MITR"])),
    may("channel", Value::OneOf(CHANNELS)),
    may("webCheckoutDetails.checkoutResultReturnUrl", Url),
    KEY_HEADER,
];

const CAPTURE_CHARGE: &[Parameter] = &[
    path("chargeId", ObjectKind::Charge),
    need("captureAmount.amount", Amount),
    need("captureAmount.currencyCode", Currency),
    SOFT_DESCRIPTOR,
    KEY_HEADER,
];

const CREATE_REFUND: &[Parameter] = &[
    need("chargeId", Value::Id(ObjectKind::Charge)),
    need("refundAmount.amount", Amount),
    need("refundAmount.currencyCode", Currency),
    SOFT_DESCRIPTOR,
    KEY_HEADER,
];

const CANCEL_CHARGE: &[Parameter] =
    &[path("chargeId", ObjectKind::Charge), need("cancellationReason", UnboundedText)];

const CLOSE_PERMISSION: &[Parameter] = &[
    path("chargePermissionId", ObjectKind::ChargePermission),
    need("closureReason", Text(255)),
    may("cancelPendingCharges", Flag),
];

/// The merchant's own data of a permission (section 6.1). Updating it never changes the permission's amounts.
const UPDATE_PERMISSION: &[Parameter] = &[
    path("chargePermissionId", ObjectKind::ChargePermission),
    may("merchantMetadata.merchantReferenceId", UnboundedText),
    may("merchantMetadata.merchantStoreName", UnboundedText),
    may("merchantMetadata.noteToBuyer", UnboundedText),
    may("merchantMetadata.customInformation", UnboundedText),
    may("recurringMetadata.frequency.unit", UnboundedText),
    may("recurringMetadata.frequency.value", UnboundedText),
    may("recurringMetadata.amount.amount", Amount),
    may("recurringMetadata.amount.currencyCode", Currency),
];

/// Only for payment service providers (section 1.1), who have `providerMetadata` (section 3).
const UPDATE_CHARGE: &[Parameter] =
    &[path("chargeId", ObjectKind::Charge), need("providerMetadata.providerReferenceId", UnboundedText)];

const fn op(
    name: &'static str,
    (method, path): (Method, &'static str),
    shows: ObjectKind,
    parameters: &'static [Parameter],
) -> Operation {
    Operation { name, method, path, shows, parameters }
}

/// Every operation that may be called, in the order of a payment's life.
pub const OPERATIONS: &[Operation] = &[
    op(
        GET_CHARGE_PERMISSION,
        (Method::Get, "chargePermissions/{}"),
        ObjectKind::ChargePermission,
        &[path("chargePermissionId", ObjectKind::ChargePermission)],
    ),
    op(
        "UpdateChargePermission",
        (Method::Patch, "chargePermissions/{}"),
        ObjectKind::ChargePermission,
        UPDATE_PERMISSION,
    ),
    op("CreateCharge", (Method::Post, "charges"), ObjectKind::Charge, CREATE_CHARGE),
    op(GET_CHARGE, (Method::Get, "charges/{}"), ObjectKind::Charge, &[path("chargeId", ObjectKind::Charge)]),
    op("UpdateCharge", (Method::Patch, "charges/{}"), ObjectKind::Charge, UPDATE_CHARGE),
    op("CaptureCharge", (Method::Post, "charges/{}/capture"), ObjectKind::Charge, CAPTURE_CHARGE),
    op("CancelCharge", (Method::Delete, "charges/{}/cancel"), ObjectKind::Charge, CANCEL_CHARGE),
    op("CreateRefund", (Method::Post, "refunds"), ObjectKind::Refund, CREATE_REFUND),
    op(GET_REFUND, (Method::Get, "refunds/{}"), ObjectKind::Refund, &[path("refundId", ObjectKind::Refund)]),
    op(
        "CloseChargePermission",
        (Method::Delete, "chargePermissions/{}/close"),
        ObjectKind::ChargePermission,
        CLOSE_PERMISSION,
    ),
];

/// The operation with exactly this name.
pub fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

/// The quota that is safe under both published tables (section 8.4).
pub fn documented_quota(environment: Environment, operation: &str) -> Quota {
    let (burst, per_ms) = match (environment, operation) {
        (Environment::Live, GET_CHARGE | GET_REFUND | GET_CHARGE_PERMISSION) => (20, 500),
        (Environment::Sandbox, GET_CHARGE | GET_REFUND | GET_CHARGE_PERMISSION) => (5, 1_000),
        (Environment::Live, "CaptureCharge") => (20, 1_000),
        (Environment::Live, _) => (10, 1_000),
        (Environment::Sandbox, _) => (2, 1_000),
    };
    Quota { burst, per: Duration::from_millis(per_ms) }
}
