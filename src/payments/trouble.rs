//! What a failed poll means: when to try again, and when a person should know.
//! Never says anything about money.

use jiff::Timestamp;

use super::decision::{Decision, Setting};
use super::lifecycle::Phase;
use super::notice::Notice;
use super::observation::Failure;
use super::record::{Cause, Quarantine, Record, Transition};
use super::schedule::{after_failures, jittered};
use crate::time::later;

/// Waits between polls while "not found" may still mean "not yet visible".
const NOT_YET_VISIBLE_S: [u64; 4] = [10, 30, 60, 120];

/// Decides about a failed poll. `record` is `before` with this poll counted.
pub(super) fn failed(
    setting: &Setting<'_>,
    before: &Record,
    mut record: Record,
    failure: &Failure,
    now: Timestamp,
) -> Decision {
    let policy = setting.policy;
    let mut cause = None;
    match failure {
        // The object got no answer, so it keeps its place in the queue and its priority. The account's budget
        // already delays everybody.
        Failure::Throttled { .. } => {
            record.is_asked = before.is_asked;
        }
        Failure::Gone { .. } => {
            note(&mut record, failure, now);
            record.trouble.not_found = before.trouble.not_found.saturating_add(1);
            // A child that its parent lists does exist, and will become visible.
            let grace = match before.details.parent {
                Some(_) => policy.unseen_patience.max(policy.not_found_grace),
                None => policy.not_found_grace,
            };
            let is_new = before.observed.is_none() && now < later(before.enrolled_at, grace);
            if is_new {
                let step = before.trouble.not_found as usize;
                let wait = match NOT_YET_VISIBLE_S.get(step) {
                    Some(wait_s) => std::time::Duration::from_secs(*wait_s),
                    None if now < later(before.enrolled_at, policy.not_found_grace) => {
                        std::time::Duration::from_secs(NOT_YET_VISIBLE_S[NOT_YET_VISIBLE_S.len() - 1])
                    }
                    None => policy.interval,
                };
                let wait = wait.min(policy.interval);
                record.due_at = Some(later(now, jittered(wait, policy, &record)));
            } else if before.observed.is_some() && record.trouble.not_found < 2 {
                record.due_at = Some(after_failures(&record, 1, policy, now));
            } else {
                cause = Some((
                    "not-found",
                    "The provider does not know it: a wrong id, account, environment or region?".to_owned(),
                ));
            }
        }
        // As far as is known this is not the object's fault. It waits, keeps its priority, and is never quarantined
        // for it.
        Failure::Refused { is_whole_account: true, .. } => {
            note(&mut record, failure, now);
            record.is_asked = before.is_asked;
            record.trouble.failures = before.trouble.failures.saturating_add(1);
            record.due_at = Some(after_failures(&record, record.trouble.failures, policy, now));
        }
        Failure::Transient { .. } => {
            note(&mut record, failure, now);
            record.trouble.failures = before.trouble.failures.saturating_add(1);
            record.due_at = Some(after_failures(&record, record.trouble.failures, policy, now));
        }
        Failure::Refused { .. } | Failure::Garbled { .. } => {
            note(&mut record, failure, now);
            record.trouble.failures = before.trouble.failures.saturating_add(1);
            record.due_at = Some(after_failures(&record, record.trouble.failures, policy, now));
            if record.trouble.failures >= policy.failures_before_quarantine {
                cause = Some((failure.class(), format!("The provider's answers cannot be used: {failure}.")));
            }
        }
    }
    match cause {
        Some((cause, explanation)) => set_apart(setting, before, record, cause, explanation, now),
        None => Decision { record, transition: None, enrol: Vec::new(), alerts: Vec::new(), is_news: false },
    }
}

fn note(record: &mut Record, failure: &Failure, now: Timestamp) {
    record.trouble.last_class = Some(failure.class().to_owned());
    record.trouble.last_detail = Some(failure.to_string());
    record.trouble.last_at = Some(now);
}

fn set_apart(
    setting: &Setting<'_>,
    before: &Record,
    mut record: Record,
    cause: &str,
    explanation: String,
    now: Timestamp,
) -> Decision {
    record.due_at = Some(later(now, jittered(setting.policy.quarantine_interval, setting.policy, &record)));
    record.deadline = None;
    if before.quarantine.is_some() {
        return Decision { record, transition: None, enrol: Vec::new(), alerts: Vec::new(), is_news: false };
    }
    let quarantine =
        Quarantine { cause: cause.to_owned(), explanation, since: now, evidence: None, expected: None };
    record.quarantine = Some(quarantine.clone());
    let alert =
        Notice { record: &record, where_to_look: setting.where_to_look, is_sandbox: setting.is_sandbox, now }
            .quarantined(&quarantine);
    let transition = Transition {
        stored_cause: Some(Cause::SetApart(cause.to_owned())),
        ..Transition::unobserved(&record, Phase::Resting, format!("quarantined: {cause}"), now)
    };
    Decision { record, transition: Some(transition), enrol: Vec::new(), alerts: vec![alert], is_news: true }
}
