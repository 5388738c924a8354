//! Explains the current state of an object, in plain sentences.
//!
//! Owns: the sentences. Pure: record, states, policy and the present time are arguments.
//! Must never know: storage, sockets, a provider's name.

use jiff::{SignedDuration, Timestamp};

use super::messages::Explanation;
use crate::payments::history;
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase, StateFacts};
use crate::payments::record::Record;
use crate::payments::schedule::{Policy, milestones, state_began};
use crate::reconcile::Outlook;
use crate::text;
use crate::time::later;

/// What an explanation needs besides the record.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The states of the object's kind, or none when it is no longer configured.
    pub lifecycle: Option<&'a dyn Lifecycle>,
    /// How often it is polled, or none when it is no longer configured.
    pub policy: Option<&'a Policy>,
    /// Where a person can check the object.
    pub where_to_look: Option<&'a str>,
    /// The present time.
    pub now: Timestamp,
}

/// A duration in at most two units: `45 s`, `3 h 20 min`, `6 d 4 h`.
pub fn span(duration: SignedDuration) -> String {
    text::span(duration.as_secs().unsigned_abs())
}

/// A time with its distance from now: `2026-01-15T09:30:00Z (in 5 min)`.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let whole = at.round(jiff::Unit::Second).unwrap_or(at);
    let distance = at.duration_since(now);
    match distance.as_secs() {
        0 => format!("{whole} (now)"),
        seconds if seconds > 0 => format!("{whole} (in {})", span(distance)),
        _ => format!("{whole} ({} ago)", span(distance)),
    }
}

/// Explains one object.
pub fn explain(record: &Record, ground: &Ground<'_>) -> Explanation {
    let facts = record.state().zip(ground.lifecycle).and_then(|(state, lifecycle)| lifecycle.state(state));
    let seen = record.observed.as_ref().map(|observed| &observed.observation);
    Explanation {
        object: record.object.clone(),
        state: record.state().map(str::to_owned),
        phase: record.phase(),
        about: about(record, ground.now),
        standing: standing(record, facts.as_ref(), ground),
        evidence: evidence(record, ground.now),
        next_look: next_look(record, ground),
        deadline: deadline(record, facts.as_ref(), ground),
        would_change: would_change(record, facts.as_ref(), ground),
        advice: advice(record, facts.as_ref(), ground),
        where_to_look: ground.where_to_look.map(str::to_owned),
        due_at: record.due_at,
        fields: seen.map(|seen| seen.evidence.clone()).unwrap_or_default(),
    }
}

fn about(record: &Record, now: Timestamp) -> String {
    let amount =
        record.amount().map_or_else(|| "of unknown amount".to_owned(), |money| format!("of {money}"));
    let order = record.merchant_reference().map(|order| format!(", order {order}")).unwrap_or_default();
    let age = span(now.duration_since(record.made_at()));
    format!("{} {amount}{order}, created {age} ago", record.object.kind)
}

fn standing(record: &Record, facts: Option<&StateFacts>, ground: &Ground<'_>) -> String {
    if let Some(quarantine) = &record.quarantine {
        let polled = match record.due_at {
            Some(_) => "It is still polled, at longer and longer intervals.",
            None => "It is no longer polled.",
        };
        return format!(
            "Quarantined since {} ({}): {} {polled} A person must check it.",
            moment(quarantine.since, ground.now),
            quarantine.cause,
            quarantine.explanation
        );
    }
    let Some(state) = record.state() else {
        return "It has not been observed at the provider yet, so nothing is known about the money."
            .to_owned();
    };
    let Some(facts) = facts else {
        return format!(
            "Last observed as {state}. Its account or kind is no longer configured, so it is not polled."
        );
    };
    let since = moment(state_began(record), ground.now);
    let outcome = match (ground.lifecycle, &record.observed) {
        (Some(lifecycle), Some(observed)) => history::outcome(lifecycle, facts, &observed.observation),
        _ => facts.outcome,
    };
    let why = match (facts.phase, outcome) {
        (Phase::Moving, _) => {
            "It is pending because the provider has not decided yet; only the provider can change that."
        }
        (Phase::Resting, _) => {
            "The provider changes nothing now: it waits until somebody acts or until it expires."
        }
        (Phase::Final, Outcome::Declined) => "This is final: the money was refused.",
        (Phase::Final, Outcome::Succeeded) => "This is final: the money moved.",
        (Phase::Final, Outcome::Undecided) => "This is final, and it is not known whether money moved.",
        (Phase::Final, _) => "This is final: no more money will move.",
    };
    format!("{} since {since}: {} {why}{}", facts.name, facts.meaning, reasons(record, facts, ground))
}

