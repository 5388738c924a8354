//! What the writer knows without asking the index, which may be busy.
//!
//! Owns: copies of small rows that every group asks for, and who is surely not watched. Must never know: what a
//! row means, why it was written.
//!
//! Ids of new objects come in no order, so that each look for one that is not there reads another page. While
//! many are enrolled, a set of fingerprints of all that are there says "surely not" instead: it is filled from
//! the index in the background at the first large enrolment, and let go of when none comes any more.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::index::Writes;
use super::keys;
use super::types::StoreError;
use super::writer::{Engine, locked};

/// Sorts of rows that are kept.
const SORTS: [u8; 2] = [keys::COUNT, keys::REMEMBERED];
/// Rows that are kept: some 3 MB. Then it begins anew.
const ROWS_MOST: usize = 16_384;
/// Longer values are not kept: what is remembered may be whole pages.
const VALUE_BYTES_MOST: usize = 128;
/// Enrolments at a time from which on it is worth knowing who is not there.
pub(super) const MANY: usize = 100;
/// Rows that are read at a time while the set is filled.
const SLICE_ROWS: usize = 2_000;

/// A row, or that there is none.
type Row = Option<Vec<u8>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Kept {
    rows: Mutex<HashMap<Vec<u8>, Row>>,
    watched: Mutex<Watched>,
    hasher: RandomState,
}

/// Fingerprints of all records, open and finished.
#[derive(Debug, Default)]
enum Watched {
    /// Nobody asked.
    #[default]
    Unknown,
    /// Somebody did.
    Wanted,
    /// Those written since, and those read so far.
    Filling(HashSet<u64>),
    /// All; and whether it was of use since it was looked at last.
    All(HashSet<u64>, bool),
}

impl Kept {
    /// A row as it was acknowledged last, if it is kept.
    pub(super) fn row(&self, key: &[u8]) -> Option<Row> {
        if !is_kept(key) {
            return None;
        }
        locked(&self.rows).get(key).cloned()
    }

    /// Takes note of what a row is, to be asked by whoever writes next.
    pub(super) fn keep(&self, key: &[u8], row: &Row) {
        if !is_kept(key) {
            return;
        }
        let mut rows = locked(&self.rows);
        if row.as_ref().is_some_and(|bytes| bytes.len() > VALUE_BYTES_MOST) {
            rows.remove(key);
            return;
        }
        if rows.len() >= ROWS_MOST {
            rows.clear();
        }
        rows.insert(key.to_vec(), row.clone());
    }

    /// Takes note of a group that is acknowledged, before the next one begins.
    pub(super) fn take(&self, writes: &Writes) {
        for (key, row) in writes {
            self.keep(key, row);
        }
        if let Watched::Filling(all) | Watched::All(all, _) = &mut *locked(&self.watched) {
            all.extend(writes.keys().filter(|key| is_record(key)).map(|key| self.fingerprint(key)));
        }
    }

    /// Many enrolments are coming.
    pub(super) fn expect_many(&self) {
        match &mut *locked(&self.watched) {
            unknown @ Watched::Unknown => *unknown = Watched::Wanted,
            Watched::All(_, was_used) => *was_used = true,
            Watched::Wanted | Watched::Filling(_) => {}
        }
    }

    /// Whether there is surely no record, open or finished, with this key, but for what was not acknowledged yet.
    pub(super) fn is_absent(&self, record_key: &[u8]) -> bool {
        match &*locked(&self.watched) {
            Watched::All(all, _) => !all.contains(&self.fingerprint(record_key)),
            _ => false,
        }
    }

    /// Lets go of the set if nobody enrolled many since the last call.
    pub(super) fn rest(&self) {
        let mut watched = locked(&self.watched);
        match &mut *watched {
            Watched::All(_, was_used) if *was_used => *was_used = false,
            all @ Watched::All(..) => *all = Watched::Unknown,
            _ => {}
        }
    }

    /// Open and finished have the same behind their sort.
    fn fingerprint(&self, record_key: &[u8]) -> u64 {
        self.hasher.hash_one(record_key.get(1..).unwrap_or_default())
    }
}

fn is_kept(key: &[u8]) -> bool {
    key.first().is_some_and(|sort| SORTS.contains(sort))
}

fn is_record(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(keys::OPEN | keys::FINISHED)))
}

