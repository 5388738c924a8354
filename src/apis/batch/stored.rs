//! A batch as it is stored: what every API's batches tell without their account's client.
//!
//! Owns: the trait of a stored batch, and how it becomes JSON; the registry reads it again, because it knows whose
//! batches there are. Must never know: any provider, where the JSON is kept.

use std::any::Any;
use std::fmt;

use jiff::Timestamp;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;

use super::{Blocked, Ending, Row, Settlement, Trouble, Wish};
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Record;

/// What is stored about objects.
pub type Known<'a> = &'a (dyn Fn(&Kind, &ObjectId) -> Option<Record> + 'a);

/// What lies in files beside a batch whose rows do not stand in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Papers<'a> {
    /// What was sent.
    pub document: &'a [u8],
    /// The line of the input of each request.
    pub lines: &'a [u64],
    /// What came back, if it did.
    pub result: Option<&'a [u8]>,
}

/// One batch. Every change of it is a new value, which its driver stores.
pub trait Batch: Any + fmt::Debug + Send + Sync {
    /// The reference: derived from the content.
    fn reference(&self) -> &str;
    /// Where it stands, in a word of its own: `new`, `upload-sent`, `following`, ..., or how it ended.
    fn stage(&self) -> &'static str;
    /// When something is done next.
    fn next_at(&self) -> Option<Timestamp>;
    /// The last code that the provider answered.
    fn last_code(&self) -> Option<&str>;
    /// The provider's own id.
    fn provider_id(&self) -> Option<&str>;
    /// What binds the document to this record: the algorithm and its sum.
    fn document_sum(&self) -> (&'static str, &str);
    /// The name under which its document is kept.
    fn document_name(&self) -> String;
    /// How often it was sent, and how often it was processed, or may have been.
    fn sendings(&self) -> (u32, u32);
    /// Results that contradict the document.
    fn contradictions(&self) -> u32 {
        0
    }
    /// Rows whose result is odd though it can be believed.
    fn marks(&self) -> usize {
        0
    }
    /// Made by polling, not by a person.
    fn is_poll(&self) -> bool {
        false
    }
    /// Its turn has come: its deadlines run from now.
    fn begin(&mut self, now: Timestamp) {
        let _ = now;
    }
    /// What somebody should know about it now.
    fn trouble(&self, now: Timestamp) -> Option<Trouble>;
    /// How it ended, once it is settled.
    fn ending(&self) -> Option<Ending>;

    /// The rows that stand in it; none where they lie in files.
    fn rows(&self) -> Option<Vec<Row>> {
        None
    }
    /// The rows that stand in it as JSON lists of at most so many, to be stored apart from it.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    fn row_pieces(&self, most: usize) -> serde_json::Result<Option<Vec<String>>> {
        let _ = most;
        Ok(None)
    }
    /// Takes back the rows that were stored apart, in the same order.
    ///
    /// # Errors
    /// When a piece cannot be read.
    fn put_row_pieces(&mut self, pieces: &[String]) -> serde_json::Result<()> {
        let _ = pieces;
        Ok(())
    }
    /// Rows of a batch that is not settled, as its document tells them.
    ///
    /// # Errors
    /// When the document is not that of this batch.
    fn rows_of(&self, papers: &Papers<'_>) -> Result<Vec<Row>, Blocked> {
        let _ = papers;
        Ok(self.rows().unwrap_or_default())
    }

    /// What follows from a batch of which nothing more is sent.
    ///
    /// # Errors
    /// When the papers are not those of this batch.
    fn settle(&self, papers: &Papers<'_>, now: Timestamp) -> Result<Settlement, Blocked>;
    /// The object whose record tells what became of a row without a result.
    fn asked_about(&self, row: &Row) -> Option<(Kind, ObjectId)> {
        let _ = row;
        None
    }
    /// Concludes what single polls have brought about rows without a result; true when every row has its end.
    fn conclude(&self, rows: &mut [Row], known: Known<'_>, now: Timestamp) -> (Box<dyn Batch>, bool) {
        let _ = (rows, known, now);
        (self.copy(), true)
    }
    /// What an operator's wish makes of it. `others` are all other batches of all accounts.
    ///
    /// # Errors
    /// Why it cannot be granted now.
    fn grant(
        &self,
        wish: &Wish,
        others: &[&dyn Batch],
        now: Timestamp,
    ) -> Result<Box<dyn Batch>, &'static str>;

    /// The same once more.
    fn copy(&self) -> Box<dyn Batch>;
    /// As it is stored, without rows.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn json(&self) -> serde_json::Result<Value>;
}

/// A batch as the API that made it writes it.
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
