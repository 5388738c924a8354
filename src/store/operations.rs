//! What each writing method does inside a group: read, decide, write facts.
//!
//! Owns: the preconditions. Must never know: files, threads, when the group becomes durable.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::deliveries::{Acknowledgement, Delivery, OwedAlert};
use super::group::Group;
use super::index::facts::Fact;
use super::index::outbox::{self, outcome};
use super::index::view::{View, cap_evidence};
use super::index::{Index, Writes};
use super::types::{Announced, Commit, Committed, Enrolled, StoreError};

use super::index::keys;
use super::index::value;
use crate::payments::object::ObjectRef;
use crate::payments::record::{Cause, Enrolment, Record, Transition};

/// The name of the remembered time before which nothing is dated any more.
const SEALED_UNTIL: &str = "history-sealed-until";

/// See [`super::Store::enrol`].
pub(super) fn enrol(
    group: &mut Group<'_>,
    enrolments: Vec<Enrolment>,
    now: Timestamp,
) -> Result<Vec<Enrolled>, StoreError> {
    let now = now.max(dated_from(&group.view)?);
    let mut answers = Vec::with_capacity(enrolments.len());
    let mut waiting = Vec::with_capacity(enrolments.len());
    let mut named = HashSet::with_capacity(enrolments.len());
    for enrolment in enrolments {
        if named.contains(&enrolment.object) {
            // The second enrolment of an object must see the first.
            group.write(&Fact::Enrolled { at: now, enrolments: std::mem::take(&mut waiting) })?;
            named.clear();
        }
        let answer = match group.view.record(&enrolment.object)? {
            None => Enrolled::New,
            Some(stored) => match stored.value.enrich(&enrolment.details) {
                Ok(None) => Enrolled::Same,
                Ok(Some(_)) => Enrolled::Enriched,
                Err(conflict) => Enrolled::Conflict(*conflict),
            },
        };
        if matches!(answer, Enrolled::New | Enrolled::Enriched) {
            named.insert(enrolment.object.clone());
            waiting.push(enrolment);
        }
        answers.push(answer);
    }
    if !waiting.is_empty() {
        group.write(&Fact::Enrolled { at: now, enrolments: waiting })?;
    }
    Ok(answers)
}

/// See [`super::Store::commit`].
pub(super) fn commit(group: &mut Group<'_>, mut commit: Commit) -> Result<Committed, StoreError> {
    check_targets(&commit.alerts)?;
    let dated_from = dated_from(&group.view)?;
    if !commit.tells_the_journal()
        && let Some(revision) = group.view.open_revision(&commit.read.object)?
    {
        if !date_quietly(&mut commit, dated_from, revision.value) {
            return Ok(Committed::Stale);
        }
        if group.view.put_pulse(&commit.read, &commit.record, revision.sequence) {
            return Ok(Committed::Written);
        }
    }
    let tells_the_journal = commit.tells_the_journal();
    let Commit { read, mut record, mut transition, enrol, alerts, is_news: _ } = commit;
    let Some(old) = group.view.record(&record.object)? else { return Ok(Committed::Forgotten) };
    if old.value.revision != read.revision {
        return Ok(Committed::Stale);
    }
    record.revision = read.revision + 1;
    let earliest = dated_from.max(last_date(&old.value, &record));
    date_not_before(earliest, &old.value, &mut record, transition.as_mut());
    cap_evidence(&mut record);
    if tells_the_journal {
        let at = record.polled_at.unwrap_or(record.enrolled_at).max(earliest);
        let transition = transition.map(Box::new);
        group.write(&Fact::Committed { at, record: Box::new(record), transition, enrol, alerts })?;
    } else {
        group.view.put_quietly(&old, &record)?;
    }
    Ok(Committed::Written)
}

/// The part of [`commit`] for a poll that saw nothing new; of the stored record it needs only the revision. False if
/// the record has changed since it was read.
pub(super) fn date_quietly(commit: &mut Commit, dated_from: Timestamp, revision: u64) -> bool {
    let Commit { read, record, .. } = commit;
    if revision != read.revision {
        return false;
    }
    record.revision = read.revision + 1;
    date_not_before(dated_from.max(last_date(read, record)), read, record, None);
    true
}

/// Nothing is dated before this any more: the days before it have been reported.
pub(super) fn dated_from(view: &View<'_>) -> Result<Timestamp, StoreError> {
    sealed_until(view.get(&keys::remembered(SEALED_UNTIL))?)
}

/// The same, read from the index.
pub(super) fn dated_from_index(index: &Index) -> Result<Timestamp, StoreError> {
    sealed_until(index.get(&keys::remembered(SEALED_UNTIL))?)
}

/// The new value, if these rows change it.
pub(super) fn dated_from_in(writes: &Writes) -> Result<Option<Timestamp>, StoreError> {
    writes.get(&keys::remembered(SEALED_UNTIL)).cloned().map(sealed_until).transpose()
}

