//! Every operation in the reference: what a call may and must contain, and what its answer shows
//! (docs/src/reference/amazon-pay-mws.md, sections 3.1 to 3.4 and 7).
//!
//! Owns: the table of operations, the check of a call before it is sent, what a lost answer means for it,
//! the typed answers. Must never know: the network, the clock, who may write.

mod answer;
mod call;
mod check;
mod facts;
mod parameters;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::apis::pace::Quota;

pub use self::answer::{Answer, Validation};
pub use self::call::{Call, LostAnswer};
pub(in crate::apis::amazon_pay_mws) use self::check::{CURRENCIES, amount_problem, is_reference, is_xml};
use self::parameters as p;
pub use self::parameters::{Parameter, Value};
use super::kind::ObjectKind;

/// What an operation's answer shows (section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The details of one object.
    Object(ObjectKind),
    /// The details of an authorization and, beside them, the id of the order made for it.
    AuthorizationAndOrder,
    /// Whether a billing agreement can be charged.
    Validation,
    /// The health of the service.
    ServiceStatus,
    /// Something that is not watched, shown in the provider's words.
    Facts,
    /// Only that it was accepted.
    Nothing,
}

/// Which of the quotas of section 3.1 an operation draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// 20, then 2 a second; sandbox 5, then 1 a second.
    Read,
    /// 10, then 1 a second; sandbox 2, then 1 every 2 seconds.
    Write,
    /// 2, then 1 every 5 minutes, in both.
    Status,
    /// No figure is published: the write quota, the lower of the two usual ones.
    Unpublished,
}

impl Group {
    /// The documented quota.
    pub fn quota(self, is_sandbox: bool) -> Quota {
        let (burst, per_ms) = match (self, is_sandbox) {
            (Group::Read, false) => (20, 500),
            (Group::Read, true) => (5, 1_000),
            (Group::Write | Group::Unpublished, false) => (10, 1_000),
            (Group::Write | Group::Unpublished, true) => (2, 2_000),
            (Group::Status, _) => (2, 300_000),
        };
        Quota { burst, per: Duration::from_millis(per_ms) }
    }
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// The provider's name, case-sensitive.
    pub name: &'static str,
    /// Which quota it draws from.
    pub group: Group,
    /// What it takes besides the common parameters.
    pub parameters: &'static [Parameter],
    /// What its answer shows.
    pub shows: Shows,
}

impl Operation {
    /// Whether it changes anything at the provider. `ValidateBillingAgreement` has the quota of a write operation but
    /// only reads.
    pub fn is_write(&self) -> bool {
        match self.group {
            Group::Read | Group::Status => false,
            Group::Write => self.name != "ValidateBillingAgreement",
            Group::Unpublished => self.name == "ReverseProviderCredit",
        }
    }

    /// The documented quota (section 3.1).
    pub fn quota(&self, is_sandbox: bool) -> Quota {
        self.group.quota(is_sandbox)
    }
}

/// The operation of exactly this name.
pub fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

const fn op(name: &'static str, group: Group, parameters: &'static [Parameter], shows: Shows) -> Operation {
    Operation { name, group, parameters, shows }
}

const AUTHORIZATION: Shows = Shows::Object(ObjectKind::Authorization);
const CAPTURE: Shows = Shows::Object(ObjectKind::Capture);
const REFUND: Shows = Shows::Object(ObjectKind::Refund);
const ORDER: Shows = Shows::Object(ObjectKind::OrderReference);
const AGREEMENT: Shows = Shows::Object(ObjectKind::BillingAgreement);

/// Every operation in the reference, in the order of a payment's life.
pub const OPERATIONS: &[Operation] = &[
    op("GetServiceStatus", Group::Status, &[], Shows::ServiceStatus),
    op("GetOrderReferenceDetails", Group::Read, p::GET_ORDER, ORDER),
    op("SetOrderReferenceDetails", Group::Write, p::SET_ORDER, ORDER),
    op("SetOrderAttributes", Group::Write, p::SET_ATTRIBUTES, ORDER),
    op("ConfirmOrderReference", Group::Write, p::CONFIRM_ORDER, Shows::Nothing),
    op("CancelOrderReference", Group::Write, p::CANCEL_ORDER, Shows::Nothing),
    op("CloseOrderReference", Group::Write, p::CLOSE_ORDER, Shows::Nothing),
    op("Authorize", Group::Write, p::AUTHORIZE, AUTHORIZATION),
    op("GetAuthorizationDetails", Group::Read, p::GET_AUTHORIZATION, AUTHORIZATION),
    op("CloseAuthorization", Group::Write, p::CLOSE_AUTHORIZATION, Shows::Nothing),
    op("Capture", Group::Write, p::CAPTURE, CAPTURE),
    op("GetCaptureDetails", Group::Read, p::GET_CAPTURE, CAPTURE),
    op("Refund", Group::Write, p::REFUND, REFUND),
    op("GetRefundDetails", Group::Read, p::GET_REFUND, REFUND),
    op("CreateOrderReferenceForId", Group::Write, p::CREATE_ORDER, ORDER),
    op("GetBillingAgreementDetails", Group::Read, p::GET_AGREEMENT, AGREEMENT),
    op("SetBillingAgreementDetails", Group::Write, p::SET_AGREEMENT, AGREEMENT),
    op("ConfirmBillingAgreement", Group::Write, p::CONFIRM_AGREEMENT, Shows::Nothing),
    op("ValidateBillingAgreement", Group::Write, p::VALIDATE_AGREEMENT, Shows::Validation),
    op("AuthorizeOnBillingAgreement", Group::Write, p::AUTHORIZE_ON_AGREEMENT, Shows::AuthorizationAndOrder),
    op("CloseBillingAgreement", Group::Write, p::CLOSE_AGREEMENT, Shows::Nothing),
    op("GetProviderCreditDetails", Group::Unpublished, p::GET_CREDIT, Shows::Facts),
    op("GetProviderCreditReversalDetails", Group::Unpublished, p::GET_CREDIT_REVERSAL, Shows::Facts),
    op("ReverseProviderCredit", Group::Unpublished, p::REVERSE_CREDIT, Shows::Facts),
    op("ListOrderReference", Group::Unpublished, p::LIST_ORDERS, Shows::Facts),
    op("ListOrderReferenceByNextToken", Group::Unpublished, p::LIST_MORE_ORDERS, Shows::Facts),
    op("GetMerchantAccountStatus", Group::Unpublished, &[], Shows::Facts),
];