fn reasons(record: &Record, facts: &StateFacts, ground: &Ground<'_>) -> String {
    let codes = record.observed.iter().flat_map(|observed| &observed.observation.reasons);
    codes
        .map(|code| match ground.lifecycle.and_then(|lifecycle| lifecycle.reason(facts.name, code)) {
            Some(reason) => format!(" Reason {}: {}", reason.name, reason.meaning),
            None => format!(" Reason {code}, which the manual does not list."),
        })
        .collect()
}

fn evidence(record: &Record, now: Timestamp) -> String {
    let polls = record.polls;
    let mut text = match &record.observed {
        None if polls == 0 => "It has not been polled yet.".to_owned(),
        None => format!("Polled {polls} times, never observed."),
        Some(observed) => {
            let number = observed.observation.request_id.as_ref();
            let exchange = number.map(|id| format!(", the provider's request id {id}")).unwrap_or_default();
            format!(
                "Last observed as {} at {}{exchange}; polled {polls} times in total.",
                observed.observation.state,
                moment(observed.seen_at, now)
            )
        }
    };
    let trouble = &record.trouble;
    if trouble.failures + trouble.not_found > 0 {
        let detail = trouble.last_detail.as_deref().or(trouble.last_class.as_deref()).unwrap_or("unknown");
        let at = trouble.last_at.map(|at| format!(" at {}", moment(at, now))).unwrap_or_default();
        text.push_str(&format!(
            " Since then, {} failed polls and {} \"not found\" answers in a row; the last{at}: {detail}. \
             An error says nothing about the money.",
            trouble.failures, trouble.not_found
        ));
    }
    text
}

fn next_look(record: &Record, ground: &Ground<'_>) -> String {
    let Some(due_at) = record.due_at else {
        return match record.quarantine {
            Some(_) => "Never: polling cannot settle the doubt. `reconciled accept` accepts it as it is, \
                        `reconciled poll` polls it once more."
                .to_owned(),
            None => "Never: it is final. `reconciled poll` polls it once more.".to_owned(),
        };
    };
    let when = if due_at <= ground.now {
        format!("As soon as its account's turn comes (due since {})", moment(due_at, ground.now))
    } else {
        format!("At {}", moment(due_at, ground.now))
    };
    format!("{when}, because {}.", why_then(record, ground))
}

/// What is known about the future of an object that is polled by learnt ages.
pub(super) fn outlook_words(record: &Record, outlook: &Outlook, now: Timestamp) -> String {
    let within = SignedDuration::try_from(outlook.within).unwrap_or_default();
    let at_interval = record.polled_at.map(|at| later(at, outlook.within)).filter(|at| *at > now);
    let otherwise = at_interval.map_or_else(String::new, |at| {
        format!(" At the interval, the next poll would be at {}.", moment(at, now))
    });
    format!(
        "By the last {:.0} ends of its kind, {:.0} of 100 that get as old as this end within {}.{otherwise}",
        outlook.alike,
        outlook.share,
        span(within)
    )
}

