//! What the store reads from its own disk.

use std::sync::Arc;

use reconciled::apis::pace::{Pace, Quota, SavedLevel};
use reconciled::clock::{SharedClock, VirtualClock};
use reconciled::payments::object::AccountName;
use std::collections::BTreeSet;

use reconciled::store::bytes::{
    Piece, changed_blocks, find_entry, keys_of_block, rewritten, sealed, sealed_block,
};

use super::promises::{choice, is_shown};

/// Words of payloads.
pub const WORDS: &[&str] = &[
    "{\"v\":1,\"fact\":{",
    "\"committed\":",
    "\"enrolled\":",
    "\"rescued\":",
    "\"at\":",
    "2026-01-15T12:00:00Z",
    "\"record\":",
    "\"amount\":\"",
    "\"currency\":\"EUR\"",
    "null",
    "18446744073709551615",
    "-1",
    "[]",
    "{}",
    "\"",
    "\0",
    "\u{1}",
    "\"secs\":",
    "\"nanos\":",
    "4294967295",
];

/// The first byte chooses the piece; from 9 on, the bytes are the JSON of a row after a valid header.
pub fn pieces(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 14) else { return };
    let rows = [Piece::Record, Piece::Transition, Piece::Alert, Piece::Remembered];
    match Piece::ALL.get(which) {
        Some(piece) => check(*piece, bytes),
        None => match rows.get(which - Piece::ALL.len()) {
            Some(piece) => check(*piece, &sealed(bytes)),
            None => {
                if let Some(offset) = find_entry(bytes, 0) {
                    assert!(rewritten(Piece::Entry, &bytes[offset..]).is_ok(), "what is found can be read");
                }
            }
        },
    }
}

fn check(piece: Piece, bytes: &[u8]) {
    match rewritten(piece, bytes) {
        Ok(written) => {
            assert_eq!(rewritten(piece, &written).as_ref(), Ok(&written), "{piece:?} is not read as written");
        }
        Err(why) => is_shown(&why),
    }
}

/// Words of blocks: lengths, and keys as the index has them.
pub const BLOCK_WORDS: &[&str] = &[
    "\0\0\u{4}\0",
    "\u{4}\0\u{1}\0",
    "\u{1}\0\0\0",
    "\0\0\0\0",
    "\u{8}\0",
    "dshop\0charge\0",
    "S01-0000001-0000001-C000001",
    "\0\0\0\0j\u{1f}\u{5}p",
    "d",
    "e",
];

/// Blocks of keys. The first byte chooses whether the checksum is made valid, the second is the length of the
/// bound; then follow bound and block. A readable block is an ordered set, and stays one through any changes.
pub fn blocks(data: &[u8]) {
    let Some((form, rest)) = choice(data, 3) else { return };
    let Some((length, rest)) = choice(rest, 64) else { return };
    let (bound, bytes) = rest.split_at(length.min(rest.len()));
    let bytes = if form == 0 { bytes.to_vec() } else { sealed_block(bound, bytes) };
    let keys = match keys_of_block(bound, &bytes) {
        Ok(keys) => keys,
        Err(why) => return is_shown(why),
    };
    assert!(keys.windows(2).all(|two| two[0] < two[1]), "keys are out of order");
    assert!(keys.iter().all(|key| key.as_slice() >= bound), "a key is before its bound");
    // Remove every third, add a neighbour to every fourth, and one in front of all.
    let mut changes = BTreeSet::from([(bound.to_vec(), true)]);
    for (place, key) in keys.iter().enumerate().filter(|(_, key)| key.as_slice() != bound) {
        if form == 2 && place % 3 == 0 {
            changes.insert((key.clone(), false));
        }
        if form == 2 && place % 4 == 0 && key.len() < 1_000 {
            let neighbour = [key.as_slice(), b"\0"].concat();
            if keys.binary_search(&neighbour).is_err() {
                changes.insert((neighbour, true));
            }
        }
    }
    let changes: Vec<(Vec<u8>, bool)> = changes.into_iter().collect();
    let mut model: BTreeSet<Vec<u8>> = keys.iter().cloned().collect();
    for (key, is_in) in &changes {
        match is_in {
            true => model.insert(key.clone()),
            false => model.remove(key),
        };
    }
    let blocks = changed_blocks(bound, keys, &changes);
    assert!(blocks.windows(2).all(|two| two[0].0 < two[1].0), "bounds are out of order");
    let mut all = Vec::new();
    for (bound, bytes) in &blocks {
        let Some(bytes) = bytes else { continue };
        all.extend(keys_of_block(bound, bytes).expect("what was written can be read"));
    }
    assert!(all.iter().eq(&model), "a key was lost or invented");
}

/// Saved buckets: whatever the file says, none ever holds more than its quota.
pub fn saved_quotas(data: &[u8]) {
    let Ok(levels) = serde_json::from_slice::<Vec<SavedLevel>>(data) else { return };
    let clock: SharedClock = VirtualClock::starting_at("2026-01-15T12:00:00Z".parse().expect("a moment"));
    let pace = Pace::new(Arc::clone(&clock));
    let account = AccountName::new("shop").expect("a name");
    pace.set_quota(&account, "GetCharge", Quota::LIVE);
    for level in levels.iter().take(8) {
        pace.set_quota(&level.account, &level.operation, level.quota);
    }
    pace.restore(&levels, clock.now());
    for level in &levels {
        let Some(now) = pace.level(&level.account, &level.operation) else { continue };
        assert!(now.available <= now.burst, "{now:?}");
        let mut taken = 0;
        while taken <= 20 && pace.take(&level.account, &level.operation).is_ok() {
            taken += 1;
        }
        assert!(taken <= now.available, "{taken} taken of {now:?}");
    }
}
