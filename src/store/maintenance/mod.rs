//! Work on a store that stays in use meanwhile: backup, compaction, and their progress.
//!
//! Owns: that others can read and write during this work. Must never know: what a row means.

pub(crate) mod backup;
pub(crate) mod compaction;
pub(crate) mod progress;
pub(crate) mod upkeep;
