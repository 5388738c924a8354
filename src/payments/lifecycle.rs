//! What a lifecycle can say: which states there are, what each means, where it can lead.
//! The states themselves stand in each API's own `lifecycle.rs`.

use std::time::Duration;

use super::money::Amounts;

/// How an object in a state behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It changes by itself: keep polling.
    Moving,
    /// Nothing moves by itself, but somebody may act: look rarely.
    Resting,
    /// It never changes again: stop.
    Final,
}

/// What a state means for the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not decided yet.
    Undecided,
    /// Reserved, or open for use: as hoped so far.
    Open,
    /// Money is known to have moved.
    Succeeded,
    /// Over, and this object does not tell whether money moved: the charges or captures made with it do.
    Closed,
    /// Refused: a person must act.
    Declined,
    /// Ended without money moving.
    Canceled,
}

/// What has happened to money once an object is in a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moves {
    /// Nothing that this object's amounts would tell.
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
    /// Which of the object's amounts are facts in it.
    pub moves: Moves,
    /// In plain words, for a person.
    pub meaning: &'static str,
    /// States that can follow directly, in documented spelling.
    pub next: &'static [&'static str],
    /// How long it may last before somebody should know. Every moving state has one.
    pub patience: Option<Duration>,
    /// For a resting state, how long after the object's making what it holds stays guaranteed
    /// (the 7 days in which a capture of an authorization is processed at once).
    pub guarantee: Option<Duration>,
}

/// Facts about a reason that stands beside a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonFacts {
    /// The provider's code in its documented spelling.
    pub name: &'static str,
    /// In plain words, for a person.
    pub meaning: &'static str,
    /// What the merchant should do next.
    pub advice: &'static str,
    /// How much noise it deserves.
    pub tone: Tone,
}

/// How much noise a state with a reason deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As the merchant asked or expects: no alert.
    Expected,
    /// Somebody should look (ended by the buyer, by Amazon, by time; a risk hint).
    Notable,
    /// Money was refused: alert at once.
    Alarming,
}

/// The states of one kind of object.
pub trait Lifecycle: Send + Sync {
    /// All documented state words.
    fn states(&self) -> &'static [&'static str];
    /// Facts about a state word as the provider sent it; none when the word is unknown.
    fn state(&self, word: &str) -> Option<StateFacts>;
    /// All documented reasons of a state.
    fn reasons(&self, state: &str) -> &'static [ReasonFacts];
    /// What to do about a state that came with no (known) reason. Empty where the state needs none; where it is
    /// not empty, a missing reason is as loud as the loudest listed one: silence is never good news.
    fn advice_without_reason(&self, state: &str) -> &'static str;

    /// What to do while an object stays undecided for too long.
    fn advice_when_overdue(&self) -> &'static str {
        "Do not ship on it. If it stays so, ask the provider's support with the id."
    }

    /// What ends when an object of this kind expires: "the authorization".
    fn expires(&self) -> &'static str {
        "the authorization"
    }

    /// Facts about a reason beside a state, compared without case.
    fn reason(&self, state: &str, code: &str) -> Option<ReasonFacts> {
        self.reasons(state).iter().copied().find(|reason| reason.name.eq_ignore_ascii_case(code))
    }

    /// What a state means for the money, its reasons and amounts considered; none when the state is unknown.
    /// Overridden where one state word has good and bad ends that only these tell apart.
    fn outcome(&self, state: &str, reasons: &[String], amounts: &Amounts) -> Option<Outcome> {
        let _ = (reasons, amounts);
        self.state(state).map(|facts| facts.outcome)
    }

    /// Whether `to` can be seen some time after `from`: polling sees snapshots, so any number of
    /// steps may lie between. A state can always be seen again.
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

/// Problems of a lifecycle table, for the tests of every API: empty when all is well.
pub fn problems(lifecycle: &dyn Lifecycle) -> Vec<String> {
    let mut found = Vec::new();
    for word in lifecycle.states() {
        let Some(facts) = lifecycle.state(word) else {
            found.push(format!("{word} is listed but has no facts"));
            continue;
        };
        if facts.name != *word {
            found.push(format!("{word} calls itself {}", facts.name));
        }
        for next in facts.next {
            if !lifecycle.states().contains(next) {
                found.push(format!("{word} leads to the unlisted {next}"));
            }
        }
        if facts.phase == Phase::Moving && facts.patience.is_none() {
            found.push(format!("{word} moves but has no patience"));
        }
        if facts.phase == Phase::Moving && facts.next.is_empty() {
            found.push(format!("{word} moves nowhere"));
        }
        if facts.phase == Phase::Final
            && facts
                .next
                .iter()
                .any(|next| lifecycle.state(next).is_some_and(|later| later.phase != Phase::Final))
        {
            found.push(format!("{word} is final but leads on"));
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
