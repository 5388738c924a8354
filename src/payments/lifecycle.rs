//! What a lifecycle describes: the states, what each means, and which states can follow.
//! The states themselves are in each API's own `lifecycle.rs`.

use std::time::Duration;

use super::money::Amounts;

/// How an object in a state behaves.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It changes without us: keep polling.
    Moving,
    /// It changes only when somebody acts: poll rarely.
    Resting,
    /// It never changes again: stop polling.
    Final,
}

/// What a state means for the money.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not decided yet.
    Undecided,
    /// Reserved, or open for use. All is well so far.
    Open,
    /// Money has moved.
    Succeeded,
    /// Over, but this object does not show whether money moved: its charges or captures do.
    Closed,
    /// Refused: a person must act.
    Declined,
    /// Ended without money moving.
    Canceled,
}

impl Outcome {
    /// As written in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Undecided => "undecided",
            Outcome::Open => "open",
            Outcome::Succeeded => "succeeded",
            Outcome::Closed => "closed",
            Outcome::Declined => "declined",
            Outcome::Canceled => "canceled",
        }
    }
}

/// What an object in a state has done with money.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Moves {
    /// Nothing that this object's amounts would show.
    #[default]
    Nothing,
    /// The authorized amount is reserved.
    Authorizes,
    /// The captured amount was taken.
    Captures,
    /// The refunded amount was given back.
    Refunds,
}

/// Facts about one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateFacts {
    /// The provider's word in its documented spelling.
    pub name: &'static str,
    /// How it behaves.
    pub phase: Phase,
    /// What it means for the money.
    pub outcome: Outcome,
    /// Which of the object's amounts are facts in this state.
    pub moves: Moves,
    /// For a person, in plain words.
    pub meaning: &'static str,
    /// States that can follow directly, in documented spelling.
    pub next: &'static [&'static str],
    /// How long it may last before somebody should know. Every moving state has a value.
    pub patience: Option<Duration>,
    /// For a resting state: how long after creation its guarantee lasts
    /// (a capture of an authorization is processed at once for 7 days).
    pub guarantee: Option<Duration>,
}

/// Facts about a reason code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonFacts {
    /// The provider's code in its documented spelling.
    pub name: &'static str,
    /// For a person, in plain words.
    pub meaning: &'static str,
    /// What the merchant should do next.
    pub advice: &'static str,
    /// How loud its alert is.
    pub tone: Tone,
}

/// How loud the alert for a state with a reason is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The merchant asked for it or expects it: no alert.
    Expected,
    /// Somebody should check it (the buyer, Amazon or a deadline ended it; a risk hint).
    Notable,
    /// Money was refused: alert at once.
    Alarming,
}

/// The states of one kind of object.
pub trait Lifecycle: Send + Sync {
    /// All documented state words.
    fn states(&self) -> &'static [&'static str];
    /// Facts about a state, spelled as the provider sent it. `None` when the state is unknown.
    fn state(&self, word: &str) -> Option<StateFacts>;
    /// All documented reasons of a state.
    fn reasons(&self, state: &str) -> &'static [ReasonFacts];
    /// What to do about a state without a (known) reason; empty when it needs none. If it is not empty, a missing
    /// reason is treated like the worst listed one: silence is never good news.
    fn advice_without_reason(&self, state: &str) -> &'static str;

    /// What to do while an object stays undecided for too long.
    fn advice_when_overdue(&self) -> &'static str {
        "Do not ship on it. If it stays so, ask the provider's support with the id."
    }

    /// What ends when an object of this kind expires: "the authorization".
    fn expires(&self) -> &'static str {
        "the authorization"
    }

    /// Facts about a reason of a state; case does not matter.
    fn reason(&self, state: &str, code: &str) -> Option<ReasonFacts> {
        self.reasons(state).iter().copied().find(|reason| reason.name.eq_ignore_ascii_case(code))
    }

    /// What a state means for the money, given its reasons and amounts. `None` when the state is unknown.
    /// Override it where one state can be a good or a bad end, and only reasons or amounts show which.
    fn outcome(&self, state: &str, reasons: &[String], amounts: &Amounts) -> Option<Outcome> {
        let _ = (reasons, amounts);
        self.state(state).map(|facts| facts.outcome)
    }

    /// Whether `to` can be observed some time after `from`. Polls are snapshots, so any number of steps may lie
    /// between two of them. A state can always be observed again.
    fn is_reachable(&self, from: &str, to: &str) -> bool {
        let (Some(start), Some(goal)) = (self.state(from), self.state(to)) else { return false };
        if start.name == goal.name {
            return true;
        }
        let mut seen = vec![start.name];
        let mut position = 0;
        while let Some(name) = seen.get(position) {
            position += 1;
            for next in self.state(name).map_or(&[][..], |facts| facts.next) {
                if *next == goal.name {
                    return true;
                }
                if !seen.contains(next) {
                    seen.push(next);
                }
            }
        }
        false
    }
}

/// The problems of a lifecycle table, for the tests of every API. Empty when all is well.
pub fn problems(lifecycle: &dyn Lifecycle) -> Vec<String> {
    let mut found = Vec::new();
    for word in lifecycle.states() {
        let Some(facts) = lifecycle.state(word) else {
            found.push(format!("{word} is listed but has no facts"));
            continue;
        };
        if facts.name != *word {
            found.push(format!("{word} has facts named {}", facts.name));
        }
        for next in facts.next {
            if !lifecycle.states().contains(next) {
                found.push(format!("{word} leads to {next}, which is not listed"));
            }
        }
        if facts.phase == Phase::Moving && facts.patience.is_none() {
            found.push(format!("{word} is moving but has no patience"));
        }
        if facts.phase == Phase::Moving && facts.next.is_empty() {
            found.push(format!("{word} is moving but leads nowhere"));
        }
        if facts.phase == Phase::Final
            && facts
                .next
                .iter()
                .any(|next| lifecycle.state(next).is_some_and(|later| later.phase != Phase::Final))
        {
            found.push(format!("{word} is final but has next states"));
        }
        let is_bad = matches!(facts.outcome, Outcome::Declined | Outcome::Canceled)
            && !lifecycle.reasons(word).is_empty();
        if is_bad && lifecycle.advice_without_reason(word).is_empty() {
            found.push(format!("{word} is a bad end without advice"));
        }
        for reason in lifecycle.reasons(word) {
            if reason.meaning.is_empty() || reason.advice.is_empty() {
                found.push(format!("{word}/{} has no meaning or advice", reason.name));
            }
        }
        let is_entered = lifecycle
            .states()
            .iter()
            .any(|from| from != word && lifecycle.state(from).is_some_and(|other| other.next.contains(word)));
        let is_first = lifecycle.states().first() == Some(word);
        if !is_entered && !is_first {
            found.push(format!("{word} is never reached"));
        }
    }
    found
}
