//! Many keys in one row: how the index keeps its ordered sets.
//!
//! Owns: the bytes of such a row, and how a row becomes several. Must never know: what a key means, the engine.
//!
//! The lanes and the order of age consist of keys alone, and each poll removes one and adds another. The engine
//! divides its pages by the number of their rows, sixteen, however small they are, and copies a page for each
//! change. So up to [`KEYS_MOST`] keys that follow each other share a row, a *block*. Its own key is a lower
//! bound of theirs, which stays when they go; the block behind it begins at its end. A block without keys has no
//! row.
//!
//! | Bytes | What (integers little-endian) |
//! |---|---|
//! | 0..4 | CRC32C of everything after this field and of the bound |
//! | then, for each key | how many bytes it shares with the one before, at first with the bound (2), how many follow (2), and these |

use std::cmp::Ordering;

use super::entry::number_32;

/// Keys of a block, at the most.
const KEYS_MOST: usize = 32;
/// Bytes of a block, at the most, unless a single key is longer: values larger than 4 KB leave the engine's pages
/// (packages.md section 2.4, rule 4).
const BYTES_MOST: usize = 3 * 1024;
/// Bytes of a key, at the most: its length must be told whatever it shares with the one before.
const KEY_BYTES_MOST: usize = u16::MAX as usize;
/// Keys of the blocks that a full one is divided into.
const KEYS_OF_DIVIDED: usize = 24;
const CHECKSUM_BYTES: usize = 4;
const LENGTHS_BYTES: usize = 4;

/// A key that comes into the set, or leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change<'a> {
    /// The key.
    pub(super) key: &'a [u8],
    /// Whether it is in the set from now on.
    pub(super) is_in: bool,
}

/// A block as it stands in the index; without bytes when its row goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The row's key.
    pub(super) bound: Vec<u8>,
    /// The row's value.
    pub(super) bytes: Option<Vec<u8>>,
}

/// `rest` behind the checksum that a block of this bound with it has: well sealed, whatever it says.
pub(super) fn sealed(bound: &[u8], rest: &[u8]) -> Vec<u8> {
    [&checksum_of(bound, rest).to_le_bytes(), rest].concat()
}

/// The keys of a block, in order. Errors: why these bytes are no block.
pub(super) fn keys(bound: &[u8], bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let Some((checksum, mut rest)) = bytes.split_at_checked(CHECKSUM_BYTES) else {
        return Err("is too short");
    };
    if checksum_of(bound, rest) != number_32(checksum) {
        return Err("has a wrong checksum");
    }
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(KEYS_MOST);
    while !rest.is_empty() {
        let Some((lengths, behind)) = rest.split_at_checked(LENGTHS_BYTES) else {
            return Err("is cut off in a length");
        };
        let shared = usize::from(u16::from_le_bytes([lengths[0], lengths[1]]));
        let own = usize::from(u16::from_le_bytes([lengths[2], lengths[3]]));
        let before = keys.last().map_or(bound, Vec::as_slice);
        let (Some(start), Some((end, behind))) = (before.get(..shared), behind.split_at_checked(own)) else {
            return Err("is cut off in a key");
        };
        let key = [start, end].concat();
        if key.len() > KEY_BYTES_MOST {
            return Err("has a key that is too long");
        }
        match keys.last() {
            Some(last) if *last >= key => return Err("has keys that are out of order"),
            None if *key < *bound => return Err("has a key before its bound"),
            _ => keys.push(key),
        }
        rest = behind;
    }
    Ok(keys)
}

/// The block behind `bound` with `changes`, which come in order and belong there: in as many rows as it needs.
pub(super) fn changed(bound: &[u8], keys: Vec<Vec<u8>>, changes: &[Change<'_>]) -> Vec<Block> {
    let keys = merged(keys, changes);
    let length: usize = keys.iter().map(|key| LENGTHS_BYTES + key.len()).sum();
    if keys.is_empty() {
        return vec![Block { bound: bound.to_vec(), bytes: None }];
    }
    if keys.len() <= KEYS_MOST && length <= BYTES_MOST {
        return vec![block(bound, &keys)];
    }
    let mut blocks = Vec::with_capacity(keys.len() / KEYS_OF_DIVIDED + 1);
    let mut rest = keys.as_slice();
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |key: &&Vec<u8>| {
            bytes += LENGTHS_BYTES + key.len();
            bytes <= BYTES_MOST
        };
        let number = rest.iter().take(KEYS_OF_DIVIDED).take_while(fits).count().max(1);
        let (these, others) = rest.split_at(number);
        let bound = if blocks.is_empty() { bound } else { first };
        blocks.push(block(bound, these));
        rest = others;
    }
    blocks
}

