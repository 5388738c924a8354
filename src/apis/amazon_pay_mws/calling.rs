//! Single operations behind the interface that all APIs share.
//!
//! Owns: how a checked call looks to the code that plans, journals and sends it. Must never know: storage, who approves
//! writes. It sends only through [`AmazonPayMws::call`].

use std::collections::BTreeMap;

use super::AmazonPayMws;
use super::config::Settings;
use super::kind::ObjectKind;
use super::operations::{Answer, Call, LostAnswer, OPERATIONS, Value};
use crate::apis::calls::{
    Caller, Calling, Identity, Lookup, OperationHelp, ParameterHelp, Planned, Repeat, Reply, Shown, WhenLost,
};
use crate::apis::config::{Environment, Problem};
use crate::apis::pace::Permit;
use crate::payments::money::Money;
use crate::payments::observation::Child;

/// Shown instead of a buyer's token.
const HIDDEN: &str = "[hidden]";

impl Caller for AmazonPayMws {
    fn operations(&self) -> Vec<OperationHelp> {
        let help = OPERATIONS.iter().map(|operation| OperationHelp {
            name: operation.name,
            is_write: operation.is_write(),
            parameters: operation
                .parameters
                .iter()
                .map(|parameter| ParameterHelp {
                    name: parameter.name,
                    is_required: parameter.is_required,
                    takes: parameter.value.describe(),
                })
                .collect(),
        });
        help.collect()
    }

    fn may_write(&self) -> bool {
        self.settings.is_writing_allowed
    }

    fn plan(&self, operation: &str, given: &BTreeMap<String, String>) -> Result<Planned, Vec<Problem>> {
        let call = Call::build(operation, given)?;
        call.accepts(self.settings.environment == Environment::Sandbox)?;
        Ok(planned(&call, &self.settings))
    }

    fn carry_out<'a>(&'a self, planned: &'a Planned, permit: Permit) -> Calling<'a> {
        Box::pin(async move {
            let call = Call::build(planned.operation, &planned.parameters)
                .expect("a planned call was built from these very parameters");
            let answer = self.call(&call, permit).await?;
            Ok(reply(&call, answer))
        })
    }
}

fn planned(call: &Call, settings: &Settings) -> Planned {
    let subject = call.subject().map(|(kind, id)| Child { kind: kind.kind(), id });
    let about = || subject.clone().map(|subject| Identity::About(subject.id));
    let identity = match call.reference_id() {
        _ if !call.is_write() => None,
        Some(reference) => Some(Identity::Once(reference.to_owned())),
        None => about(),
    };
    Planned {
        operation: call.operation().name,
        is_write: call.is_write(),
        parameters: call.parameters().clone(),
        identity,
        amount: amount(call),
        when_lost: when_lost(call, subject.clone()),
        subject,
        shown: shown(call, settings),
    }
}

/// The amount that the operation requires, else the total that it sets.
fn amount(call: &Call) -> Option<Money> {
    let of = |prefix: &str| {
        let given = |name: &str| call.parameters().get(&format!("{prefix}.{name}"));
        Money::parse(given("Amount")?, given("CurrencyCode")?).ok()
    };
    let needed = call.operation().parameters.iter().filter(|parameter| parameter.is_required);
    needed
        .filter_map(|parameter| parameter.name.strip_suffix(".Amount"))
        .chain(["OrderReferenceAttributes.OrderTotal", "OrderAttributes.OrderTotal"])
        .find_map(of)
}

/// How to find out whether a call was carried out after its answer was lost. An order lists its authorizations, an
/// authorization its captures, a capture its refunds (docs/src/reference/amazon-pay-mws.md, section 3.3). A closed
/// object shows the state `Closed`.
fn when_lost(call: &Call, subject: Option<Child>) -> WhenLost {
    let repeat = match call.when_lost() {
        LostAnswer::AskAPerson => Repeat::Never,
        LostAnswer::AskAgain | LostAnswer::SendTheSame { .. } | LostAnswer::LookAt { .. } => Repeat::Safe,
    };
    let makes = match call.operation().name {
        "Authorize" => Some(ObjectKind::Authorization),
        "Capture" => Some(ObjectKind::Capture),
        "Refund" => Some(ObjectKind::Refund),
        _ => None,
    };
    let lookup = match (makes, call.reference_id(), subject) {
        (Some(makes), Some(reference), Some(parent)) => {
            Some(Lookup::Child { parent, makes: makes.kind(), reference: reference.to_owned() })
        }
        (None, _, Some(object)) => states_after(call.operation().name).map(|states| Lookup::State {
            object,
            states: states.iter().map(|state| (*state).to_owned()).collect(),
        }),
        _ => None,
    };
    WhenLost { lookup, repeat }
}

/// The states that an object can be in after the operation was carried out (section 4). None for operations that set
/// attributes: no state shows whether they were carried out.
fn states_after(operation: &str) -> Option<&'static [&'static str]> {
    match operation {
        "ConfirmOrderReference" => Some(&["Open", "Suspended", "Closed"]),
        "CancelOrderReference" => Some(&["Canceled"]),
        "CloseOrderReference" | "CloseAuthorization" | "CloseBillingAgreement" => Some(&["Closed"]),
        "ConfirmBillingAgreement" => Some(&["Open", "Suspended", "Closed"]),
        _ => None,
    }
}

fn shown(call: &Call, settings: &Settings) -> Shown {
    let common = [("Action", call.operation().name), ("SellerId", settings.seller_id.as_str())];
    let mut fields: Vec<(String, String)> =
        common.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if settings.mws_auth_token.is_some() {
        fields.push(("MWSAuthToken".to_owned(), HIDDEN.to_owned()));
    }
    let is_token = |name: &str| {
        let mut known = call.operation().parameters.iter();
        known.any(|parameter| parameter.is_named(name) && parameter.value == Value::BuyerToken)
    };
    fields.extend(call.parameters().iter().map(|(name, value)| {
        let value = if is_token(name) { HIDDEN } else { value };
        (name.clone(), value.to_owned())
    }));
    Shown { line: format!("POST {}{}", settings.endpoint.base(), settings.path()), fields }
}

fn reply(call: &Call, answer: Answer) -> Reply {
    let created = answer.created_by(call);
    let mut reply = Reply { created, ..Reply::default() };
    match answer {
        Answer::Object { kind, observation, order_id } => {
            if let Some(order_id) = order_id {
                reply.facts.insert("AmazonOrderReferenceId".to_owned(), order_id.to_string());
            }
            reply.request_id.clone_from(&observation.request_id);
            reply.seen = Some((kind.kind(), observation));
        }
        Answer::Validation(validation) => {
            let facts = [
                ("ValidationResult", Some(validation.result)),
                ("FailureReasonCode", validation.failure_reason),
                ("State", validation.state),
            ];
            let facts = facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            reply.facts.extend(facts);
        }
        Answer::ServiceStatus(status) => reply.facts.extend(status.facts()),
        Answer::Facts { facts, request_id } => (reply.facts, reply.request_id) = (facts, request_id),
        Answer::Accepted { request_id } => reply.request_id = request_id,
    }
    reply
}
