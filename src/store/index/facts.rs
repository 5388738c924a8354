//! What the journal says: facts, and what each of them changes in the index.
//!
//! Owns: the formats of facts, and applying them, in the same way when a fact is new and when it is replayed.
//! Must never know: files, the engine, who called.
//!
//! Formats are permanent: fields may be added with a default, names never change. Where possible, facts carry whole
//! values rather than differences, so that an index that lost its newest changes still ends up correct.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::ObjectRef;
use crate::payments::record::{Enrolment, Record, Transition};
use crate::store::deliveries::{Acknowledgement, DeliveryRow, OwedAlert};
use crate::store::index::outbox::{self, StoredAlert};
use crate::store::index::view::View;
use crate::store::types::StoreError;

/// The newest payload format that this program reads, and the one that it writes.
const VERSION: u32 = 1;

/// Something that happened and must never be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fact {
    /// Objects were enrolled, or details of known ones were added.
    #[serde(rename = "enrolled")]
    Enrolled {
        /// When.
        at: Timestamp,
        /// What.
        enrolments: Vec<Enrolment>,
    },
    /// A poll brought news.
    #[serde(rename = "committed")]
    Committed {
        /// When.
        at: Timestamp,
        /// The new record.
        record: Box<Record>,
        /// The change of state, if any.
        transition: Option<Box<Transition>>,
        /// Objects found through it.
        enrol: Vec<Enrolment>,
        /// Alerts to raise.
        alerts: Vec<OwedAlert>,
    },
    /// An operator asked for a poll now.
    #[serde(rename = "asked")]
    Asked {
        /// When.
        at: Timestamp,
        /// The objects to poll.
        objects: Vec<ObjectRef>,
    },
    /// The provider announced news of objects: they are due now, before others that are merely due.
    #[serde(rename = "hinted")]
    Hinted {
        /// When.
        at: Timestamp,
        /// The objects to poll.
        objects: Vec<ObjectRef>,
    },
    /// An operator no longer wants an object watched.
    #[serde(rename = "forgotten")]
    Forgotten {
        /// Which.
        object: ObjectRef,
        /// The history row that stays.
        transition: Box<Transition>,
    },
    /// Alerts that belong to no commit.
    #[serde(rename = "raised")]
    Raised {
        /// Which.
        alerts: Vec<OwedAlert>,
    },
    /// Some deliveries of an alert changed.
    #[serde(rename = "deliveries")]
    Deliveries {
        /// The alert's key.
        key: String,
        /// Their new state.
        rows: Vec<DeliveryRow>,
    },
    /// A person has acknowledged an alert.
    #[serde(rename = "acknowledged")]
    Acknowledged {
        /// The alert's key.
        key: String,
        /// Who, and when.
        acknowledgement: Acknowledgement,
        /// The escalations that are not needed any more.
        rows: Vec<DeliveryRow>,
    },
    /// A small value under a name.
    #[serde(rename = "remembered")]
    Remembered {
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
    /// Rows that only the index still had after the journal lost its end.
    #[serde(rename = "rescued")]
    Rescued {
        /// Records as they were.
        records: Vec<Record>,
        /// History rows with their sequences.
        transitions: Vec<(u64, Transition)>,
        /// Alerts as they were.
        alerts: Vec<StoredAlert>,
        /// Remembered values.
        remembered: Vec<(String, String)>,
    },
}

impl Fact {
    /// When it happened, by the clock of the host that wrote it. None if no wait is counted from it.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        match self {
            Fact::Enrolled { at, .. } | Fact::Committed { at, .. } => Some(*at),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct PayloadOut<'a> {
    v: u32,
    fact: &'a Fact,
}

#[derive(Deserialize)]
struct PayloadIn {
    v: u32,
    fact: Fact,
}

/// The payload of a fact.
pub(crate) fn encode(fact: &Fact) -> Vec<u8> {
    serde_json::to_vec(&PayloadOut { v: VERSION, fact }).expect("our own facts can be written as JSON")
}

/// The inverse of [`encode`]. The error is in words that do not quote the payload.
pub(crate) fn decode(payload: &[u8]) -> Result<Fact, String> {
    let read: PayloadIn =
        serde_json::from_slice(payload).map_err(|error| crate::store::index::value::unreadable(&error))?;
    match read.v {
        VERSION => Ok(read.fact),
        other => Err(format!("has version {other} (this program knows {VERSION})")),
    }
}

