//! What each operation answers (docs/src/reference/amazon-pay-mws.md, section 3.4).
//!
//! Owns: from the body of an answer with status 200 to what it says. Must never know: the network, states.

use std::collections::BTreeMap;

use super::{Call, Shows, facts};
use crate::apis::amazon_pay_mws::kind::ObjectKind;
use crate::apis::amazon_pay_mws::service_status::{self, ServiceStatus};
use crate::apis::amazon_pay_mws::wire::{
    Unreadable, Wanted, garbled, is_home_namespace, read_object, read_root, request_id, safe_request_id, word,
};
use crate::payments::object::ObjectId;
use crate::payments::observation::{Failure, Observation};

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An object as it is now.
    Object {
        /// What it is.
        kind: ObjectKind,
        /// The sight of it, without anything about the buyer.
        observation: Observation,
        /// The order that `AuthorizeOnBillingAgreement` made for it.
        order_id: Option<ObjectId>,
    },
    /// Whether a billing agreement can be charged.
    Validation(Validation),
    /// How the service is.
    ServiceStatus(ServiceStatus),
    /// Something that is not watched, in the provider's words.
    Facts {
        /// What it says, by the names of its elements.
        facts: BTreeMap<String, String>,
        /// The provider's id of the exchange.
        request_id: Option<String>,
    },
    /// Accepted, with nothing to show.
    Accepted {
        /// The provider's id of the exchange.
        request_id: Option<String>,
    },
}

/// The answer to `ValidateBillingAgreement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// The provider's word: `Success` or `Failure`.
    pub result: String,
    /// Why it cannot be charged, such as `InvalidPaymentMethod`.
    pub failure_reason: Option<String>,
    /// The agreement's state word.
    pub state: Option<String>,
}

impl Validation {
    /// Whether it can be charged.
    pub fn is_success(&self) -> bool {
        self.result.eq_ignore_ascii_case("success")
    }
}

impl Answer {
    /// Reads the answer to this call. `header_request_id` is used when the body names no exchange.
    ///
    /// # Errors
    /// [`Failure::Garbled`] when it is not the whole, well-formed answer to this call; then the call may
    /// still have been carried out.
    pub fn read(call: &Call, body: &[u8], header_request_id: Option<&str>) -> Result<Answer, Failure> {
        let name = call.operation().name;
        match call.operation().shows {
            Shows::Object(kind) => {
                let asked = call.shown_id();
                let observation = read_object(name, kind, asked.as_ref(), body, header_request_id)?;
                check_reference(call, &observation)?;
                Ok(Answer::Object { kind, observation, order_id: None })
            }
            Shows::AuthorizationAndOrder => {
                let kind = ObjectKind::Authorization;
                let observation = read_object(name, kind, None, body, header_request_id)?;
                check_reference(call, &observation)?;
                let order_id = order_id(name, body)?;
                Ok(Answer::Object { kind, observation, order_id })
            }
            Shows::Validation => validation(name, body).map(Answer::Validation),
            Shows::ServiceStatus => service_status::read(body).map(Answer::ServiceStatus),
            Shows::Facts => facts::read(name, body, header_request_id),
            Shows::Nothing => accepted(name, body, header_request_id),
        }
    }
}

/// The answer must be about the transaction asked for, not about another.
fn check_reference(call: &Call, observation: &Observation) -> Result<(), Failure> {
    match (call.reference_id(), observation.merchant_reference.as_deref()) {
        (Some(sent), Some(got)) if sent != got => {
            Err(garbled("the answer is about another reference id than sent"))
        }
        _ => Ok(()),
    }
}

fn order_id(name: &str, body: &[u8]) -> Result<Option<ObjectId>, Failure> {
    let is_read = |name: &str| name == "AmazonOrderReferenceId" || name.ends_with("Result");
    let root = read_root(body, Wanted { is_read, is_home: is_home_namespace })?;
    let unreadable = |problem: Unreadable| garbled(&problem.to_string());
    let Some(result) = root.result(&format!("{name}Result")).map_err(unreadable)? else { return Ok(None) };
    let text = result.text_of("AmazonOrderReferenceId").map_err(unreadable)?;
    text.map(|text| ObjectId::new(text).map_err(|_| garbled("element AmazonOrderReferenceId cannot be read")))
        .transpose()
}

fn validation(name: &str, body: &[u8]) -> Result<Validation, Failure> {
    let is_read = |name: &str| {
        matches!(name, "FailureReasonCode" | "BillingAgreementStatus" | "State") || name.ends_with("Result")
    };
    let root = read_root(body, Wanted { is_read, is_home: is_home_namespace })?;
    check_root(name, root.name())?;
    (|| {
        let result = root.result(&format!("{name}Result"))?.ok_or(Unreadable::Missing("ValidationResult"))?;
        Ok(Validation {
            result: word(result, &["ValidationResult"])?
                .ok_or(Unreadable::Missing("ValidationResult"))?
                .to_owned(),
            failure_reason: word(result, &["FailureReasonCode"])?.map(str::to_owned),
            state: word(result, &["BillingAgreementStatus", "State"])?.map(str::to_owned),
        })
    })()
    .map_err(|problem: Unreadable| garbled(&problem.to_string()))
}

/// With an empty result element or none (section 3.4): both are the whole answer.
fn accepted(name: &str, body: &[u8], header_request_id: Option<&str>) -> Result<Answer, Failure> {
    let is_read = |name: &str| matches!(name, "ResponseMetadata" | "RequestId" | "RequestID");
    let root = read_root(body, Wanted { is_read, is_home: is_home_namespace })?;
    check_root(name, root.name())?;
    let request_id = request_id(&root).or_else(|| header_request_id.and_then(safe_request_id));
    Ok(Answer::Accepted { request_id })
}

pub(super) fn check_root(name: &str, root: &str) -> Result<(), Failure> {
    if root.strip_suffix("Response") == Some(name) {
        Ok(())
    } else {
        Err(garbled(&format!("the root element is not {name}Response")))
    }
}
