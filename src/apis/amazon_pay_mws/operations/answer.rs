//! What each operation answers (docs/src/reference/amazon-pay-mws.md, section 3.4).
//!
//! Owns: interpreting the body of an answer with status 200. Must never know: the network, states.

use std::collections::BTreeMap;

use super::{Call, Shows, facts};
use crate::apis::amazon_pay_mws::kind::ObjectKind;
use crate::apis::amazon_pay_mws::service_status::{self, ServiceStatus};
use crate::apis::amazon_pay_mws::wire::{
    Unreadable, Wanted, check_root, garbled, is_home_namespace, read_object, read_root, request_id,
    safe_request_id, word,
};
use crate::payments::object::ObjectId;
use crate::payments::observation::{Child, Failure, Observation};

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An object as it is now.
    Object {
        /// Its kind.
        kind: ObjectKind,
        /// The observation, without anything about the buyer.
        observation: Observation,
        /// The order that `AuthorizeOnBillingAgreement` created for it.
        order_id: Option<ObjectId>,
    },
    /// Whether a billing agreement can be charged.
    Validation(Validation),
    /// The health of the service.
    ServiceStatus(ServiceStatus),
    /// Something that is not watched, in the provider's words.
    Facts {
        /// Its contents, by element name.
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
    /// Reads the answer to this call. `header_request_id` is used if the body names no exchange.
    ///
    /// # Errors
    /// [`Failure::Garbled`] if it is not the complete, well-formed answer to this call. The call may still have been
    /// carried out.
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
            Shows::Facts => {
                let (facts, request_id) = facts::read(name, body, header_request_id)?;
                Ok(Answer::Facts { facts, request_id })
            }
            Shows::Nothing => accepted(name, body, header_request_id),
        }
    }

    /// The objects that the call created according to this answer, to be watched from now on. Read operations create
    /// none.
    pub fn created_by(&self, call: &Call) -> Vec<Child> {
        if !call.is_write() {
            return Vec::new();
        }
        let Answer::Object { kind, observation, order_id } = self else { return Vec::new() };
        let makes_one = call.reference_id().is_some() || call.operation().name == "CreateOrderReferenceForId";
        let mut created = Vec::new();
        if let Some(order_id) = order_id {
            created.push(Child { kind: ObjectKind::OrderReference.kind(), id: order_id.clone() });
        }
        if let (true, Ok(id)) = (makes_one, ObjectId::new(observation.id.as_str())) {
            created.push(Child { kind: kind.kind(), id });
        }
        if makes_one {
            created.extend(observation.children.iter().cloned());
        }
        created
    }
}

/// The answer must be about the requested transaction, not another.
fn check_reference(call: &Call, observation: &Observation) -> Result<(), Failure> {
    match (call.reference_id(), observation.merchant_reference.as_deref()) {
        (Some(sent), Some(got)) if sent != got => {
            Err(garbled("the answer is about another reference id, not the one sent"))
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

/// The result element may be empty or missing (section 3.4); either way the answer is complete.
fn accepted(name: &str, body: &[u8], header_request_id: Option<&str>) -> Result<Answer, Failure> {
    let is_read = |name: &str| matches!(name, "ResponseMetadata" | "RequestId" | "RequestID");
    let root = read_root(body, Wanted { is_read, is_home: is_home_namespace })?;
    check_root(name, root.name())?;
    let request_id = request_id(&root).or_else(|| header_request_id.and_then(safe_request_id));
    Ok(Answer::Accepted { request_id })
}