/// Applies a fact to the view.
pub(crate) fn apply(fact: &Fact, sequence: u64, view: &mut View<'_>) -> Result<(), StoreError> {
    match fact {
        Fact::Enrolled { at, enrolments } => enrol(view, enrolments, *at, sequence),
        Fact::Committed { at, record, transition, enrol: found, alerts } => {
            let old = view.record(&record.object)?;
            // Another host may have written it. Its revision must grow, so that whatever was read here before is stale.
            let least = old.as_ref().map_or(0, |old| old.value.revision + 1);
            let newer = (record.revision < least).then(|| Record { revision: least, ..(**record).clone() });
            let record = newer.as_ref().unwrap_or(record);
            view.put_record(old.as_ref().map(|old| &old.value), record, sequence)?;
            if let Some(transition) = transition {
                view.put_transition(transition, sequence);
            }
            enrol(view, found, *at, sequence)?;
            raise(view, alerts, sequence)
        }
        Fact::Asked { at, objects } => objects.iter().try_for_each(|object| {
            let Some(old) = view.record(object)? else { return Ok(()) };
            view.put_record(Some(&old.value), &asked(&old.value, *at), sequence)
        }),
        Fact::Hinted { at, objects } => objects.iter().try_for_each(|object| {
            let Some(old) = view.record(object)? else { return Ok(()) };
            let Some(due_at) = old.value.due_at else { return Ok(()) };
            // An object that is due already may be in flight; the new revision shows its poll that something came.
            let revision = old.value.revision + 1;
            let due_at = Some(due_at.min(*at));
            let record = Record { due_at, is_announced: true, revision, ..old.value.clone() };
            view.put_record(Some(&old.value), &record, sequence)
        }),
        Fact::Forgotten { object, transition } => {
            if let Some(old) = view.record(object)? {
                view.remove_record(&old.value)?;
            }
            view.put_transition(transition, sequence);
            Ok(())
        }
        Fact::Raised { alerts } => raise(view, alerts, sequence),
        Fact::Deliveries { key, rows } => outbox::set_deliveries(view, key, rows, Some(sequence)),
        Fact::Acknowledged { key, acknowledgement, rows } => {
            outbox::set_deliveries(view, key, rows, Some(sequence))?;
            outbox::acknowledge(view, key, acknowledgement, sequence)
        }
        Fact::Remembered { name, value } => {
            view.put_value(crate::store::index::keys::remembered(name), value, sequence);
            Ok(())
        }
        Fact::Rescued { records, transitions, alerts, remembered } => {
            for record in records {
                let old = view.record(&record.object)?;
                view.put_record(old.as_ref().map(|old| &old.value), record, sequence)?;
            }
            for (of, transition) in transitions {
                view.put_transition(transition, *of);
            }
            for alert in alerts {
                outbox::restore(view, alert, sequence)?;
            }
            for (name, value) in remembered {
                view.put_value(crate::store::index::keys::remembered(name), value, sequence);
            }
            Ok(())
        }
    }
}

fn raise(view: &mut View<'_>, alerts: &[OwedAlert], sequence: u64) -> Result<(), StoreError> {
    for (position, owed) in (0u32..).zip(alerts) {
        outbox::raise(view, owed, sequence, position)?;
    }
    Ok(())
}

/// New objects are due at once; known ones are enriched. An enrolment that contradicts its record changes nothing.
fn enrol(
    view: &mut View<'_>,
    enrolments: &[Enrolment],
    at: Timestamp,
    sequence: u64,
) -> Result<(), StoreError> {
    for enrolment in enrolments {
        match view.record(&enrolment.object)? {
            None => view.put_record(None, &Record::enrolled(enrolment.clone(), at), sequence)?,
            Some(old) => {
                if let Ok(Some(richer)) = old.value.enrich(&enrolment.details) {
                    view.put_record(Some(&old.value), &richer, sequence)?;
                }
            }
        }
    }
    Ok(())
}

fn asked(record: &Record, at: Timestamp) -> Record {
    Record { is_asked: true, due_at: Some(at), revision: record.revision + 1, ..record.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_payload_is_spelt_as_it_will_be_for_ever() {
        let fact = Fact::Remembered { name: "report/2026-01-01".to_owned(), value: "made".to_owned() };
        let text = r#"{"v":1,"fact":{"remembered":{"name":"report/2026-01-01","value":"made"}}}"#;
        assert_eq!(String::from_utf8(encode(&fact)).unwrap(), text);
        assert_eq!(decode(text.as_bytes()), Ok(fact));
    }

    #[test]
    fn a_newer_payload_is_refused() {
        let text = r#"{"v":2,"fact":{"remembered":{"name":"a","value":"b"}}}"#;
        assert!(decode(text.as_bytes()).unwrap_err().contains("version 2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_payloads_are_refused(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
