//! Sandbox simulations: a JSON text in a note decides what becomes of an object.
//!
//! Owns: docs/src/reference/amazon-pay-mws.md section 9. Must never know: objects.

use std::time::Duration;

use serde::Deserialize;

use crate::plan::Step;

use super::merchant::MwsHabits;
use super::refusal::{Code, Refusal};

/// In which call's note a simulation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    SetOrderReferenceDetails,
    CloseOrderReference,
    Authorize,
    Capture,
    Refund,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Simulation {
    /// A constraint on the order.
    pub(super) constraint: Option<String>,
    /// The steps after the first state.
    pub(super) steps: Vec<Step>,
    /// After this many minutes the buyer has mended the payment method.
    pub(super) mended_after_minutes: Option<u64>,
    pub(super) is_soft_decline: bool,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "SandboxSimulation")]
    simulation: Wanted,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wanted {
    constraint: Option<String>,
    state: Option<String>,
    reason_code: Option<String>,
    payment_method_update_time_in_mins: Option<u64>,
    expiration_time_in_mins: Option<u64>,
    soft_decline: Option<serde_json::Value>,
}

/// The simulation in a note; `None` when the note is an ordinary text.
pub(super) fn read(note: &str, place: Place, habits: &MwsHabits) -> Result<Option<Simulation>, Refusal> {
    if !note.trim_start().starts_with('{') || !note.contains("SandboxSimulation") {
        return Ok(None);
    }
    let envelope: Envelope = serde_json::from_str(note).map_err(|_| refusal("the note is not its JSON"))?;
    decide(&envelope.simulation, place, habits).map(Some)
}

fn refusal(why: &str) -> Refusal {
    Code::InvalidSandboxSimulationSpecified.because(format!("The sandbox simulation is not valid: {why}"))
}

fn decide(wanted: &Wanted, place: Place, habits: &MwsHabits) -> Result<Simulation, Refusal> {
    // Public code also spells the reason with a space (section 9).
    let reason = wanted.reason_code.as_deref().map(|reason| reason.replace(' ', ""));
    let delay = habits.authorization_delay;
    let mut simulation = Simulation::default();
    match (place, wanted.state.as_deref(), reason.as_deref(), wanted.constraint.as_deref()) {
        (Place::SetOrderReferenceDetails, None, None, Some("PaymentMethodNotAllowed")) => {
            simulation.constraint = wanted.constraint.clone();
        }
        (Place::CloseOrderReference, Some("Closed"), Some("AmazonClosed"), None) => {
            simulation.steps = vec![step(Duration::ZERO, "Closed", reason)];
        }
        (
            Place::Authorize,
            Some("Declined"),
            Some("InvalidPaymentMethod" | "AmazonRejected" | "TransactionTimedOut"),
            None,
        ) => simulation.steps = vec![step(delay, "Declined", reason.clone())],
        (Place::Authorize, Some("Closed"), Some("ExpiredUnused"), None) => {
            let minutes = minutes(wanted.expiration_time_in_mins, 60)?.unwrap_or(60);
            let expiry = Duration::from_secs(minutes * 60).saturating_sub(delay);
            simulation.steps = vec![step(delay, "Open", None), step(expiry, "Closed", reason)];
        }
        (Place::Authorize, Some("Closed"), Some("AmazonClosed"), None) => {
            simulation.steps = vec![step(delay, "Open", None), step(delay, "Closed", reason)];
        }
        (Place::Capture, Some("Pending"), None, None) => {
            simulation.steps = vec![step(habits.late_capture_delay, "Completed", None)];
        }
        (Place::Capture, Some("Declined"), Some("AmazonRejected"), None) => {
            simulation.steps = vec![step(Duration::ZERO, "Declined", reason)];
        }
        (Place::Capture, Some("Closed"), Some("AmazonClosed"), None) => {
            let completed = step(Duration::ZERO, "Completed", None);
            simulation.steps = vec![completed, step(Duration::ZERO, "Closed", reason)];
        }
        (Place::Refund, Some("Declined"), Some("AmazonRejected"), None) => {
            simulation.steps = vec![step(habits.refund_delay, "Declined", reason)];
        }
        _ => return Err(refusal("this state and reason cannot be simulated in this call")),
    }
    add_payment_method(wanted, &mut simulation)?;
    if wanted.expiration_time_in_mins.is_some() && wanted.reason_code.as_deref() != Some("ExpiredUnused") {
        return Err(refusal("ExpirationTimeInMins goes with ExpiredUnused"));
    }
    Ok(simulation)
}

