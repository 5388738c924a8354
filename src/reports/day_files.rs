//! All files of a day while they are written, and the figures counted along the way.
//!
//! Owns: which row goes in which file. Must never know: the store, how a folder is published.

use std::collections::BTreeMap;
use std::io;

use super::columns::{CHANGE_COLUMNS, Frame, PENDING_COLUMNS, QUARANTINED_COLUMNS};
use super::detection::Detection;
use super::lists::{Listed, Listing};
use super::money::DayMoney;
use super::sheet::{AddError, Dialect, Sheet};
use super::standing::{Change, Watched, is_believed, is_entry, is_forgetting, standing};
use super::totals::{Movement, Totals};
use super::value::{Value, value};
use super::write::{Draft, Probed};
use crate::payments::lifecycle::{Moves, Outcome, Phase};
use crate::payments::money::Currency;
use crate::payments::object::{AccountName, Kind};
use crate::payments::record::Transition;

/// Upper bounds of the age groups in seconds, and their names; the last has no bound.
pub(super) const AGES: [(&str, i64); 6] = [
    ("under 1 h", 3_600),
    ("1 to 6 h", 21_600),
    ("6 to 24 h", 86_400),
    ("1 to 2 days", 172_800),
    ("2 to 7 days", 604_800),
    ("over 7 days", i64::MAX),
];

/// Decisions of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) succeeded: u64,
    /// Over, but this object does not show whether money moved.
    pub(super) closed: u64,
    pub(super) canceled: u64,
    pub(super) declined: u64,
}

/// The figures counted while the files are written.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) movement: BTreeMap<(AccountName, Kind), Movement>,
    /// The same as money.
    pub(super) value: BTreeMap<(AccountName, Kind, Currency), Value>,
    /// What was authorized, captured, refunded, declined, canceled and is open.
    pub(super) money: DayMoney,
    /// Objects that became final, according to the rows of `declined` and `resolved`.
    pub(super) closed_in_files: BTreeMap<(AccountName, Kind), u64>,
    pub(super) hours: Vec<Hour>,
    /// How late ends were found.
    pub(super) detection: Detection,
    pub(super) ages: [u64; AGES.len()],
    /// Rows that a person must see.
    pub(super) listed: Listed,
}

/// A file that is complete on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filed {
    /// `declined`, `resolved`, `pending`, `quarantined`.
    pub(super) sort: &'static str,
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) totals: Totals,
}

/// The open files.
pub(super) struct DayFiles {
    frame: Frame,
    declined: Sheet<Probed>,
    resolved: Sheet<Probed>,
    pending: Sheet<Probed>,
    quarantined: Sheet<Probed>,
    figures: Figures,
}

/// `declined_2026-01-15.csv`.
pub(super) fn file_name(sort: &str, date: jiff::civil::Date) -> String {
    format!("{sort}_{date}.csv")
}

impl DayFiles {
    /// Starts all files.
    pub(super) fn begin(draft: &Draft, frame: Frame, dialect: Dialect) -> io::Result<DayFiles> {
        let date = frame.day.date;
        let sheet = |sort, columns| Sheet::begin(draft.create(&file_name(sort, date))?, columns, dialect);
        Ok(DayFiles {
            declined: sheet("declined", CHANGE_COLUMNS)?,
            resolved: sheet("resolved", CHANGE_COLUMNS)?,
            pending: sheet("pending", PENDING_COLUMNS)?,
            quarantined: sheet("quarantined", QUARANTINED_COLUMNS)?,
            figures: Figures {
                movement: BTreeMap::new(),
                value: BTreeMap::new(),
                money: DayMoney::default(),
                closed_in_files: BTreeMap::new(),
                hours: vec![Hour::default(); frame.day.hours()],
                detection: Detection::default(),
                ages: [0; AGES.len()],
                listed: Listed::default(),
            },
            frame,
        })
    }

