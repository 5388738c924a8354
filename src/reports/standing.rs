//! How an object stood at a moment, from its history alone.
//!
//! Owns: what a history row says about being open or quarantined. Must never know: files, the store.

use jiff::Timestamp;

use crate::payments::lifecycle::Phase;
use crate::payments::money::Amounts;
use crate::payments::object::ObjectRef;
use crate::payments::record::{Cause, Record, Transition};

/// An object with all that is known of it.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) object: ObjectRef,
    pub(super) record: Option<Record>,
    pub(super) history: Vec<Transition>,
}

/// A change of state observed in the day.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) row: Transition,
    /// When the object was first observed.
    pub(super) first_seen: jiff::Timestamp,
    /// Whether the state before was already final.
    pub(super) was_final: bool,
    /// What was newly authorized, captured and refunded.
    pub(super) grown: Amounts,
}

/// How an object stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing<'a> {
    /// When its watch began.
    pub(super) watched_since: Timestamp,
    /// The row of the last state that was believed; `None` before the first observation.
    pub(super) state: Option<&'a Transition>,
    /// When that state was entered.
    pub(super) state_since: Option<Timestamp>,
    /// Its quarantine, if any.
    pub(super) quarantine: Option<SetApart<'a>>,
}

/// A quarantine according to the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetApart<'a> {
    /// The cause in a word or two.
    pub(super) cause: String,
    /// Since when.
    pub(super) since: Timestamp,
    /// The observed state that was not believed, if any.
    pub(super) seen: Option<&'a str>,
}

impl Standing<'_> {
    /// Whether it was not yet final.
    pub(super) fn is_open(&self) -> bool {
        self.state.is_none_or(|row| row.phase != Phase::Final)
    }
}

/// Whether the row's state is the object's state from then on.
pub(super) fn is_believed(row: &Transition) -> bool {
    match row.cause() {
        Cause::SetApart(_) | Cause::Overtaken | Cause::Forgotten => false,
        Cause::Polled | Cause::Changed | Cause::Marked(_) | Cause::Released | Cause::Accepted => true,
    }
}

/// Whether an operator stopped the watch in this row.
pub(super) fn is_forgetting(row: &Transition) -> bool {
    row.cause() == Cause::Forgotten
}

/// Whether a state is entered in this row, rather than observed again with other amounts or marks.
pub(super) fn is_entry(row: &Transition) -> bool {
    is_believed(row) && row.from.as_deref().is_none_or(|from| !from.eq_ignore_ascii_case(&row.to))
}

/// Why the row quarantines the object, if it does.
fn quarantine_cause(row: &Transition) -> Option<String> {
    match row.cause() {
        Cause::SetApart(cause) | Cause::Marked(cause) => Some(cause),
        _ => None,
    }
}

fn ends_quarantine(row: &Transition) -> bool {
    matches!(row.cause(), Cause::Released | Cause::Accepted)
}

/// How an object stood just before `at`; `None` when it was not watched then. `history` is complete, oldest
/// first; `record` is what is known now, if the object is still known.
pub(super) fn standing<'a>(
    history: &'a [Transition],
    record: Option<&'a Record>,
    at: Timestamp,
) -> Option<Standing<'a>> {
    let seen = history.iter().filter(|row| row.seen_at < at);
    let forgotten_at = seen.clone().filter(|row| is_forgetting(row)).map(|row| row.seen_at).max();
    let enrolled_at = record.map(|record| record.enrolled_at).filter(|enrolled_at| *enrolled_at < at);
    // Rows before a forgetting belong to an earlier watch of the same object.
    let rows: Vec<&Transition> =
        seen.filter(|row| forgotten_at.is_none_or(|forgotten_at| row.seen_at > forgotten_at)).collect();
    let enrolled_at = enrolled_at.filter(|enrolled_at| forgotten_at.is_none_or(|gone| *enrolled_at >= gone));
    let watched_since = match (enrolled_at, rows.first()) {
        (Some(enrolled_at), Some(first)) => enrolled_at.min(first.seen_at),
        (Some(enrolled_at), None) => enrolled_at,
        (None, Some(first)) => first.seen_at,
        (None, None) => return None,
    };
    let state = rows.iter().rev().copied().find(|row| is_believed(row));
    let entered = rows.iter().rev().copied().find(|row| is_entry(row));
    Some(Standing {
        watched_since,
        state,
        state_since: entered.or(state).map(|row| row.happened_at),
        quarantine: set_apart(&rows, record, at),
    })
}

