//! A stored batch: what every API's batches can do without their account's client.
//!
//! Owns: the trait of a stored batch, and how it becomes JSON. The registry reads it back, because it knows all APIs.
//! Must never know: any provider, where the JSON is kept.

use std::any::Any;
use std::fmt;

use jiff::Timestamp;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;

use super::{Blocked, Ending, Row, Settlement, Trouble, Wish};
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Record;

/// Finds the stored record of an object.
pub type Known<'a> = &'a (dyn Fn(&Kind, &ObjectId) -> Option<Record> + 'a);

/// The files of a batch that does not hold its rows itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Papers<'a> {
    /// What was sent.
    pub document: &'a [u8],
    /// The input line of each request.
    pub lines: &'a [u64],
    /// The result, if it has arrived.
    pub result: Option<&'a [u8]>,
}

/// One batch. Every change creates a new value, which the caller stores.
pub trait Batch: Any + fmt::Debug + Send + Sync {
    /// The reference, derived from the content.
    fn reference(&self) -> &str;
    /// Its stage in one word: `new`, `upload-sent`, `following`, ..., or how it ended.
    fn stage(&self) -> &'static str;
    /// When the next step is due.
    fn next_at(&self) -> Option<Timestamp>;
    /// The last code in an answer of the provider.
    fn last_code(&self) -> Option<&str>;
    /// The provider's own id.
    fn provider_id(&self) -> Option<&str>;
    /// Ties the document to this record: the algorithm and the checksum.
    fn document_sum(&self) -> (&'static str, &str);
    /// The name under which its document is kept.
    fn document_name(&self) -> String;
    /// How often it was sent, and how often it was processed, or may have been.
    fn sendings(&self) -> (u32, u32);
    /// How many results contradict the document.
    fn contradictions(&self) -> u32 {
        0
    }
    /// How many rows have a result that is odd but valid.
    fn marks(&self) -> usize {
        0
    }
    /// Whether it was made for polling, not by a person.
    fn is_poll(&self) -> bool {
        false
    }
    /// Its turn has come: its deadlines start now.
    fn begin(&mut self, now: Timestamp) {
        let _ = now;
    }
    /// What somebody should know about it now.
    fn trouble(&self, now: Timestamp) -> Option<Trouble>;
    /// How it ended, once it is settled.
    fn ending(&self) -> Option<Ending>;

    /// The rows that it holds itself; none where they are in files.
    fn rows(&self) -> Option<Vec<Row>> {
        None
    }
    /// The rows that it holds itself, as JSON lists of at most `most` rows, to be stored separately.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    fn row_pieces(&self, most: usize) -> serde_json::Result<Option<Vec<String>>> {
        let _ = most;
        Ok(None)
    }
    /// Restores the rows that were stored separately, in the same order.
    ///
    /// # Errors
    /// When a piece cannot be read.
    fn put_row_pieces(&mut self, pieces: &[String]) -> serde_json::Result<()> {
        let _ = pieces;
        Ok(())
    }
    /// The rows of a batch that is not settled, read from its document.
    ///
    /// # Errors
    /// When the document does not belong to this batch.
    fn rows_of(&self, papers: &Papers<'_>) -> Result<Vec<Row>, Blocked> {
        let _ = papers;
        Ok(self.rows().unwrap_or_default())
    }

    /// What follows once nothing more of the batch is sent.
    ///
    /// # Errors
    /// When the papers do not belong to this batch.
    fn settle(&self, papers: &Papers<'_>, now: Timestamp) -> Result<Settlement, Blocked>;
    /// The object whose record shows the outcome of a row without a result.
    fn asked_about(&self, row: &Row) -> Option<(Kind, ObjectId)> {
        let _ = row;
        None
    }
    /// Applies what single polls have found about rows without a result. True when every row has its final outcome.
    fn conclude(&self, rows: &mut [Row], known: Known<'_>, now: Timestamp) -> (Box<dyn Batch>, bool) {
        let _ = (rows, known, now);
        (self.copy(), true)
    }
    /// The batch after an operator's request. `others` are all other batches of all accounts.
    ///
    /// # Errors
    /// Why the request cannot be carried out now.
    fn grant(
        &self,
        wish: &Wish,
        others: &[&dyn Batch],
        now: Timestamp,
    ) -> Result<Box<dyn Batch>, &'static str>;

    /// A copy of the batch.
    fn copy(&self) -> Box<dyn Batch>;
    /// The batch as it is stored, without rows.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn json(&self) -> serde_json::Result<Value>;
}

/// A batch in the type of the API that made it.
///
/// # Errors
/// When that was another API.
pub fn own<T: Batch>(batch: &dyn Batch) -> Result<&T, Blocked> {
    let any: &dyn Any = batch;
    any.downcast_ref().ok_or_else(|| Blocked::other_api(&format!("batch {}", batch.reference())))
}

impl Clone for Box<dyn Batch> {
    fn clone(&self) -> Box<dyn Batch> {
        self.copy()
    }
}

impl Serialize for dyn Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().map_err(S::Error::custom)?.serialize(serializer)
    }
}