fn sealed_until(row: Option<Vec<u8>>) -> Result<Timestamp, StoreError> {
    let Some(bytes) = row else { return Ok(Timestamp::MIN) };
    let sealed: value::Stored<String> = value::decode(&keys::remembered(SEALED_UNTIL), &bytes)?;
    Ok(sealed.value.parse().unwrap_or(Timestamp::MIN))
}

/// A date further ahead of the present than this was written by a clock that was ahead. Later events need not be dated
/// after it.
const AHEAD: SignedDuration = SignedDuration::from_hours(2);

/// If a clock goes back by less than this, it was not ahead.
const SLEW: SignedDuration = SignedDuration::from_mins(2);

/// The newest known date of an object, unless it cannot be true at the time of the poll that `next` comes from.
pub(super) fn last_date(record: &Record, next: &Record) -> Timestamp {
    let last = record
        .observed
        .as_ref()
        .map_or(record.enrolled_at, |observed| observed.seen_at.max(record.enrolled_at));
    let now = next.polled_at.unwrap_or(last);
    if last.duration_since(now) > AHEAD { now } else { last }
}

/// If the wall clock was set back, news must still not be dated before what was already known, nor into a day whose
/// report is published.
pub(super) fn date_not_before(
    earliest: Timestamp,
    old: &Record,
    record: &mut Record,
    row: Option<&mut Transition>,
) {
    if let Some(row) = row {
        row.seen_at = row.seen_at.max(earliest);
    }
    let was_set_apart = old.quarantine.as_ref().map(|quarantine| quarantine.since);
    if let Some(quarantine) = &mut record.quarantine
        && was_set_apart != Some(quarantine.since)
    {
        quarantine.since = quarantine.since.max(earliest);
    }
    let known = old.observed.as_ref().map(|observed| (observed.since, observed.seen_at));
    if let Some(observed) = &mut record.observed
        && known.is_none_or(|(_, seen_at)| seen_at != observed.seen_at)
    {
        observed.seen_at = observed.seen_at.max(earliest);
        if known.is_none_or(|(since, _)| since != observed.since) {
            observed.since = observed.since.max(earliest);
        }
    }
}

/// See [`super::Store::seal_history`].
pub(super) fn seal_history(group: &mut Group<'_>, until: Timestamp) -> Result<(), StoreError> {
    match dated_from(&group.view)? < until {
        true => remember(group, SEALED_UNTIL, &until.to_string()),
        false => Ok(()),
    }
}

/// See [`super::Store::unseal_history`].
pub(super) fn unseal_history(group: &mut Group<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let is_ahead = dated_from(&group.view)?.duration_since(now) > SLEW;
    if is_ahead {
        remember(group, SEALED_UNTIL, &now.to_string())?;
    }
    Ok(is_ahead)
}

/// See [`super::Store::ask`].
pub(super) fn ask(
    group: &mut Group<'_>,
    objects: Vec<ObjectRef>,
    now: Timestamp,
) -> Result<Vec<bool>, StoreError> {
    let mut answers = Vec::with_capacity(objects.len());
    let mut known = Vec::with_capacity(objects.len());
    for object in objects {
        let record = group.view.record(&object)?;
        answers.push(record.is_some());
        let is_new = record.is_some_and(|stored| !is_asked_by(&stored.value, now));
        if is_new && !known.contains(&object) {
            known.push(object);
        }
    }
    if !known.is_empty() {
        group.write(&Fact::Asked { at: now, objects: known })?;
    }
    Ok(answers)
}

fn is_asked_by(record: &Record, now: Timestamp) -> bool {
    record.is_asked && record.due_at.is_some_and(|due_at| due_at <= now)
}

/// See [`super::Store::hint`].
pub(super) fn hint(group: &mut Group<'_>, object: &ObjectRef, now: Timestamp) -> Result<bool, StoreError> {
    let Some(old) = group.view.record(object)? else { return Ok(false) };
    let Some(due_at) = old.value.due_at else { return Ok(false) };
    if due_at > now {
        let revision = old.value.revision + 1;
        let record = Record { due_at: Some(now), revision, ..old.value.clone() };
        group.view.put_quietly(&old, &record)?;
    }
    Ok(true)
}

/// See [`super::Store::announce`].
pub(super) fn announce(
    group: &mut Group<'_>,
    objects: Vec<ObjectRef>,
    now: Timestamp,
) -> Result<Vec<Announced>, StoreError> {
    let mut answers = Vec::with_capacity(objects.len());
    let mut hinted = Vec::new();
    for object in objects {
        let due_at = group.view.record(&object)?.map(|stored| stored.value.due_at);
        answers.push(match due_at {
            None => Announced::Unknown,
            Some(None) => Announced::Finished,
            Some(Some(_)) => Announced::Due,
        });
        if due_at.flatten().is_some() && !hinted.contains(&object) {
            hinted.push(object);
        }
    }
    if !hinted.is_empty() {
        group.write(&Fact::Hinted { at: now, objects: hinted })?;
    }
    Ok(answers)
}

