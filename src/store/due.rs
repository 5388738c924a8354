//! Who is asked about next.
//!
//! Owns: the lanes and the order of service. Must never know: what a state means, how a poll is made.
//!
//! Three lanes for each account and kind (`keys.rs`): *asked*, by due time; *urgent*, for records with a
//! deadline, by the later of due time and deadline less [`URGENT_WINDOW`]; *ordinary*, all that are owed a
//! poll, by due time. All asked come first; then, of each four, at least one is the longest overdue of all,
//! so that urgency never starves anybody.

use std::collections::HashSet;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

use super::keys::{self, Lane};
use super::lanes::{LaneRow, LaneRows, Lanes};
use super::types::StoreError;
use crate::payments::lifecycle::Phase;
use crate::payments::record::Record;

/// How long before its deadline a record becomes urgent.
pub(super) const URGENT_WINDOW: SignedDuration = SignedDuration::from_hours(4);

/// Of this many, one comes from the ordinary lane.
const SHARE: usize = 4;

/// All rows that a record has in lanes and in the order of age.
pub(super) fn rows(record: &Record) -> Vec<Vec<u8>> {
    let mut rows = Vec::with_capacity(3);
    if let Some(due_at) = record.due_at {
        rows.push(keys::due(&record.object, Lane::Ordinary, due_at));
        if record.is_asked {
            rows.push(keys::due(&record.object, Lane::Asked, due_at));
        }
        if let Some(deadline) = record.deadline {
            rows.push(keys::due(&record.object, Lane::Urgent, urgent_at(due_at, deadline)));
        }
        if record.phase() == Phase::Moving {
            rows.push(keys::moving(&record.object, record.made_at()));
        }
    }
    rows
}

/// When a record with a deadline stands first: never before it is due.
pub fn urgent_at(due_at: Timestamp, deadline: Timestamp) -> Timestamp {
    due_at.max(deadline.checked_sub(URGENT_WINDOW).unwrap_or(Timestamp::MIN))
}

/// Up to `limit` of what the lanes hold, in the order of service. A lane is a closure that gives its next row
/// each time, and none at its end; an id may stand in several. Pure, so that a policy can be tried on a past
/// by the order that it will have.
///
/// # Errors
/// The first that a lane gives.
pub fn order_of_service<Id: Clone + Eq + Hash, Error>(
    mut asked: impl FnMut() -> Result<Option<Id>, Error>,
    mut urgent: impl FnMut() -> Result<Option<Id>, Error>,
    mut ordinary: impl FnMut() -> Result<Option<Id>, Error>,
    limit: usize,
) -> Result<Vec<Id>, Error> {
    let mut taken = HashSet::new();
    let mut order = Vec::new();
    let mut turn = 1;
    while order.len() < limit {
        let mut next = fresh(&mut asked, &taken)?;
        if next.is_none() {
            let is_ordinary_turn = turn % SHARE == 0;
            turn += 1;
            next = match is_ordinary_turn {
                true => fresh(&mut ordinary, &taken)?,
                false => fresh(&mut urgent, &taken)?,
            };
            if next.is_none() {
                next = match is_ordinary_turn {
                    true => fresh(&mut urgent, &taken)?,
                    false => fresh(&mut ordinary, &taken)?,
                };
            }
        }
        let Some(id) = next else { break };
        taken.insert(id.clone());
        order.push(id);
    }
    Ok(order)
}

/// The next of a lane that was not taken from another.
fn fresh<Id: Eq + Hash, Error>(
    lane: &mut impl FnMut() -> Result<Option<Id>, Error>,
    taken: &HashSet<Id>,
) -> Result<Option<Id>, Error> {
    while let Some(id) = lane()? {
        if !taken.contains(&id) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// What is due, or when something will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Records in the order of service.
    Now(Vec<Record>),
    /// Nothing is due; when the next is, if any is owed a poll.
    Later(Option<Timestamp>),
}

/// What is due at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// No rule makes anything wait until later than this. What does was written while the clock was ahead, and is due
    /// now.
    pub(super) latest: Timestamp,
}

impl Moment {
    /// `longest`: no rule makes a longer wait.
    pub(super) fn new(now: Timestamp, longest: SignedDuration) -> Moment {
        let latest = now.checked_add(longest).ok();
        Moment { now, latest: latest.unwrap_or(Timestamp::MAX) }
    }

    fn is_due(self, due_at: Timestamp) -> bool {
        due_at <= self.now || due_at > self.latest
    }
}

/// Up to `limit` records that are due, in the order of service; when nothing is, what comes next. Costs in proportion
/// to what it returns.
pub(super) fn due(lanes: &Lanes<'_>, moment: Moment, limit: usize) -> Result<Due, StoreError> {
    let Moment { now, latest } = moment;
    let mut asked = lanes.lane(Lane::Asked, now);
    let mut urgent = lanes.lane(Lane::Urgent, now);
    let mut ordinary = lanes.lane(Lane::Ordinary, now);
    // A row of the urgent lane may stand at a deadline, however far that is; its record stands in the ordinary lane,
    // too. Who waited for a clock that was ahead has waited longest.
    let mut asked_ahead = lanes.lane_behind(Lane::Asked, latest);
    let mut ahead = lanes.lane_behind(Lane::Ordinary, latest);
    let order = order_of_service(
        || first_of(&mut asked_ahead, &mut asked),
        || urgent.next_row(),
        || first_of(&mut ahead, &mut ordinary),
        limit,
    )?;
    if order.is_empty() {
        return Ok(Due::Later(next_due(lanes)?));
    }
    let mut records = Vec::with_capacity(order.len());
    for row in order {
        records.extend(lanes.record(row, |due_at| moment.is_due(due_at))?);
    }
    Ok(Due::Now(records))
}

fn first_of(first: &mut LaneRows<'_>, second: &mut LaneRows<'_>) -> Result<Option<LaneRow>, StoreError> {
    match first.next_row()? {
        Some(row) => Ok(Some(row)),
        None => second.next_row(),
    }
}

/// When the next record of an account and kind is or was due.
pub(super) fn next_due(lanes: &Lanes<'_>) -> Result<Option<Timestamp>, StoreError> {
    // The ordinary lane has them all, and no other lane has an earlier time.
    Ok(lanes.lane(Lane::Ordinary, Timestamp::MAX).next_row()?.map(|row| row.at))
}
