//! Which object is polled next: an entry for each object that waits for a poll, in memory.
//!
//! Owns: the due queues of each account and kind. Must never know: what a state means, how records are stored, the
//! present time.
//!
//! The queues follow from the open records: they are filled from them when the store opens, and updated by every
//! commit. While the store is open they are not on disk; a clean stop leaves a snapshot for the next start
//! (`snapshot.rs`). Each account and kind has three queues: *asked*, the objects that an operator asked for, by due
//! time; *urgent*, those that the provider announced news of, by due time, and those with a deadline, by [`urgent_at`];
//! and *ordinary*, all that wait for a poll, by due time. An object takes about 100 bytes, and 35 more while it is urgent. There is no fourth queue, by age, because a
//! million open objects must fit in 300 MB (docs/src/performance.md).

pub(crate) mod order;
pub(crate) mod polls;
pub(crate) mod signals;
pub(crate) mod snapshot;

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::Record;

use order::{order_of_service, urgent_at};

/// Nanoseconds since 1970. A time that does not fit is clamped to the first or last that does (the last is in 2262).
fn nanoseconds(at: Timestamp) -> i64 {
    let end = if at < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX };
    i64::try_from(at.as_nanosecond()).unwrap_or(end)
}

fn timestamp(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into())
        .expect("64 bits of nanoseconds are well within the calendar")
}

/// Stands for the creation time of a record that is not moving.
const NOT_MOVING: i64 = i64::MAX;

/// Where a record is in the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    due_at: i64,
    urgent_at: Option<i64>,
    is_asked: bool,
    /// When a moving object was created, else [`NOT_MOVING`].
    made_at: i64,
}

impl Place {
    /// None if the record does not wait for a poll.
    pub(crate) fn of(record: &Record) -> Option<Place> {
        let due_at = record.due_at?;
        Some(Place {
            due_at: nanoseconds(due_at),
            urgent_at: match record.is_announced {
                true => Some(nanoseconds(due_at)),
                false => record.deadline.map(|deadline| nanoseconds(urgent_at(due_at, deadline))),
            },
            is_asked: record.is_asked,
            made_at: match record.phase() {
                Phase::Moving => nanoseconds(record.made_at()).min(NOT_MOVING - 1),
                _ => NOT_MOVING,
            },
        })
    }
}

/// What a commit changes in the queues: where an object was before, and where it is now.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) object: ObjectRef,
    pub(crate) before: Option<Place>,
    pub(crate) after: Option<Place>,
}

impl Change {
    /// The change from one record to another; none stands for no record. Returns none if nothing changes.
    pub(crate) fn between(old: Option<&Record>, new: Option<&Record>) -> Option<Change> {
        let (before, after) = (old.and_then(Place::of), new.and_then(Place::of));
        let object = new.or(old)?.object.clone();
        (before != after).then_some(Change { object, before, after })
    }

    /// Whether it is due earlier than before.
    pub(crate) fn is_earlier(&self) -> bool {
        let due_at = |place: Option<Place>| place.map_or(i64::MAX, |place| place.due_at);
        due_at(self.after) < due_at(self.before)
    }
}

/// The moment for which to decide what is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    now: i64,
    /// No rule makes anything wait until after this. An object that does was written while the clock was ahead, and is
    /// due now.
    latest: Option<i64>,
}

impl Moment {
    /// `longest` is the longest wait that any rule sets.
    pub(crate) fn new(now: Timestamp, longest: SignedDuration) -> Moment {
        let latest = now.checked_add(longest).ok();
        Moment { now: nanoseconds(now), latest: latest.map(nanoseconds) }
    }

    /// Whether a record is due.
    pub(crate) fn is_due(self, record: &Record) -> bool {
        let is_due = |due_at: i64| due_at <= self.now || self.latest.is_some_and(|latest| due_at > latest);
        record.due_at.map(nanoseconds).is_some_and(is_due)
    }
}

/// An entry of a queue: ordered by time, then by id.
type Entry = (i64, Arc<str>);

/// Which of the queues.
#[derive(Debug, Clone, Copy)]
enum Which {
    Asked,
    Urgent,
    Ordinary,
}

