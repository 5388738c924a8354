//! Keys of the index: binary, and ordered like what they stand for.
//!
//! Owns: the layout. Must never know: what a value means, how rows are stored.
//!
//! Text ends with a zero byte. Names cannot contain one, and it sorts before every letter, so the order is kept. Times
//! are 12 bytes: seconds with the sign bit flipped, then nanoseconds, big-endian. Numbers are big-endian.
//!
//! | First byte | Rest | Value |
//! |---|---|---|
//! | `r` | id, account, kind | an open record |
//! | `f` | id, account, kind | a finished record |
//! | `s` | id, account, kind | what polls without news changed in an open record (`pulse.rs`) |
//! | `h` | id, account, kind, sequence | seen-at: the first part of its key in `t` |
//! | `t` | seen-at, account, kind, id, sequence | a transition |
//! | `a` | alert key (no zero) | an alert with its deliveries |
//! | `l` | sequence, position (4 bytes) | alert key: the order in which alerts were raised |
//! | `e` | sequence, position (4 bytes) | the same for events |
//! | `o` | target, next attempt, sequence, position | alert key: a pending delivery |
//! | `n` | target, status (1 byte) | how many deliveries are in that status |
//! | `c` | account, kind, phase, flags, state (no zero) | how many records |
//! | `k` | name (no zero) | a remembered value |
//! | `m` | `applied` | how far the journal is applied |
//! | `m` | `layout` | the layout of the rows (`index/mod.rs`) |
//! | `m` | `queue` | the header of the due queues' snapshot that a clean stop left behind (`queue/snapshot.rs`) |
//! | `m` | `journal` | what is known about the journal (`continuity.rs`) |

use jiff::Timestamp;

use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};

/// How far the journal is applied.
pub(crate) const APPLIED: &[u8] = b"mapplied";
/// What is known about the journal.
pub(crate) const JOURNAL: &[u8] = b"mjournal";
/// The layout of the rows.
pub(crate) const LAYOUT: &[u8] = b"mlayout";
/// The header of the due queues' snapshot that a clean stop left behind.
pub(crate) const QUEUE: &[u8] = b"mqueue";
pub(crate) const OPEN: u8 = b'r';
pub(crate) const FINISHED: u8 = b'f';
pub(crate) const PULSE: u8 = b's';
pub(crate) const HISTORY: u8 = b'h';
pub(crate) const TRANSITION: u8 = b't';
pub(crate) const ALERT: u8 = b'a';
pub(crate) const ALERT_ORDER: u8 = b'l';
pub(crate) const EVENT_ORDER: u8 = b'e';
pub(crate) const OWED: u8 = b'o';
pub(crate) const DELIVERIES: u8 = b'n';
pub(crate) const COUNT: u8 = b'c';
pub(crate) const REMEMBERED: u8 = b'k';

/// Kinds of rows that only the second layout had: the objects that are due, and the moving ones by age.
pub(crate) const RETIRED: [u8; 2] = [b'd', b'p'];

/// Bytes of a time in a key.
pub(crate) const TIME_BYTES: usize = 12;

/// A key under construction.
#[derive(Debug, Clone)]
struct Key(Vec<u8>);

impl Key {
    fn new(first: u8) -> Key {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(first);
        Key(bytes)
    }

    fn text(mut self, text: &str) -> Key {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Key {
        self.0.extend_from_slice(bytes);
        self
    }

    fn id_first(self, object: &ObjectRef) -> Key {
        self.text(object.id.as_str()).text(object.account.as_str()).text(object.kind.as_str())
    }
}

/// A time in the order of keys, exact to the nanosecond.
pub(crate) fn time(at: Timestamp) -> [u8; TIME_BYTES] {
    let nanoseconds = at.as_nanosecond();
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).expect("a timestamp's seconds fit");
    let rest = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).expect("less than a second");
    let mut bytes = [0; TIME_BYTES];
    bytes[..8].copy_from_slice(&(seconds.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    bytes[8..].copy_from_slice(&rest.to_be_bytes());
    bytes
}

/// The inverse of [`time`]; none if the bytes are no time.
pub(crate) fn read_time(bytes: &[u8]) -> Option<Timestamp> {
    let seconds = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?) ^ (1 << 63);
    let rest = u32::from_be_bytes(bytes.get(8..TIME_BYTES)?.try_into().ok()?);
    let nanoseconds = i128::from(seconds.cast_signed()) * 1_000_000_000 + i128::from(rest);
    Timestamp::from_nanosecond(nanoseconds).ok()
}

