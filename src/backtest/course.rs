//! The states an object of a past goes through, and the operation that reads them.
//!
//! Owns: choosing an API's lifecycle by kind and last state. Must never know: times, policies.

use std::time::Duration;

use crate::apis::{amazon_pay_mws, amazon_pay_v2, aps};
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase, ReasonFacts, StateFacts};

/// The states of one object: `first` until it ends, then `last`.
#[derive(Clone, Copy)]
pub(super) struct Course {
    /// The operation that reads it, in the provider's words.
    pub(super) operation: &'static str,
    /// All states of its kind.
    pub(super) lifecycle: &'static dyn Lifecycle,
    /// A moving state.
    pub(super) first: &'static str,
    /// The state it ends in.
    pub(super) last: &'static str,
}

type Known = (&'static str, &'static str, &'static dyn Lifecycle);

/// Every kind whose objects move, with the operation that reads it.
fn known() -> impl Iterator<Item = Known> {
    let v2: [Known; 2] = [
        ("charge", amazon_pay_v2::GET_CHARGE, &amazon_pay_v2::lifecycle::Charge),
        ("refund", amazon_pay_v2::GET_REFUND, &amazon_pay_v2::lifecycle::Refund),
    ];
    let mws = amazon_pay_mws::kind::ObjectKind::ALL
        .into_iter()
        .map(|kind| (kind.name(), kind.operation(), amazon_pay_mws::lifecycle::of(kind)));
    let aps: Known = (aps::ORDER, aps::OPERATION, &aps::lifecycle::Order);
    v2.into_iter().chain(mws).chain([aps])
}

/// The course of an object of this kind that ended in this state (or has not ended), declined or not. A kind
/// or state that no API knows gets two states of our own.
pub(super) fn course_of(kind: &str, last: Option<&str>, is_declined: bool) -> Course {
    let fits = |(_, operation, lifecycle): Known| {
        let last = match last.and_then(|word| lifecycle.state(word)) {
            Some(facts) => facts,
            None => any_end(lifecycle, is_declined)?,
        };
        let moves = |word: &&&str| {
            lifecycle.state(word).is_some_and(|facts| facts.phase == Phase::Moving)
                && lifecycle.is_reachable(word, last.name)
        };
        let first = lifecycle.states().iter().find(moves)?;
        Some(Course { operation, lifecycle, first, last: last.name })
    };
    let of_kind = || known().filter(|(name, _, _)| *name == kind);
    let says = |known: &Known| last.is_some_and(|word| known.2.state(word).is_some());
    of_kind()
        .filter(says)
        .find_map(fits)
        .or_else(|| of_kind().find_map(fits))
        .or_else(|| fits(("", "Get", &Plain)))
        .expect("our own lifecycle has both ends")
}

/// Whether a state is a refusal: as the kind's API says, otherwise by the word itself.
pub(super) fn is_decline(kind: &str, last: &str) -> bool {
    known()
        .filter(|(name, _, _)| *name == kind)
        .find_map(|(_, _, lifecycle)| lifecycle.state(last))
        .map_or(last.eq_ignore_ascii_case("declined"), |facts| facts.outcome == Outcome::Declined)
}

/// Whether a state is known to be final.
pub(super) fn is_end(kind: &str, state: &str) -> bool {
    known()
        .filter(|(name, _, _)| *name == kind)
        .find_map(|(_, _, lifecycle)| lifecycle.state(state))
        .is_some_and(|facts| facts.phase == Phase::Final)
}

fn any_end(lifecycle: &dyn Lifecycle, is_declined: bool) -> Option<StateFacts> {
    let wanted = if is_declined { Outcome::Declined } else { Outcome::Succeeded };
    lifecycle
        .states()
        .iter()
        .filter_map(|word| lifecycle.state(word))
        .find(|facts| facts.phase == Phase::Final && facts.outcome == wanted)
}

/// A lifecycle for kinds that no API knows.
struct Plain;

impl Lifecycle for Plain {
    fn states(&self) -> &'static [&'static str] {
        &["Pending", "Ended", "Declined"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        let facts = |name, phase, outcome, next| StateFacts {
            name,
            phase,
            outcome,
            moves: Default::default(),
            meaning: "",
            next,
            patience: (phase == Phase::Moving).then_some(Duration::from_secs(48 * 3600)),
            guarantee: None,
        };
        match word {
            "Pending" => Some(facts("Pending", Phase::Moving, Outcome::Undecided, &["Ended", "Declined"])),
            "Ended" => Some(facts("Ended", Phase::Final, Outcome::Succeeded, &[])),
            "Declined" => Some(facts("Declined", Phase::Final, Outcome::Declined, &[])),
            _ => None,
        }
    }

    fn reasons(&self, _state: &str) -> &'static [ReasonFacts] {
        &[]
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        if state == "Declined" { "Check the transaction on the provider's pages." } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::lifecycle::problems;

    fn check(kind: &str, last: Option<&str>, is_declined: bool, expected: (&str, &str, &str)) {
        let course = course_of(kind, last, is_declined);
        assert_eq!((course.operation, course.first, course.last), expected, "{kind} {last:?}");
    }

    #[test]
    fn the_api_that_knows_the_last_word_is_chosen() {
        check("charge", Some("Declined"), true, ("GetCharge", "AuthorizationInitiated", "Declined"));
        check("charge", Some("captured"), false, ("GetCharge", "AuthorizationInitiated", "Captured"));
        check("charge", None, false, ("GetCharge", "AuthorizationInitiated", "Captured"));
        check("refund", Some("Refunded"), false, ("GetRefund", "RefundInitiated", "Refunded"));
        check("refund", Some("Completed"), false, ("GetRefundDetails", "Pending", "Completed"));
        check("capture", Some("Declined"), true, ("GetCaptureDetails", "Pending", "Declined"));
        check("refund", Some("Lost"), true, ("GetRefund", "RefundInitiated", "Declined"));
        check("parcel", Some("Delivered"), false, ("Get", "Pending", "Ended"));
        check("parcel", None, true, ("Get", "Pending", "Declined"));
    }

    #[test]
    fn our_own_lifecycle_has_no_problems() {
        assert_eq!(problems(&Plain), Vec::<String>::new());
        assert!(is_decline("charge", "Declined") && !is_decline("charge", "Captured"));
        assert!(is_decline("parcel", "declined") && !is_decline("parcel", "Ended"));
        assert!(is_end("charge", "Captured") && !is_end("charge", "Authorized") && !is_end("parcel", "x"));
    }
}
