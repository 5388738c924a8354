//! What a poll means: a new observation of an object, or a failed request. Pure: record, result and time go in, a
//! decision comes out. A failure never says anything about money.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::doubt::{Doubt, doubt};
use super::history::{Row, outcome};
use super::notice::Notice;
use super::object::ObjectRef;
use super::observation::{Failure, Observation};
use super::record::{Cause, Details, Enrolment, Observed, Overtaken, Quarantine, Record, Trouble};
use super::schedule::{after_failures, milestones, next_look};
use super::trouble;
use crate::time::earlier;

pub use super::decision::{Decision, Setting};

/// A stored date further in the future than this came from a clock that was ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(2);

/// Decides what one poll means.
pub fn decide(
    setting: &Setting<'_>,
    record: &Record,
    seen: Result<&Observation, &Failure>,
    now: Timestamp,
) -> Decision {
    let mut known = record.clone();
    let is_redated = not_later(&mut known, now);
    let record = &known;
    let mut polled = record.clone();
    polled.revision += 1;
    polled.polls += 1;
    polled.polled_at = Some(now);
    polled.is_asked = false;
    polled.is_announced = false;
    let mut decision = match seen {
        Ok(observation) => observed(setting, record, polled, observation, now),
        Err(failure) => trouble::failed(setting, record, polled, failure, now),
    };
    warn(setting, &mut decision, now);
    decision.is_news |= is_redated;
    decision
}

/// Moves dates that a fast clock wrote into the future back to `now`, so that waits and patience do not count from
/// them. True when there was one.
fn not_later(record: &mut Record, now: Timestamp) -> bool {
    let mut is_redated = false;
    let observed =
        record.observed.iter_mut().flat_map(|observed| [&mut observed.since, &mut observed.seen_at]);
    for date in observed.chain([&mut record.enrolled_at]).filter(|date| date.duration_since(now) > AHEAD) {
        (*date, is_redated) = (now, true);
    }
    is_redated
}

/// An answer whose provider time is earlier than the known one and whose state differs. It may come from a replica
/// that lags behind, so it is believed only when it is repeated. The exception is a state that can only follow the
/// known one: a lagging replica cannot show that.
fn overtaken(setting: &Setting<'_>, record: &Record, seen: &Observation) -> Option<Overtaken> {
    let known = record.observed.as_ref().and_then(|observed| observed.observation.updated_at)?;
    let updated_at = seen.updated_at.filter(|updated_at| *updated_at < known)?;
    let from = record.state().filter(|from| !from.eq_ignore_ascii_case(&seen.state))?;
    setting.lifecycle.state(&seen.state).filter(|_| seen.id == record.object.id.as_str())?;
    let leads_on = setting.lifecycle.is_reachable(from, &seen.state)
        && !setting.lifecycle.is_reachable(&seen.state, from);
    let older = Overtaken { state: seen.state.clone(), updated_at };
    (!leads_on && record.overtaken.as_ref() != Some(&older)).then_some(older)
}

fn observed(
    setting: &Setting<'_>,
    before: &Record,
    mut record: Record,
    seen: &Observation,
    now: Timestamp,
) -> Decision {
    record.trouble = Trouble::default();
    record.overtaken = overtaken(setting, before, seen);
    if record.overtaken.is_some() {
        let facts = before.state().and_then(|state| setting.lifecycle.state(state));
        let (due_at, deadline) = next_look(&record, facts.as_ref(), setting.policy, now);
        let soon = after_failures(&record, 1, setting.policy, now);
        (record.due_at, record.deadline) = (Some(due_at.map_or(soon, |due_at| due_at.min(soon))), deadline);
        let note = "older than what is known: polled again soon".to_owned();
        let transition = Some(Row { setting, before, seen, now }.written(None, note, Cause::Overtaken));
        return Decision { record, transition, enrol: Vec::new(), alerts: Vec::new(), is_news: true };
    }
    match doubt(setting, before, seen) {
        Some(doubt) if !doubt.is_state_sound => set_apart(setting, before, record, seen, doubt, now),
        doubt => accept(setting, before, record, seen, doubt, now),
    }
}

