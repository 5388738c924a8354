//! What the store reads from its own disk.

use std::sync::Arc;

use reconciled::apis::pace::{Pace, Quota, SavedLevel};
use reconciled::clock::{SharedClock, VirtualClock};
use reconciled::payments::object::AccountName;
use reconciled::store::bytes::{Piece, find_entry, rewritten, sealed};

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

/// The first byte chooses the piece; from 8 on, the bytes are the JSON of a row after a valid header.
pub fn pieces(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 13) else { return };
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
