//! The words of the manual: which states a kind has and which reasons a state has.
//!
//! Owns: docs/src/reference/amazon-pay-mws.md sections 4.1 to 4.5 as a table. Must never know: what follows what; a
//! scenario may also plan what should never happen.

use crate::plan::Step;

const AUTHORIZATION: &[(&str, &[&str])] = &[
    ("Pending", &["StopShipmentAtypicalAuth"]),
    ("Open", &["StopShipmentAtypicalAuth"]),
    ("Declined", &["InvalidPaymentMethod", "AmazonRejected", "ProcessingFailure", "TransactionTimedOut"]),
    (
        "Closed",
        &[
            "ExpiredUnused",
            "MaxCapturesProcessed",
            "MaxAmountCaptured",
            "MaxAmountProcessed",
            "AmazonClosed",
            "OrderReferenceCanceled",
            "SellerClosed",
        ],
    ),
];

const CAPTURE: &[(&str, &[&str])] = &[
    ("Pending", &["StopShipmentAtypicalAuth"]),
    ("Declined", &["AmazonRejected", "ProcessingFailure"]),
    ("Completed", &["StopShipmentAtypicalAuth"]),
    ("Closed", &["MaxAmountRefunded", "MaxRefundsProcessed", "AmazonClosed"]),
];

const REFUND: &[(&str, &[&str])] =
    &[("Pending", &[]), ("Completed", &[]), ("Declined", &["AmazonRejected", "ProcessingFailure"])];

const ORDER: &[(&str, &[&str])] = &[
    ("Draft", &[]),
    ("Open", &[]),
    ("Suspended", &["InvalidPaymentMethod"]),
    ("Canceled", &["SellerCanceled", "Stale", "AmazonCanceled"]),
    (
        "Closed",
        &[
            "Expired",
            "MaxAmountCharged",
            "MaxAuthorizationsCaptured",
            "MaxAuthorizationsProcessed",
            "AmazonClosed",
            "SellerClosed",
        ],
    ),
];

const AGREEMENT: &[(&str, &[&str])] = &[
    ("Draft", &[]),
    ("Open", &[]),
    ("Suspended", &["InvalidPaymentMethod"]),
    ("Canceled", &["Stale", "AmazonCanceled"]),
    ("Closed", &["SellerClosed", "AmazonClosed", "Expired"]),
];

fn states(kind: &str) -> Option<&'static [(&'static str, &'static [&'static str])]> {
    match kind {
        "authorization" => Some(AUTHORIZATION),
        "capture" => Some(CAPTURE),
        "refund" => Some(REFUND),
        "order-reference" => Some(ORDER),
        "billing-agreement" => Some(AGREEMENT),
        _ => None,
    }
}

/// Whether every word of these steps is documented for this kind of object.
///
/// # Errors
/// A sentence naming the word that is not.
pub(super) fn check(kind: &str, steps: &[Step]) -> Result<(), String> {
    let states = states(kind).ok_or_else(|| {
        format!(
            "amazon-pay-mws has no {kind}; it has authorization, capture, refund, order-reference and \
             billing-agreement"
        )
    })?;
    for step in steps {
        let Some((_, reasons)) = states.iter().find(|(state, _)| *state == step.state) else {
            let known: Vec<&str> = states.iter().map(|(state, _)| *state).collect();
            return Err(format!("{kind} has no state `{}`; it has {}", step.state, known.join(", ")));
        };
        match step.reason.as_deref() {
            Some(reason) if !reasons.contains(&reason) => {
                return Err(format!("{kind} {} has no reason `{reason}`", step.state));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(kind: &str, state: &str, reason: Option<&str>) -> bool {
        let step = Step {
            after: std::time::Duration::ZERO,
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
        };
        check(kind, &[step]).is_ok()
    }

    #[test]
    fn documented_words_and_no_others() {
        assert!(check_one("authorization", "Closed", Some("MaxCapturesProcessed")));
        assert!(check_one("authorization", "Open", Some("StopShipmentAtypicalAuth")));
        assert!(check_one("refund", "Declined", None));
        assert!(check_one("billing-agreement", "Suspended", Some("InvalidPaymentMethod")));
        assert!(!check_one("refund", "Closed", None));
        assert!(!check_one("capture", "completed", None), "the case is exact");
        assert!(!check_one("capture", "Declined", Some("InvalidPaymentMethod")));
        assert!(!check_one("charge", "Captured", None));
    }
}
