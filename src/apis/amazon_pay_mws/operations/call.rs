//! One checked call: what is sent, and what follows from it.
//!
//! Owns: the checked parameters, what a lost answer means, which objects the call created. Must never know: the
//! network, who may write, where objects are kept.

use std::collections::BTreeMap;
use std::fmt;

use super::{Operation, Shows, Value, check, find};
use crate::apis::amazon_pay_mws::kind::{self, ObjectKind};
use crate::apis::amazon_pay_mws::sign::Parameters;
use crate::apis::config::Problem;
use crate::payments::object::ObjectId;
use crate::text;

/// What may be done if no readable answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostAnswer {
    /// The call only reads: send it again.
    AskAgain,
    /// A call with the same reference id and the same parameters is answered with the object that the first call
    /// created (sections 3.3 and 6.4). Send exactly this call again, never one with another reference.
    SendTheSame {
        /// The seller's own reference id.
        reference_id: String,
    },
    /// The state of this object shows whether the call was carried out: poll it before anything is sent again.
    LookAt {
        /// What to poll.
        kind: ObjectKind,
        /// Its id.
        id: ObjectId,
    },
    /// Nothing shows it, and a second call would create a second object. A person decides.
    AskAPerson,
}

/// A call whose parameters have been checked. Its debug output shows no values.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    operation: &'static Operation,
    parameters: Parameters,
}

impl PartialEq for Operation {
    fn eq(&self, other: &Operation) -> bool {
        self.name == other.name
    }
}

impl Eq for Operation {}

impl Call {
    /// Checks a call of `operation` with these parameters, named as on the wire. The common parameters are not among
    /// them.
    ///
    /// # Errors
    /// All problems at once, each with its parameter and a remedy, but without values.
    pub fn build(operation: &str, given: &BTreeMap<String, String>) -> Result<Call, Vec<Problem>> {
        let Some(known) = find(operation) else {
            let names: Vec<&str> = super::OPERATIONS.iter().map(|known| known.name).collect();
            let remedy = format!("write one of {}", names.join(", "));
            return Err(vec![Problem::new(
                text::short(operation, 80),
                "is not an operation of this API",
                remedy,
            )]);
        };
        let problems = check::problems(known, given);
        if problems.is_empty() {
            Ok(Call { operation: known, parameters: given.clone() })
        } else {
            Err(problems)
        }
    }

    /// Whether every id in it can belong to an account of this environment.
    ///
    /// # Errors
    /// Every id whose form contradicts it.
    pub fn accepts(&self, is_sandbox: bool) -> Result<(), Vec<Problem>> {
        let ids = self.operation.parameters.iter().filter_map(|parameter| match parameter.value {
            Value::Id(kind) => Some((parameter.name, kind)),
            _ => None,
        });
        let problems: Vec<Problem> = ids
            .filter_map(|(name, kind)| {
                let id = ObjectId::new(self.parameters.get(name)?.as_str()).ok()?;
                let what = kind::check(kind, &id, is_sandbox).err()?;
                Some(Problem::new(name, what, "choose the account that the id belongs to"))
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The operation.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// Whether it changes anything at the provider.
    pub fn is_write(&self) -> bool {
        self.operation.is_write()
    }

    /// What is sent besides the common parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The seller's own reference id, if the call has one. It makes most calls safe to repeat ([`Call::when_lost`]).
    pub fn reference_id(&self) -> Option<&str> {
        let name = match self.operation.name {
            "Authorize" | "AuthorizeOnBillingAgreement" => "AuthorizationReferenceId",
            "Capture" => "CaptureReferenceId",
            "Refund" => "RefundReferenceId",
            "ReverseProviderCredit" => "CreditReversalReferenceId",
            _ => return None,
        };
        self.parameters.get(name).map(String::as_str)
    }

    /// The object that it is about, if the request names one.
    pub fn subject(&self) -> Option<(ObjectKind, ObjectId)> {
        self.operation.parameters.iter().find_map(|parameter| match parameter.value {
            Value::Id(kind) => {
                Some((kind, ObjectId::new(self.parameters.get(parameter.name)?.as_str()).ok()?))
            }
            _ => None,
        })
    }

    /// What may be done when its answer is lost.
    pub fn when_lost(&self) -> LostAnswer {
        if !self.is_write() {
            return LostAnswer::AskAgain;
        }
        if self.operation.name == "ReverseProviderCredit" {
            // No source says what a second call with the same reference does.
            return LostAnswer::AskAPerson;
        }
        if let Some(reference_id) = self.reference_id() {
            return LostAnswer::SendTheSame { reference_id: reference_id.to_owned() };
        }
        match self.subject() {
            // A second call would create a second order, and nothing about the first order shows that this call created
            // it.
            Some(_) if self.operation.name == "CreateOrderReferenceForId" => LostAnswer::AskAPerson,
            Some((kind, id)) => LostAnswer::LookAt { kind, id },
            None => LostAnswer::AskAPerson,
        }
    }

    /// The id that the answer must repeat: that of the object named in the request, if the answer shows this very
    /// object.
    pub(super) fn shown_id(&self) -> Option<ObjectId> {
        let (Shows::Object(shown), Some((kind, id))) = (self.operation.shows, self.subject()) else {
            return None;
        };
        (shown == kind && self.reference_id().is_none()).then_some(id)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.parameters.keys().collect();
        formatter.debug_struct("Call").field("operation", &self.operation.name).field("has", &names).finish()
    }
}
