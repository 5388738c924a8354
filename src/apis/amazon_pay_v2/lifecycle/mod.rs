//! The states of charges, refunds and charge permissions (docs/src/reference/amazon-pay-v2.md, sections 4.3 to
//! 6.1).
//!
//! Owns: what their lifecycles share. Must never know: JSON, HTTP, the time, what is alerted.

use std::time::Duration;

use crate::payments::lifecycle::{Moves, Outcome, Phase, StateFacts};

const HOUR: Duration = Duration::from_secs(3600);
/// No limit is documented for captures and refunds; an alert after 48 hours is our own choice.
const SETTLING_PATIENCE: Duration = HOUR.saturating_mul(48);

/// The facts that every state has. Patience and guarantee are added where a state has them.
fn facts(
    name: &'static str,
    phase: Phase,
    outcome: Outcome,
    meaning: &'static str,
    next: &'static [&'static str],
) -> StateFacts {
    StateFacts { name, phase, outcome, moves: Moves::Nothing, meaning, next, patience: None, guarantee: None }
}

/// Makes a lifecycle of its states. The states' words are given, too, because a list of them must be static.
macro_rules! lifecycle {
    ($(#[$doc:meta])* $name:ident, $state:ident, [$($word:literal),+], $overdue:expr, $expires:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $name {
            fn find(word: &str) -> Option<$state> {
                $state::ALL.into_iter().find(|state| state.facts().name.eq_ignore_ascii_case(word))
            }
        }

        impl Lifecycle for $name {
            fn states(&self) -> &'static [&'static str] {
                &[$($word),+]
            }

            fn state(&self, word: &str) -> Option<StateFacts> {
                $name::find(word).map($state::facts)
            }

            fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
                $name::find(state).map_or(&[], $state::reasons)
            }

            fn advice_without_reason(&self, state: &str) -> &'static str {
                $name::find(state).map_or("", $state::advice)
            }

            fn advice_when_overdue(&self) -> &'static str {
                $overdue
            }

            fn expires(&self) -> &'static str {
                $expires
            }

            fn outcome(&self, state: &str, reasons: &[String], _amounts: &Amounts) -> Option<Outcome> {
                $name::find(state).map(|state| state.outcome(reasons))
            }
        }
    };
}

mod charge;
mod charge_permission;
mod reasons;
mod refund;
#[cfg(test)]
mod tests;

pub use charge::Charge;
pub use charge_permission::ChargePermission;
pub use refund::Refund;