/// See [`super::Store::forget`].
pub(super) fn forget(
    group: &mut Group<'_>,
    object: &ObjectRef,
    now: Timestamp,
    by: &str,
) -> Result<bool, StoreError> {
    let Some(old) = group.view.record(object)? else { return Ok(false) };
    let record = old.value;
    // Like every other row, it is not dated into a day whose report is published, nor before the last observation.
    let seen_now = Record { polled_at: Some(now), ..record.clone() };
    let now = now.max(dated_from(&group.view)?).max(last_date(&record, &seen_now));
    let transition = Transition {
        to: record.state().unwrap_or_default().to_owned(),
        stored_cause: Some(Cause::Forgotten),
        ..Transition::unobserved(&record, record.phase(), format!("forgotten by {by}"), now)
    };
    group.write(&Fact::Forgotten { object: object.clone(), transition: Box::new(transition) })?;
    Ok(true)
}

/// See [`super::Store::raise`].
pub(super) fn raise(group: &mut Group<'_>, alerts: Vec<OwedAlert>) -> Result<usize, StoreError> {
    check_targets(&alerts)?;
    let mut named = HashSet::new();
    let mut new = Vec::new();
    for owed in alerts {
        let is_known = outbox::is_known(&mut group.view, &owed.alert)?;
        if !is_known && named.insert(owed.alert.key.clone()) {
            new.push(owed);
        }
    }
    let number = new.len();
    if number > 0 {
        group.write(&Fact::Raised { alerts: new })?;
    }
    Ok(number)
}

/// See [`super::Store::settle`].
pub(super) fn settle(
    group: &mut Group<'_>,
    key: &str,
    target: &str,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(stored) = outbox::find(&group.view, key)? else { return Ok(()) };
    let rows = outcome::after_attempt(&stored.value, target, delivery, now);
    match delivery {
        _ if rows.is_empty() => Ok(()),
        Delivery::Retry { .. } | Delivery::Postponed { .. } => {
            outbox::set_deliveries(&mut group.view, key, &rows, None)
        }
        Delivery::Delivered
        | Delivery::Together { .. }
        | Delivery::Withheld { .. }
        | Delivery::Silenced { .. }
        | Delivery::Acknowledged
        | Delivery::Dead { .. } => group.write(&Fact::Deliveries { key: key.to_owned(), rows }),
    }
}

/// See [`super::Store::withhold`].
pub(super) fn withhold(
    group: &mut Group<'_>,
    key: &str,
    silence: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(stored) = outbox::find(&group.view, key)? else { return Ok(()) };
    let rows = outcome::all_settled(&stored.value, &Delivery::Silenced { silence }, now);
    match rows.is_empty() {
        true => Ok(()),
        false => group.write(&Fact::Deliveries { key: key.to_owned(), rows }),
    }
}

/// See [`super::Store::acknowledge`].
pub(super) fn acknowledge(
    group: &mut Group<'_>,
    key: &str,
    acknowledgement: &Acknowledgement,
) -> Result<bool, StoreError> {
    let Some(stored) = outbox::find(&group.view, key)? else { return Ok(false) };
    if stored.value.acknowledged.is_none() {
        let rows = outcome::not_escalated(&stored.value, acknowledgement.at);
        let acknowledgement = acknowledgement.clone();
        group.write(&Fact::Acknowledged { key: key.to_owned(), acknowledgement, rows })?;
    }
    Ok(true)
}

/// See [`super::Store::redeliver`].
pub(super) fn redeliver(
    group: &mut Group<'_>,
    key: &str,
    target: Option<&str>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let Some(stored) = outbox::find(&group.view, key)? else { return Ok(0) };
    let rows = outcome::made_again(&stored.value, target, now);
    let number = rows.len();
    if number > 0 {
        group.write(&Fact::Deliveries { key: key.to_owned(), rows })?;
    }
    Ok(number)
}

/// See [`super::Store::remember`].
pub(super) fn remember(group: &mut Group<'_>, name: &str, value: &str) -> Result<(), StoreError> {
    let known: Option<value::Stored<String>> = group.view.value(&keys::remembered(name))?;
    if known.is_some_and(|known| known.value == value) {
        return Ok(());
    }
    group.write(&Fact::Remembered { name: name.to_owned(), value: value.to_owned() })
}

/// See [`super::Store::remember_new`].
pub(super) fn remember_new(group: &mut Group<'_>, name: &str, value: &str) -> Result<bool, StoreError> {
    let is_new = group.view.get(&keys::remembered(name))?.is_none();
    if is_new {
        group.write(&Fact::Remembered { name: name.to_owned(), value: value.to_owned() })?;
    }
    Ok(is_new)
}

fn check_targets(alerts: &[OwedAlert]) -> Result<(), StoreError> {
    match alerts.iter().flat_map(|owed| &owed.targets).find(|to| to.target().contains('\0')) {
        Some(to) => Err(StoreError::BadTarget(to.target().to_owned())),
        None => Ok(()),
    }
}
