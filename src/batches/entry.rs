//! What is stored of each batch: durable, written before every step.
//!
//! Owns: names and shapes of what is remembered. Must never know: files, the network, which step is next.
//!
//! The rows of a file stand apart from the batch, in pieces, so that a step writes a few hundred bytes and not all
//! rows. They are written first: rows that are newer than their batch are only asked about once more. The rows of
//! a feed lie in files.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BatchError;
use crate::apis::aps::batch::machine::BatchRow;
use crate::apis::batch::{Batch, Tally};
use crate::documents::{self, Document, Documents};
use crate::payments::object::AccountName;
use crate::store::Store;

/// Rows that are remembered under one name.
const PIECE_ROWS: usize = 1_000;

/// One batch of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose.
    pub account: AccountName,
    /// Its place among the account's batches: the order in which they are sent.
    pub number: u64,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Its turn has come: its deadlines run.
    pub is_begun: bool,
    /// It ended, and all that follows from its rows is done.
    pub is_folded: bool,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What was sent and received is not kept any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pruned: bool,
    /// How many rows it has.
    pub row_count: u64,
    /// How its rows stand.
    pub tally: Tally,
    /// Where it stands; without its rows where only batches are listed.
    pub batch: Batch,
}

impl Entry {
    /// A batch that was just submitted.
    pub fn new(account: AccountName, number: u64, batch: Batch, row_count: u64, now: Timestamp) -> Entry {
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

    /// Where it stands, in a word of its own: `new`, `upload-sent`, ..., or how it ended.
    pub fn stage(&self) -> &'static str {
        self.batch.stage()
    }

    /// Its reference.
    pub fn reference(&self) -> &str {
        self.batch.reference()
    }

    /// Nothing more is done for it.
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

    /// Writes a batch, with the rows that stand in it; returns when that is durable.
    pub(super) async fn write(&self, entry: &mut Entry) -> Result<(), BatchError> {
        let bare = match &entry.batch {
            Batch::File(batch) => {
                entry.tally = Tally::of(batch.rows.iter().map(|row| row.shown().fate));
                for (piece, rows) in (0u64..).zip(batch.rows.chunks(PIECE_ROWS)) {
                    documents::write(self.store(), &rows_name(entry, Some(piece)), &rows).await?;
                }
                Batch::File(batch.without_rows())
            }
            Batch::Feed(batch) => Batch::Feed(batch.clone()),
        };
        self.write_bare(&Entry { batch: bare, ..entry.clone() }).await
    }

    /// Writes a batch as a list shows it; its rows stay as they are.
    pub(super) async fn write_bare(&self, entry: &Entry) -> Result<(), BatchError> {
        Ok(self.entries.write(entry).await?)
    }

    /// The batches of an account, or of all, in their order and without their rows.
    pub(super) async fn list(&self, account: Option<&AccountName>) -> Result<Vec<Entry>, BatchError> {
        let beginning = account.map_or_else(String::new, |account| format!("{account}/"));
        let mut entries = self.entries.list(&beginning).await?;
        entries.sort_by(|one, other| (&one.account, one.number).cmp(&(&other.account, other.number)));
        Ok(entries)
    }

    /// A batch with the rows that stand in it.
    pub(super) async fn find(
        &self,
        account: &AccountName,
        reference: &str,
    ) -> Result<Option<Entry>, BatchError> {
        let name = name(account, reference);
        let Some(mut entry) = self.entries.find(&name).await? else { return Ok(None) };
        let prefix = rows_name(&entry, None);
        if let Batch::File(batch) = &mut entry.batch {
            let mut pieces = Vec::new();
            for (name, rows) in documents::read_all::<Vec<BatchRow>>(self.store(), &prefix).await? {
                let number = name.strip_prefix(&prefix).and_then(|number| number.parse::<u64>().ok());
                pieces.push((number, rows));
            }
            pieces.sort_by_key(|(number, _)| *number);
            batch.rows = pieces.into_iter().flat_map(|(_, rows)| rows).collect();
            let found = u64::try_from(batch.rows.len()).unwrap_or(u64::MAX);
            if found != entry.row_count {
                let what = format!("{found} of its {} rows are there", entry.row_count);
                return Err(BatchError::Unreadable { name, what });
            }
        }
        Ok(Some(entry))
    }

    /// So many numbers in a row that were never given out before, durably taken. They begin no lower than the
    /// present second, so that even a lost store gives none out again.
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

    /// Letter for letter as the first version wrote it.
    const OF_OLD: &str = r#"{"account":"pay","number":1,"submitted_at":"2027-01-15T06:00:00Z","is_begun":true,
        "is_folded":false,"row_count":4,"tally":{"waiting":4,"done":0,"declined":0,"open":0,"unknown":0},
        "batch":{"reference":"rcd-0123456789abcdef","batch_id":null,"file_name":"rcd-0123456789abcdef.csv",
        "file_sha256":"aa","rows":[],"stage":"upload-sent","uploads":1,"processes":0,"looks":0,"absences":0,
        "next_at":"2027-01-15T06:00:15Z","awaited_since":"2027-01-15T06:00:00Z","last_code":null,
        "contradictions":0}}"#;

    #[test]
    fn batches_stored_of_old_stay_readable_and_keep_their_shape() {
        let entry: Entry = serde_json::from_str(OF_OLD).unwrap();
        assert!(matches!(entry.batch, Batch::File(_)));
        assert_eq!((entry.stage(), entry.ended_at, entry.is_pruned), ("upload-sent", None, false));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&serde_json::to_string(&entry).unwrap()), value(OF_OLD));
    }
}
