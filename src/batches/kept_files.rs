//! The files of a batch beside its document: line numbers of the input, the result as received, its rows.
//!
//! Owns: their names and formats. Must never know: the content of a document or a result.

use super::entry::Entry;
use super::{BatchError, Batches};
use crate::apis::batch::{Papers, Row};
use crate::blocking;
use crate::payments::object::AccountName;

/// The input line number of each request.
pub(super) const LINES: &str = "lines";
/// The result, byte for byte.
pub(super) const RESULT: &str = "result";
/// The outcome of each request, one JSON object per line. Kept when everything else is pruned.
pub(super) const ROWS: &str = "rows";

/// The name of such a file.
pub(super) fn file_name(reference: &str, kind: &str) -> String {
    format!("{reference}.{kind}")
}

impl Batches {
    /// The rows of a batch, as far as known.
    pub(super) async fn rows(&self, entry: &Entry) -> Result<Vec<Row>, BatchError> {
        if let Some(rows) = entry.batch.rows() {
            return Ok(rows);
        }
        let name = file_name(entry.reference(), ROWS);
        if let Some(bytes) = self.archive.bytes_if_there(&entry.account, &name).await? {
            return blocking::run(move || read_rows(&name, &bytes)).await?;
        }
        let document = self.archive.bytes(&entry.account, &entry.batch.document_name()).await?;
        let (batch, lines) = (entry.batch.clone(), self.lines(entry).await?);
        let unreadable = BatchError::unreadable(entry.reference());
        blocking::run(move || batch.rows_of(&Papers { document: &document, lines: &lines, result: None }))
            .await?
            .map_err(|blocked| unreadable(blocked.why))
    }

    /// Keeps the outcome of each row.
    pub(super) async fn keep_rows(&self, entry: &Entry, rows: Vec<Row>) -> Result<(), BatchError> {
        let unreadable = BatchError::unreadable(entry.reference());
        let text = blocking::run(move || {
            let mut text = Vec::new();
            for row in &rows {
                serde_json::to_writer(&mut text, row)?;
                text.push(b'\n');
            }
            Ok(text)
        });
        let text = text.await?.map_err(|error: serde_json::Error| unreadable(error.to_string()))?;
        Ok(self.archive.keep(&entry.account, &file_name(entry.reference(), ROWS), text).await?)
    }

    /// The input line numbers of a batch whose rows are in files.
    pub(super) async fn lines(&self, entry: &Entry) -> Result<Vec<u64>, BatchError> {
        let name = file_name(entry.reference(), LINES);
        let bytes = self.archive.bytes(&entry.account, &name).await?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Result<Vec<u64>, _> = text.lines().map(str::parse).collect();
        lines.map_err(|error| BatchError::Unreadable { name, what: error.to_string() })
    }

    /// Removes the sent and received files of batches that ended before `ended_before`, for the chosen accounts. Their
    /// batches must not change meanwhile. The rows stay: exports are made from them, and they hold neither tokens nor
    /// notes. The record stays too, so that the same rows are recognized when they are submitted again.
    ///
    /// # Errors
    /// When the store or the folder fails. The next run continues.
    pub async fn prune(
        &self,
        ended_before: jiff::Timestamp,
        is_chosen: impl Fn(&AccountName) -> bool,
    ) -> Result<u64, BatchError> {
        let mut pruned = 0;
        for mut entry in self.stored.list(None).await? {
            let ended_at = entry.ended_at.unwrap_or(entry.submitted_at);
            if !is_chosen(&entry.account) || !entry.is_folded || entry.is_pruned || ended_at >= ended_before {
                continue;
            }
            let reference = entry.reference().to_owned();
            for name in
                [entry.batch.document_name(), file_name(&reference, RESULT), file_name(&reference, LINES)]
            {
                self.archive.remove(&entry.account, &name).await?;
            }
            entry.is_pruned = true;
            self.stored.write_bare(&entry).await?;
            pruned += 1;
        }
        Ok(pruned)
    }
}

fn read_rows(name: &str, bytes: &[u8]) -> Result<Vec<Row>, BatchError> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows: Result<Vec<Row>, _> = lines.map(serde_json::from_slice).collect();
    rows.map_err(|error| BatchError::Unreadable { name: name.to_owned(), what: error.to_string() })
}
