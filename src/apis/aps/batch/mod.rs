//! Batches: a file of operations that is uploaded, validated, processed and followed row by row
//! (docs/src/reference/aps.md, sections 2 and 3).
//!
//! Owns: what may stand in a file, how it is written, what the provider's answers mean for it, and which
//! step is next. Must never know: the network, the store, the present time (it is an argument).
//!
//! A batch takes this way: [`input::read`] checks what the operator wrote, [`file::plan`] makes one or more
//! files of it, a [`machine::Batch`] follows each file. `Batch::next_step` says what to do, `Batch::marked`
//! is what must be stored *before* it is done, `Batch::took` is what the reply makes of it.

pub mod answer;
pub mod column;
pub mod file;
pub mod input;
mod lines;
pub mod machine;
pub mod multipart;
pub mod request;
pub mod results;
pub mod row;
pub(in crate::apis) mod serving;

/// How an account wants its batches written and followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The header's words.
    pub columns: column::ColumnMap,
    /// How amounts are written in the input.
    pub amounts: file::AmountForm,
    /// The most rows of one file, if there is a limit (the provider names none; section 2.2).
    pub longest_file_rows: Option<usize>,
    /// Whether the file's bytes are part of what is signed (section 4.1: not known, provisionally no).
    pub is_file_signed: bool,
    /// Waits and deadlines.
    pub patience: machine::Patience,
}
