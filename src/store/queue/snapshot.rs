//! The due queues as bytes: written at a clean stop, so that the next start need not read all open records.
//!
//! Owns: the format. Must never know: where the bytes are stored, whether they still match the index.
//!
//! The goal behind it: a million open objects are ready after 2 s (docs/src/performance.md). Reading their records
//! takes longer. Integers are little-endian, times are nanoseconds since 1970.
//!
//! | Bytes | What |
//! |---|---|
//! | 0..4 | CRC32C of everything after this field |
//! | 4..8 | format |
//! | 8..16 | sequence of the last journal entry |
//! | then, for each account and kind | account and kind, each ended by a zero byte; number of entries (4) |
//! | then, for each entry | due at (8), flags (1), urgent at (8) and made at (8) if set, length of the id (1), id |

use std::sync::Arc;

use super::{Entry, NOT_MOVING, Place, Queue, Queues};
use crate::payments::object::{AccountName, Kind, ObjectId};

const FORMAT: u32 = 1;
const CHECKSUM_BYTES: usize = 4;
const HEAD_BYTES: usize = 16;
/// Of an account and kind, apart from their names.
const KIND_BYTES: usize = 6;
/// Of an entry at most, apart from its id.
const ENTRY_BYTES: usize = 26;
const ASKED: u8 = 1;
const URGENT: u8 = 2;
const MOVING: u8 = 4;

/// The queues as of this journal entry.
pub(crate) fn encode(queue: &Queue, sequence: u64) -> Vec<u8> {
    // Bytes that grow on the way would take twice the memory.
    let mut bytes = Vec::with_capacity(HEAD_BYTES + length(queue));
    bytes.extend_from_slice(&[0; CHECKSUM_BYTES]);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    for (account, kinds) in &queue.accounts {
        for (kind, queues) in kinds {
            for text in [account.as_str(), kind.as_str()] {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
            bytes.extend_from_slice(&u32::try_from(queues.ordinary.len()).unwrap_or(u32::MAX).to_le_bytes());
            for (id, place) in queues.places() {
                put_entry(&mut bytes, id, place);
            }
        }
    }
    let checksum = crc32c::crc32c(&bytes[CHECKSUM_BYTES..]);
    bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// What the queues take at most.
fn length(queue: &Queue) -> usize {
    let kinds =
        queue.accounts.iter().flat_map(|(account, kinds)| kinds.iter().map(move |kind| (account, kind)));
    kinds.fold(0, |sum, (account, (kind, queues))| {
        let ids: usize = queues.ordinary.keys().map(|(_, id)| id.len() + ENTRY_BYTES).sum();
        sum + account.as_str().len() + kind.as_str().len() + KIND_BYTES + ids
    })
}

fn put_entry(bytes: &mut Vec<u8>, id: &str, place: Place) {
    let made_at = Some(place.made_at).filter(|at| *at != NOT_MOVING);
    let flags = u8::from(place.is_asked) * ASKED
        + u8::from(place.urgent_at.is_some()) * URGENT
        + u8::from(made_at.is_some()) * MOVING;
    bytes.extend_from_slice(&place.due_at.to_le_bytes());
    bytes.push(flags);
    for at in [place.urgent_at, made_at].into_iter().flatten() {
        bytes.extend_from_slice(&at.to_le_bytes());
    }
    bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(id.as_bytes());
}

/// What distinguishes a snapshot from any other.
pub(crate) fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD_BYTES)]
}

/// The inverse of [`encode`]; none for bytes that it did not write.
pub(crate) fn decode(bytes: &[u8]) -> Option<Queue> {
    let (checksum, rest) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
    if crc32c::crc32c(rest) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut reader = Reader(rest);
    if reader.number_32()? != FORMAT {
        return None;
    }
    reader.number_64()?;
    let mut queue = Queue::default();
    while !reader.0.is_empty() {
        let (account, kind) = (AccountName::new(reader.text()?).ok()?, Kind::new(reader.text()?).ok()?);
        let mut all = Lists::default();
        for _ in 0..reader.number_32()? {
            let (id, place) = reader.entry()?;
            all.push(id, place);
        }
        queue.accounts.entry(account).or_default().insert(kind, all.into_queues());
    }
    Some(queue)
}

/// Entries of queues that are being read: a map that is built from a whole list is packed more densely.
#[derive(Default)]
struct Lists {
    asked: Vec<(Entry, ())>,
    urgent: Vec<(Entry, ())>,
    ordinary: Vec<(Entry, i64)>,
}

impl Lists {
    fn push(&mut self, id: Arc<str>, place: Place) {
        if place.is_asked {
            self.asked.push(((place.due_at, Arc::clone(&id)), ()));
        }
        self.urgent.extend(place.urgent_at.map(|at| ((at, Arc::clone(&id)), ())));
        self.ordinary.push(((place.due_at, id), place.made_at));
    }

    fn into_queues(self) -> Queues {
        Queues {
            asked: self.asked.into_iter().collect(),
            urgent: self.urgent.into_iter().collect(),
            ordinary: self.ordinary.into_iter().collect(),
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn number_32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn number_64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<i64> {
        self.chunk().map(i64::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = std::str::from_utf8(&self.0[..end]).ok()?.to_owned();
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn entry(&mut self) -> Option<(Arc<str>, Place)> {
        let due_at = self.time()?;
        let [flags] = self.chunk::<1>()?;
        let mut time_if = |flag: u8| if flags & flag == 0 { Some(None) } else { self.time().map(Some) };
        let (urgent_at, made_at) = (time_if(URGENT)?, time_if(MOVING)?);
        let [length] = self.chunk::<1>()?;
        let (id, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        let id = ObjectId::new(std::str::from_utf8(id).ok()?).ok()?;
        let made_at = made_at.unwrap_or(NOT_MOVING);
        Some((Arc::from(id.as_str()), Place { due_at, urgent_at, is_asked: flags & ASKED != 0, made_at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::queue::Change;
    use proptest::prelude::*;

    fn any_place() -> impl Strategy<Value = Place> {
        (any::<i64>(), any::<Option<i64>>(), any::<bool>(), prop_oneof![any::<i64>(), Just(NOT_MOVING)])
            .prop_map(|(due_at, urgent_at, is_asked, made_at)| Place { due_at, urgent_at, is_asked, made_at })
    }

    fn queue_of(places: &std::collections::BTreeMap<(u8, u8), Place>) -> Queue {
        let mut queue = Queue::default();
        for ((account, id), place) in places {
            let object = format!("shop-{account}/charge/S{id}").parse().unwrap();
            queue.apply(&Change { object, before: None, after: Some(*place) });
        }
        queue
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_queues_are_read_back(
            places in proptest::collection::btree_map((0u8..3, any::<u8>()), any_place(), 0..60), sequence: u64, bit: prop::sample::Index,
        ) {
            let queue = queue_of(&places);
            let mut bytes = encode(&queue, sequence);
            prop_assert!(bytes.len() <= HEAD_BYTES + length(&queue));
            prop_assert_eq!(decode(&bytes).unwrap(), queue);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&bytes).is_none());
        }

        #[test]
        fn rubbish_under_a_right_checksum_is_refused_quietly(rubbish: Vec<u8>, is_headed: bool) {
            let mut rest = Vec::new();
            if is_headed {
                rest.extend_from_slice(&FORMAT.to_le_bytes());
                rest.extend_from_slice(&7u64.to_le_bytes());
            }
            rest.extend_from_slice(&rubbish);
            let bytes = [&crc32c::crc32c(&rest).to_le_bytes()[..], &rest].concat();
            let _ = decode(&bytes);
        }
    }
}