/// The observation is not believed: the last good one stays, and this one is kept beside it word for word.
fn set_apart(
    setting: &Setting<'_>,
    before: &Record,
    mut record: Record,
    seen: &Observation,
    doubt: Doubt,
    now: Timestamp,
) -> Decision {
    let is_same = before.quarantine.as_ref().is_some_and(|known| {
        known.cause == doubt.cause
            && known.evidence.as_ref().is_some_and(|evidence| {
                evidence.state == seen.state
                    && evidence.id == seen.id
                    && evidence.reasons == seen.reasons
                    && evidence.amount == seen.amount
                    && evidence.amounts == seen.amounts
            })
    });
    let mut alerts = Vec::new();
    let mut transition = None;
    if !is_same {
        let quarantine = Quarantine {
            cause: doubt.cause,
            explanation: doubt.explanation,
            since: now,
            evidence: Some(seen.clone()),
            // An expected amount from an earlier doubt still applies.
            expected: before.quarantine.as_ref().and_then(|quarantine| quarantine.expected),
        };
        record.quarantine = Some(quarantine.clone());
        alerts.push(
            Notice {
                record: &record,
                where_to_look: setting.where_to_look,
                is_sandbox: setting.is_sandbox,
                now,
            }
            .quarantined(&quarantine),
        );
        let (note, cause) = (format!("quarantined: {}", quarantine.cause), Cause::SetApart(quarantine.cause));
        transition = Some(Row { setting, before, seen, now }.written(None, note, cause));
    }
    let facts = before.state().and_then(|state| setting.lifecycle.state(state));
    (record.due_at, record.deadline) = next_look(&record, facts.as_ref(), setting.policy, now);
    Decision { record, transition, enrol: Vec::new(), alerts, is_news: !is_same }
}

/// The observation is believed, perhaps with a mark.
fn accept(
    setting: &Setting<'_>,
    before: &Record,
    mut record: Record,
    seen: &Observation,
    mark: Option<Doubt>,
    now: Timestamp,
) -> Decision {
    let Some(mut facts) = setting.lifecycle.state(&seen.state) else { return quiet(record) };
    // The same state can be a good or a bad end. Its reason and amounts decide.
    facts.outcome = outcome(setting.lifecycle, &facts, seen);
    let is_move = before.state().is_none_or(|state| !state.eq_ignore_ascii_case(&seen.state));
    let is_changed =
        is_move || before.observed.as_ref().is_none_or(|observed| !observed.observation.says_the_same(seen));
    let since = match &before.observed {
        Some(observed) if !is_move => observed.since,
        _ => now,
    };
    let enrol = children(before, &record, seen);
    record.observed = Some(Observed { observation: seen.clone(), phase: facts.phase, since, seen_at: now });
    if is_move {
        record.warned.clear();
    }
    let is_known = |doubt: &Doubt| {
        let known = before.quarantine.as_ref();
        known.is_some_and(|known| known.cause == doubt.cause && known.explanation == doubt.explanation)
    };
    let is_new_mark = mark.as_ref().is_some_and(|doubt| !is_known(doubt));
    record.quarantine = match &mark {
        None => None,
        Some(_) if !is_new_mark => before.quarantine.clone(),
        Some(doubt) => Some(Quarantine {
            cause: doubt.cause.clone(),
            explanation: doubt.explanation.clone(),
            since: now,
            evidence: Some(seen.clone()),
            expected: doubt.expected,
        }),
    };
    let notice =
        Notice { record: &record, where_to_look: setting.where_to_look, is_sandbox: setting.is_sandbox, now };
    let mut alerts = Vec::new();
    if let Some(news) = news(before, seen, is_move, now) {
        alerts.extend(notice.ending(setting.lifecycle, &facts, seen, before.state(), &news));
    }
    if let Some(quarantine) = record.quarantine.as_ref().filter(|_| is_new_mark) {
        alerts.push(notice.quarantined(quarantine));
    }
    let why = match &mark {
        None if before.quarantine.is_some() => Some(("released from quarantine".to_owned(), Cause::Released)),
        Some(doubt) if is_new_mark => {
            Some((format!("quarantined: {}", doubt.cause), Cause::Marked(doubt.cause.clone())))
        }
        _ if is_move => Some(("polled".to_owned(), Cause::Polled)),
        _ if is_changed => Some(("amounts or reason changed".to_owned(), Cause::Changed)),
        _ => None,
    };
    let row = Row { setting, before, seen, now };
    let transition = why.map(|(note, cause)| row.written(Some(&facts), note, cause));
    (record.due_at, record.deadline) = next_look(&record, Some(&facts), setting.policy, now);
    let is_news = is_changed || transition.is_some() || !enrol.is_empty() || !alerts.is_empty();
    Decision { record, transition, enrol, alerts, is_news }
}

