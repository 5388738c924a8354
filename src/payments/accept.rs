//! What happens when a person accepts a quarantined object as it is.
//!
//! Owns: which doubts a person can settle. Must never know: who may settle them. Pure.

use jiff::Timestamp;

use super::decision::Setting;
use super::history::{Row, outcome};
use super::record::{Accepted, Cause, Observed, Record, Transition};
use super::schedule::next_look;

/// Why nothing can be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAcceptable {
    /// The object is not quarantined.
    #[error("nothing about it is in doubt")]
    NotInDoubt,
    /// There is no observation that could be accepted.
    #[error(
        "the provider showed nothing that could be accepted ({0}): forget it if it should not be watched"
    )]
    NothingSeen(String),
    /// The observed state is not documented.
    #[error(
        "the provider's answer cannot be understood ({0}), so that accepting it would be a guess about money: forget it if it should not be watched"
    )]
    NotUnderstood(String),
}

/// The accepted object and the history row that records it. The same doubt is not raised again.
///
/// # Errors
/// When a person cannot settle the doubt by accepting it.
pub fn accept(
    setting: &Setting<'_>,
    before: &Record,
    by: &str,
    now: Timestamp,
) -> Result<(Record, Transition), NotAcceptable> {
    let quarantine = before.quarantine.as_ref().ok_or(NotAcceptable::NotInDoubt)?;
    let cause = quarantine.cause.clone();
    let seen = quarantine.evidence.as_ref().ok_or_else(|| NotAcceptable::NothingSeen(cause.clone()))?;
    let known = before
        .observed
        .as_ref()
        .filter(|observed| observed.observation.state.eq_ignore_ascii_case(&seen.state));
    // A marked answer was believed at once, and a newer one may have come since.
    let seen = known.map_or(seen, |observed| &observed.observation);
    let facts = setting.lifecycle.state(&seen.state).filter(|_| seen.id == before.object.id.as_str());
    let mut facts = facts.ok_or_else(|| NotAcceptable::NotUnderstood(cause.clone()))?;
    facts.outcome = outcome(setting.lifecycle, &facts, seen);
    let mut record = before.clone();
    record.revision += 1;
    record.quarantine = None;
    record.accepted =
        Some(Accepted { cause, explanation: quarantine.explanation.clone(), by: by.to_owned(), at: now });
    if known.is_none() {
        record.observed = Some(Observed {
            observation: seen.clone(),
            phase: facts.phase,
            since: now,
            seen_at: quarantine.since,
        });
        record.warned.clear();
    }
    (record.due_at, record.deadline) = next_look(&record, Some(&facts), setting.policy, now);
    let row = Row { setting, before, seen, now };
    let transition = row.written(Some(&facts), format!("accepted by {by}"), Cause::Accepted);
    Ok((record, transition))
}