    /// Files a change of state: a decline in `declined`, any other end in `resolved`, other changes nowhere.
    pub(super) fn change(&mut self, change: &Change) -> Result<(), AddError> {
        let seen = &change.row;
        let money = &mut self.figures.money;
        money.add(&seen.object, change.grown.authorized, |sums| &mut sums.authorized)?;
        let is_declined = seen.outcome == Outcome::Declined;
        if !is_filed(seen) {
            return Ok(());
        }
        money.add(&seen.object, change.grown.captured, |sums| &mut sums.captured)?;
        money.add(&seen.object, change.grown.refunded, |sums| &mut sums.refunded)?;
        match seen.outcome {
            Outcome::Declined => money.add(&seen.object, seen.amount, |sums| &mut sums.declined)?,
            Outcome::Canceled => money.add(&seen.object, seen.amount, |sums| &mut sums.canceled)?,
            Outcome::Succeeded | Outcome::Closed | Outcome::Open | Outcome::Undecided => {}
        }
        self.figures.detection.add(change);
        let row = self.frame.change(change);
        if is_declined {
            let environment = self.frame.environment(&seen.object.account);
            self.figures.listed.add(environment, Listing::Declined, &row);
            self.declined.add(&row)?
        } else {
            self.resolved.add(&row)?
        }
        if seen.phase == Phase::Final && !change.was_final {
            let key = (seen.object.account.clone(), seen.object.kind.clone());
            *self.figures.closed_in_files.entry(key).or_default() += 1;
        }
        if let Some(hour) = self.figures.hours.get_mut(self.frame.day.hour_of(seen.seen_at)) {
            match seen.outcome {
                Outcome::Declined => hour.declined += 1,
                Outcome::Canceled => hour.canceled += 1,
                Outcome::Succeeded => hour.succeeded += 1,
                Outcome::Closed | Outcome::Open | Outcome::Undecided => hour.closed += 1,
            }
        }
        Ok(())
    }

    /// Files an object as it stood at the end of the day: in `pending` when it was open, in `quarantined`
    /// when it was quarantined.
    pub(super) fn object(&mut self, watched: &Watched) -> Result<(), AddError> {
        self.count_movement(watched);
        let account = watched.object.account.clone();
        for (currency, value) in value(watched, self.frame.day.start, self.frame.day.end) {
            let key = (account.clone(), watched.object.kind.clone(), currency);
            self.figures.value.entry(key).or_default().add(value)?;
        }
        let (start, end) = (self.frame.day.start, self.frame.day.end);
        self.figures.money.add_net(&watched.object, &watched.history, start, end)?;
        let record = watched.record.as_ref();
        let Some(standing) = standing(&watched.history, record, self.frame.day.end) else { return Ok(()) };
        if standing.is_open() {
            let age_s = self.frame.day.end.duration_since(standing.watched_since).as_secs();
            let group = AGES.iter().position(|(_, bound_s)| age_s < *bound_s).unwrap_or(AGES.len() - 1);
            self.figures.ages[group] += 1;
            let row = self.frame.pending(&watched.object, &standing, record);
            self.figures.money.add(&watched.object, row.amount, |sums| &mut sums.open)?;
            self.pending.add(&row)?;
        }
        match self.frame.quarantined(&watched.object, &standing, record) {
            Some(row) => {
                let environment = self.frame.environment(&watched.object.account);
                self.figures.listed.add(environment, Listing::Quarantined, &row);
                self.quarantined.add(&row)
            }
            None => Ok(()),
        }
    }

    fn count_movement(&mut self, watched: &Watched) {
        let (day, record) = (&self.frame.day, watched.record.as_ref());
        let is_open_at = |at| standing(&watched.history, record, at).is_some_and(|stood| stood.is_open());
        let counted = movement(watched, is_open_at(day.start), is_open_at(day.end), |at| day.contains(at));
        if counted == Movement::default() {
            return;
        }
        let key = (watched.object.account.clone(), watched.object.kind.clone());
        let sum = self.figures.movement.entry(key).or_default();
        sum.opening += counted.opening;
        sum.entered += counted.entered;
        sum.reopened += counted.reopened;
        sum.closed += counted.closed;
        sum.forgotten += counted.forgotten;
        sum.closing += counted.closing;
    }

