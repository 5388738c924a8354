//! Errors and replies of Amazon Pay v2 (docs/src/reference/amazon-pay-v2.md section 8).
//!
//! Owns: their statuses, reason codes and shape. Must never know: when they are given.

use serde_json::{Value, json};

use super::super::exchange::Outgoing;

/// What a call comes to.
pub(super) type Outcome = Result<Reply, Refusal>;

/// A good answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// A refusal in the provider's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason_code: &'static str,
    pub(super) message: String,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Reply {
        Reply { status: 200, body }
    }

    pub(super) fn created(body: Value) -> Reply {
        Reply { status: 201, body }
    }
}

impl Refusal {
    pub(super) fn new(status: u16, reason_code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, reason_code, message: message.into() }
    }

    pub(super) fn invalid(parameter: &str) -> Refusal {
        let message = format!("The value provided for [{parameter}] is invalid.");
        Refusal::new(400, "InvalidParameterValue", message)
    }

    pub(super) fn missing(parameter: &str) -> Refusal {
        Refusal::new(400, "MissingParameterValue", format!("A value for [{parameter}] is required."))
    }

    pub(super) fn missing_header(name: &str) -> Refusal {
        Refusal::new(400, "MissingHeader", format!("The header [{name}] is required."))
    }

    pub(super) fn header(name: &str) -> Refusal {
        Refusal::new(
            400,
            "InvalidHeaderValue",
            format!("The value provided for the header [{name}] is invalid."),
        )
    }

    pub(super) fn signature(why: &str) -> Refusal {
        Refusal::new(403, "InvalidRequestSignature", why)
    }

    pub(super) fn not_found() -> Refusal {
        Refusal::new(404, "ResourceNotFound", "The requested resource was not found.")
    }

    pub(super) fn charge_status(state: &str) -> Refusal {
        let message = format!("The operation is not allowed for a Charge in the state {state}.");
        Refusal::new(422, "InvalidChargeStatus", message)
    }

    pub(super) fn permission_status(state: &str) -> Refusal {
        let message = format!("The operation is not allowed for a Charge Permission in the state {state}.");
        Refusal::new(422, "InvalidChargePermissionStatus", message)
    }

    pub(super) fn simulation(code: &str) -> Refusal {
        let message = format!("The simulation code [{code}] cannot be used for this request.");
        Refusal::new(400, "InvalidSandboxSimulationSpecified", message)
    }

    pub(super) fn throttled() -> Refusal {
        Refusal::new(429, "TooManyRequests", "The request was throttled.")
    }
}

/// The answer on the wire; every answer bears a request id.
pub(super) fn outgoing(outcome: Outcome, request_id: u64) -> Outgoing {
    let (status, body) = match outcome {
        Ok(reply) => (reply.status, reply.body),
        Err(refusal) => {
            (refusal.status, json!({"reasonCode": refusal.reason_code, "message": refusal.message}))
        }
    };
    Outgoing::new(status, "application/json;charset=UTF-8", body.to_string())
        .with_header("x-amz-pay-request-id", format!("{request_id:016X}"))
}
