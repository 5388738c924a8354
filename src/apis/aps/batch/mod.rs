//! Batches: a file of operations that is uploaded, validated, processed and followed row by row
//! (docs/src/reference/aps.md, sections 2 and 3).
//!
//! Owns: what a file may contain, how it is written, what the provider's answers mean for it, and which
//! step is next. Must never know: the network, the store, the current time (it is an argument).
//!
//! The path of a batch: [`input::read`] checks what the operator wrote, [`file::plan`] turns it into one or more
//! files, a [`machine::Batch`] follows each file. `Batch::next_step` says what to do, `Batch::marked`
//! is what must be stored *before* it is done, `Batch::took` is the batch after the reply.

pub mod answer;
pub mod file;
pub mod input;
mod lines;
pub mod machine;
pub mod multipart;
pub mod request;
pub mod results;
pub mod row;
pub(in crate::apis) mod serving;

pub use super::column;
pub use super::rules::Rules;