fn why_then(record: &Record, ground: &Ground<'_>) -> String {
    let every = |wait: Option<std::time::Duration>| {
        let wait = wait.and_then(|wait| SignedDuration::try_from(wait).ok());
        wait.map_or_else(|| "at its usual interval".to_owned(), |wait| format!("about every {}", span(wait)))
    };
    let trouble = &record.trouble;
    let policy = ground.policy;
    if record.is_asked {
        "an operator requested it, which takes precedence".to_owned()
    } else if record.is_announced {
        "the provider announced news of it, which goes before objects that are merely due".to_owned()
    } else if record.polled_at.is_none() && policy.is_some_and(|policy| policy.learning.is_some()) {
        "the first poll, too, comes at the age at which others of its kind have ended".to_owned()
    } else if record.polled_at.is_none() {
        "every object is polled right after its enrolment".to_owned()
    } else if trouble.not_found > 0 && record.observed.is_none() && record.quarantine.is_none() {
        "a new object may not be visible at the provider yet".to_owned()
    } else if trouble.failures + trouble.not_found > 0 && record.quarantine.is_none() {
        "after each failure in a row the wait doubles, up to a limit".to_owned()
    } else if record.quarantine.is_some() {
        format!(
            "a quarantined object is polled after 5 min, 20 min and 80 min, then {}",
            every(policy.map(|policy| policy.quarantine_interval))
        )
    } else if record.phase() == Phase::Resting {
        format!(
            "a resting object is polled {}, and around its deadlines",
            every(policy.map(|policy| policy.resting_interval))
        )
    } else if policy.is_some_and(|policy| policy.learning.is_some()) {
        "a moving object is polled at the ages at which others of its kind have ended".to_owned()
    } else {
        format!("a moving object is polled {}", every(policy.map(|policy| policy.interval)))
    }
}

fn deadline(record: &Record, facts: Option<&StateFacts>, ground: &Ground<'_>) -> Option<String> {
    let named = ground.policy.and_then(|policy| {
        milestones(record, facts, policy).into_iter().find(|milestone| milestone.at > ground.now)
    });
    if let Some(milestone) = named {
        let then = match milestone.name {
            "overdue" => "if nothing has changed by then, an alert is sent",
            "guarantee" => "the guarantee ends: a later capture may be declined",
            "expiry" => "it expires unused",
            other => other,
        };
        return Some(format!("{}: {then}", moment(milestone.at, ground.now)));
    }
    record.deadline.map(|at| format!("{}: it should have been polled by then", moment(at, ground.now)))
}

fn would_change(record: &Record, facts: Option<&StateFacts>, ground: &Ground<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if record.quarantine.is_some() {
        found.push(
            "An answer that matches the manual and the enrolment releases it. `reconciled accept` accepts it as it is."
                .to_owned(),
        );
    }
    let (Some(facts), Some(lifecycle)) = (facts, ground.lifecycle) else {
        if record.observed.is_none() {
            found.push("The provider's first answer that names its state.".to_owned());
        }
        return found;
    };
    for next in facts.next {
        let meaning = lifecycle.state(next).map_or("", |later| later.meaning);
        found.push(format!("{next}: {meaning}"));
    }
    if facts.next.is_empty() {
        found.push("Nothing: an object never leaves this state.".to_owned());
    }
    found
}