impl Engine {
    /// Fills the set in the background, if somebody wants it. To be called behind a group: what was acknowledged
    /// before is read from the index, what comes from now on is told to the set.
    pub(super) fn fill_if_wanted(self: &Arc<Self>) {
        {
            let mut watched = locked(&self.following.kept.watched);
            if !matches!(*watched, Watched::Wanted) {
                return;
            }
            *watched = Watched::Filling(HashSet::new());
        }
        let engine = Arc::downgrade(self);
        crate::blocking::run(move || {
            let Some(engine) = engine.upgrade() else { return };
            let filled = engine.fill();
            let mut watched = locked(&engine.following.kept.watched);
            if let Watched::Filling(all) = &mut *watched {
                // It only saves time: without it each is looked for.
                *watched = match filled {
                    Ok(()) => Watched::All(std::mem::take(all), true),
                    Err(_) => Watched::Unknown,
                };
            }
        });
    }

    fn fill(&self) -> Result<(), StoreError> {
        self.catch_up()?;
        for sort in [keys::OPEN, keys::FINISHED] {
            let mut after = vec![sort];
            while let Some(last) = self.fill_slice(sort, &after)? {
                after = last;
            }
        }
        Ok(())
    }

    /// The last key of the slice; none at the end.
    fn fill_slice(&self, sort: u8, after: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.is_leaving.load(Ordering::Relaxed) {
            return Err(StoreError::Closed);
        }
        let shared = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = shared.as_ref().ok_or(StoreError::Closed)?;
        let rows = index.range(Bound::Excluded(after.to_vec()), keys::after_prefix(&[sort])).take(SLICE_ROWS);
        let found: Vec<Vec<u8>> = rows.map(|row| row.map(|(key, _)| key)).collect::<Result<_, _>>()?;
        drop(shared);
        let kept = &self.following.kept;
        if let Watched::Filling(all) = &mut *locked(&kept.watched) {
            all.extend(found.iter().map(|key| kept.fingerprint(key)));
        }
        Ok(found.into_iter().next_back())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(rows: &[(&[u8], Option<&[u8]>)]) -> Writes {
        rows.iter().map(|(key, row)| (key.to_vec(), row.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn rows_of_some_sorts_are_known_as_they_were_written_last() {
        let kept = Kept::default();
        assert_eq!(kept.row(b"cone"), None);
        kept.keep(b"cone", &None);
        assert_eq!(kept.row(b"cone"), Some(None));
        kept.take(&writes(&[(b"cone", Some(b"1")), (b"rA", Some(b"x")), (b"kname", Some(b"y"))]));
        assert_eq!(kept.row(b"cone"), Some(Some(b"1".to_vec())));
        assert_eq!(kept.row(b"kname"), Some(Some(b"y".to_vec())));
        assert_eq!(kept.row(b"rA"), None, "records are too many");
        kept.take(&writes(&[(b"kname", Some(&[b'z'; VALUE_BYTES_MOST + 1]))]));
        assert_eq!(kept.row(b"kname"), None, "and so are long values, whatever was there before");
        for number in 0..ROWS_MOST * 2 {
            kept.keep(&[b"c".as_slice(), &number.to_le_bytes()].concat(), &None);
        }
        assert!(locked(&kept.rows).len() <= ROWS_MOST);
    }

    #[test]
    fn nobody_is_absent_before_all_are_known() {
        let kept = Kept::default();
        assert!(!kept.is_absent(b"rA"));
        kept.expect_many();
        assert!(matches!(*locked(&kept.watched), Watched::Wanted) && !kept.is_absent(b"rA"));
        *locked(&kept.watched) = Watched::Filling(HashSet::new());
        kept.take(&writes(&[(b"rA", Some(b"x")), (b"fB", Some(b"x")), (b"dC", Some(b""))]));
        assert!(!kept.is_absent(b"rD"));
        let Watched::Filling(all) = std::mem::take(&mut *locked(&kept.watched)) else { panic!("as set") };
        *locked(&kept.watched) = Watched::All(all, true);
        assert!(!kept.is_absent(b"rA") && !kept.is_absent(b"fA") && !kept.is_absent(b"rB"));
        assert!(kept.is_absent(b"rC") && kept.is_absent(b"rD"));
        kept.take(&writes(&[(b"rD", None)]));
        assert!(!kept.is_absent(b"rD"), "what was removed is looked for");
        kept.rest();
        assert!(kept.is_absent(b"rC"), "it was of use");
        kept.expect_many();
        kept.rest();
        assert!(kept.is_absent(b"rC"), "it was again");
        kept.rest();
        assert!(!kept.is_absent(b"rC"), "nobody needed it: it is gone");
    }
}