/// The part of an alert's key that tells new facts about the same state apart: empty when the state is new, the time
/// when reasons or amounts changed, `None` when nothing is new.
fn news(before: &Record, seen: &Observation, is_move: bool, now: Timestamp) -> Option<String> {
    if is_move {
        return Some(String::new());
    }
    let known = &before.observed.as_ref()?.observation;
    let is_same =
        known.reasons == seen.reasons && known.amount == seen.amount && known.amounts == seen.amounts;
    (!is_same).then(|| format!("+{now}"))
}

fn children(before: &Record, record: &Record, seen: &Observation) -> Vec<Enrolment> {
    let known =
        before.observed.as_ref().map(|observed| observed.observation.children.as_slice()).unwrap_or_default();
    seen.children
        .iter()
        .filter(|child| !known.contains(child))
        .map(|child| Enrolment {
            object: ObjectRef {
                account: record.object.account.clone(),
                kind: child.kind.clone(),
                id: child.id.clone(),
            },
            details: Details {
                merchant_reference: record.details.merchant_reference.clone(),
                parent: Some(record.object.id.as_str().to_owned()),
                ..Details::default()
            },
        })
        .collect()
}

fn quiet(record: Record) -> Decision {
    Decision { record, transition: None, enrol: Vec::new(), alerts: Vec::new(), is_news: false }
}

/// The tags that record a sent countdown: the current one, and the one of versions that counted whole hours.
fn tags(milestone: &str, before: Duration) -> [String; 2] {
    [format!("{milestone}-{}", span(before)), format!("{milestone}-{}h", before.as_secs() / 3600)]
}

/// `48h`, `90m`, `45s`.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// Warns once about each moment that has come: patience is over, or a guarantee or an expiry is near.
fn warn(setting: &Setting<'_>, decision: &mut Decision, now: Timestamp) {
    let record = &decision.record;
    let facts = record.state().and_then(|state| setting.lifecycle.state(state));
    let mut told = Vec::new();
    let mut alerts = Vec::new();
    for milestone in milestones(record, facts.as_ref(), setting.policy) {
        let notice =
            Notice { record, where_to_look: setting.where_to_look, is_sandbox: setting.is_sandbox, now };
        if milestone.name == "overdue" {
            if milestone.at <= now && !record.warned.iter().any(|tag| tag == "overdue") {
                told.push("overdue".to_owned());
                alerts.push(notice.overdue(&milestone, setting.lifecycle));
            }
            continue;
        }
        // Only the latest countdown that has come: one warning after a long silence, not three.
        let come: Vec<_> = setting
            .policy
            .countdowns
            .iter()
            .filter(|before| milestone.at > now && earlier(milestone.at, **before) <= now)
            .collect();
        let was_told =
            |before: Duration| tags(milestone.name, before).iter().any(|tag| record.warned.contains(tag));
        if let Some(nearest) = come.last().filter(|before| !was_told(***before)) {
            let is_last = setting.policy.countdowns.iter().min() == Some(*nearest);
            alerts.push(notice.countdown(&milestone, (&span(**nearest), is_last), setting.lifecycle));
        }
        let new = come.into_iter().filter(|before| !was_told(**before));
        told.extend(new.map(|before| format!("{}-{}", milestone.name, span(*before))));
    }
    decision.is_news |= !told.is_empty();
    decision.record.warned.extend(told);
    decision.alerts.extend(alerts);
}

#[cfg(test)]
mod tests;