/// An object that is due. Two entries are equal if their ids are, whichever queue they come from.
#[derive(Debug, Clone)]
pub(crate) struct DueEntry {
    which: Which,
    at: i64,
    id: Arc<str>,
}

impl DueEntry {
    /// The object's id.
    pub(crate) fn id(&self) -> ObjectId {
        ObjectId::new(&*self.id).expect("it was an id when it entered the queue")
    }
}

impl PartialEq for DueEntry {
    fn eq(&self, other: &DueEntry) -> bool {
        self.id == other.id
    }
}

impl Eq for DueEntry {}

impl Hash for DueEntry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// The queues of one account and kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Queues {
    asked: BTreeMap<Entry, ()>,
    urgent: BTreeMap<Entry, ()>,
    /// With the time at which each was made, or [`NOT_MOVING`].
    ordinary: BTreeMap<Entry, i64>,
}

impl Queues {
    fn has(&self, which: Which, entry: &Entry) -> bool {
        match which {
            Which::Asked => self.asked.contains_key(entry),
            Which::Urgent => self.urgent.contains_key(entry),
            Which::Ordinary => self.ordinary.contains_key(entry),
        }
    }

    fn change(&mut self, id: &str, before: Option<Place>, after: Option<Place>) {
        let mut id: Arc<str> = Arc::from(id);
        if let Some(before) = before {
            // All queues share one copy of the id.
            if let Some(((_, known), _)) = self.ordinary.remove_entry(&(before.due_at, Arc::clone(&id))) {
                id = known;
            }
            if before.is_asked {
                self.asked.remove(&(before.due_at, Arc::clone(&id)));
            }
            if let Some(at) = before.urgent_at {
                self.urgent.remove(&(at, Arc::clone(&id)));
            }
        }
        if let Some(after) = after {
            if after.is_asked {
                self.asked.insert((after.due_at, Arc::clone(&id)), ());
            }
            if let Some(at) = after.urgent_at {
                self.urgent.insert((at, Arc::clone(&id)), ());
            }
            self.ordinary.insert((after.due_at, id), after.made_at);
        }
    }

    /// Where every object is, by due time.
    fn places(&self) -> impl Iterator<Item = (&str, Place)> {
        let urgent: HashMap<&str, i64> = self.urgent.keys().map(|(at, id)| (&**id, *at)).collect();
        self.ordinary.iter().map(move |(entry, made_at)| {
            let (due_at, id) = entry;
            let place = Place {
                due_at: *due_at,
                urgent_at: urgent.get(&**id).copied(),
                is_asked: self.asked.contains_key(entry),
                made_at: *made_at,
            };
            (&**id, place)
        })
    }
}

/// What is due in a queue, in order. With `with_ahead`, objects that wait longer than any rule allows come first: they
/// were written by a clock that was ahead, and have waited longest.
fn due<T>(
    entries: &BTreeMap<Entry, T>,
    which: Which,
    moment: Moment,
    with_ahead: bool,
) -> impl Iterator<Item = DueEntry> {
    let behind = |at: i64| (at.saturating_add(1), Arc::from(""));
    let ahead = moment.latest.filter(|_| with_ahead).map(behind);
    let ahead = ahead.into_iter().flat_map(move |start| entries.range(start..));
    let until_now = entries.range(..behind(moment.now));
    ahead.chain(until_now).map(move |((at, id), _)| DueEntry { which, at: *at, id: Arc::clone(id) })
}

/// The queues of all accounts and kinds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    accounts: HashMap<AccountName, HashMap<Kind, Queues>>,
}

impl Queue {
    fn queues(&self, account: &AccountName, kind: &Kind) -> Option<&Queues> {
        self.accounts.get(account)?.get(kind)
    }

    /// Applies a commit's change.
    pub(crate) fn apply(&mut self, change: &Change) {
        let Change { object, before, after } = change;
        // Looked up before it is created, so that no name is cloned needlessly.
        let known = self.accounts.get_mut(&object.account).and_then(|kinds| kinds.get_mut(&object.kind));
        let queues = match known {
            Some(queues) => queues,
            None => {
                let kinds = self.accounts.entry(object.account.clone()).or_default();
                kinds.entry(object.kind.clone()).or_default()
            }
        };
        queues.change(object.id.as_str(), *before, *after);
    }