    /// Completes all files on disk.
    pub(super) fn finish(self) -> io::Result<(Vec<Filed>, Figures, Frame)> {
        let date = self.frame.day.date;
        let sheets = [
            ("declined", self.declined),
            ("resolved", self.resolved),
            ("pending", self.pending),
            ("quarantined", self.quarantined),
        ];
        let mut filed = Vec::new();
        for (sort, sheet) in sheets {
            let (file, bytes, sha256, totals) = sheet.finish()?;
            file.sync()?;
            filed.push(Filed { sort, name: file_name(sort, date), bytes, sha256, totals });
        }
        Ok((filed, self.figures, self.frame))
    }
}

/// Whether the files of a day have this row: a decline, or any other end.
pub(super) fn is_filed(row: &Transition) -> bool {
    let is_end = row.outcome == Outcome::Declined || row.phase == Phase::Final;
    is_end && (is_entry(row) || moves_more(row))
}

/// Whether more money moved in a state that was entered before: the rest of a partial capture.
fn moves_more(row: &Transition) -> bool {
    let is_moving =
        matches!(row.moves, Moves::Captures | Moves::Refunds) && row.outcome == Outcome::Succeeded;
    is_believed(row) && is_moving && row.amount.is_some_and(|amount| !amount.amount.is_zero())
}

