//! Work on a store that goes on meanwhile: backup, compaction, and how far each is.
//!
//! Owns: that others read and write while it is done. Must never know: what a row means.

pub(crate) mod backup;
pub(crate) mod compaction;
pub(crate) mod progress;
pub(crate) mod upkeep;