    /// Up to `limit` objects that are due, in the order of service. The cost is proportional to what it returns.
    pub(crate) fn due(
        &self,
        account: &AccountName,
        kind: &Kind,
        moment: Moment,
        limit: usize,
    ) -> Vec<DueEntry> {
        let Some(queues) = self.queues(account, kind) else { return Vec::new() };
        // The time of an urgent entry comes from a deadline, which may be far ahead; the ordinary queue has it, too.
        order_of_service(
            due(&queues.asked, Which::Asked, moment, true),
            due(&queues.urgent, Which::Urgent, moment, false),
            due(&queues.ordinary, Which::Ordinary, moment, true),
            limit,
        )
    }

    /// When the next object of an account and kind is or was due.
    pub(crate) fn next_due(&self, account: &AccountName, kind: &Kind) -> Option<Timestamp> {
        // No other queue has an earlier time.
        self.queues(account, kind)?.ordinary.first_key_value().map(|((at, _), _)| timestamp(*at))
    }

    /// Whether an entry that [`Queue::due`] returned is still where it was.
    pub(crate) fn has(&self, account: &AccountName, kind: &Kind, entry: &DueEntry) -> bool {
        let place = (entry.at, Arc::clone(&entry.id));
        self.queues(account, kind).is_some_and(|queues| queues.has(entry.which, &place))
    }

    /// Whether an object is exactly where its record says.
    pub(crate) fn agrees_with(&self, record: &Record) -> bool {
        let queues = self.queues(&record.object.account, &record.object.kind);
        let Some(place) = Place::of(record) else { return true };
        let id: Arc<str> = Arc::from(record.object.id.as_str());
        queues.is_some_and(|queues| {
            let due = (place.due_at, Arc::clone(&id));
            queues.ordinary.get(&due) == Some(&place.made_at)
                && queues.asked.contains_key(&due) == place.is_asked
                && place.urgent_at.is_none_or(|at| queues.urgent.contains_key(&(at, id)))
        })
    }

    /// How many objects that are moving and wait for a poll are younger than each bound (in seconds, rising) and not
    /// younger than the one before it; the last number is that of the older ones. Checks all of them.
    pub(crate) fn moving_ages(&self, now: Timestamp, bounds_s: &[u64]) -> Vec<u64> {
        let begins = |bound: &u64| {
            let bound = i64::try_from(*bound).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
            nanoseconds(now).saturating_sub(bound)
        };
        let begins: Vec<i64> = bounds_s.iter().map(begins).collect();
        let mut counts = vec![0; begins.len() + 1];
        let queues = self.accounts.values().flat_map(HashMap::values);
        for made_at in queues.flat_map(|queues| queues.ordinary.values()).filter(|at| **at != NOT_MOVING) {
            counts[begins.iter().take_while(|begins| made_at <= *begins).count()] += 1;
        }
        counts
    }

    /// Of the objects that are moving and wait for a poll, the one created first, and when it was created. Checks all of
    /// them, but compares only the ids of those that were created at that moment: ids are elsewhere in memory.
    pub(crate) fn oldest_moving(&self) -> Option<(ObjectRef, Timestamp)> {
        let kinds = self.accounts.iter().flat_map(|(account, kinds)| {
            kinds.iter().filter_map(move |(kind, queues)| {
                let moving = queues.ordinary.iter().filter(|(_, made_at)| **made_at != NOT_MOVING);
                let first = *moving.clone().map(|(_, made_at)| made_at).min()?;
                let of_first = moving.filter(|(_, made_at)| **made_at == first);
                let (made_at, id) = of_first.map(|((_, id), made_at)| (*made_at, id)).min()?;
                Some((made_at, id, account, kind))
            })
        });
        let (at, id, account, kind) = kinds.min()?;
        let id = ObjectId::new(&**id).expect("it was an id when it entered the queue");
        Some((ObjectRef { account: account.clone(), kind: kind.clone(), id }, timestamp(at)))
    }
}
