//! Many rows in one write, the keys of the ordered sets among them put into their blocks.
//!
//! Owns: which blocks a batch changes. Must never know: what a row means, how readers see a block.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::packed::{self, Change};
use super::rows::Pair;
use super::{Index, StoreError, guarded, is_packed, unpacked};

/// Rows of a batch from which on it is worth a second thread.
const ROWS_WORTH_A_HELPER: usize = 1_000;

#[derive(Default)]
struct Batch {
    rows: sled::Batch,
    bytes: u64,
}

impl Batch {
    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        match value {
            Some(value) => self.rows.insert(key, value),
            None => self.rows.remove(key),
        }
    }
}

impl Index {
    /// Writes all or nothing, for readers and for crashes alike (not for power cuts: the journal is).
    pub(in crate::store) fn apply<'a>(
        &self,
        writes: impl IntoIterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let (mut changes, mut rows) = (Vec::new(), Vec::new());
        for (key, value) in writes {
            match is_packed(key) {
                true => changes.push(Change { key, is_in: value.is_some() }),
                false => {
                    rows.push(key.as_slice());
                    batch.put(key.as_slice(), value.as_deref());
                }
            }
        }
        changes.sort_unstable_by_key(|change| change.key);
        if rows.len() < ROWS_WORTH_A_HELPER {
            self.pack(&changes, &mut batch)?;
        } else {
            self.pack_while_read_ahead(&changes, &rows, &mut batch)?;
        }
        self.written_bytes.fetch_add(batch.bytes, Ordering::Relaxed);
        guarded(|| self.tree.apply_batch(batch.rows))
    }

    /// Makes the blocks while a second thread brings the pages of `rows` into the engine's memory: writing a batch
    /// takes one thread, and of a large index it spends a third of its time on reading pages.
    fn pack_while_read_ahead(
        &self,
        changes: &[Change<'_>],
        rows: &[&[u8]],
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let next = AtomicUsize::new(0);
        let read_ahead = || {
            while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                // Nobody waits for it: whatever is wrong with the page is met again by whoever writes it.
                let _ = guarded(|| self.tree.get(row));
            }
        };
        std::thread::scope(|scope| {
            // Without a second thread it only takes longer.
            let helper = std::thread::Builder::new().name("store-ahead".to_owned());
            let is_helped = helper.spawn_scoped(scope, read_ahead).is_ok();
            self.pack(changes, batch)?;
            if is_helped {
                read_ahead();
            }
            Ok(())
        })
    }

    /// Adds to `batch` the blocks as they are once `changes`, which are in order, are made.
    fn pack(&self, mut changes: &[Change<'_>], batch: &mut Batch) -> Result<(), StoreError> {
        let mut known = None;
        while let Some(first) = changes.first() {
            let block = match known.take() {
                Some(block) => block,
                None => self.block_of(first.key)?,
            };
            let (bound, keys) = match &block {
                Some((bound, bytes)) => (bound.clone(), unpacked(bound, bytes)?),
                None => (vec![first.key[0]], Vec::new()),
            };
            // In a large index nearly every change has a block of its own: then the next one's is looked for, and
            // where this one ends need not be.
            let number = match changes.get(1) {
                None => 1,
                Some(second) => {
                    let of_second = self.block_of(second.key)?;
                    let bound_of = |block: &Option<Pair>| block.as_ref().map(|(bound, _)| bound.clone());
                    let is_same = bound_of(&of_second) == bound_of(&block);
                    if is_same && second.key.first() == first.key.first() {
                        self.within(&bound, changes)?
                    } else {
                        known = Some(of_second);
                        1
                    }
                }
            };
            let (here, behind) = changes.split_at(number);
            for block in packed::changed(&bound, keys, here) {
                batch.put(&block.bound, block.bytes.as_deref());
            }
            changes = behind;
        }
        Ok(())
    }

    /// How many of the changes belong to the block of this bound, to which the first does.
    fn within(&self, bound: &[u8], changes: &[Change<'_>]) -> Result<usize, StoreError> {
        let next = guarded(|| self.tree.get_gt(bound))?.map(|(next, _)| next);
        let is_here = |change: &Change<'_>| {
            change.key.first() == bound.first() && next.as_ref().is_none_or(|next| change.key < next.as_ref())
        };
        Ok(changes.partition_point(is_here))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Writes;
    use super::*;

    #[test]
    fn large_batches_come_out_as_small_ones_do() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        let number_of_rows = ROWS_WORTH_A_HELPER * 2;
        let key =
            |sort: char, number: usize| format!("{sort}{:04}", number * 7 % number_of_rows).into_bytes();
        for round in ["one", "two"] {
            let rows = (0..number_of_rows).map(|number| (key('r', number), Some(round.as_bytes().to_vec())));
            // Each is in the set in one of both rounds.
            let is_in = |number: usize| number.is_multiple_of(2) == (round == "one");
            let set = (0..number_of_rows).map(|number| (key('d', number), is_in(number).then(Vec::new)));
            index.apply(&rows.chain(set).collect::<Writes>()).unwrap();
            let seen: Vec<_> = index.prefix(b"r").map(Result::unwrap).collect();
            assert_eq!(seen.len(), number_of_rows);
            assert!(seen.iter().all(|(_, value)| value == round.as_bytes()));
            let mut expected: Vec<_> =
                (0..number_of_rows).filter(|number| is_in(*number)).map(|number| key('d', number)).collect();
            expected.sort();
            assert_eq!(index.prefix(b"d").map(|row| row.unwrap().0).collect::<Vec<_>>(), expected);
        }
    }
}
