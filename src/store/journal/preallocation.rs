//! Preallocated bytes after the last entry of a journal file: written and synced before they are needed.
//!
//! Owns: what they look like, and how many there are. Must never know: what an entry is.
//!
//! A sync after overwriting existing bytes costs the disk one write. If the file grows instead, the file system's own
//! journal is written too (195 us instead of 145 where it was measured), and on some file systems also everything that
//! others have written to growing files. A file that ends without preallocated bytes was torn: without this rule, a
//! file cut off exactly between two entries would look whole.

/// The value of a preallocated byte. It is not zero, because torn files contain zeros; and no entry can have a length
/// made of these bytes.
pub(crate) const FILLER: u8 = b'~';

/// The fewest bytes. A copy has this many, since nothing is written to it before it is opened.
pub(crate) const MIN_BYTES: usize = 64;

/// The usual number, for a file with small groups.
const USUAL_BYTES: usize = 256 * 1024;

/// When a group finds too few, enough are written for this many groups of its size.
const GROUPS: usize = 16;

/// The most bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How many bytes a new segment gets that is planned to become this long.
pub(crate) fn in_segment(segment_bytes: u64) -> usize {
    usize::try_from(segment_bytes / 4).unwrap_or(USUAL_BYTES).clamp(MIN_BYTES, USUAL_BYTES)
}

/// How many bytes to write together with a group that found too few and ends at `end`. Near the end of a segment, no
/// more than will be needed.
pub(crate) fn behind_group(group_bytes: usize, end: u64, segment_bytes: u64) -> usize {
    let left = usize::try_from(segment_bytes.saturating_sub(end)).unwrap_or(usize::MAX);
    let wanted = group_bytes.saturating_mul(GROUPS).clamp(in_segment(segment_bytes), MAX_BYTES);
    wanted.min(left.saturating_add(group_bytes)).max(MIN_BYTES)
}

/// Whether the bytes after an entry begin like preallocated ones, whatever a crash left further on.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_all(&bytes[..bytes.len().min(MIN_BYTES)])
}

/// Whether all of them are preallocated bytes.
pub(crate) fn is_all(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == FILLER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::journal::entry::{self, NoEntry};

    #[test]
    fn room_is_no_entry_and_none_lies_in_it() {
        let room = vec![FILLER; USUAL_BYTES];
        assert!(matches!(entry::decode(&room), Err(NoEntry::Wrong(_))));
        assert_eq!(entry::find(&room, 0), None);
        assert!(begins(&room) && begins(&room[..1]) && !begins(&[]) && !begins(&[0; 9]));
        assert!(begins(&[&room[..MIN_BYTES], b"torn"].concat()));
        assert!(!is_all(&[&room[..MIN_BYTES], b"torn"].concat()));
    }

    #[test]
    fn room_is_for_some_groups_and_ends_with_the_segment() {
        let segment = 64 << 20;
        assert_eq!(in_segment(segment), USUAL_BYTES);
        assert_eq!(in_segment(6_000), 1_500);
        assert_eq!(in_segment(0), MIN_BYTES);
        assert_eq!(behind_group(700, 1_000, segment), USUAL_BYTES);
        assert_eq!(behind_group(100_000, 1_000, segment), 1_600_000);
        assert_eq!(behind_group(usize::MAX, 1_000, segment), MAX_BYTES);
        assert_eq!(behind_group(700, segment - 300, segment), 1_000);
        assert_eq!(behind_group(10, segment + 300, segment), MIN_BYTES);
    }
}
