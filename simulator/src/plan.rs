//! What a scenario wants to become of an object, in words that every simulated provider understands.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// One object to be brought to life by a simulated provider, with its fate decided in advance.
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

/// A change that a provider announces to the merchant of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// When it happened.
    pub at: Timestamp,
    /// The object concerned.
    pub id: String,
    /// What it changed to, in the provider's words.
    pub state: String,
    /// Tells apart what happens to one object at one time.
    pub serial: usize,
    /// What is sent.
    pub content: Content,
}

/// What an announcement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The text of a message that Amazon SNS delivers.
    Message(String),
    /// Signed parameters that the provider itself delivers.
    Feedback(Vec<(String, String)>),
}

/// A span of time: after the first moment, until the second, which is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The last moment before it.
    pub after: Timestamp,
    /// Its last moment.
    pub until: Timestamp,
}

impl Window {
    /// Whether this moment lies in it.
    pub fn has(&self, at: Timestamp) -> bool {
        self.after < at && at <= self.until
    }

    /// Those of the candidates in this window at which a state differs from the one just before, in the order of
    /// time. At `created` and before, the state just before is what `first` says.
    pub fn changes<S: PartialEq>(
        &self,
        candidates: impl IntoIterator<Item = Timestamp>,
        created: Timestamp,
        first: impl Fn() -> S,
        state: impl Fn(Timestamp) -> S,
    ) -> Vec<(Timestamp, S)> {
        let mut moments: Vec<Timestamp> = candidates.into_iter().filter(|at| self.has(*at)).collect();
        moments.sort_unstable();
        moments.dedup();
        let changed = moments.into_iter().filter_map(|at| {
            let now = state(at);
            let is_change = match at.checked_sub(SignedDuration::from_nanos(1)) {
                Ok(before) if at > created => state(before) != now,
                _ => first() != now,
            };
            is_change.then_some((at, now))
        });
        changed.collect()
    }
}