/// Two lists in order become one.
fn merged(keys: Vec<Vec<u8>>, changes: &[Change<'_>]) -> Vec<Vec<u8>> {
    let mut merged = Vec::with_capacity(keys.len() + changes.len());
    let mut changes = changes.iter().peekable();
    for key in keys {
        let mut stays = true;
        while let Some(change) = changes.next_if(|change| *change.key <= *key) {
            match change.key.cmp(&key) {
                Ordering::Equal => stays = change.is_in,
                _ if change.is_in => merged.push(change.key.to_vec()),
                _ => {}
            }
        }
        if stays {
            merged.push(key);
        }
    }
    merged.extend(changes.filter(|change| change.is_in).map(|change| change.key.to_vec()));
    merged
}

fn block(bound: &[u8], keys: &[Vec<u8>]) -> Block {
    let mut bytes = vec![0; CHECKSUM_BYTES];
    let mut before = bound;
    for key in keys {
        let most = before.len().min(key.len()).min(usize::from(u16::MAX));
        let shared = (0..most).position(|place| before[place] != key[place]).unwrap_or(most);
        let own = &key[shared..];
        let length = |bytes: usize| u16::try_from(bytes).expect("no key is longer than a few hundred bytes");
        bytes.extend_from_slice(&length(shared).to_le_bytes());
        bytes.extend_from_slice(&length(own.len()).to_le_bytes());
        bytes.extend_from_slice(own);
        before = key;
    }
    let checksum = checksum_of(bound, &bytes[CHECKSUM_BYTES..]);
    bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Block { bound: bound.to_vec(), bytes: Some(bytes) }
}

fn checksum_of(bound: &[u8], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(bound), bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        // Few letters, so that keys meet and share their beginnings.
        "d[ab]{0,3}[abc]{0,2}".prop_map(String::into_bytes)
    }

    fn read(block: &Block) -> Vec<Vec<u8>> {
        keys(&block.bound, block.bytes.as_deref().unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn a_block_is_a_set_whatever_comes_and_goes(
            rounds in proptest::collection::vec(proptest::collection::btree_map(key(), any::<bool>(), 0..60), 1..6),
        ) {
            let mut model = BTreeSet::new();
            let mut all: Vec<Vec<u8>> = Vec::new();
            for round in &rounds {
                let changes: Vec<Change<'_>> =
                    round.iter().map(|(key, is_in)| Change { key, is_in: *is_in }).collect();
                for change in &changes {
                    match change.is_in {
                        true => model.insert(change.key.to_vec()),
                        false => model.remove(change.key),
                    };
                }
                let blocks = changed(b"d", all, &changes);
                prop_assert_eq!(&blocks[0].bound, b"d");
                prop_assert!(blocks.windows(2).all(|two| two[0].bound < two[1].bound));
                all = blocks.iter().filter(|block| block.bytes.is_some()).flat_map(read).collect();
                prop_assert_eq!(&all, &model.iter().cloned().collect::<Vec<_>>());
                for (place, block) in blocks.iter().enumerate().filter(|(_, block)| block.bytes.is_some()) {
                    let inside = read(block);
                    prop_assert!(!inside.is_empty() && inside.len() <= KEYS_MOST);
                    let next = blocks.get(place + 1).map(|next| next.bound.clone());
                    prop_assert!(next.is_none_or(|next| *inside.last().unwrap() < next));
                }
            }
        }

        #[test]
        fn other_bytes_are_refused(bound in key(), bytes: Vec<u8>, inside in proptest::collection::btree_set(key(), 1..9), bit: usize) {
            prop_assert!(keys(&bound, &bytes).is_err());
            let inside: Vec<Vec<u8>> = inside.into_iter().collect();
            let mut block = block(b"d", &inside).bytes.unwrap();
            prop_assert_eq!(keys(b"d", &block), Ok(inside));
            let bit = bit % (block.len() * 8);
            block[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(keys(b"d", &block).is_err());
        }

        #[test]
        fn rubbish_under_a_right_checksum_is_refused_or_in_order(rubbish: Vec<u8>) {
            if let Ok(keys) = keys(b"d", &sealed(b"d", &rubbish)) {
                prop_assert!(keys.windows(2).all(|two| two[0] < two[1]));
            }
        }
    }

    #[test]
    fn a_key_that_could_not_be_written_again_is_refused() {
        let key = |shared: u16, own: usize| {
            let own = vec![b'x'; own];
            [&shared.to_le_bytes()[..], &u16::try_from(own.len()).unwrap().to_le_bytes(), &own].concat()
        };
        let longest = sealed(b"", &key(0, KEY_BYTES_MOST));
        let read = keys(b"", &longest).unwrap();
        assert_eq!(block(b"", &read).bytes, Some(longest));
        let longer = sealed(b"", &[key(0, KEY_BYTES_MOST), key(u16::MAX, 1)].concat());
        assert_eq!(keys(b"", &longer), Err("has a key that is too long"));
    }

    #[test]
    fn long_keys_make_more_blocks() {
        let long: Vec<Vec<u8>> = (0..10u8).map(|number| [&[number], &[b'x'; 900][..]].concat()).collect();
        let changes: Vec<Change<'_>> = long.iter().map(|key| Change { key, is_in: true }).collect();
        let blocks = changed(b"", Vec::new(), &changes);
        assert!(
            blocks.iter().all(|block| block.bytes.as_ref().unwrap().len() <= BYTES_MOST + CHECKSUM_BYTES)
        );
        assert_eq!(blocks.iter().flat_map(read).collect::<Vec<_>>(), long);
    }
}
