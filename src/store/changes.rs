//! Changes of objects as they were acknowledged, for those who follow them live.
//!
//! Owns: which facts change an object, and where in the journal a follower is. Must never know: who follows.
//!
//! The journal itself is the buffer: a follower has a place in it and reads on from there. So a slow follower costs no
//! memory, and one that comes back continues where it was.

use jiff::Timestamp;

use super::engine::Engine;
use super::index::facts::{self, Fact};
use super::journal::reading::{self, From, Stopped};
use super::journal::segment::Position;
use super::mutex::locked;
use super::types::StoreError;
use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::money::{Amounts, Money};
use crate::payments::object::ObjectRef;
use crate::payments::record::{Enrolment, Record, Transition};

/// How many journal entries a follower may be behind.
pub const BEHIND_MAX: u64 = 10_000;

/// After this many changes, a page ends.
const PAGE_CHANGES: usize = 500;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveSort {
    /// It is watched from now on, or details were added.
    Enrolled,
    /// A poll brought news of it.
    Changed,
    /// It is no longer watched.
    Forgotten,
}

/// A change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveChange {
    /// The journal entry. One entry may change several objects.
    pub sequence: u64,
    /// What happened.
    pub sort: LiveSort,
    /// To which object.
    pub object: ObjectRef,
    /// When.
    pub at: Timestamp,
    /// Its state afterwards, in the provider's spelling.
    pub state: Option<String>,
    /// The phase afterwards.
    pub phase: Phase,
    /// What its new state means, if the state is new.
    pub outcome: Option<Outcome>,
    /// Whether it is quarantined.
    pub is_quarantined: bool,
    /// Whether nothing is left to do for it.
    pub is_finished: bool,
    /// Its main amount.
    pub amount: Option<Money>,
    /// What the provider reports as authorized, captured and refunded.
    pub amounts: Amounts,
}

impl LiveChange {
    fn enrolled(sequence: u64, at: Timestamp, enrolment: Enrolment) -> LiveChange {
        LiveChange {
            sequence,
            sort: LiveSort::Enrolled,
            object: enrolment.object,
            at,
            state: None,
            phase: Phase::Moving,
            outcome: None,
            is_quarantined: false,
            is_finished: false,
            amount: enrolment.details.amount,
            amounts: Amounts::default(),
        }
    }

    fn changed(sequence: u64, at: Timestamp, record: Record, row: Option<&Transition>) -> LiveChange {
        LiveChange {
            sequence,
            sort: LiveSort::Changed,
            at,
            state: record.state().map(str::to_owned),
            phase: record.phase(),
            outcome: row.map(|row| row.outcome),
            is_quarantined: record.quarantine.is_some(),
            is_finished: record.is_finished(),
            amount: record.amount(),
            amounts: record.observed.as_ref().map(|seen| seen.observation.amounts).unwrap_or_default(),
            object: record.object,
        }
    }

    fn forgotten(sequence: u64, object: ObjectRef, row: &Transition) -> LiveChange {
        LiveChange {
            sequence,
            sort: LiveSort::Forgotten,
            object,
            at: row.seen_at,
            state: row.from.clone(),
            phase: Phase::Final,
            outcome: None,
            is_quarantined: false,
            is_finished: true,
            amount: None,
            amounts: row.amounts,
        }
    }
}

/// What a fact changes.
fn of_fact(sequence: u64, fact: Fact) -> Vec<LiveChange> {
    match fact {
        Fact::Enrolled { at, enrolments } => {
            enrolments.into_iter().map(|one| LiveChange::enrolled(sequence, at, one)).collect()
        }
        Fact::Committed { at, record, transition, enrol, .. } => {
            let changed = LiveChange::changed(sequence, at, *record, transition.as_deref());
            let found = enrol.into_iter().map(|one| LiveChange::enrolled(sequence, at, one));
            std::iter::once(changed).chain(found).collect()
        }
        Fact::Forgotten { object, transition } => {
            vec![LiveChange::forgotten(sequence, object, &transition)]
        }
        _ => Vec::new(),
    }
}

/// A follower's place in the journal.
#[derive(Debug, Clone)]
pub struct Follower {
    /// The last entry that it has seen.
    sequence: u64,
    /// Where that entry ends, once it is known.
    place: Option<Position>,
}

impl Follower {
    /// The last journal entry that it has seen.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// How far a follower got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Changes after its place, oldest first. There may be more if there are any.
    Changes(Vec<LiveChange>),
    /// It is too far behind, or its place is not in this journal. It continues at the end.
    Lagged,
}

/// A follower that has seen everything up to an entry; none: everything that there is.
pub(super) fn follow(engine: &Engine, after: Option<u64>) -> Follower {
    let end = locked(&engine.journal).end();
    match after {
        Some(sequence) if sequence != end.sequence => Follower { sequence, place: None },
        _ => Follower { sequence: end.sequence, place: Some(end) },
    }
}

/// Reads on. The follower's place moves behind what is returned.
pub(super) fn read_on(engine: &Engine, follower: &mut Follower) -> Result<Followed, StoreError> {
    let (written, end) = {
        let journal = locked(&engine.journal);
        (journal.written(&*engine.disk), journal.end())
    };
    let seen = follower.sequence;
    if seen == end.sequence {
        return Ok(Followed::Changes(Vec::new()));
    }
    if seen > end.sequence || end.sequence - seen > BEHIND_MAX {
        *follower = Follower { sequence: end.sequence, place: Some(end) };
        return Ok(Followed::Lagged);
    }
    let from = match follower.place {
        Some(place) => From::Behind(place),
        // A segment is found by its first entry alone.
        None => From::SegmentOf(Position { segment: seen + 1, ..Position::start() }),
    };
    let mut changes = Vec::new();
    let folder = engine.folder.join("journal");
    let outcome = reading::read(&written, &folder, from, true, &mut |entry, place| {
        if entry.sequence <= seen {
            return Ok(());
        }
        if changes.len() >= PAGE_CHANGES {
            return Err(StoreError::Stopping);
        }
        // An entry that cannot be read is the self-check's business.
        changes.extend(
            facts::decode(&entry.payload).map(|fact| of_fact(entry.sequence, fact)).unwrap_or_default(),
        );
        *follower = Follower { sequence: entry.sequence, place: Some(place) };
        Ok(())
    });
    match outcome {
        Ok(_) | Err(Stopped::Taker(_)) => Ok(Followed::Changes(changes)),
        Err(Stopped::Io(path, error)) => {
            Err(StoreError::Broken(format!("cannot read {}: {error}", path.display())))
        }
        Err(Stopped::Damaged(damage)) => {
            Err(StoreError::Broken(format!("cannot read the journal: {damage}")))
        }
    }
}