fn add_payment_method(wanted: &Wanted, simulation: &mut Simulation) -> Result<(), Refusal> {
    simulation.mended_after_minutes = minutes(wanted.payment_method_update_time_in_mins, 240)?;
    simulation.is_soft_decline = match &wanted.soft_decline {
        None => false,
        Some(serde_json::Value::Bool(flag)) => *flag,
        Some(serde_json::Value::String(word)) if word == "true" || word == "false" => word == "true",
        Some(_) => return Err(refusal("SoftDecline must be true or false")),
    };
    let goes_with =
        simulation.steps.iter().any(|step| step.reason.as_deref() == Some("InvalidPaymentMethod"));
    if (simulation.mended_after_minutes.is_some() || wanted.soft_decline.is_some()) && !goes_with {
        return Err(refusal("PaymentMethodUpdateTimeInMins and SoftDecline go with InvalidPaymentMethod"));
    }
    Ok(())
}

fn minutes(given: Option<u64>, most: u64) -> Result<Option<u64>, Refusal> {
    match given {
        Some(minutes) if minutes == 0 || minutes > most => {
            Err(refusal(&format!("the minutes must be 1 to {most}")))
        }
        fine => Ok(fine),
    }
}

fn step(after: Duration, state: &str, reason: Option<String>) -> Step {
    Step { after, state: state.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn last_step(note: &str, place: Place) -> Option<(String, Option<String>)> {
        let simulation = read(note, place, &MwsHabits::default()).expect("valid")?;
        simulation.steps.last().map(|step| (step.state.clone(), step.reason.clone()))
    }

    #[test]
    fn every_string_of_the_manual_is_understood() {
        let declined = |reason: &str| format!(r#""State":"Declined","ReasonCode":"{reason}""#);
        let table = [
            (
                Place::CloseOrderReference,
                r#""State":"Closed","ReasonCode":"AmazonClosed""#.to_owned(),
                "Closed",
            ),
            (
                Place::Authorize,
                declined("InvalidPaymentMethod") + r#","PaymentMethodUpdateTimeInMins":5"#,
                "Declined",
            ),
            (
                Place::Authorize,
                declined("InvalidPayment Method")
                    + r#","PaymentMethodUpdateTimeInMins":5,"SoftDecline":"true""#,
                "Declined",
            ),
            (Place::Authorize, declined("AmazonRejected"), "Declined"),
            (Place::Authorize, declined("TransactionTimedOut"), "Declined"),
            (
                Place::Authorize,
                r#""State":"Closed","ReasonCode":"ExpiredUnused","ExpirationTimeInMins":1"#.to_owned(),
                "Closed",
            ),
            (Place::Authorize, r#""State":"Closed","ReasonCode":"AmazonClosed""#.to_owned(), "Closed"),
            (Place::Capture, r#""State":"Pending""#.to_owned(), "Completed"),
            (Place::Capture, declined("AmazonRejected"), "Declined"),
            (Place::Capture, r#""State":"Closed","ReasonCode":"AmazonClosed""#.to_owned(), "Closed"),
            (Place::Refund, declined("AmazonRejected"), "Declined"),
        ];
        for (place, inner, state) in table {
            let note = format!(r#" {{"SandboxSimulation": {{{inner}}} }}"#);
            let (last, reason) = last_step(&note, place).expect("steps");
            assert_eq!(last, state, "{note}");
            assert!(reason.is_none_or(|reason| !reason.contains(' ')));
        }
        let note = r#"{"SandboxSimulation":{"Constraint":"PaymentMethodNotAllowed"}}"#;
        let read = read(note, Place::SetOrderReferenceDetails, &MwsHabits::default()).expect("valid");
        assert_eq!(
            read.and_then(|simulation| simulation.constraint).as_deref(),
            Some("PaymentMethodNotAllowed")
        );
    }

    #[test]
    fn invalid_combinations_are_refused_and_texts_are_texts() {
        let habits = MwsHabits::default();
        for (place, inner) in [
            (Place::Refund, r#""State":"Closed""#),
            (Place::Capture, r#""State":"Declined","ReasonCode":"ProcessingFailure""#),
            (Place::Authorize, r#""State":"Open""#),
            (
                Place::Authorize,
                r#""State":"Declined","ReasonCode":"InvalidPaymentMethod","PaymentMethodUpdateTimeInMins":241"#,
            ),
            (Place::Authorize, r#""State":"Closed","ReasonCode":"ExpiredUnused","ExpirationTimeInMins":61"#),
            (Place::Authorize, r#""State":"Declined","ReasonCode":"AmazonRejected","SoftDecline":"true""#),
            (Place::Authorize, r#""Unknown":1"#),
        ] {
            let note = format!(r#"{{"SandboxSimulation":{{{inner}}}}}"#);
            let refused = read(&note, place, &habits).expect_err("invalid");
            assert_eq!(refused.code, Code::InvalidSandboxSimulationSpecified, "{note}");
        }
        for text in ["thank you", "{}", "SandboxSimulation is what I like", ""] {
            assert_eq!(read(text, Place::Authorize, &habits), Ok(None), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_notes_never_panic(text in "\\PC{0,60}") {
            for note in [text.clone(), format!("{{\"SandboxSimulation\":{text}}}")] {
                let read = read(&note, Place::Authorize, &MwsHabits::default());
                prop_assert!(read.is_ok() || read.is_err());
            }
        }
    }
}