/// The key of a record. Open and finished records have different first bytes.
pub(crate) fn record(object: &ObjectRef, is_finished: bool) -> Vec<u8> {
    Key::new(if is_finished { FINISHED } else { OPEN }).id_first(object).0
}

/// The prefix of all records with this id, whatever their account and kind.
pub(crate) fn records_of_id(id: &ObjectId, is_finished: bool) -> Vec<u8> {
    Key::new(if is_finished { FINISHED } else { OPEN }).text(id.as_str()).0
}

/// The prefix of all open records whose ids begin so.
pub(crate) fn open_records_beginning_with(beginning: &str) -> Vec<u8> {
    Key::new(OPEN).bytes(beginning.as_bytes()).0
}

/// The object of a key made by [`record`].
pub(crate) fn read_record(key: &[u8]) -> Option<ObjectRef> {
    read_object_id_first(key.get(1..)?)
}

/// Whether a key made by [`record`] belongs to an object of this account and kind, where they are given.
pub(crate) fn is_record_of(key: &[u8], account: Option<&AccountName>, kind: Option<&Kind>) -> bool {
    let mut parts = key.get(1..).unwrap_or_default().split(|byte| *byte == 0).skip(1);
    let mut fits = |wanted: Option<&str>| {
        let found = parts.next();
        wanted.is_none_or(|wanted| found == Some(wanted.as_bytes()))
    };
    fits(account.map(AccountName::as_str)) && fits(kind.map(Kind::as_str))
}

/// The prefix of an object's history.
pub(crate) fn history(object: &ObjectRef) -> Vec<u8> {
    Key::new(HISTORY).id_first(object).0
}

/// One row of history.
pub(crate) fn history_row(object: &ObjectRef, sequence: u64) -> Vec<u8> {
    Key::new(HISTORY).id_first(object).bytes(&sequence.to_be_bytes()).0
}

/// The inverse of [`history_row`].
pub(crate) fn read_history(key: &[u8]) -> Option<(ObjectRef, u64)> {
    Some((read_object_id_first(key.get(1..)?)?, u64::from_be_bytes(*key.last_chunk()?)))
}

/// The key of a transition, in the order of time.
pub(crate) fn transition(seen_at: &[u8], object: &ObjectRef, sequence: u64) -> Vec<u8> {
    Key::new(TRANSITION)
        .bytes(seen_at)
        .text(object.account.as_str())
        .text(object.kind.as_str())
        .text(object.id.as_str())
        .bytes(&sequence.to_be_bytes())
        .0
}

/// The first possible key of a transition observed at or after a time.
pub(crate) fn transitions_from(at: Timestamp) -> Vec<u8> {
    Key::new(TRANSITION).bytes(&time(at)).0
}

/// The key of an alert.
pub(crate) fn alert(key: &str) -> Vec<u8> {
    Key::new(ALERT).bytes(key.as_bytes()).0
}

/// The key of an alert, or of an event, in the order of raising.
pub(crate) fn raising_order(order: u8, sequence: u64, position: u32) -> Vec<u8> {
    Key::new(order).bytes(&sequence.to_be_bytes()).bytes(&position.to_be_bytes()).0
}

/// The prefix of all pending deliveries to a target.
pub(crate) fn owed(target: &str) -> Vec<u8> {
    Key::new(OWED).text(target).0
}

/// The key of a pending delivery.
pub(crate) fn owed_row(target: &str, at: Timestamp, sequence: u64, position: u32) -> Vec<u8> {
    Key::new(OWED)
        .text(target)
        .bytes(&time(at))
        .bytes(&sequence.to_be_bytes())
        .bytes(&position.to_be_bytes())
        .0
}

/// The key of the number of deliveries to a target in a status.
pub(crate) fn deliveries(target: &str, status: u8) -> Vec<u8> {
    Key::new(DELIVERIES).text(target).bytes(&[status]).0
}

/// The prefix of the numbers of deliveries to targets whose names begin so.
pub(crate) fn deliveries_beginning_with(beginning: &str) -> Vec<u8> {
    Key::new(DELIVERIES).bytes(beginning.as_bytes()).0
}

/// The inverse of [`deliveries`].
pub(crate) fn read_deliveries(key: &[u8]) -> Option<(String, u8)> {
    let (target, rest) = split_text(key.get(1..)?)?;
    Some((target.to_owned(), *rest.first()?))
}

/// The key of a remembered value.
pub(crate) fn remembered(name: &str) -> Vec<u8> {
    Key::new(REMEMBERED).bytes(name.as_bytes()).0
}

