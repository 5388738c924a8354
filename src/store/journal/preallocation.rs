//! Room behind the last entry of a journal file: bytes that are written and synced before they are needed.
//!
//! Owns: what room looks like, and how much there is. Must never know: what an entry is.
//!
//! A sync after writing over bytes that the file has already costs the disk one write; when the file grows, the
//! file system's own journal comes on top (145 against 195 us where it was measured), and with it, on some, all that
//! others have written to files that grow. And an end of the file that is not room was torn: without it, a file cut
//! off exactly between two entries would look whole.

/// What room is filled with. Not zero, which is what a torn file has; as the length of an entry it is impossible.
pub(crate) const FILLER: u8 = b'~';

/// Room behind a copy, which nobody writes to before it is opened, and everywhere at the least.
pub(crate) const MARGIN_BYTES: usize = 64;

/// Room of a file whose groups are small.
const ROOM_BYTES: usize = 256 * 1024;

/// Room for so many groups like the one that found too little.
const GROUPS: usize = 16;

/// Room, at the most.
const ROOM_BYTES_MOST: usize = 8 * 1024 * 1024;

/// Room at the beginning of a segment that is to become so long.
pub(crate) fn in_segment(segment_bytes: u64) -> usize {
    usize::try_from(segment_bytes / 4).unwrap_or(ROOM_BYTES).clamp(MARGIN_BYTES, ROOM_BYTES)
}

/// Room to write together with a group that found too little and ends at `end`. The last of a segment is no longer
/// than what will be written there.
pub(crate) fn behind_group(group_bytes: usize, end: u64, segment_bytes: u64) -> usize {
    let left = usize::try_from(segment_bytes.saturating_sub(end)).unwrap_or(usize::MAX);
    let wanted = group_bytes.saturating_mul(GROUPS).clamp(in_segment(segment_bytes), ROOM_BYTES_MOST);
    wanted.min(left.saturating_add(group_bytes)).max(MARGIN_BYTES)
}

/// Whether bytes behind an entry are room, whatever a crash left behind it.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_nothing_else(&bytes[..bytes.len().min(MARGIN_BYTES)])
}

/// Whether they are room to their end.
pub(crate) fn is_nothing_else(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == FILLER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::journal::entry::{self, NoEntry};

    #[test]
    fn room_is_no_entry_and_none_lies_in_it() {
        let room = vec![FILLER; ROOM_BYTES];
        assert!(matches!(entry::decode(&room), Err(NoEntry::Wrong(_))));
        assert_eq!(entry::find(&room, 0), None);
        assert!(begins(&room) && begins(&room[..1]) && !begins(&[]) && !begins(&[0; 9]));
        assert!(begins(&[&room[..MARGIN_BYTES], b"torn"].concat()));
        assert!(!is_nothing_else(&[&room[..MARGIN_BYTES], b"torn"].concat()));
    }

    #[test]
    fn room_is_for_some_groups_and_ends_with_the_segment() {
        let segment = 64 << 20;
        assert_eq!(in_segment(segment), ROOM_BYTES);
        assert_eq!(in_segment(6_000), 1_500);
        assert_eq!(in_segment(0), MARGIN_BYTES);
        assert_eq!(behind_group(700, 1_000, segment), ROOM_BYTES);
        assert_eq!(behind_group(100_000, 1_000, segment), 1_600_000);
        assert_eq!(behind_group(usize::MAX, 1_000, segment), ROOM_BYTES_MOST);
        assert_eq!(behind_group(700, segment - 300, segment), 1_000);
        assert_eq!(behind_group(10, segment + 300, segment), MARGIN_BYTES);
    }
}
