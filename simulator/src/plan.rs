//! What a scenario wants to become of an object, in words that every pretend provider understands.

use std::time::Duration;

/// One object to be brought to life by a pretend provider, with its fate decided in advance.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `authorization`, `capture`, `refund`, `charge`, `charge-permission`, `order-reference`, `billing-agreement`.
    pub kind: String,
    /// Amount as a decimal string with the currency's own number of decimals.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// The merchant's own reference.
    pub merchant_reference: String,
    /// The steps that it goes through after its first state, each after a delay since the step before.
    pub steps: Vec<Step>,
    /// For how long after creation a look-up answers "not found".
    pub invisible_for: Duration,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Since the previous step, or creation.
    pub after: Duration,
    /// The provider's state word.
    pub state: String,
    /// The provider's reason code, if any.
    pub reason: Option<String>,
}

/// What a shop calls a kind when it asks for such an object. Amazon Pay v2 knows only charges; a scenario names a charge
/// by what it starts as.
pub fn enrolled_kind<'a>(api: &str, kind: &'a str) -> &'a str {
    match (api, kind) {
        ("amazon-pay-v2", "authorization" | "capture") => "charge",
        _ => kind,
    }
}

/// What became of a planned object, as the provider knows it: the truth a test compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The provider's id.
    pub id: String,
    /// As in [`Plan::kind`].
    pub kind: String,
    /// The provider's state word now.
    pub state: String,
    /// The reason code now.
    pub reason: Option<String>,
    /// Whether the provider's manual calls this state final.
    pub is_final: bool,
    /// Whether money was declined.
    pub is_declined: bool,
    /// Amount, decimal string.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// The merchant's own reference.
    pub merchant_reference: String,
}
