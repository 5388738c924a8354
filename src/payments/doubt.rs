//! Why an answer cannot be accepted as it is.
//!
//! Owns: which facts are compared. Must never know: when to poll again, who is alerted. Pure.
//!
//! Repeating a doubtful answer does not make it right. The expected value stays ([`Quarantine::expected`]) until the
//! provider corrects the answer or a person accepts it ([`Record::accepted`]).
//!
//! [`Quarantine::expected`]: super::record::Quarantine::expected

use super::decision::Setting;
use super::lifecycle::{Moves, Outcome, Phase, StateFacts};
use super::money::Money;
use super::observation::Observation;
use super::record::Record;

/// Something about an answer that cannot be right.
#[derive(Debug)]
pub(super) struct Doubt {
    pub(super) cause: String,
    pub(super) explanation: String,
    /// Whether the state itself is believed. If so, the object is only marked.
    pub(super) is_state_sound: bool,
    /// The expected amount, when the amount is in doubt.
    pub(super) expected: Option<Money>,
}

/// What cannot be right about this answer. `None` when all is well, or when a person has accepted exactly this.
pub(super) fn doubt(setting: &Setting<'_>, record: &Record, seen: &Observation) -> Option<Doubt> {
    let unsound = |cause: &str, explanation| {
        Some(Doubt { cause: cause.to_owned(), explanation, is_state_sound: false, expected: None })
    };
    if seen.id != record.object.id.as_str() {
        return unsound(
            "different-id",
            format!("The request was for {}, but the answer is about {}.", record.object.id, seen.id),
        );
    }
    let Some(facts) = setting.lifecycle.state(&seen.state) else {
        return unsound(
            "unknown-state",
            format!("The state {:?} is not in the provider's manual.", seen.state),
        );
    };
    if let Some(from) = record.state()
        && !setting.lifecycle.is_reachable(from, &seen.state)
    {
        return unsound(
            "impossible-move",
            format!("It was {from} and is now {}, which is impossible.", facts.name),
        );
    }
    let expected = expected_amount(setting, record);
    let mut found = Vec::new();
    found.extend(amount(expected, seen));
    if found.is_empty() {
        found.extend(moved(setting, &facts, expected, seen));
    }
    let is_about_amount = !found.is_empty();
    found.extend(environment(setting, seen));
    found.extend(seen.marks.iter().map(|mark| (mark.cause.clone(), mark.explanation.clone())));
    found.extend(reasons(setting, &facts, seen));
    let (cause, _) = found.first()?;
    let cause = cause.clone();
    let explanation = found.into_iter().map(|(_, sentence)| sentence).collect::<Vec<_>>().join(" ");
    let is_accepted = record
        .accepted
        .as_ref()
        .is_some_and(|accepted| accepted.cause == cause && accepted.explanation == explanation);
    let expected = expected.filter(|_| is_about_amount);
    (!is_accepted).then_some(Doubt { cause, explanation, is_state_sound: true, expected })
}

type Oddity = (String, String);

/// The amount the object should have: as enrolled, as known before an earlier doubt, or as last observed.
fn expected_amount(setting: &Setting<'_>, record: &Record) -> Option<Money> {
    let before_the_doubt = record.quarantine.as_ref().and_then(|quarantine| quarantine.expected);
    record.details.amount.or(before_the_doubt).or_else(|| settled_amount(setting, record))
}

/// The amount last observed, unless the object is still a draft whose amount may change.
fn settled_amount(setting: &Setting<'_>, record: &Record) -> Option<Money> {
    let seen = &record.observed.as_ref()?.observation;
    let facts = setting.lifecycle.state(&seen.state)?;
    let is_draft = facts.phase == Phase::Resting && facts.outcome == Outcome::Undecided;
    seen.amount.filter(|_| !is_draft)
}

fn different(one: Money, other: Money) -> String {
    if one.currency == other.currency { "different-amount" } else { "different-currency" }.to_owned()
}

fn amount(expected: Option<Money>, seen: &Observation) -> Option<Oddity> {
    let (expected, amount) = (expected?, seen.amount?);
    (expected != amount).then(|| {
        let cause = different(expected, amount);
        (cause, format!("It should be about {expected}, but the provider says {amount}."))
    })
}

/// The amount moved must be the amount requested. Only amounts that the provider reports are compared. A state that
/// says money moved without an amount is a doubt too.
fn moved(
    setting: &Setting<'_>,
    facts: &StateFacts,
    expected: Option<Money>,
    seen: &Observation,
) -> Option<Oddity> {
    let is_success =
        setting.lifecycle.outcome(facts.name, &seen.reasons, &seen.amounts)? == Outcome::Succeeded;
    let (moved, wanted, verb) = match facts.moves {
        Moves::Captures if is_success => {
            let wanted = expected.or(seen.amounts.authorized).or(seen.amount);
            (seen.amounts.captured, wanted, "captured")
        }
        Moves::Refunds if is_success => {
            let most = seen.amounts.captured.or(seen.amounts.refunded);
            let is_part = seen.amounts.refunded.zip(most).is_some_and(|(refunded, most)| {
                refunded.currency == most.currency && refunded.is_positive() && refunded.amount <= most.amount
            });
            let wanted = if is_part { seen.amounts.refunded } else { most };
            (seen.amounts.refunded, wanted, "refunded")
        }
        Moves::Captures | Moves::Refunds | Moves::Authorizes | Moves::Nothing => return None,
    };
    let state = facts.name;
    match (moved, wanted) {
        (None, Some(wanted)) => Some((
            "missing-amount".to_owned(),
            format!("The provider says {state} without the {verb} amount; {wanted} was requested."),
        )),
        (Some(moved), _) if !moved.is_positive() => Some((
            "different-amount".to_owned(),
            format!("The provider says {state}, but the {verb} amount is {moved}: no money moved."),
        )),
        (Some(moved), Some(wanted)) if moved != wanted => {
            Some((different(moved, wanted), format!("{moved} was {verb}, not {wanted}.")))
        }
        _ => None,
    }
}

/// A sandbox answer in a live account, or the reverse.
fn environment(setting: &Setting<'_>, seen: &Observation) -> Option<Oddity> {
    let said = seen.environment.as_deref()?;
    let wanted = if setting.is_sandbox { "Sandbox" } else { "Live" };
    (!said.eq_ignore_ascii_case(wanted)).then(|| {
        let own = if setting.is_sandbox { "a sandbox account" } else { "a live account" };
        ("different-environment".to_owned(), format!("The answer is from {said:?}, but this is {own}."))
    })
}

fn reasons(setting: &Setting<'_>, facts: &StateFacts, seen: &Observation) -> Option<Oddity> {
    let unknown: Vec<&str> = seen
        .reasons
        .iter()
        .map(String::as_str)
        .filter(|code| setting.lifecycle.reason(facts.name, code).is_none())
        .collect();
    (!unknown.is_empty()).then(|| {
        let codes = unknown.join(", ");
        (
            "unknown-reason".to_owned(),
            format!("The reason {codes:?} of state {} is not in the provider's manual.", facts.name),
        )
    })
}
