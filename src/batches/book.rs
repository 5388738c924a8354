//! What is stored of each batch: durable, written before every step.
//!
//! Owns: names and shapes of what is remembered. Must never know: files, the network, which step is next.
//!
//! The rows stand apart from the batch, in pieces, so that a step writes a few hundred bytes and not all rows.
//! They are written first: rows that are newer than their batch are only asked about once more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BatchError;
use crate::apis::aps::batch::machine::{Batch, BatchRow, End, RowFate, Stage};
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
    /// How many rows it has.
    pub row_count: u64,
    /// How its rows stand.
    pub tally: Tally,
    /// Where it stands; without its rows where only batches are listed.
    pub batch: Batch,
}

/// How the rows of a batch stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Not come back.
    pub waiting: u64,
    /// Done as asked.
    pub done: u64,
    /// Refused: no money moved.
    pub declined: u64,
    /// Not decided; their orders are watched.
    pub open: u64,
    /// Never came back although processing was asked for; their orders are watched.
    pub unknown: u64,
}

impl Tally {
    /// Counts rows.
    pub fn of(rows: &[BatchRow]) -> Tally {
        let mut tally = Tally::default();
        for row in rows {
            let place = match row.fate {
                RowFate::Waiting => &mut tally.waiting,
                RowFate::Done(_) => &mut tally.done,
                RowFate::Declined(_) => &mut tally.declined,
                RowFate::Open(_) => &mut tally.open,
                RowFate::Unknown => &mut tally.unknown,
            };
            *place += 1;
        }
        tally
    }
}

impl Entry {
    /// A batch that was just submitted.
    pub fn new(account: AccountName, number: u64, batch: Batch, now: Timestamp) -> Entry {
        Entry {
            account,
            number,
            submitted_at: now,
            is_begun: false,
            is_folded: false,
            row_count: u64::try_from(batch.rows.len()).unwrap_or(u64::MAX),
            tally: Tally::of(&batch.rows),
            batch,
        }
    }

    /// Where it stands, in a word of its own: `new`, `upload-sent`, ..., or how it ended.
    pub fn stage(&self) -> &'static str {
        match self.batch.stage {
            Stage::New => "new",
            Stage::UploadSent => "upload-sent",
            Stage::Validating => "validating",
            Stage::Validated => "validated",
            Stage::ProcessSent => "process-sent",
            Stage::Processing => "processing",
            Stage::Ended(End::Finished) => "finished",
            Stage::Ended(End::Unanswered) => "unanswered",
            Stage::Ended(End::InvalidRows) => "invalid-rows",
            Stage::Ended(End::InvalidFile) => "invalid-file",
            Stage::Ended(End::ReferenceTaken) => "reference-taken",
            Stage::Ended(End::OtherRows) => "other-rows",
            Stage::Ended(End::Refused) => "refused",
            Stage::Ended(End::GivenUp) => "given-up",
        }
    }
}

/// The stored batches.
pub(super) struct Book {
    store: Store,
}

impl Book {
    pub(super) fn new(store: Store) -> Book {
        Book { store }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Writes a batch with its rows; returns when that is durable.
    pub(super) async fn write(&self, entry: &mut Entry) -> Result<(), BatchError> {
        entry.tally = Tally::of(&entry.batch.rows);
        for (piece, rows) in (0u64..).zip(entry.batch.rows.chunks(PIECE_ROWS)) {
            let text = text_of(&rows, &entry.batch.reference)?;
            self.store.remember(&rows_name(entry, Some(piece)), &text).await?;
        }
        let bare = Entry { batch: without_rows(&entry.batch), ..entry.clone() };
        let text = text_of(&bare, &entry.batch.reference)?;
        self.store.remember(&name(&entry.account, &entry.batch.reference), &text).await?;
        Ok(())
    }

    /// The batches of an account, or of all, in their order and without their rows.
    pub(super) async fn list(&self, account: Option<&AccountName>) -> Result<Vec<Entry>, BatchError> {
        let prefix = account.map_or_else(|| "batch/".to_owned(), |account| format!("batch/{account}/"));
        let stored = self.store.recall_all(&prefix).await?;
        let mut entries = Vec::with_capacity(stored.len());
        for (name, text) in stored {
            entries.push(read::<Entry>(&name, &text)?);
        }
        entries.sort_by(|one, other| (&one.account, one.number).cmp(&(&other.account, other.number)));
        Ok(entries)
    }

    /// A batch with its rows.
    pub(super) async fn find(
        &self,
        account: &AccountName,
        reference: &str,
    ) -> Result<Option<Entry>, BatchError> {
        let name = name(account, reference);
        let Some(text) = self.store.recall(&name).await? else { return Ok(None) };
        let mut entry: Entry = read(&name, &text)?;
        let mut pieces = Vec::new();
        let prefix = rows_name(&entry, None);
        for (name, text) in self.store.recall_all(&prefix).await? {
            let number = name.strip_prefix(&prefix).and_then(|number| number.parse::<u64>().ok());
            pieces.push((number, read::<Vec<BatchRow>>(&name, &text)?));
        }
        pieces.sort_by_key(|(number, _)| *number);
        entry.batch.rows = pieces.into_iter().flat_map(|(_, rows)| rows).collect();
        let found = u64::try_from(entry.batch.rows.len()).unwrap_or(u64::MAX);
        if found != entry.row_count {
            let what = format!("{found} of its {} rows are there", entry.row_count);
            return Err(BatchError::Unreadable { name, what });
        }
        Ok(Some(entry))
    }
}

fn name(account: &AccountName, reference: &str) -> String {
    format!("batch/{account}/{reference}")
}

fn rows_name(entry: &Entry, piece: Option<u64>) -> String {
    let piece = piece.map(|piece| piece.to_string()).unwrap_or_default();
    format!("batch-rows/{}/{}/{piece}", entry.account, entry.batch.reference)
}

fn without_rows(batch: &Batch) -> Batch {
    Batch {
        reference: batch.reference.clone(),
        batch_id: batch.batch_id.clone(),
        file_name: batch.file_name.clone(),
        file_sha256: batch.file_sha256.clone(),
        rows: Vec::new(),
        last_code: batch.last_code.clone(),
        ..*batch
    }
}

fn text_of<T: Serialize>(value: &T, reference: &str) -> Result<String, BatchError> {
    serde_json::to_string(value)
        .map_err(|error| BatchError::Unreadable { name: reference.to_owned(), what: error.to_string() })
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, BatchError> {
    serde_json::from_str(text)
        .map_err(|error| BatchError::Unreadable { name: name.to_owned(), what: error.to_string() })
}
