//! One journal entry as bytes.
//!
//! Owns: the layout, the checksum, the hash chain. Must never know: what a payload says, where it is stored.
//!
//! | Bytes | What (integers little-endian) |
//! |---|---|
//! | 0..4 | length of the payload |
//! | 4..8 | CRC32C of everything after this field |
//! | 8..16 | sequence: 1, 2, 3, ... over all segments |
//! | 16..24 | sequence of the first entry that was synced together with this one |
//! | 24..56 | chain hash: SHA-256 of the previous entry's hash, sequence, first of group, payload |
//! | 56.. | payload: JSON |

use aws_lc_rs::digest;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 56;

/// The longest payload. A longer one is refused when written, and counts as damage when read.
pub(crate) const PAYLOAD_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// The hash that links an entry to all entries before it.
pub type ChainHash = [u8; 32];

/// An entry whose checksum is correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal.
    pub sequence: u64,
    /// The first entry of its group.
    pub group: u64,
    /// The chain hash up to here, as written.
    pub hash: ChainHash,
    /// What was written.
    pub payload: Vec<u8>,
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoEntry {
    /// There are too few bytes; this many from the entry's start are needed.
    Short(usize),
    /// They are not an entry, however many bytes follow.
    Wrong(&'static str),
}

impl Entry {
    /// Its length in the file, in bytes.
    pub(crate) fn length(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Whether `hash` is the hash of the entry directly before it.
    pub(crate) fn is_chained_to(&self, hash: &ChainHash) -> bool {
        chain(hash, self.sequence, self.group, &self.payload) == self.hash
    }
}

/// The chain hash of an entry after `before`.
pub(crate) fn chain(before: &ChainHash, sequence: u64, group: u64, payload: &[u8]) -> ChainHash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(before);
    context.update(&sequence.to_le_bytes());
    context.update(&group.to_le_bytes());
    context.update(payload);
    let mut hash = ChainHash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Appends an entry to `out`.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let length = u32::try_from(entry.payload.len()).expect("a payload is checked against its limit before");
    let start = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&entry.sequence.to_le_bytes());
    out.extend_from_slice(&entry.group.to_le_bytes());
    out.extend_from_slice(&entry.hash);
    out.extend_from_slice(&entry.payload);
    let checksum = crc32c::crc32c(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the entry at the start of `bytes`; more bytes may follow it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, NoEntry> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(NoEntry::Short(HEADER_BYTES));
    };
    let length = number_32(&header[0..4]) as usize;
    if length == 0 || length > PAYLOAD_LIMIT_BYTES {
        return Err(NoEntry::Wrong("its length is impossible"));
    }
    let Some(payload) = rest.get(..length) else {
        return Err(NoEntry::Short(HEADER_BYTES + length));
    };
    if crc32c::crc32c(&bytes[8..HEADER_BYTES + length]) != number_32(&header[4..8]) {
        return Err(NoEntry::Wrong("its checksum is wrong"));
    }
    let mut hash = ChainHash::default();
    hash.copy_from_slice(&header[24..56]);
    Ok(Entry {
        sequence: number_64(&header[8..16]),
        group: number_64(&header[16..24]),
        hash,
        payload: payload.to_vec(),
    })
}

/// Finds the first whole entry in `bytes` whose sequence is above `least`, and its offset. This distinguishes a torn
/// end, which no entry follows, from damage in the middle.
pub(crate) fn find(bytes: &[u8], least: u64) -> Option<(usize, Entry)> {
    let last_start = bytes.len().checked_sub(HEADER_BYTES)?;
    (0..=last_start).find_map(|offset| {
        let sequence = number_64(&bytes[offset + 8..offset + 16]);
        let group = number_64(&bytes[offset + 16..offset + 24]);
        let is_plausible = sequence > least && sequence - least < (1 << 32) && group <= sequence && group > 0;
        if !is_plausible {
            return None;
        }
        decode(&bytes[offset..]).ok().map(|entry| (offset, entry))
    })
}

pub(crate) fn number_32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes were cut out"))
}

pub(crate) fn number_64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes were cut out"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Appends an entry to `out` and returns its hash.
    fn encode(before: &ChainHash, sequence: u64, group: u64, payload: &[u8], out: &mut Vec<u8>) -> ChainHash {
        let hash = chain(before, sequence, group, payload);
        super::encode(&Entry { sequence, group, hash, payload: payload.to_vec() }, out);
        hash
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read(payload in proptest::collection::vec(any::<u8>(), 1..300), sequence in 1u64.., before: [u8; 32], after: Vec<u8>) {
            let mut bytes = Vec::new();
            let hash = encode(&before, sequence, sequence, &payload, &mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(&after);
            let entry = decode(&bytes).unwrap();
            prop_assert_eq!(entry.length(), length);
            prop_assert_eq!(&entry.payload, &payload);
            prop_assert_eq!(entry.hash, hash);
            prop_assert!(entry.is_chained_to(&before));
            prop_assert!(!entry.is_chained_to(&hash));
        }

        #[test]
        fn random_bytes_are_no_entry(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).is_err());
            prop_assert_eq!(find(&bytes, 0), None);
        }

        #[test]
        fn every_flipped_bit_is_noticed(bit in 0usize..(HEADER_BYTES + 20) * 8) {
            let mut bytes = Vec::new();
            encode(&[7; 32], 9, 9, b"twenty bytes of text", &mut bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn an_entry_is_found_behind_rubbish() {
        let mut bytes = vec![0xff; 37];
        encode(&[0; 32], 5, 4, b"{}", &mut bytes);
        assert_eq!(find(&bytes, 4).map(|(offset, entry)| (offset, entry.sequence)), Some((37, 5)));
        assert_eq!(find(&bytes, 5), None, "an older one does not count");
    }
}