/// What happened to one object in the day, according to its events. Its standing at both ends is computed
/// separately, so that the equation of [`Movement`] is a real check.
fn movement(
    watched: &Watched,
    was_open: bool,
    is_open: bool,
    is_in_day: impl Fn(jiff::Timestamp) -> bool,
) -> Movement {
    let mut counted = Movement { opening: was_open.into(), closing: is_open.into(), ..Movement::default() };
    let mut is_open_now = was_open;
    let enrolled_at = watched.record.as_ref().map(|record| record.enrolled_at);
    let is_new_record = enrolled_at.is_some_and(&is_in_day);
    // Without its record, the first row shows when it was enrolled.
    let first_row = watched.history.first().map(|row| row.seen_at);
    let is_new_by_history = enrolled_at.is_none() && first_row.is_some_and(&is_in_day);
    let mut entry_is_owed = is_new_record || is_new_by_history;
    let enters_by = |at: jiff::Timestamp| enrolled_at.is_none_or(|enrolled_at| enrolled_at <= at);
    let mut begins_a_watch = true;
    for row in &watched.history {
        let begins = std::mem::replace(&mut begins_a_watch, is_forgetting(row));
        if !is_in_day(row.seen_at) {
            continue;
        }
        // An observation that was not believed says nothing about the state, only that the object is watched
        // again.
        let begins_watch_unbelieved = begins && !is_believed(row);
        // An object that was never observed is known only from the row that forgot it: it came and went with
        // that.
        if entry_is_owed && enters_by(row.seen_at) {
            entry_is_owed = false;
            counted.entered += 1;
            is_open_now = true;
        }
        if is_forgetting(row) {
            counted.forgotten += u64::from(is_open_now);
            is_open_now = false;
        } else if is_believed(row) && is_open_now && row.phase == Phase::Final {
            counted.closed += 1;
            is_open_now = false;
        } else if !is_open_now && (begins_watch_unbelieved || is_believed(row) && row.phase != Phase::Final) {
            counted.reopened += 1;
            is_open_now = true;
        }
    }
    counted.entered += u64::from(entry_is_owed);
    counted
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, enrolled, row};
    use super::*;
    use crate::payments::money::Money;
    use crate::payments::record::Record;
    use proptest::prelude::*;

    /// What can happen to an object from one moment to the next.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Enrolled,
        Seen(&'static str),
        Changed,
        Doubted,
        Forgotten,
    }

    fn event() -> impl Strategy<Value = Event> {
        let states =
            proptest::sample::select(vec!["AuthorizationInitiated", "Authorized", "Captured", "Declined"]);
        prop_oneof![
            2 => Just(Event::Enrolled),
            5 => states.prop_map(Event::Seen),
            2 => Just(Event::Changed),
            1 => Just(Event::Doubted),
            1 => Just(Event::Forgotten),
        ]
    }

    /// Amounts that differ, in two currencies, and sometimes none.
    fn amount(number: usize) -> Option<Money> {
        let currency = if number.is_multiple_of(5) { "USD" } else { "EUR" };
        (!number.is_multiple_of(7)).then(|| Money::parse(&number.to_string(), currency).unwrap())
    }

    /// The object as the store would have it after these events, one every ten seconds.
    fn lived(events: &[Event]) -> Watched {
        let mut record: Option<Record> = None;
        let mut history = Vec::new();
        let mut state: Option<&str> = None;
        for (number, event) in events.iter().enumerate() {
            let seconds = i64::try_from(number).unwrap() * 10;
            match (event, &record) {
                (Event::Enrolled, None) => {
                    let mut new = enrolled("C1", seconds);
                    new.details.amount = amount(number);
                    record = Some(new);
                }
                (Event::Seen(next), Some(_)) if state != Some(next) => {
                    let mut seen = row("C1", state, next, seconds);
                    seen.amount = amount(number);
                    history.push(seen);
                    state = Some(next);
                }
                (Event::Changed, Some(_)) => {
                    if let Some(now) = state {
                        let mut seen = row("C1", state, now, seconds);
                        (seen.amount, seen.note) = (amount(number), "amounts or reason changed".to_owned());
                        history.push(seen);
                    }
                }
                (Event::Doubted, Some(_)) => {
                    let mut odd = row("C1", state, "Surprise", seconds);
                    odd.phase = Phase::Resting;
                    odd.note = "quarantined: unknown-state".to_owned();
                    history.push(odd);
                }
                (Event::Forgotten, Some(_)) => {
                    let mut gone = row("C1", state, state.unwrap_or_default(), seconds);
                    gone.note = "forgotten by uid 0".to_owned();
                    history.push(gone);
                    (record, state) = (None, None);
                }
                _ => {}
            }
        }
        Watched { object: "shop-de/charge/C1".parse().unwrap(), record, history }
    }

    #[test]
    fn a_second_watch_with_only_doubted_answers_opens_the_object_again() {
        let watched = lived(&[Event::Enrolled, Event::Forgotten, Event::Enrolled, Event::Doubted]);
        let watched = Watched { record: None, ..watched };
        let is_open = |moment| standing(&watched.history, None, moment).is_some_and(|stood| stood.is_open());
        let counted = movement(&watched, is_open(at(5)), is_open(at(50)), |moment| at(5) <= moment);
        assert_eq!((counted.entered, counted.forgotten, counted.reopened, counted.closing), (1, 1, 1, 1));
        assert!(counted.is_balanced(), "{counted:?}");
    }

    proptest! {
        #[test]
        fn the_equation_holds_for_any_life_of_an_object(
            events in proptest::collection::vec(event(), 0..14), from in 0i64..140, length in 0i64..140,
        ) {
            let watched = lived(&events);
            let (start, end) = (at(from), at(from + length));
            let is_open = |moment| {
                standing(&watched.history, watched.record.as_ref(), moment).is_some_and(|stood| stood.is_open())
            };
            let counted =
                movement(&watched, is_open(start), is_open(end), |moment| start <= moment && moment < end);
            prop_assert!(counted.is_balanced(), "{:?} {:?}", counted, watched.history);
            for (currency, sums) in value(&watched, start, end) {
                prop_assert!(sums.is_balanced(), "{currency} {sums:?} {:?}", watched.history);
            }
        }
    }
}