fn set_apart<'a>(rows: &[&'a Transition], record: Option<&'a Record>, at: Timestamp) -> Option<SetApart<'a>> {
    let last_word = rows.iter().rev().find(|row| quarantine_cause(row).is_some() || ends_quarantine(row));
    if let Some(row) = last_word
        && let Some(cause) = quarantine_cause(row)
    {
        return Some(SetApart { cause, since: row.seen_at, seen: Some(&row.to) });
    }
    // A quarantine for lack of good answers writes no row; the record has it while it lasts.
    let quarantine = record.and_then(|record| record.quarantine.as_ref())?;
    let is_later_than_release = last_word.is_none_or(|row| quarantine.since > row.seen_at);
    (quarantine.since < at && is_later_than_release).then_some(SetApart {
        cause: quarantine.cause.clone(),
        since: quarantine.since,
        seen: quarantine.evidence.as_ref().map(|evidence| evidence.state.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, enrolled, row};
    use super::*;
    use crate::payments::lifecycle::Outcome;
    use crate::payments::record::Quarantine;

    #[test]
    fn an_object_stands_as_its_last_believed_row_says() {
        let history = [row("C1", None, "Authorized", 10), row("C1", Some("Authorized"), "Captured", 20)];
        let record = enrolled("C1", 5);
        let seen = |seconds| standing(&history, Some(&record), at(seconds));
        assert_eq!(seen(5), None, "not watched before it was enrolled");
        assert_eq!(seen(6).unwrap().state, None);
        assert!(seen(6).unwrap().is_open() && seen(11).unwrap().is_open() && seen(20).unwrap().is_open());
        assert!(!seen(21).unwrap().is_open());
        assert_eq!(seen(21).unwrap().watched_since, at(5));
        assert_eq!(seen(15).unwrap().state_since, Some(at(10 - 60)));
    }

    #[test]
    fn an_unbelieved_observation_changes_only_the_quarantine() {
        let mut odd = row("C1", Some("Captured"), "Surprise", 20);
        odd.phase = Phase::Resting;
        odd.outcome = Outcome::Undecided;
        odd.note = "quarantined: unknown-state".to_owned();
        let mut released = row("C1", Some("Captured"), "Captured", 30);
        released.note = "released from quarantine".to_owned();
        let history = [row("C1", None, "Captured", 10), odd, released];
        let seen = |seconds| standing(&history, None, at(seconds)).unwrap();
        assert_eq!(seen(15).quarantine, None);
        let during = seen(25);
        assert_eq!(
            during.quarantine,
            Some(SetApart { cause: "unknown-state".to_owned(), since: at(20), seen: Some("Surprise") })
        );
        assert_eq!(during.state.unwrap().to, "Captured");
        assert!(!during.is_open());
        assert_eq!(seen(31).quarantine, None);
        assert_eq!(seen(31).state_since, Some(at(10 - 60)), "observing it again does not enter it again");
    }

    #[test]
    fn a_quarantine_without_a_row_is_known_from_the_record() {
        let mut record = enrolled("C1", 5);
        let quarantine = Quarantine {
            cause: "not-found".to_owned(),
            explanation: String::new(),
            since: at(50),
            evidence: None,
            expected: None,
        };
        record.quarantine = Some(quarantine);
        assert_eq!(standing(&[], Some(&record), at(50)).unwrap().quarantine, None);
        assert_eq!(standing(&[], Some(&record), at(51)).unwrap().quarantine.unwrap().cause, "not-found");
    }

    #[test]
    fn a_forgotten_object_is_no_longer_watched_until_it_is_enrolled_again() {
        let mut gone = row("C1", Some("Authorized"), "Authorized", 20);
        gone.note = "forgotten by uid 0".to_owned();
        let history = [row("C1", None, "Authorized", 10), gone, row("C1", None, "Captured", 40)];
        assert!(standing(&history, None, at(15)).is_some());
        assert_eq!(standing(&history, None, at(25)), None);
        let again = enrolled("C1", 30);
        let seen = standing(&history, Some(&again), at(35)).unwrap();
        assert_eq!((seen.watched_since, seen.state), (at(30), None));
        assert_eq!(standing(&history, Some(&again), at(41)).unwrap().state.unwrap().to, "Captured");
    }
}