/// The beginning of the keys of all counts, or of those of one account.
pub(crate) fn counts_of(account: Option<&AccountName>) -> Vec<u8> {
    let all = Key::new(COUNT);
    account.map_or_else(|| all.0.clone(), |account| Key::new(COUNT).text(account.as_str()).0)
}

/// What records are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CountKey {
    pub(crate) account: AccountName,
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
    pub(crate) state: Option<String>,
    pub(crate) is_quarantined: bool,
    pub(crate) is_finished: bool,
}

const FLAG_QUARANTINED: u8 = 1;
const FLAG_FINISHED: u8 = 2;
const FLAG_SEEN: u8 = 4;

impl CountKey {
    /// Its key in the index.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let phase = match self.phase {
            Phase::Moving => 0,
            Phase::Resting => 1,
            Phase::Final => 2,
        };
        let flags = u8::from(self.is_quarantined) * FLAG_QUARANTINED
            + u8::from(self.is_finished) * FLAG_FINISHED
            + u8::from(self.state.is_some()) * FLAG_SEEN;
        Key::new(COUNT)
            .text(self.account.as_str())
            .text(self.kind.as_str())
            .bytes(&[phase, flags])
            .bytes(self.state.as_deref().unwrap_or_default().as_bytes())
            .0
    }

    /// The inverse of [`CountKey::bytes`].
    pub(crate) fn read(key: &[u8]) -> Option<CountKey> {
        let (account, rest) = split_text(key.get(1..)?)?;
        let (kind, rest) = split_text(rest)?;
        let (&phase, rest) = rest.split_first()?;
        let (&flags, state) = rest.split_first()?;
        Some(CountKey {
            account: AccountName::new(account).ok()?,
            kind: Kind::new(kind).ok()?,
            phase: [Phase::Moving, Phase::Resting, Phase::Final].get(usize::from(phase)).copied()?,
            state: (flags & FLAG_SEEN != 0).then(|| String::from_utf8_lossy(state).into_owned()),
            is_quarantined: flags & FLAG_QUARANTINED != 0,
            is_finished: flags & FLAG_FINISHED != 0,
        })
    }
}

fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fn read_object_id_first(bytes: &[u8]) -> Option<ObjectRef> {
    let (id, rest) = split_text(bytes)?;
    let (account, rest) = split_text(rest)?;
    let (kind, _) = split_text(rest)?;
    Some(ObjectRef {
        account: AccountName::new(account).ok()?,
        kind: Kind::new(kind).ok()?,
        id: ObjectId::new(id).ok()?,
    })
}

/// The first key after all that start with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; prefix.len() + 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond())
            .prop_map(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).unwrap())
    }

    fn any_object() -> impl Strategy<Value = ObjectRef> {
        ("[A-Za-z0-9._-]{1,9}", "[a-z-]{1,9}", "[A-Za-z0-9._~-]{1,9}").prop_map(|(account, kind, id)| {
            ObjectRef {
                account: account.parse().unwrap(),
                kind: kind.parse().unwrap(),
                id: id.parse().unwrap(),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn times_keep_value_and_order(one in any_time(), other in any_time()) {
            prop_assert_eq!(read_time(&time(one)), Some(one));
            prop_assert_eq!(time(one).cmp(&time(other)), one.cmp(&other));
        }

        #[test]
        fn transitions_are_ordered_by_time_object_and_sequence(
            one in (any_time(), any_object(), any::<u64>()), other in (any_time(), any_object(), any::<u64>()), is_same_time: bool,
        ) {
            let other = if is_same_time { (one.0, other.1, other.2) } else { other };
            let key = |row: &(Timestamp, ObjectRef, u64)| transition(&time(row.0), &row.1, row.2);
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
        }

        #[test]
        fn objects_are_read_back(object in any_object(), sequence: u64) {
            let row = history_row(&object, sequence);
            prop_assert!(row.starts_with(&history(&object)) && row < after_prefix(&history(&object)));
            prop_assert_eq!(read_history(&row), Some((object, sequence)));
        }

        #[test]
        fn counts_are_read_back(object in any_object(), state in proptest::option::of(".{0,9}"), is_quarantined: bool, is_finished: bool) {
            let key = CountKey { account: object.account, kind: object.kind, phase: Phase::Resting, state, is_quarantined, is_finished };
            prop_assert_eq!(CountKey::read(&key.bytes()), Some(key));
        }

        #[test]
        fn random_keys_are_refused_quietly(bytes: Vec<u8>) {
            let _ = (read_time(&bytes), CountKey::read(&bytes), read_history(&bytes));
        }
    }
}
