//! What the store holds of each batch: written durably before every step.
//!
//! Owns: names and shapes of the stored documents. Must never know: files, the network, which step is next.
//!
//! Rows that belong to the batch itself are stored separately, in pieces, so that listing batches does not read all
//! rows. The rows are written first: if they are newer than their batch, the only cost is one more poll. The rows of
//! other batches are in files.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BatchError;
use crate::apis::batch::{Batch, Tally};
use crate::apis::registry::read_batch;
use crate::documents::{self, Document, Documents};
use crate::payments::object::AccountName;
use crate::store::Store;

/// Rows stored under one name.
const PIECE_ROWS: usize = 1_000;

/// One batch of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// The account that it belongs to.
    pub account: AccountName,
    /// Its place among the account's batches, which are sent in this order.
    pub number: u64,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Its turn has come, and its deadlines are running.
    pub is_begun: bool,
    /// It ended, and everything that follows from its rows is done.
    pub is_folded: bool,
    /// When that happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The sent and received files are no longer kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pruned: bool,
    /// How many rows it has.
    pub row_count: u64,
    /// How many rows are in each state.
    pub tally: Tally,
    /// Its state; without its rows where batches are only listed.
    #[serde(deserialize_with = "read_batch")]
    pub batch: Box<dyn Batch>,
}

impl Entry {
    /// A batch that was just submitted.
    pub fn new(
        account: AccountName,
        number: u64,
        batch: Box<dyn Batch>,
        row_count: u64,
        now: Timestamp,
    ) -> Entry {
        Entry {
            account,
            number,
            submitted_at: now,
            is_begun: false,
            is_folded: false,
            ended_at: None,
            is_pruned: false,
            row_count,
            tally: Tally { waiting: row_count, ..Tally::default() },
            batch,
        }
    }

    /// Its stage in one word: `new`, `upload-sent`, ..., or how it ended.
    pub fn stage(&self) -> &'static str {
        self.batch.stage()
    }

    /// Its reference.
    pub fn reference(&self) -> &str {
        self.batch.reference()
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.batch.ending().is_some()
    }
}

impl Document for Entry {
    const TYPE: &'static str = "batch";

    fn name(&self) -> String {
        name(&self.account, self.reference())
    }
}

/// The stored batches.
pub(super) struct StoredBatches {
    entries: Documents<Entry>,
}

impl StoredBatches {
    pub(super) fn new(store: Store) -> StoredBatches {
        StoredBatches { entries: Documents::new(store) }
    }

    pub(super) fn store(&self) -> &Store {
        self.entries.store()
    }

    /// Writes a batch and the rows that belong to it; returns once both are durable.
    pub(super) async fn write(&self, entry: &mut Entry) -> Result<(), BatchError> {
        let unreadable = BatchError::unreadable(entry.reference());
        let pieces = entry.batch.row_pieces(PIECE_ROWS).map_err(|error| unreadable(error.to_string()))?;
        if let Some(pieces) = pieces {
            let rows = entry.batch.rows().unwrap_or_default();
            entry.tally = Tally::of(rows.iter().map(|row| row.fate));
            for (piece, text) in (0u64..).zip(pieces) {
                self.store().remember(&rows_name(entry, Some(piece)), &text).await?;
            }
        }
        self.write_bare(entry).await
    }

    /// Writes a batch without its rows, which stay as they are.
    pub(super) async fn write_bare(&self, entry: &Entry) -> Result<(), BatchError> {
        Ok(self.entries.write(entry).await?)
    }

    /// The batches of an account, or of all accounts, in order and without their rows.
    pub(super) async fn list(&self, account: Option<&AccountName>) -> Result<Vec<Entry>, BatchError> {
        let beginning = account.map_or_else(String::new, |account| format!("{account}/"));
        let mut entries = self.entries.list(&beginning).await?;
        entries.sort_by(|one, other| (&one.account, one.number).cmp(&(&other.account, other.number)));
        Ok(entries)
    }

    /// A batch with the rows that belong to it.
    pub(super) async fn find(
        &self,
        account: &AccountName,
        reference: &str,
    ) -> Result<Option<Entry>, BatchError> {
        let name = name(account, reference);
        let Some(mut entry) = self.entries.find(&name).await? else { return Ok(None) };
        let prefix = rows_name(&entry, None);
        if entry.batch.rows().is_none() {
            return Ok(Some(entry));
        }
        let mut pieces = Vec::new();
        for (name, text) in self.store().recall_all(&prefix).await? {
            let number = name.strip_prefix(&prefix).and_then(|number| number.parse::<u64>().ok());
            pieces.push((number, text));
        }
        pieces.sort_by_key(|(number, _)| *number);
        let pieces: Vec<String> = pieces.into_iter().map(|(_, text)| text).collect();
        let unreadable = BatchError::unreadable(&prefix);
        entry.batch.put_row_pieces(&pieces).map_err(|error| unreadable(error.to_string()))?;
        let found = entry.batch.rows().map_or(0, |rows| rows.len());
        if u64::try_from(found).unwrap_or(u64::MAX) != entry.row_count {
            let what = format!("{found} of its {} rows were found", entry.row_count);
            return Err(BatchError::Unreadable { name, what });
        }
        Ok(Some(entry))
    }

    /// Durably reserves `count` consecutive numbers that were never issued before, and returns the first. They start
    /// no lower than the current time in seconds, so that none is issued again even after the store is lost.
    pub(super) async fn numbers(&self, counter: &str, count: u64, now: Timestamp) -> Result<u64, BatchError> {
        let name = format!("batch-numbers/{counter}");
        let next = documents::read(self.store(), &name).await?.unwrap_or(1);
        let first = u64::try_from(now.as_second()).unwrap_or(1).max(next);
        documents::write(self.store(), &name, &first.saturating_add(count)).await?;
        Ok(first)
    }
}

fn name(account: &AccountName, reference: &str) -> String {
    format!("{account}/{reference}")
}

fn rows_name(entry: &Entry, piece: Option<u64>) -> String {
    let piece = piece.map(|piece| piece.to_string()).unwrap_or_default();
    format!("batch-rows/{}/{}/{piece}", entry.account, entry.reference())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exactly as the first version wrote it.
    const OF_OLD: &str = r#"{"account":"pay","number":1,"submitted_at":"2027-01-15T06:00:00Z","is_begun":true,
        "is_folded":false,"row_count":4,"tally":{"waiting":4,"done":0,"declined":0,"open":0,"unknown":0},
        "batch":{"reference":"rcd-0123456789abcdef","batch_id":null,"file_name":"rcd-0123456789abcdef.csv",
        "file_sha256":"aa","rows":[],"stage":"upload-sent","uploads":1,"processes":0,"looks":0,"absences":0,
        "next_at":"2027-01-15T06:00:15Z","awaited_since":"2027-01-15T06:00:00Z","last_code":null,
        "contradictions":0}}"#;

    #[test]
    fn batches_stored_of_old_stay_readable_and_keep_their_shape() {
        let entry: Entry = serde_json::from_str(OF_OLD).unwrap();
        assert!(entry.batch.rows().is_some());
        assert_eq!((entry.stage(), entry.ended_at, entry.is_pruned), ("upload-sent", None, false));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&serde_json::to_string(&entry).unwrap()), value(OF_OLD));
    }
}