fn advice(record: &Record, facts: Option<&StateFacts>, ground: &Ground<'_>) -> Option<String> {
    let (facts, lifecycle) = (facts?, ground.lifecycle?);
    let codes = &record.observed.as_ref()?.observation.reasons;
    let known = codes.iter().find_map(|code| lifecycle.reason(facts.name, code));
    match known {
        Some(reason) => Some(reason.advice.to_owned()),
        None => Some(lifecycle.advice_without_reason(facts.name))
            .filter(|advice| !advice.is_empty())
            .map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::test_service::{PLAIN, observed_record};
    use crate::payments::observation::Failure;
    use crate::payments::record::{Quarantine, Record};

    const NOW: &str = "2026-01-15T09:30:00Z";

    fn explained(record: &Record, is_configured: bool) -> Explanation {
        let policy = Policy::default();
        explain(
            record,
            &Ground {
                lifecycle: is_configured.then_some(&PLAIN as &dyn Lifecycle),
                policy: is_configured.then_some(&policy),
                where_to_look: Some("Seller Central"),
                now: NOW.parse().unwrap(),
            },
        )
    }

    fn pending() -> Record {
        observed_record("shop/charge/S01", "Pending", &[], "2026-01-15T08:30:00Z")
    }

    #[test]
    fn a_pending_object_says_why_and_what_would_change_it() {
        let told = explained(&pending(), true);
        assert!(told.standing.contains("Pending since 2026-01-15T08:30:00Z (1 h ago)"), "{}", told.standing);
        assert!(told.standing.contains("the provider has not decided yet"));
        assert!(told.evidence.contains("Last observed as Pending"), "{}", told.evidence);
        assert!(told.next_look.contains("about every 1 h"), "{}", told.next_look);
        assert!(told.deadline.unwrap().contains("an alert is sent"));
        assert_eq!(told.would_change.len(), 2);
        assert_eq!(told.advice, None);
        assert_eq!(told.about, "charge of 14.00 EUR, order A-1, created 1 h ago");
    }

    #[test]
    fn every_reason_to_look_is_told() {
        let check = |change: fn(&mut Record), part: &str| {
            let mut record = pending();
            change(&mut record);
            let told = explained(&record, true).next_look;
            assert!(told.contains(part), "{told}");
        };
        check(|record| record.is_asked = true, "an operator requested it");
        check(|record| record.is_announced = true, "announced news");
        check(|record| record.polled_at = None, "right after its enrolment");
        check(|record| record.due_at = None, "Never:");
        check(|record| record.due_at = Some("2026-01-15T09:20:00Z".parse().unwrap()), "due since");
        check(|record| record.trouble.failures = 3, "the wait doubles");
        check(
            |record| {
                record.observed = None;
                record.trouble.not_found = 1;
            },
            "may not be visible",
        );
    }

    #[test]
    fn a_decline_brings_its_reason_and_advice() {
        let record =
            observed_record("shop/charge/S01", "Declined", &["HardDeclined"], "2026-01-15T08:30:00Z");
        let told = explained(&record, true);
        assert!(told.standing.contains("the money was refused"), "{}", told.standing);
        assert!(told.standing.contains("Reason HardDeclined"), "{}", told.standing);
        assert_eq!(told.advice.as_deref(), Some("Ask for another payment method."));
        assert_eq!(told.would_change, ["Nothing: an object never leaves this state."]);
        let record = observed_record("shop/charge/S01", "Declined", &["Strange"], "2026-01-15T08:30:00Z");
        let told = explained(&record, true);
        assert!(told.standing.contains("Reason Strange, which the manual does not list"));
        assert_eq!(told.advice.as_deref(), Some("Look at it."));
    }

    #[test]
    fn doubt_trouble_and_a_lost_configuration_are_said() {
        let mut record = pending();
        record.quarantine = Some(Quarantine {
            cause: "unknown-state".to_owned(),
            explanation: "The state \"X\" is not in the provider's manual.".to_owned(),
            since: NOW.parse().unwrap(),
            evidence: None,
            expected: None,
        });
        let failure = Failure::Transient { detail: "503".to_owned() };
        record.trouble.failures = 2;
        record.trouble.last_class = Some(failure.class().to_owned());
        record.trouble.last_detail = Some(failure.to_string());
        let told = explained(&record, true);
        assert!(told.standing.contains("Quarantined") && told.standing.contains("unknown-state"));
        assert!(
            told.evidence.contains("2 failed polls")
                && told.evidence.contains("says nothing about the money")
        );
        assert!(told.would_change[0].contains("releases it"));
        let told = explained(&pending(), false);
        assert!(told.standing.contains("no longer configured"));
        assert!(told.would_change.is_empty());
    }

    #[test]
    fn spans_are_two_words_at_most() {
        let check = |seconds: i64, text: &str| assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min");
        check(3_600, "1 h");
        check(12_000, "3 h 20 min");
        check(86_400, "1 d");
        check(532_800, "6 d 4 h");
        check(-120, "2 min");
    }
}
